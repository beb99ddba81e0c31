# The README's tour, pasted at once, does what the README says; and the recipe of docs/operations.md
# takes the extension away and leaves the handlers.
use strict;
use warnings;
use Intake;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('readme');
$node->safe_psql('postgres', "CREATE DATABASE app");
$node->safe_psql('app', "CREATE EXTENSION pg_intake CASCADE; SELECT intake.grant_access('gateway', 'gateway')");
my $url = start_shim($node, '--dsn', $node->connstr('app') . ' user=gateway');

# Runs the blocks of a document that have a tag; returns what they print.
sub run_blocks
{
	my ($document, $tag) = @_;
	my $script = PostgreSQL::Test::Utils::tempdir() . "/$tag.sh";
	my ($code, $out, $err) = (undef, '', '');
	my $text = `perl test/bin/blocks.pl $document $tag`;
	is($?, 0, "$document has blocks $tag");
	$text =~ s{http://127.0.0.1:8080}{$url}g;
	# A machine with much to do may need longer than the README waits.
	$text =~ s{^sleep 2\b.*$}{until \$PSQL -c "SELECT 'paged' FROM page" | grep -q paged; do sleep 0.1; done}m;
	$text =~ s{^SELECT pg_sleep\(1\);}{DO 'BEGIN WHILE (SELECT count(*) < 2 FROM paid) LOOP PERFORM pg_sleep(0.1); END LOOP; END';}m;
	append_to_file($script, $text);
	local $ENV{PSQL} = "psql -X -A -t -q -v ON_ERROR_STOP=1 -h " . $node->host . " -p " . $node->port . " -d app";
	$code = IPC::Run::run([ 'bash', $script ], '>', \$out, '2>', \$err);
	ok($code, "the blocks $tag run") or diag "$out$err";
	unlike($err, qr/WARNING|ERROR/, 'without a complaint');
	return ($out, $text);
}

my ($out, $text) = run_blocks('README.md', 'tour');
my @answers = $out =~ /^(\{"status.*\})$/mg;
my @promised = $text =~ /# (\{"status.*\})$/mg;
is_deeply([ @answers[ 0, 1 ] ], \@promised, 'the answers are what the README says');
like($answers[2], qr/"accepted"/, 'the third one is accepted');
like($out, qr/^\d+\|1\|on_paid\|done\|/m, 'the first job is done');
like($out, qr/^2\|\d+\|on_paid\|dead\|3$/m, 'the second one is dead after three attempts');
like($out, qr/^on_paid has failed: null value in column "amount"/m, 'somebody is paged');
like($out, qr/^o-1\|12.5\no-2\|\n?\z/m, 'the replay has mended it');

# Steps: nothing is due for days, so the times are moved.
run_blocks('README.md', 'steps');
$node->safe_psql('app', q{SELECT intake.record('orders', 'c-' || n, 'checkout.started', jsonb_build_object('data', jsonb_build_object('id', 'o-' || n))) FROM (VALUES (1), (9)) o(n)});
for my $steps (1, 2)
{
	wait_for_sql($node, "SELECT count(*) = 3 - $steps FROM intake.jobs WHERE workflow = 'remind' AND state = 'delayed' AND steps = $steps", 'app');
	$node->safe_psql('app', 'UPDATE intake.delayed SET run_at = now(); SELECT intake.pause_workflow($$remind$$), intake.resume_workflow($$remind$$)');
}
wait_for_sql($node, "SELECT count(*) = 1 FROM intake.jobs WHERE workflow = 'remind' AND steps = 3", 'app');
is($node->safe_psql('app', "SELECT order_id FROM reminder"), "o-9\no-9", 'who has not paid is reminded');
is($node->safe_psql('app', "SELECT state, result FROM intake.jobs WHERE workflow = 'remind' ORDER BY state"), "delayed|\ndone|{\"paid\": true}", 'and who has is not');

my $handlers = "SELECT string_agg(oid::regprocedure::text, ' ' ORDER BY proname) FROM pg_proc WHERE proname IN ('on_paid', 'page_somebody', 'remind')";
like(($node->psql('app', 'DROP EXTENSION pg_intake'))[2], qr/function on_paid\(intake.job\) depends on type intake.job/, 'handlers keep the extension');
run_blocks('docs/operations.md', 'remove');
is($node->safe_psql('app', $handlers), 'on_paid(job) page_somebody(job) remind(job)', 'the handlers are still there');
is($node->safe_psql('app', "SELECT count(*) FROM pg_namespace WHERE nspname = 'intake'"), '0', 'the extension is gone');
$node->stop;
done_testing();
