# The README's alert: a job that dies is told to Slack, by the real courier, and Slack's own words are no
# result. A copy of the database sends nothing until somebody gives its owner the secret again and resumes it.
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
my $node = new_server('urls');
my $database = 'app';
sub sql { return $node->safe_psql($database, $_[0]) }
$node->safe_psql('postgres', "CREATE DATABASE app; CREATE ROLE courier LOGIN");
sql("CREATE EXTENSION pg_intake CASCADE; SELECT intake.grant_access('courier', 'courier')");

my @processes;
END
{
	my $status = $?;
	kill 'KILL', @processes;
	$? = $status;
}

system_log(qw(openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=alert -addext), 'subjectAltName=DNS:hooks.slack.com',
	'-keyout', "$dir/key", '-out', "$dir/certificate") == 0 or die 'openssl';
push @processes, open2(my $from, my $to, 'python3', "$FindBin::RealBin/../tour_http.py", "$dir/certificate", "$dir/key", "$dir/asked");
chomp(my $port = readline $from);

sub start_courier
{
	my $pid = fork // die "fork: $!";
	if ($pid == 0)
	{
		open STDERR, '>>', "$dir/courier.log" or die;
		exec $ENV{INTAKE_COURIER}, '--dsn', $node->connstr($database) . ' user=courier', '--proxy', "http://127.0.0.1:$port", '--ca-file', "$dir/certificate";
		die "exec: $!";
	}
	push @processes, $pid;
	return $pid;
}

sub asked { return -e "$dir/asked" ? map { decode_json($_) } split /\n/, slurp_file("$dir/asked") : () }

# ---- the README's alert ----

my @blocks = grep { $_->{tag} eq 'slack' } read_blocks('README.md');
is(scalar(@blocks), 1, 'the README has an alert');
sql($blocks[0]{text});
my $courier = start_courier();
sql(q{CREATE FUNCTION fail(job intake.job) RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no <amount>'; END $$;
	SELECT intake.create_workflow('pay', 'fail(intake.job)', source => 'intake', type => 'order.paid', max_attempts => 1);
	SELECT intake.emit('order.paid', '{}')});
wait_for_sql($node, "SELECT count(*) = 1 FROM intake.jobs WHERE workflow = 'slack' AND state = 'done'", 'app');
my $dead = sql("SELECT id FROM intake.jobs WHERE workflow = 'pay'");
my @told = asked();
is(scalar(@told), 1, 'Slack is told once');
is($told[0]{url}, 'https://hooks.slack.com/services/T0/B0/keep-me-secret', 'at the URL that is the secret');
is_deeply($told[0]{body}, { text => "pay has failed: no &lt;amount&gt; (job $dead, 1 attempts)" }, 'what has failed, why, and which job');
like($told[0]{headers}{'idempotency-key'}, qr/^[0-9a-f-]{36}$/, 'with a key');
is($told[0]{headers}{'content-type'}, 'application/json', 'as JSON');
is(sql("SELECT state, result IS NULL, intake.explain_job(id) ~ '^It is done' FROM intake.jobs WHERE workflow = 'slack'"), 'done|t|t', 'its answer, ok, is no JSON and no result');
is(sql("SELECT method, url, state, status FROM intake.calls"), 'POST|https://hooks.slack.com/|answered|200', 'the call is seen without the secret');
is(sql("SELECT kind, url, auth FROM intake.workflows WHERE name = 'slack'"), 'url|https://hooks.slack.com|slack', 'and so is the workflow');
sql("SELECT intake.replay(job_id) FROM intake.dead_letters");
wait_for(sub { asked() == 2 }, 'a job that dies again is told again');
wait_for_sql($node, "SELECT count(*) = 2 FROM intake.jobs WHERE workflow = 'slack' AND state = 'done'", 'app');
unlike(slurp_file($_), qr/keep-me-secret/, "$_ has no secret") for $node->logfile, "$dir/courier.log";

# ---- a large event, and what is too large ----

sql(q{SELECT intake.create_workflow('large', url => 'https://hooks.slack.com', auth => 'slack', source => 'intake', type => 'large',
		request => 'intake.as_text(intake.job)', max_attempts => 1);
	SELECT intake.emit('large', jsonb_build_object('a', repeat('x', 2000000)))});
wait_for_sql($node, "SELECT count(*) = 1 FROM intake.jobs WHERE workflow = 'large' AND state = 'done'", 'app');
is(length((asked())[-1]{body}{text}), 3000, 'a text has its bound');
sql(q{SELECT intake.alter_workflow('large', options => '{"request": null}');
	SELECT intake.emit('large', jsonb_build_object('a', repeat('x', 68000000)))});
wait_for_sql($node, "SELECT count(*) = 1 FROM intake.jobs WHERE workflow = 'large' AND state = 'dead'", 'app');
is(sql("SELECT sqlstate, error FROM intake.dead_letters WHERE workflow = 'large'"), '54000|the body of a call is larger than 64 MB', 'what is too large to be sent is a dead letter');

# ---- a copy ----

wait_for(sub { asked() == 4 }, 'which is told as well');
kill 'TERM', $courier;
waitpid $courier, 0;
is($?, 0, 'the courier ends');
sql("SELECT intake.emit('order.paid', '{}')");
wait_for_sql($node, "SELECT count(*) = 1 FROM intake.jobs WHERE workflow = 'slack' AND state = 'calling'", 'app');
local ($ENV{PGHOST}, $ENV{PGPORT}) = ($node->host, $node->port);
system_log('pg_dump', '--format', 'custom', '--file', "$dir/dump", 'app') == 0 or die 'pg_dump';
$node->safe_psql('postgres', 'CREATE DATABASE copy');
system_log('pg_restore', '--exit-on-error', '--dbname', 'copy', "$dir/dump") == 0 or die 'pg_restore';
$database = 'copy';
is(sql("SELECT kind, handler, url, auth, state FROM intake.workflows WHERE name = 'slack'"),
	'url|intake.as_text(intake.job)|https://hooks.slack.com|slack|restored', 'a copy has the workflow');
$courier = start_courier();
wait_for_sql($node, 'SELECT count(*) = 1 FROM intake.couriers', 'copy');
my (undef, undef, $complaint) = $node->psql('copy', "SELECT intake.resume_workflow('slack')");
like($complaint, qr/role "\w+" has no secret "slack"/, 'which cannot be resumed without its secret');
sql("SELECT intake.grant_secret(name, format('%I', role)::regrole) FROM intake.call_secrets, unnest(restored) role");
is(scalar(asked()), 4, 'and sends nothing before that');
sql("SELECT intake.resume_workflows(); SELECT intake.emit('order.paid', '{}')");
wait_for(sub { asked() == 6 }, 'then it tells, and what has waited goes');
kill 'TERM', $courier;
waitpid $courier, 0;
$node->stop;
done_testing();
