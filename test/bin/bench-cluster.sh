# shellcheck shell=bash
# What the benchmarks share; to be sourced at the top of the tree, after cluster.sh. Builds,
# installs, and starts a throwaway cluster with fsync on and the extension in it, and two shims: one
# at a Unix socket, as pgbench comes by one, and one at a TCP port. The caller may append to
# bench_stop_hooks functions that end what it has started.

SECONDS_EACH=${SECONDS_EACH:-3}
CONNECTIONS=${CONNECTIONS:-64}
ROUNDS=${ROUNDS:-5}
JOBS=${JOBS:-200000}
WAL_FILES=${WAL_FILES:-256}
# What the caller adds to the options of the server.
bench_options=${bench_options:-}

build_and_install
cc -O2 -o test/bench/load test/bench/load.c -lcrypto
cc -O2 -o test/bench/responder test/bench/responder.c

dir=$(mktemp -d "${BENCH_DIR:-/var/tmp}/pg_intake-bench.XXXXXX")
chmod 755 "$dir"
[ "$(id -u)" -ne 0 ] || chown postgres: "$dir"
port=$(free_port)
http=$(free_port)
shim_pid=
tcp_shim_pid=
bench_stop_hooks=()
end_process() {
	[ -z "$1" ] || { kill "$1" 2>/dev/null && wait "$1" 2>/dev/null || true; }
}
stop() {
	local hook
	for hook in "${bench_stop_hooks[@]}"; do "$hook"; done
	end_process "$shim_pid"
	end_process "$tcp_shim_pid"
	cluster_stop "$dir"
	rm -rf "$dir"
}
trap stop EXIT

# query [OPTION...]: psql, in $database.
query() {
	PGOPTIONS='-c client_min_messages=warning' psql -h "$socket" -p "$port" -U postgres -d "${database:-postgres}" \
		-X -q -A -t -v ON_ERROR_STOP=1 "$@"
}
median() { sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN {printf "%.2f", a / b}'; }

# bench_cluster DIRECTORY PORT: starts a cluster there; sets socket. As many files of WAL as a
# server under load keeps are made before (WAL_FILES of 16 MB); no checkpoint takes them away meanwhile.
bench_cluster() {
	cluster_init "$1"
	cluster_start "$1" "$2" "-h 127.0.0.1 -c min_wal_size=4GB -c shared_buffers=2GB -c pg_intake.executors=1 $bench_options"
	socket=$(cluster_socket "$1")
	[ "$(query -c 'SHOW fsync')" = on ] || fail "fsync is off"
	query -c "ALTER SYSTEM SET max_wal_size = '16GB'" -c 'SELECT pg_reload_conf()' >/dev/null
	for _ in $(seq "$WAL_FILES"); do
		echo "SELECT pg_logical_emit_message(false, 'bench', ''); SELECT pg_switch_wal();"
	done | query >/dev/null
	query -c CHECKPOINT -c "ALTER SYSTEM SET max_wal_size = '4GB'" -c 'SELECT pg_reload_conf()' >/dev/null
	query <<<"ALTER ROLE postgres PASSWORD '$PGPASSWORD'"
	query >/dev/null <<-'SQL'
		CREATE EXTENSION pg_intake CASCADE;
		SELECT intake.create_source('bench', 'hmac', secret => 'bench');
		SELECT intake.create_source('bench_split', 'hmac', secret => 'bench', key_from => '$.data.id', type_from => '$.event', options => '{"split": "$.events"}');
		CREATE TABLE effect (job_id bigint);
		CREATE FUNCTION write_one(job intake.job) RETURNS void LANGUAGE sql AS 'INSERT INTO public.effect VALUES (job.id)';
		CREATE FUNCTION write_one_plpgsql(job intake.job) RETURNS void LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.effect VALUES (job.id); END';
		SELECT intake.create_workflow('accepted', 'write_one(intake.job)', source => 'bench');
		SELECT intake.pause_workflow('accepted');
		SELECT intake.create_workflow('accepted_split', 'write_one(intake.job)', source => 'bench_split');
		SELECT intake.pause_workflow('accepted_split');
	SQL
}
# For whoever comes by TCP.
export PGPASSWORD
PGPASSWORD=$(head -c 15 /dev/urandom | base64)
bench_cluster "$dir" "$port"

# start_shim SOCKET [DATABASE]: starts a shim at a Unix socket, before the cluster that $socket and
# $port say; sets started_pid.
start_shim() {
	shim/intake-shim --listen "unix:$1" --dsn "host=$socket port=$port user=postgres dbname=${2:-postgres}" 2>"$1.log" &
	started_pid=$!
	wait_until 20 curl -fsS --unix-socket "$1" "http://localhost/readyz" || fail "the shim did not start"
}
start_shim "$dir/shim"
shim_pid=$started_pid
shim/intake-shim --listen "127.0.0.1:$http" --dsn "host=$socket port=$port user=postgres dbname=postgres" 2>"$dir/tcp-shim.log" &
tcp_shim_pid=$!
wait_until 20 curl -fsS "http://127.0.0.1:$http/readyz" || fail "the shim at a port did not start"

# load_once PREFIX [OPTION...]: one line of load.c; events of another PREFIX are other events. $server
# is a socket or a port.
server=$dir/shim
load_once() {
	test/bench/load -t "$SECONDS_EACH" "${@:2}" "$server" "/webhooks/${load_source:-bench}" bench "$1"
}
# column N FILE...: the median of a column of such lines.
column() {
	awk -v n="$1" '{print $n}' "${@:2}" | median
}

# pgbench_once CONNECTIONS [OPTION...]: pgbench's transactions per second, each of which stores the row
# that a request of the shim does. By Unix socket, unless $pgbench_host says otherwise.
query <<-'SQL'
	CREATE TABLE plain_event (LIKE intake.event);
	CREATE SEQUENCE plain_event_id;
	CREATE UNIQUE INDEX ON plain_event (source_id, key);
SQL
cat >"$dir/insert.sql" <<-'SQL'
	INSERT INTO plain_event (id, received_at, source_id, secret_id, verified, key, type, headers, body) VALUES (nextval('plain_event_id'), now(), 1, 1, 's', gen_random_uuid()::text, 'bench.event', '{"host": "bench", "user-agent": "load", "content-type": "application/json", "content-length": "1024"}', convert_to('{"event":"bench.event","data":{"id":"' || :client_id || '","pad":"' || repeat('x', 960) || '"}}', 'UTF8'));
SQL

pgbench_once() {
	(cd "$dir" && "$(pg_bin)/pgbench" -h "${pgbench_host:-$socket}" -p "$port" -U postgres -n -M prepared -c "$1" -j 2 -T "$SECONDS_EACH" \
		"${@:2}" -f "$dir/insert.sql" postgres 2>/dev/null) | sed -n "s/^tps = \([0-9.]*\).*/\1/p"
}

# fill_lane WORKFLOW COUNT: jobs that wait in the lane of a paused workflow with that handler.
fill_lane() {
	query <<-SQL >/dev/null
		SELECT intake.create_workflow('$1', '$1(intake.job)', type => 'job.$1', timeout => '1 hour')
			WHERE NOT EXISTS (SELECT FROM intake.workflows WHERE name = '$1');
		SELECT intake.pause_workflow('$1');
		SELECT count(intake.emit('job.$1', '{"n": 1}')) FROM generate_series(1, $2);
		TRUNCATE effect;
		CHECKPOINT;
	SQL
}

# Of the only executor, in kB: what it shares with nobody.
executor_memory() {
	awk '/^RssAnon/ {print $2}' "/proc/$(query -c "SELECT pid FROM intake.workers WHERE kind = 'executor' LIMIT 1")/status"
}

effects_are() {
	[ "$(query -c 'SELECT count(*) FROM effect')" -ge "$1" ]
}

# drain COUNT COMMAND...: lets so many jobs run by a command whose first line is the time from which
# they may, and prints jobs per second.
drain() {
	local start end
	start=$("${@:2}" | head -n 1)
	wait_until "${DRAIN_SECONDS:-300}" effects_are "$1" || fail "the jobs do not end"
	end=$(date +%s.%N)
	effects_are "$(($1 + 1))" && fail "there are more effects than jobs"
	awk -v n="$1" -v s="$start" -v e="$end" 'BEGIN {printf "%.0f\n", n / (e - s)}'
}

# drain_lane WORKFLOW COUNT: runs the jobs of fill_lane.
drain_lane() {
	drain "$2" resume_lane "$1"
}
resume_lane() {
	date +%s.%N
	query -c "SELECT intake.resume_workflow('$1')" >/dev/null
}

# pickup COUNT SECONDS: sends lone events, so far apart, and prints p50 and p99 of the times from the
# commit of each to the start of its job, in ms.
pickup() {
	query <<-SQL >/dev/null
		CREATE TABLE IF NOT EXISTS picked (event_id bigint, at timestamptz);
		CREATE TABLE IF NOT EXISTS sent (event_id bigint, at timestamptz);
		TRUNCATE picked, sent;
		CREATE OR REPLACE FUNCTION pick(job intake.job) RETURNS void LANGUAGE sql AS 'INSERT INTO public.picked VALUES (job.event_id, clock_timestamp())';
		SELECT intake.create_workflow('pick', 'pick(intake.job)', source => 'intake', type => 'pick')
			WHERE NOT EXISTS (SELECT FROM intake.workflow WHERE name = 'pick');
		CREATE OR REPLACE PROCEDURE send(n int, apart float8) LANGUAGE plpgsql AS \$\$
		DECLARE
			id bigint;
		BEGIN
			FOR i IN 1..n LOOP
				id := intake.emit('pick', '{}');
				COMMIT;
				INSERT INTO sent VALUES (id, clock_timestamp());
				COMMIT;
				PERFORM pg_sleep(apart);
				COMMIT;
			END LOOP;
		END \$\$;
		CALL send($1, $2);
	SQL
	wait_until 20 picked_all "$1" || fail "jobs of lone events do not run"
	query -c "SELECT round(1000 * extract(epoch FROM percentile_cont(0.5) WITHIN GROUP (ORDER BY p.at - s.at)), 2) || ' ' ||
			round(1000 * extract(epoch FROM percentile_cont(0.99) WITHIN GROUP (ORDER BY p.at - s.at)), 2)
		FROM sent s JOIN picked p USING (event_id)"
}
picked_all() {
	[ "$(query -c 'SELECT count(*) FROM picked')" -eq "$1" ]
}
