# Payloads of large bodies are what the server makes of them: while one is written, the memory of its text
# is given back, in an order that the names of members decide.
use strict;
use warnings;
use Intake;
use PostgreSQL::Test::Utils;
use Test::More;

use constant LARGE => 1 << 20; # bytes; so much is given back at once

my $node = new_server('payloads', 'pg_intake.executors' => 1, autovacuum => 'off');
my $url = start_shim($node);
$node->safe_psql('postgres', q{
	CREATE TABLE seen (name text, same boolean, bytes int);
	CREATE FUNCTION look(job intake.job) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		INSERT INTO seen VALUES (job.key, job.payload = convert_from(job.body, 'UTF8')::jsonb, octet_length(job.body));
	END $$;
	SELECT intake.create_source('any', 'none', verified => 'none', missing_key => 'digest', key_from => 'header:x-id');
	SELECT intake.create_workflow('look', 'look(intake.job)'::regprocedure, source => 'any', max_attempts => 1)});

srand 46;
my @names = ('a', 'b', 'zz', 'yy', 'ccc', 'd\u0041', "\xc3\xa9", '', 'x' x 300);

sub scalar_of
{
	my $kind = int rand 6;
	return $kind == 0 ? int rand 1000 : $kind == 1 ? sprintf('%.9fe%d', rand(), rand 20) : $kind == 2 ? 'null' : $kind == 3 ? 'true'
		: '"' . join('', map { ('what', ' is ', '\n', '\u00e9', 'written', chr(97 + rand 26)) [ rand 6 ] } 1 .. rand 20) . '"';
}

# JSON of about so many bytes, wide or deep.
sub json_of
{
	my ($bytes, $depth) = @_;
	return scalar_of() if $bytes < 30 || $depth > 6;
	my $members = rand() < 0.5;
	my $part = rand() < 0.5 ? $bytes / (1 + int rand 5) : 5 + rand 300;
	my @elements;
	for (my $left = $bytes; $left > 0;)
	{
		my $element = json_of(rand() < 0.1 ? 5 : $part > $left ? $left : $part, $depth + 1);
		$left -= length($element) + 2;
		# Names that come again, too: the last one counts.
		$element = '"' . (@elements % 3 ? $names[rand @names] : 'n' . int rand 1e6) . '": ' . $element if $members;
		push @elements, $element;
	}
	my $space = ' ' x rand 3;
	return ($members ? '{' : '[') . $space . join(",$space", @elements) . $space . ($members ? '}' : ']');
}

sub numbers { return '[' . join(',', map { int rand 1e6 } 1 .. $_[0] / 7) . ']' }

my %bodies = (
	numbers => numbers(4 * LARGE),
	members => '{' . join(',', map { qq("$_":) . numbers(1.2 * LARGE) } qw(zzz b ccc a b dd)) . ',"e":[]}',
	objects => '[' . join(',', map { qq({"b":1,"aaa":[{"x":) . numbers(1.5 * LARGE) . qq(,"w":) . numbers(1.5 * LARGE) . '}],"a":' . numbers(LARGE / 2) . '}' } 1 .. 3) . ']',
	inside => '{"z":{"y":{"b":' . numbers(2 * LARGE) . ',"a":' . numbers(2 * LARGE) . '},"x":[1,2]},"a":{"a":' . numbers(LARGE) . '}}',
	text => '{"text":"' . 'written \n' x (LARGE / 4) . '","rest":' . numbers(2 * LARGE) . '}',
	map { ("random $_" => json_of((2 + rand 4) * LARGE, 0)) } 1 .. 15);

for my $name (sort keys %bodies)
{
	my $answer = post("$url/webhooks/any", $bodies{$name}, { 'X-Id' => $name });
	is($answer->{status}, 200, "$name: accepted") or diag length $bodies{$name};
}
wait_for_sql($node, 'SELECT count(*) = 0 FROM intake.jobs WHERE state NOT IN (\'done\', \'dead\')');
is($node->safe_psql('postgres', 'SELECT count(*) FROM intake.dead_letters'), 0, 'every payload was made and compared');
is($node->safe_psql('postgres', 'SELECT string_agg(name, $$, $$) FROM seen WHERE same IS NOT TRUE'), '', 'each is what the server makes');
is($node->safe_psql('postgres', 'SELECT count(*) FROM seen'), scalar keys %bodies, 'all of them');
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM seen WHERE bytes > 1.5 * 1024 * 1024'), '>', 10, 'most of them are large');

$node->stop;
done_testing();
