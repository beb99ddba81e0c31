#!/usr/bin/env bash
# make bench-scale: does it stay fast when the work grows? Needs tens of GB in BENCH_DIR and its
# time; SCALE=0.1 takes a tenth of the rows.
#
# Rows that only have to be there are written by SQL, as the tables' owner: they are the same rows,
# sooner.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=test/bin/cluster.sh
. test/bin/cluster.sh
prepare
ROUNDS=${ROUNDS:-3}
SECONDS_EACH=${SECONDS_EACH:-5}
# shellcheck source=test/bin/bench-cluster.sh
. test/bin/bench-cluster.sh
# shellcheck source=test/bin/bench-size.sh
. test/bin/bench-size.sh

# A second cluster, where nothing grows, takes turns with the first.
as_postgres mkdir "$dir/base"
base_port=$(free_port)
base_socket=
# on_base COMMAND...: the command, in that cluster. What ends this script knows the first one only.
on_base() (
	server=$dir/base/shim port=$base_port socket=$base_socket
	dir=$dir/base
	"$@"
)
start_base() {
	bench_cluster "$dir" "$port"
	make_workflows
}
base_shim_pid=
start_base_shim() {
	socket=$base_socket port=$base_port start_shim "$dir/base/shim"
	base_shim_pid=$started_pid
}
stop_base() {
	end_process "$base_shim_pid"
	cluster_stop "$dir/base"
}
bench_stop_hooks+=(stop_base)

make_workflows() {
	query >/dev/null <<-'SQL'
		SELECT intake.create_workflow('lane', 'write_one(intake.job)', type => 'job.lane', timeout => '1 hour');
		SELECT intake.create_workflow('other', 'write_one(intake.job)', type => 'job.other', timeout => '1 hour');
		SELECT intake.create_workflow('stay', 'write_one(intake.job)', type => 'job.stay');
		SELECT intake.pause_workflow('lane'), intake.pause_workflow('other');
		SELECT intake.emit('template', '{"n": 1}', 'template');
	SQL
}

pin_pid=
unpin() {
	end_process "$pin_pid"
	pin_pid=
}
bench_stop_hooks+=(unpin)
# A session with an old snapshot: no row that is deleted from now on can be removed.
pin() {
	PGOPTIONS='-c client_connection_check_interval=1s' psql -h "$socket" -p "$port" -U postgres -d postgres -X -q -A -t \
		-c 'BEGIN ISOLATION LEVEL REPEATABLE READ' -c 'SELECT pg_current_snapshot()' -c 'SELECT pg_sleep(7200)' >"$dir/pin" &
	pin_pid=$!
	wait_until 20 test -s "$dir/pin" || fail "no session that pins"
}

# add_jobs WORKFLOW COUNT: that wait in its lane. Only the last one, an event's, tells the lane so.
add_jobs() {
	query >/dev/null <<-SQL
		INSERT INTO intake.queue (position, job_id, event_id, lane, attempts)
			SELECT p, p, (SELECT id FROM intake.events WHERE key = 'template'), (SELECT id FROM intake.workflow WHERE name = '$1'), 0
			FROM (SELECT nextval('intake.job_id_seq') AS p FROM generate_series(2, $2)) AS new;
		SELECT intake.emit('job.$1', '{"n": 1}');
	SQL
}

# rate COUNT: jobs per second of the lane until that many more effects are there.
rate() {
	local before start end
	query -c 'TRUNCATE effect' -c CHECKPOINT
	query -c "SELECT intake.resume_workflow('lane')" >/dev/null
	wait_until 120 effects_are 1 || fail "no job runs"
	before=$(cat "$dir/effects")
	start=$(date +%s.%N)
	wait_until 1200 effects_are "$1" || fail "the jobs do not run"
	end=$(date +%s.%N)
	# What ran meanwhile counts: looking takes time.
	query -c "SELECT intake.pause_workflow('lane')" >/dev/null
	awk -v n="$(($(cat "$dir/effects") - before))" -v s="$start" -v e="$end" 'BEGIN {printf "%.0f\n", n / (e - s)}'
}
effects_are() {
	query -c 'SELECT count(*) FROM effect' >"$dir/effects"
	[ "$(cat "$dir/effects")" -ge "$1" ]
}
lane_rate() {
	add_jobs lane "$JOBS"
	rate "$JOBS"
}

# accept_rate: accepts per second.
accept_rate() {
	load_once "$(date +%s%N)" -c "$CONNECTIONS" | tee -a "$dir/accepts" | awk '{print $1}'
}
# The events in the log are those that were acknowledged. A request that was under way when a run
# ended is stored and not counted.
check_accepts() {
	local accepted runs stored
	accepted=$(awk '{sum += $2} END {print sum}' "$dir/accepts")
	runs=$(wc -l <"$dir/accepts")
	stored=$(query -c "SELECT count(*) FROM intake.events WHERE source = 'bench' AND type = 'bench.event'")
	echo "  truth: $accepted answers of 200, $stored events stored"
	[ "$(awk '{sum += $3} END {print sum}' "$dir/accepts")" -eq 0 ] && [ "$stored" -ge "$accepted" ] &&
		[ "$stored" -le $((accepted + runs * CONNECTIONS)) ] || fail "the events are not those that were acknowledged"
}

# compare NAME RATE ROUNDS: the rate with what is there, beside that of the other cluster.
compare() {
	local round ours theirs
	for round in $(seq "$3"); do
		on_base "$2" >>"$dir/base.rate"
		"$2" >>"$dir/rate"
	done
	ours=$(median <"$dir/rate")
	theirs=$(median <"$dir/base.rate")
	rm "$dir/rate" "$dir/base.rate"
	printf '  %-66s %7s/s over %s/s  ratio %s\n' "$1" "$ours" "$theirs" "$(ratio "$ours" "$theirs")"
}

on_base start_base
base_socket=$(cluster_socket "$dir/base")
make_workflows
on_base lane_rate >/dev/null # the executors' first jobs
lane_rate >/dev/null
first=$(executor_memory)

echo "Jobs/s of one executor, one row written each, over those of a cluster with nothing else there, $ROUNDS rounds of $JOBS in turns"
compare "nothing else" lane_rate "$ROUNDS"

count=$(scaled 1000000)
add_jobs other "$count"
compare "$count jobs of a paused workflow" lane_rate "$ROUNDS"

query >/dev/null <<-SQL
	INSERT INTO intake.delayed (run_at, job_id, event_id, lane, attempts)
		SELECT now() + interval '1 day' + n * interval '1 ms', nextval('intake.job_id_seq'),
			(SELECT id FROM intake.events WHERE key = 'template'), (SELECT id FROM intake.workflow WHERE name = 'lane'), 0
		FROM generate_series(1, $count) AS n;
SQL
compare "and $count delayed jobs" lane_rate "$ROUNDS"

count=$(scaled 10000000)
add_jobs lane "$count"
compare "and a backlog of $count ready jobs" lane_rate "$ROUNDS"

pin
pinned=$SECONDS
count=$(scaled 2500000)
rate "$count" >/dev/null
held=$(scaled 600) # seconds
[ $((SECONDS - pinned)) -ge "$held" ] || sleep $((held - SECONDS + pinned))
compare "and $((2 * count)) dead rows that an old snapshot holds" lane_rate "$ROUNDS"
query -c "SELECT format('  dead rows then: queue %s, running %s', (SELECT n_dead_tup FROM pg_stat_user_tables WHERE relid = 'intake.queue'::regclass),
	(SELECT n_dead_tup FROM pg_stat_user_tables WHERE relid = 'intake.running'::regclass))"
echo "  the executor's own memory: $first kB after the first $JOBS jobs, $(executor_memory) kB after $(query -c "SELECT sum(jobs) FROM intake.workers WHERE kind = 'executor'")"
unpin

# Autovacuum has something else to do than what we measure.
query -c 'VACUUM ANALYZE'
on_base query -c 'VACUUM ANALYZE'
start_base_shim
echo "Accepts/s, $CONNECTIONS connections, keys in no order, over those of the other cluster, $((3 * ROUNDS)) rounds of $SECONDS_EACH s in turns"
on_base accept_rate >/dev/null
accept_rate >/dev/null
compare "the same" accept_rate $((3 * ROUNDS))
count=$(scaled 20000000)
query >/dev/null <<-SQL
	SET synchronous_commit = off;
	DO \$\$
	DECLARE
		first bigint := nextval('intake.event_id_seq');
		low bigint := first;
	BEGIN
		WHILE low < first + $count LOOP
			IF to_regclass('intake.event_' || (low / 1000000) * 1000000) IS NULL THEN
				PERFORM intake.make_partition('event', (low / 1000000) * 1000000, (low / 1000000 + 1) * 1000000);
			END IF;
			INSERT INTO intake.event (id, received_at, source_id, verified, key, type, headers, body)
				SELECT n, now(), 1, 's', md5(n::text), 'filled', '{}', convert_to(repeat('x', 300), 'UTF8')
				FROM generate_series(low, least((low / 1000000 + 1) * 1000000, first + $count) - 1) AS n;
			INSERT INTO intake.event_key (event_id, head, digest)
				SELECT id, ('x' || encode(substr(convert_to(key, 'UTF8'), 1, 8), 'hex'))::bit(64)::bigint, encode(substr(sha256(int4send(source_id) || convert_to(key, 'UTF8')), 1, 16), 'hex')::uuid
				FROM intake.event WHERE id BETWEEN low AND least((low / 1000000 + 1) * 1000000, first + $count) - 1;
			low := (low / 1000000 + 1) * 1000000;
		END LOOP;
		PERFORM setval('intake.event_id_seq', first + $count);
	END \$\$;
	ANALYZE intake.event, intake.event_key;
	CHECKPOINT;
SQL
on_base query -c CHECKPOINT
compare "and a log of $count events" accept_rate $((3 * ROUNDS))
on_base check_accepts
check_accepts
echo "Jobs/s again, as above"
compare "and that log" lane_rate "$ROUNDS"
