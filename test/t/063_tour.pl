# The README's agent does what the README says: a message from WhatsApp arrives, a model is asked, a wrong answer
# is asked for again with the reason, a person approves at a URL, the reply goes to another API, and what it
# has cost is a SELECT. Its blocks run as they are: the courier has a proxy behind which both APIs are.
use strict;
use warnings;
use FindBin;
use Intake;
use IPC::Open2;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'there is no python3' if system('python3 -c "import http.server, ssl"') != 0;

require './test/bin/blocks.pl';
my $dir = PostgreSQL::Test::Utils::tempdir;
my $node = new_server('tour');
$node->safe_psql('postgres', "CREATE DATABASE app; CREATE ROLE courier LOGIN");
my $sql = sub { return $node->safe_psql('app', $_[0]) };
$sql->("CREATE EXTENSION pg_intake CASCADE; SELECT intake.grant_access('gateway', 'gateway'), intake.grant_access('courier', 'courier')");
my $url = start_shim($node, '--dsn', $node->connstr('app') . ' user=gateway');

my @processes;
END
{
	my $status = $?;
	kill 'KILL', @processes;
	$? = $status;
}

# Both APIs, with a certificate for their names.
system_log(qw(openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=tour -addext),
	'subjectAltName=DNS:api.openai.com,DNS:graph.facebook.com', '-keyout', "$dir/key", '-out', "$dir/certificate") == 0 or die 'openssl';
push @processes, open2(my $from, my $to, 'python3', "$FindBin::RealBin/../tour_http.py", "$dir/certificate", "$dir/key", "$dir/asked");
chomp(my $port = readline $from);

my $courier = fork // die "fork: $!";
if ($courier == 0)
{
	open STDERR, '>', "$dir/courier.log" or die;
	exec $ENV{INTAKE_COURIER}, '--dsn', $node->connstr('app') . ' user=courier', '--proxy', "http://127.0.0.1:$port", '--ca-file', "$dir/certificate";
	die "exec: $!";
}
push @processes, $courier;

# Runs the next block of the tour; returns what it prints.
my @blocks = grep { $_->{tag} eq 'agent' } read_blocks('README.md');
my %programs = (sql => [ 'psql', '-X', '-q', '-P', 'footer=off', '-v', 'ON_ERROR_STOP=1', '-f', '-' ], sh => [ 'bash', '-eu' ]);
local ($ENV{PGHOST}, $ENV{PGPORT}, $ENV{PGDATABASE}) = ($node->host, $node->port, 'app');
sub run_next
{
	my $block = shift @blocks;
	my ($out, $err) = ('', '');
	my $text = $block->{text} =~ s{http://127.0.0.1:8080}{$url}gr;
	ok(IPC::Run::run($programs{ $block->{language} }, '<', \$text, '>', \$out, '2>', \$err), "the block at line $block->{line} runs");
	unlike($err, qr/WARNING|ERROR/, '... without a complaint');
	if (defined $block->{prints})
	{
		my $expected = pattern($block->{prints});
		like(plain($out), qr/$expected/s, '... and prints what is said');
	}
	return $out;
}

run_next();
is(get("$url/webhooks/whatsapp?hub.mode=subscribe&hub.verify_token=you%20choose%20it&hub.challenge=42")->{content}, '42', 'Meta can verify the endpoint');
my $accepted = run_next();
like($accepted, qr/"status":"accepted"/, 'the message is accepted');
wait_for_sql($node, "SELECT count(*) = 1 FROM intake.jobs WHERE workflow = 'support' AND state = 'awaiting'", 'app');
run_next();
is(scalar(my @asked = split /\n/, slurp_file("$dir/asked")), 2, 'nothing is sent before somebody approves');

$ENV{url} = $sql->('SELECT url FROM approval');
my ($promised) = $blocks[0]{text} =~ /# (\{.*\})$/m;
is(run_next(), "$promised\n", 'a click is accepted');
wait_for_sql($node, "SELECT count(*) = 1 FROM intake.jobs WHERE workflow = 'support' AND state = 'done'", 'app');
run_next();
is(scalar(@blocks), 0, 'that is all of it');

# What was asked for.
@asked = map { decode_json($_) } split /\n/, slurp_file("$dir/asked");
is_deeply([ map { $_->{url} } @asked ], [ ('https://api.openai.com/v1/chat/completions') x 2, 'https://graph.facebook.com/v23.0/5550100/messages' ],
	'two questions and a reply');
is_deeply([ map { $_->{headers}{authorization} } @asked ], [ ('Bearer sk-keep-me-secret') x 2, 'Bearer EAA-keep-me-secret' ], 'each with its own secret');
my %keys = map { $_->{headers}{'idempotency-key'} => 1 } @asked;
is(scalar(keys %keys), 3, 'and a key of its own');
is_deeply([ map { $_->{body}{messages}[1]{content} } @asked[ 0, 1 ] ], [ ('My cup is broken.') x 2 ], 'the model sees the message');
unlike($asked[0]{body}{messages}[0]{content}, qr/refused/, 'first without a reason');
like($asked[1]{body}{messages}[0]{content}, qr/^Your last answer was refused: it is not \{"reply": text\}$/m, 'then with it');
is($asked[2]{body}{text}{body}, 'We are sorry. A new one is underway.', 'the customer gets the reply');
is($asked[2]{body}{to}, '15550199', 'and nobody else');
is($sql->("SELECT step, attempt, sqlstate, error FROM intake.attempts WHERE call_id IS NULL"), 'start|1|WH008|it is not {"reply": text}', 'the refused answer is an attempt');

# The same message once more, and the same click.
$accepted =~ s/"accepted"/"already_accepted"/;
my ($message) = grep { $_->{language} eq 'sh' && $_->{tag} eq 'agent' } read_blocks('README.md');
push @blocks, $message;
is(run_next(), $accepted, 'the message comes again, and is known');
is(post($ENV{url}, '{"approved": true}', {})->{status}, 404, 'the URL works once');

# Another one is refused: nothing is sent.
$message->{text} =~ s/wamid\.1/wamid.2/;
push @blocks, $message;
run_next();
wait_for_sql($node, "SELECT count(*) = 1 FROM intake.jobs WHERE workflow = 'support' AND state = 'awaiting'", 'app');
is(post($sql->('SELECT url FROM approval ORDER BY job_id DESC LIMIT 1'), 'approved=false', { 'Content-Type' => 'application/x-www-form-urlencoded' })->{status},
	200, 'a form that says no');
wait_for_sql($node, "SELECT count(*) = 2 FROM intake.jobs WHERE workflow = 'support' AND state = 'done'", 'app');
is($sql->("SELECT result FROM intake.jobs WHERE workflow = 'support' ORDER BY id DESC LIMIT 1"), '{"sent": false}', 'ends the job');
is(scalar(grep { /graph\.facebook/ } split /\n/, slurp_file("$dir/asked")), 1, 'and nothing is sent');
is($sql->('SELECT count(*), sum(input), sum(output) FROM tokens'), '4|520|120', 'what it has cost is counted');
unlike(slurp_file($_), qr/keep-me-secret/, "$_ has no secret") for $node->logfile, "$dir/courier.log";

kill 'TERM', $courier;
waitpid $courier, 0;
is($?, 0, 'the courier ends');
$node->stop;
done_testing();
