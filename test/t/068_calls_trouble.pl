# 500 calls are under way, with secrets of every kind, and couriers are killed, stopped and continued, are
# two: each job gets its answer once, each call is charged as often as it was begun, and no secret is in the
# clear anywhere.
use strict;
use warnings;
use Couriers;
use File::Find;
use Intake;
use MIME::Base64;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'there is no python3' if system('python3 -c "import asyncio, ssl"') != 0;

my $calls = 500;
my $keys = scratch() . '/keys';
append_to_file($keys, "a key for the secrets of these calls\n");
chmod 0600, $keys;
my $node = new_calls_server('trouble', 'pg_intake.key_file' => "'$keys'", 'pg_intake.allow_plain_credentials' => 'on', wal_keep_size => '1GB',
	'pg_intake.poll_interval' => "'1 s'");
sub sql { return $node->safe_psql('postgres', @_) }
sub start { return start_courier($node->connstr('postgres') . ' user=courier', @_, '--max-transfers', 2000) }

# ---- secrets ----

my %secrets = (
	bearer => [ 'bearer', 'bearer-n3ver-s33n' ],
	basic => [ 'basic', 'someone:basic-n3ver-s33n' ],
	header => [ 'header:X-Key', 'header-n3ver-s33n' ],
	query => [ 'query:key', 'query n3ver/s33n' ],
	signs => [ 'standard-webhooks', 'whsec_' . encode_base64('webhooks-n3ver-s33n-0123456789', '') ]);

# What would give a secret away: itself, and how it is sent.
my @forms = map { $_->[1], encode_base64($_->[1], ''), unpack('H*', $_->[1]), $_->[1] =~ s/([^\w.~-])/sprintf '%%%02X', ord $1/ger } values %secrets;
push @forms, 'webhooks-n3ver-s33n', encode_base64('webhooks-n3ver-s33n-0123456789', '');

# The files of a server, and logs, in which one of them stands.
sub files_with_secrets
{
	my ($of) = @_;
	my $pattern = join '|', map { quotemeta } @forms;
	my @found;
	$of->safe_psql('postgres', 'CHECKPOINT');
	find({ no_chdir => 1, wanted => sub { push @found, $_ if -f && -r && slurp_file($_) =~ $pattern } }, $of->data_dir, $of->logfile);
	push @found, grep { slurp_file($_) =~ $pattern } glob scratch() . '/*.log';
	return join ' ', @found;
}

# ---- calls ----

my $total = 0;

# Asks for so many calls to a server that holds them, with secrets in turn.
sub ask_for_all
{
	my ($port) = @_;
	my @names = sort keys %secrets;
	for my $i (0 .. $#names)
	{
		sql("SELECT intake.create_secret('$names[$i]$port', '$secrets{ $names[$i] }[1]', '{127.0.0.1:$port}', '$secrets{ $names[$i] }[0]')");
		sql("SELECT ask_for('http://127.0.0.1:$port/hold', " . $calls / @names . qq{, '{"auth": "$names[$i]$port", "timeout": "120 s"}')});
	}
	$total += $calls;
	return;
}

sub wait_under_way { my ($port, $count) = @_; return wait_for(sub { counts($port)->{running} >= $count }, "$count calls are under way") }

# Lets a server answer; then each job has its answer once, and has been charged once.
sub all_is_well
{
	my ($port, $what, $attempts) = @_;
	fetch($port, '/release');
	wait_for(sub { sql('SELECT count(*) FROM seen') >= $total }, 'all jobs have their answers');
	is(sql('SELECT count(*), count(DISTINCT job_id), count(*) FILTER (WHERE status = 200) FROM seen'), "$total|$total|$total", "$what: each job has its answer once");
	my %keys = keys_of($port, '/hold');
	is(scalar(keys %keys), $calls, "$what: each call has one key");
	is(sql("SELECT count(*) FROM (SELECT call_id FROM intake.attempt WHERE sqlstate = '00000' GROUP BY call_id HAVING count(*) > 1) x"), 0, "$what: ... and is accepted once");
	is(sql("SELECT count(DISTINCT call_id), min(attempts), max(attempts), min(last), max(last) FROM (SELECT call_id, count(*) AS attempts, max(attempt) AS last
		FROM intake.attempts JOIN intake.calls USING (call_id) WHERE url LIKE '%:$port/%' GROUP BY 1) x"), join('|', $calls, ($attempts) x 4), "$what: ... and charged each time that it was begun");
	is(sql('SELECT (SELECT count(*) FROM intake.calling) + (SELECT count(*) FROM intake.call_queue) + (SELECT count(*) FROM intake.call_held)'), 0, "$what: no room has any left");
	return;
}

# The time of a courier is over, and its calls go back.
sub end_lease
{
	my ($name) = @_;
	sql("UPDATE intake.courier SET until = now() - interval '1 s', seen_at = now() - interval '31 s' WHERE name = '$name'");
	return;
}

# ---- a courier is killed ----

my $port = start_hostile();
my $first = start('first');
ask_for_all($port);
wait_under_way($port, $calls);
stop_courier($first, 'KILL');
my $second = start('second');
end_lease('first');
wait_for(sub { sql("SELECT count(*) FROM intake.calls WHERE courier = 'second'") == $calls }, 'another takes its calls');
all_is_well($port, 'killed', 2);

# ---- a courier stands still for longer than its word counts, and goes on ----

$port = start_hostile();
ask_for_all($port);
wait_under_way($port, $calls);
kill 'STOP', $second->{pid};
my $third = start('third');
end_lease('second');
wait_for(sub { sql("SELECT count(*) FROM intake.calls WHERE courier = 'third'") == $calls }, 'another takes its calls');
fetch($port, '/release');
wait_for(sub { sql('SELECT count(*) FROM seen') >= $total }, 'all jobs have their answers');
my $attempts = sql('SELECT count(*) FROM intake.attempt');
kill 'CONT', $second->{pid};
wait_for(sub { slurp_file($second->{log}) =~ /has given up this courier.*entered as/s }, 'the first one learns that it is late');
all_is_well($port, 'stopped', 2);
is(sql('SELECT count(*) FROM intake.attempt'), $attempts, 'answers that came late are ignored');

# ---- two couriers ----

$port = start_hostile();
ask_for_all($port);
wait_under_way($port, $calls);
all_is_well($port, 'two', 1);
my %keys = keys_of($port, '/hold');
is_deeply([ grep { $_ != 1 } values %keys ], [], 'two: each call is made once');
is(sql("SELECT count(*) FROM intake.couriers"), 2, 'two: they are');
stop_courier($_) for $second, $third;

# ---- what may be seen ----

my @sent = map { "@$_" } map { @{ $_->{headers} } } requests_of($port, '/hold');
for my $form ('Bearer bearer-n3ver-s33n', 'Basic ' . encode_base64('someone:basic-n3ver-s33n', ''), 'X-Key header-n3ver-s33n')
{
	is(scalar(grep { /\Q$form\E/i } @sent), $calls / 5, 'a secret was sent in its form');
}
is(scalar(grep { $_->{line} =~ m{/hold\?key=query(%20|\+)n3ver} } requests_of($port, '/hold')), $calls / 5, '... in the query, too');
is(scalar(grep { /^webhook-signature v1,/i } @sent), $calls / 5, '... and signs');
is(files_with_secrets($node), '', 'no secret is in the clear on disk, in the WAL, or in a log');
unlike(slurp_file($node->logfile), qr/PANIC|ERROR:(?!  this courier has ended)/, 'the database is well');
done_testing();
