# A database that is gone, or lets the shim in and refuses to serve it: the shim asks more and more
# rarely, one try at a time, and is back soon after it is.
use strict;
use warnings;
use Intake;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = new_server('gone');
$node->safe_psql('postgres', "CREATE DATABASE app");
$node->safe_psql('app', "CREATE EXTENSION pg_intake CASCADE; SELECT intake.grant_access('gateway', 'gateway')");
my $url = start_shim($node, '--threads', 4, '--dsn', $node->connstr('app') . ' user=gateway');
my $connections = "SELECT count(*) = 4 FROM pg_stat_activity WHERE usename = 'gateway' AND datname = 'app'";
wait_for_sql($node, $connections);

# Each of the four threads has a try that is free. Of the six tries behind them the last comes after
# pauses that are together between 1.6 and 3.2 s; each thread by itself would take less than 0.1 s.
my $tries = sub { scalar(() = slurp_file($node->logfile) =~ /FATAL: +database "app" does not exist/g) };
my $began = time;
$node->safe_psql('postgres', 'DROP DATABASE app WITH (FORCE)');
wait_for(sub { $tries->() >= 4 + 6 }, 'the shim tries');
cmp_ok(time - $began, '>', 1.4, 'one try at a time, and more and more rarely');
is(post("$url/webhooks/src", body_of('lost'))->{status}, 503, 'senders are told to come again');

$node->safe_psql('postgres', 'CREATE DATABASE app');
$node->safe_psql('app', "CREATE EXTENSION pg_intake CASCADE; SELECT intake.grant_access('gateway', 'gateway')");
my $back = time;
wait_for_sql($node, $connections);
cmp_ok(time - $back, '<', 15, 'all are back soon after the database is');
is(get("$url/readyz")->{status}, 200, 'and serve');
my $log = slurp_file($node->basedir . '/shim1.log');
is(scalar(() = $log =~ /no connection to the database/g), 1, 'the log says once that it was gone');
is(scalar(() = $log =~ /connected to the database again/g), 1, 'and once that it is back');

# The gateway may connect and not call: a request costs the server's log nothing.
my $refusals = sub { scalar(() = slurp_file($node->logfile) =~ /permission denied for function receive/g) };
$node->safe_psql('app', 'REVOKE EXECUTE ON FUNCTION intake.receive FROM gateway');
$node->safe_psql('app', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'gateway'");
wait_for(sub { $refusals->() >= 4 + 2 }, 'the shim is refused');
is(get("$url/readyz")->{status}, 503, 'it is not ready');
my $before = $refusals->();
is(post("$url/webhooks/src", body_of("refused $_"))->{status}, 503, "request $_ is told to come again") for 1 .. 20;
cmp_ok($refusals->() - $before, '<', 6, 'and does not make the shim try');
$node->safe_psql('app', "SELECT intake.grant_access('gateway', 'gateway')");
wait_for_sql($node, $connections);
wait_for(sub { get("$url/readyz")->{status} == 200 }, 'it serves again');

is(stop_shim($url), 0, 'the shim ends in an orderly way');
$node->stop;
done_testing();
