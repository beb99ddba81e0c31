#!/usr/bin/env bash
# make bench: figures of this machine, ratios first. About four minutes.
#
# A throwaway cluster with fsync on. Ours and pgbench take turns, and medians are compared.
set -euo pipefail
cd "$(dirname "$0")/../.."
test/bin/setup.sh
# shellcheck source=test/bin/cluster.sh
. test/bin/cluster.sh
# shellcheck source=test/bin/bench-verify.sh
. test/bin/bench-verify.sh
# shellcheck source=test/bin/bench-cluster.sh
. test/bin/bench-cluster.sh

query <<-'SQL'
	CREATE TABLE plain_event (LIKE intake.event);
	CREATE SEQUENCE plain_event_id;
	CREATE UNIQUE INDEX ON plain_event (source_id, key);
SQL
# The row that the shim's requests store, one transaction each.
cat >"$dir/insert.sql" <<-'SQL'
	INSERT INTO plain_event (id, received_at, source_id, secret_id, verified, key, type, headers, body) VALUES (nextval('plain_event_id'), now(), 1, 1, 's', gen_random_uuid()::text, 'bench.event', '{"host": "bench", "user-agent": "load", "content-type": "application/json", "content-length": "1024"}', convert_to('{"event":"bench.event","data":{"id":"' || :client_id || '","pad":"' || repeat('x', 960) || '"}}', 'UTF8'));
SQL

pgbench_once() {
	"$(pg_bin)/pgbench" -h "$socket" -p "$port" -U postgres -n -M prepared -c "$1" -j 2 -T "$SECONDS_EACH" \
		-f "$dir/insert.sql" postgres 2>/dev/null | sed -n "s/^$2 = \([0-9.]*\).*/\1/p"
}

# Resident memory of the shim, in MB: the peak.
shim_memory() {
	awk '/^VmHWM/ {printf "%.0f", $2 / 1024}' "/proc/$shim_pid/status"
}

accepts() {
	local count round ours theirs
	echo "Durable accepts: 1 KiB bodies signed with HMAC-SHA256, a workflow that matches, $ROUNDS rounds of $SECONDS_EACH s in turns"
	for round in $(seq "$ROUNDS"); do
		pgbench_once 64 tps >>"$dir/theirs"
		for count in 64 256 1000; do
			load_once "$count" "n$count-$round" >>"$dir/ours.$count"
		done
		load_once 64 storm "$http" 1000 >>"$dir/storm"
	done
	theirs=$(median <"$dir/theirs")
	echo "  pgbench, 64 connections, one INSERT per transaction: $theirs/s"
	for count in 64 256 1000; do
		ours=$(awk '{print $1}' "$dir/ours.$count" | median)
		echo "  $count connections: ratio $(ratio "$ours" "$theirs"), $ours/s," \
			"p50 $(awk '{print $4}' "$dir/ours.$count" | median) ms, p99 $(awk '{print $5}' "$dir/ours.$count" | median) ms"
	done
	ours=$(awk '{print $1}' "$dir/storm" | median)
	echo "  the same 1,000 events over and over, 64 connections: ratio $(ratio "$ours" "$theirs"), $ours/s"
	echo "  the shim's peak: $(shim_memory) MB"
}

# The events in the log are those that were acknowledged, and each has its job. A request that was
# under way when a round ended is stored and not counted.
check_truth() {
	local accepted refused stored jobs
	accepted=$(cat "$dir"/ours.* | awk '{sum += $2} END {print sum + 1000}')
	refused=$(cat "$dir"/ours.* "$dir/storm" | awk '{sum += $3} END {print sum}')
	stored=$(query -c "SELECT count(*) FROM intake.events WHERE source = 'bench'")
	jobs=$(query -c "SELECT count(*) FROM intake.queue")
	echo "  truth: $accepted answers of 200, $refused others, $stored events and $jobs jobs stored"
	[ "$refused" -eq 0 ] && [ "$stored" -ge "$accepted" ] && [ "$jobs" -eq "$stored" ] &&
		[ "$stored" -le $((accepted + ROUNDS * (64 + 256 + 1000))) ] ||
		fail "the events are not those that were acknowledged"
}

lone_requests() {
	local ours theirs
	ours=$(load_once 1 lone)
	theirs=$(pgbench_once 1 "latency average")
	echo "One connection: p50 $(awk '{print $4}' <<<"$ours") ms, p99 $(awk '{print $5}' <<<"$ours") ms; pgbench on average $theirs ms"
}

# wal_of COMMAND...: runs it, and prints the bytes of WAL, by the kind of record, per each of the
# number that it prints in its second column.
wal_of() {
	local start end count
	query -c CHECKPOINT
	start=$(query -c "SELECT pg_current_wal_insert_lsn()")
	count=$("$@" | awk "{print \$2}")
	end=$(query -c "SELECT pg_current_wal_flush_lsn()")
	as_postgres "$(pg_bin)/pg_waldump" --stats=record -p "$dir/data/pg_wal" -s "$start" -e "$end" 2>/dev/null |
		sed "s/ *([^)]*)//g; s/\[[^]]*\]//g" | awk -v n="$count" "
			\$1 ~ /\\// {printf \"%.0f %s\\n\", \$NF / n, \$1}
			\$1 == \"Total\" {printf \"%.0f in total\\n\", \$NF / n}" | sort -rn | head -n 7 | sed "s/^/  /"
}

drain_counted() {
	echo "$(drain_lane "$1" "$2") $2"
}

jobs() {
	local handler rss
	echo "Jobs, one executor, a transaction each, one row written by the handler, $JOBS jobs, the other workflow's jobs waiting"
	for handler in write_one_plpgsql write_one; do
		fill_lane "$handler" "$JOBS"
		echo "  $handler: $(drain_lane "$handler" "$JOBS") jobs/s"
	done
	rss=$(awk '/^RssAnon/ {print $2}' "/proc/$(query -c "SELECT pid FROM intake.workers WHERE kind = 'executor' LIMIT 1")/status")
	echo "  the executor's own memory after that: $rss kB"
}

pickup() {
	query <<-'SQL' >/dev/null
		CREATE TABLE picked (event_id bigint, at timestamptz);
		CREATE TABLE sent (event_id bigint, at timestamptz);
		CREATE FUNCTION pick(job intake.job) RETURNS void LANGUAGE sql AS 'INSERT INTO public.picked VALUES (job.event_id, clock_timestamp())';
		SELECT intake.create_workflow('pick', 'pick(intake.job)', type => 'pick');
		CREATE PROCEDURE send(n int) LANGUAGE plpgsql AS $$
		DECLARE
			id bigint;
		BEGIN
			FOR i IN 1..n LOOP
				id := intake.emit('pick', '{}');
				COMMIT;
				INSERT INTO sent VALUES (id, clock_timestamp());
				COMMIT;
				PERFORM pg_sleep(0.01);
				COMMIT;
			END LOOP;
		END $$;
		CALL send(500);
	SQL
	wait_until 20 picked_all || fail "jobs of lone events do not run"
	echo "From the commit of a lone event to the start of its job: $(query -c "
		SELECT format('p50 %s ms, p99 %s ms', round(1000 * extract(epoch FROM percentile_cont(0.5) WITHIN GROUP (ORDER BY p.at - s.at)), 2),
			round(1000 * extract(epoch FROM percentile_cont(0.99) WITHIN GROUP (ORDER BY p.at - s.at)), 2))
		FROM sent s JOIN picked p USING (event_id)")"
}
picked_all() {
	[ "$(query -c 'SELECT count(*) FROM picked')" -eq 500 ]
}

accepts
check_truth
lone_requests
jobs
pickup
echo "WAL per event, after a checkpoint (bytes, by record)"
wal_of load_once 64 wal
echo "WAL per job, with the row that its handler writes"
fill_lane write_one "$JOBS"
wal_of drain_counted write_one "$JOBS"

bench_verify
