# More lines of calls than pg_intake.max_lanes: what is tried again in an hour does not keep from couriers
# what is due now, whoever asked for it first, and those that are due take turns. The test is the courier.
use strict;
use warnings;
use Intake;
use Test::More;

my $lanes = 16;
my $node = new_server('lines', fsync => 'off', 'pg_intake.max_lanes' => $lanes, 'pg_intake.poll_interval' => "'2s'");
my $sql = sub { return $node->safe_psql('postgres', $_[0]) };

$sql->(q{
	CREATE FUNCTION ask(job intake.job) RETURNS intake.next LANGUAGE sql AS $$
		SELECT CASE job.step WHEN 'start' THEN intake.calls(ARRAY(SELECT intake.request('https://' || host || '/') FROM jsonb_array_elements_text(job.payload) host))
			ELSE intake.done() END $$;
	SELECT intake.create_workflow('ask', 'ask(intake.job)', source => 'intake', type => 'ask', backoff => '1 hour', backoff_max => '1 hour');
	CREATE TABLE token AS SELECT intake.enter_courier('a test') AS token;
	-- Takes calls, and answers those to hosts that match.
	CREATE FUNCTION answer(hosts text, with_status int, with_error text) RETURNS int LANGUAGE plpgsql AS $$
	DECLARE
		this_token bigint := (SELECT token FROM token);
		calls bigint[];
		jobs bigint[];
		n int;
	BEGIN
		SELECT array_agg(call_id), array_agg(job_id), count(*) INTO calls, jobs, n
			FROM intake.exchange(this_token, 1000, 1000000, '{}', '{}', '{}', '{}', '{}', '{}', '{}') WHERE kind = 'r' AND host ~ hosts;
		IF n > 0 THEN
			PERFORM FROM intake.exchange(this_token, 0, 0, calls, jobs, array_fill(with_status, ARRAY[n]), array_fill(NULL::bytea, ARRAY[n]),
				array_fill(NULL::bytea, ARRAY[n]), array_fill(with_error, ARRAY[n]), array_fill(1::bigint, ARRAY[n]));
		END IF;
		RETURN n;
	END $$});
my $hosts = sub { return join(',', map { qq{"$_[0]$_"} } 1 .. $_[1]) };
my $rooms = "FROM intake.call_queue JOIN intake.call_request USING (job_id, call_id)";

$sql->("SELECT intake.emit('ask', '[" . $hosts->('slow', 6 * $lanes) . "]')");
wait_for_sql($node, "SELECT count(*) = 6 * $lanes $rooms");
wait_for_sql($node, "SELECT answer('^slow', 0, 'connect') IS NOT NULL AND (SELECT count(*) = 6 * $lanes $rooms WHERE attempts > 0)");
pass('more lines than there is room for have had their turns, and wait for their next one');
$sql->("SELECT intake.emit('ask', '[" . $hosts->('quick', 3 * $lanes) . "]')");
wait_for_sql($node, "SELECT answer('^quick', 200, NULL) IS NOT NULL AND (SELECT count(*) = 1 FROM intake.done)");
is($sql->("SELECT count(*) FROM intake.calls WHERE state = 'answered'"), 3 * $lanes, 'calls to other hosts are made meanwhile');
is($sql->("SELECT count(*) FROM intake.calls WHERE state <> 'answered' AND attempts > 0"), 6 * $lanes, 'and those that wait still do');
$node->stop;
done_testing();
