#!/usr/bin/env bash
# make bench: figures of this machine, ratios first. About two minutes.
#
# A throwaway cluster with fsync on. Ours and pgbench take turns, and medians are compared.
set -euo pipefail
cd "$(dirname "$0")/../.."
test/bin/setup.sh
# shellcheck source=test/bin/cluster.sh
. test/bin/cluster.sh
# shellcheck source=test/bin/bench-verify.sh
. test/bin/bench-verify.sh

SECONDS_EACH=${SECONDS_EACH:-5}
CONNECTIONS=${CONNECTIONS:-64}
ROUNDS=${ROUNDS:-3}
JOBS=${JOBS:-100000}

build_and_install
cc -O2 -o test/bench/load test/bench/load.c -lcrypto

dir=$(mktemp -d "${BENCH_DIR:-/var/tmp}/pg_intake-bench.XXXXXX")
chmod 755 "$dir"
[ "$(id -u)" -ne 0 ] || chown postgres: "$dir"
port=$(free_port)
http=$(free_port)
shim_pid=
stop() {
	[ -z "$shim_pid" ] || { kill "$shim_pid" 2>/dev/null && wait "$shim_pid" 2>/dev/null || true; }
	cluster_stop "$dir"
	rm -rf "$dir"
}
trap stop EXIT

cluster_init "$dir"
cluster_start "$dir" "$port" "-h '' -c max_wal_size=4GB -c shared_buffers=512MB -c pg_intake.executors=1"
socket=$(cluster_socket "$dir")
query() { psql -h "$socket" -p "$port" -U postgres -d postgres -X -q -A -t -v ON_ERROR_STOP=1 "$@"; }
median() { sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN {printf "%.2f", a / b}'; }

[ "$(query -c 'SHOW fsync')" = on ] || fail "fsync is off"
PGOPTIONS='-c client_min_messages=warning' query >/dev/null <<-'SQL'
	CREATE EXTENSION pg_intake CASCADE;
	SELECT intake.create_source('bench', 'hmac', secret => 'bench');
	CREATE TABLE plain_event (LIKE intake.event);
	CREATE SEQUENCE plain_event_id;
	CREATE UNIQUE INDEX ON plain_event (source_id, key);
	CREATE TABLE effect (job_id bigint);
	CREATE FUNCTION write_one(job intake.job) RETURNS void LANGUAGE sql AS 'INSERT INTO public.effect VALUES (job.id)';
	CREATE FUNCTION write_one_plpgsql(job intake.job) RETURNS void LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.effect VALUES (job.id); END';
SQL
# The row that the shim's requests store, one transaction each.
cat >"$dir/insert.sql" <<-'SQL'
	INSERT INTO plain_event (id, received_at, source_id, secret_id, verified, key, type, headers, body) VALUES (nextval('plain_event_id'), now(), 1, 1, 's', gen_random_uuid()::text, 'bench.event', '{"host": "bench", "user-agent": "load", "content-type": "application/json", "content-length": "1024"}', convert_to('{"event":"bench.event","data":{"id":"' || :client_id || '","pad":"' || repeat('x', 960) || '"}}', 'UTF8'));
SQL

shim/intake-shim --listen "127.0.0.1:$http" --dsn "host=$socket port=$port user=postgres dbname=postgres" 2>"$dir/shim.log" &
shim_pid=$!
wait_until 20 curl -fsS "http://127.0.0.1:$http/readyz" || fail "the shim did not start"

pgbench_once() {
	"$(pg_bin)/pgbench" -h "$socket" -p "$port" -U postgres -n -M prepared -c "$1" -j 2 -T "$SECONDS_EACH" \
		-f "$dir/insert.sql" postgres 2>/dev/null | sed -n "s/^$2 = \([0-9.]*\).*/\1/p"
}
load_once() {
	test/bench/load "$http" /webhooks/bench bench "$1" "$SECONDS_EACH" "$2"
}

echo "Durable accepts, 1 KiB bodies signed with HMAC-SHA256, $CONNECTIONS connections, $ROUNDS rounds of $SECONDS_EACH s, fsync on"
: >"$dir/ours" && : >"$dir/theirs"
for round in $(seq "$ROUNDS"); do
	pgbench_once "$CONNECTIONS" tps >>"$dir/theirs"
	load_once "$CONNECTIONS" "r$round" >>"$dir/ours"
done
ours=$(awk '{print $1}' "$dir/ours" | median)
theirs=$(median <"$dir/theirs")
echo "  ratio                     $(ratio "$ours" "$theirs")   (accepts/s over pgbench, one INSERT per transaction)"
echo "  accepts/s                 $ours"
echo "  pgbench tps               $theirs"
echo "  time to an answer, ms     p50 $(awk '{print $4}' "$dir/ours" | median), p99 $(awk '{print $5}' "$dir/ours" | median)"
accepted=$(awk '{sum += $2} END {print sum}' "$dir/ours")
refused=$(awk '{sum += $3} END {print sum}' "$dir/ours")
stored=$(query -c "SELECT count(*) FROM intake.events WHERE source = 'bench'")
# A request that was under way when a round ended is stored and not counted.
echo "  truth                     $accepted answers of 200, $refused others, $stored events stored"
[ "$refused" -eq 0 ] && [ "$stored" -ge "$accepted" ] && [ "$stored" -le $((accepted + ROUNDS * CONNECTIONS)) ] ||
	fail "the events are not those that were acknowledged"

lone=$(load_once 1 lone)
lone_pgbench=$(pgbench_once 1 "latency average")
echo "One connection, ms: p50 $(echo "$lone" | awk '{print $4}'), p99 $(echo "$lone" | awk '{print $5}'); pgbench on average $lone_pgbench"

echo "Jobs, one executor, a transaction each, one row written by the handler, $JOBS jobs"
run_jobs() {
	query <<-SQL >/dev/null
		SELECT intake.create_workflow('$1', '$1(intake.job)', type => 'job.$1', timeout => '1 hour');
		SELECT intake.pause_workflow('$1');
		SELECT count(intake.emit('job.$1', '{"n": 1}')) FROM generate_series(1, $JOBS);
		TRUNCATE effect;
		CHECKPOINT;
	SQL
	start=$(date +%s.%N)
	query -c "SELECT intake.resume_workflow('$1')" >/dev/null
	wait_until 300 sh -c "[ \"\$(psql -h $socket -p $port -U postgres -d postgres -XAtc 'SELECT count(*) FROM intake.queue, pg_sleep(0.02)')\" = 0 ]"
	wait_until 60 sh -c "[ \"\$(psql -h $socket -p $port -U postgres -d postgres -XAtc 'SELECT count(*) FROM intake.running')\" = 0 ]"
	awk -v n="$JOBS" -v s="$start" -v e="$(date +%s.%N)" 'BEGIN {printf "  %-25s %.0f jobs/s\n", "'"$2"'", n / (e - s)}'
	[ "$(query -c 'SELECT count(*) FROM effect')" = "$JOBS" ] || fail "the effects are not those of the jobs"
}
run_jobs write_one_plpgsql "handler in PL/pgSQL"
run_jobs write_one "handler in SQL"

bench_verify
