-- What a courier asks for, and what ends calls.

CREATE FUNCTION intake.enter_courier(name text) RETURNS bigint
    AS 'MODULE_PATHNAME', 'intake_sql_enter_courier' LANGUAGE c VOLATILE STRICT SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION intake.enter_courier(text) IS
    'A courier is there: returns its token, 53 random bits, which ends when it is not seen for 30 seconds. For the courier';
INSERT INTO intake.grantable VALUES ('courier', 'EXECUTE ON FUNCTION intake.enter_courier');

CREATE FUNCTION intake.leave_courier(token bigint) RETURNS void
    AS 'MODULE_PATHNAME', 'intake_sql_leave_courier' LANGUAGE c VOLATILE STRICT SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION intake.leave_courier(bigint) IS
    'A courier leaves: what it holds goes back to the queue, and is not charged. For the courier';
INSERT INTO intake.grantable VALUES ('courier', 'EXECUTE ON FUNCTION intake.leave_courier');

-- The kernel is told to write as we go: see intake.receive.
CREATE FUNCTION intake.exchange(token bigint, most int, most_bytes bigint,
    call_ids bigint[], job_ids bigint[], statuses int[], headers bytea[], bodies bytea[], errors text[], durations bigint[],
    OUT kind "char", OUT call_id bigint, OUT job_id bigint, OUT method text, OUT scheme text, OUT host text, OUT port int,
    OUT target text, OUT headers bytea, OUT body bytea, OUT milliseconds bigint, OUT most_bytes bigint) RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'intake_sql_exchange' LANGUAGE c VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET backend_flush_after = '512kB';
COMMENT ON FUNCTION intake.exchange(bigint, int, bigint, bigint[], bigint[], int[], bytea[], bytea[], text[], bigint[]) IS
    'Brings answers to calls that a courier holds, in arrays of the same length, and takes calls: most of them at most, and about most_bytes. An answer has status 0 where there was none; headers are its lines; errors are NULL, or resolve, refused_address, connect, tls, timeout, reset, too_large, encoding, protocol or released, with more behind ": "; durations are microseconds. The error held names a call that the courier still makes: where there is one, all that it holds and that is not named in these arrays goes back, and is not charged. Rows of kind r are requests, with milliseconds for each, and at most most_bytes of an answer; c: a call that is to be stopped; w, the last one: milliseconds until the next call is due, -1 where none is. What it returns is true when the transaction has committed. For the courier';
INSERT INTO intake.grantable VALUES ('courier', 'EXECUTE ON FUNCTION intake.exchange');

-- It ends its transaction, which a function that runs as another role, or with settings, must not.
CREATE PROCEDURE intake.wait_for_calls(token bigint, at_most interval)
    AS 'MODULE_PATHNAME', 'intake_sql_wait_for_calls' LANGUAGE c;
COMMENT ON PROCEDURE intake.wait_for_calls(bigint, interval) IS
    'Returns when calls are due, or were cancelled, and after at_most. Holds no snapshot while it waits. For the courier';
INSERT INTO intake.grantable VALUES ('courier', 'EXECUTE ON PROCEDURE intake.wait_for_calls');

CREATE FUNCTION intake.open_line(line_id bigint) RETURNS void
    AS 'MODULE_PATHNAME', 'intake_sql_open_line' LANGUAGE c VOLATILE STRICT;
COMMENT ON FUNCTION intake.open_line(bigint) IS 'Internal: couriers look at a line that waits for nothing any more when the transaction commits';

CREATE FUNCTION intake.ask_again(job_id bigint, event_id bigint, workflow_id int, first_call bigint, calls int, new_key boolean)
    RETURNS bigint
    AS 'MODULE_PATHNAME', 'intake_sql_ask_again' LANGUAGE c VOLATILE STRICT;
COMMENT ON FUNCTION intake.ask_again(bigint, bigint, int, bigint, int, boolean) IS
    'Internal: has a job that has left another room wait for calls that it had, those that were not accepted, or with new_key all of them, and returns the first of the new ones; NULL: there was none to be asked again, and nothing is done';

CREATE FUNCTION intake.end_calls() RETURNS trigger
    AS 'MODULE_PATHNAME', 'intake_sql_end_calls' LANGUAGE c VOLATILE;
COMMENT ON FUNCTION intake.end_calls() IS
    'Trigger: ends the calls of a job that was taken out of calling: those that wait leave the queue, those that are made are stopped';
CREATE TRIGGER end_calls AFTER DELETE ON intake.calling FOR EACH ROW EXECUTE FUNCTION intake.end_calls();
COMMENT ON TRIGGER end_calls ON intake.calling IS 'Ends the calls of a job that somebody ends';
