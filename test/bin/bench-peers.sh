#!/usr/bin/env bash
# make bench-peers: the same work through pg_intake and through what people build instead.
# A quarter of an hour, and what installing takes: Redis, FastAPI and Celery from Debian, the others
# from npm. PARTS leaves some of it out: accepts, jobs, calls.
#
# All take turns on one cluster with fsync on, with the same load generator. Nobody's workers run
# while requests are accepted.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=test/bin/cluster.sh
. test/bin/cluster.sh
prepare bench-peers
# shellcheck source=test/bin/bench-cluster.sh
. test/bin/bench-cluster.sh
PEER_JOBS=${PEER_JOBS:-30000}
PARTS=${PARTS:-accepts jobs calls}

cp -r test/bench/peers "$dir/peers"
(cd "$dir/peers" && build_quietly npm install --no-audit --no-fund --ignore-scripts) || fail "npm could not install the peers"

query <<-'SQL'
	CREATE TABLE peer_event (key text PRIMARY KEY, headers jsonb NOT NULL, body bytea NOT NULL, received_at timestamptz NOT NULL DEFAULT now());
SQL

redis_port=$(free_port)
mkdir "$dir/redis"
redis-server --port "$redis_port" --bind 127.0.0.1 --save '' --appendonly yes --dir "$dir/redis" >"$dir/redis.log" 2>&1 &
redis_pid=$!
peer_pid=
stop_peers() {
	end_process "$peer_pid"
	end_process "$redis_pid"
}
bench_stop_hooks+=(stop_peers)

export REDIS_PORT=$redis_port
database="host=$socket port=$port user=postgres dbname=postgres"
url="postgres://postgres@localhost/postgres?host=$socket&port=$port"

# start_peer NAME: one of them, on a port of its own: peer_port.
start_peer() {
	peer_port=$(free_port)
	if [ "$1" = fastapi ]; then
		(cd "$dir/peers" && DATABASE_URL="$database" exec /usr/bin/python3 -m uvicorn --workers 2 --no-access-log \
			--log-level warning --port "$peer_port" fastapi_app:app) >"$dir/peer.log" 2>&1 &
	else
		(cd "$dir/peers" && QUEUE=$1 PORT=$peer_port DATABASE_URL="$url" exec node fastify.js) >"$dir/peer.log" 2>&1 &
	fi
	peer_pid=$!
	wait_until 30 curl -fsS "http://127.0.0.1:$peer_port/readyz" || { cat "$dir/peer.log" >&2; fail "$1 did not start"; }
}
stop_peer() {
	end_process "$peer_pid"
	peer_pid=
}

peers=(fastapi graphile pgboss bullmq)
declare -A label=(
	[ours]="pg_intake" [fastapi]="FastAPI + Celery + Redis" [graphile]="Fastify + graphile-worker"
	[pgboss]="Fastify + pg-boss" [bullmq]="Fastify + BullMQ (events in Redis only)")

accepts() {
	local round peer stored accepted ours middle
	for round in $(seq "$ROUNDS"); do
		server=$http load_once "o$round" -c "$CONNECTIONS" >>"$dir/ours"
		for peer in "${peers[@]}"; do
			start_peer "$peer"
			server=$peer_port load_once "$peer$round" -c "$CONNECTIONS" >>"$dir/$peer"
			stop_peer
		done
	done

	stored=$(query -c "SELECT count(*) FROM intake.events WHERE source = 'bench'")
	accepted=$(awk '{sum += $2} END {print sum}' "$dir/ours")
	[ "$stored" -ge "$accepted" ] || fail "pg_intake has acknowledged what it has not stored"
	stored=$(query -c "SELECT count(*) FROM peer_event")
	accepted=$(cat "$dir"/{fastapi,graphile,pgboss} | awk '{sum += $2} END {print sum}')
	[ "$stored" -ge "$accepted" ] || fail "a peer has acknowledged what it has not stored"
	for peer in ours "${peers[@]}"; do
		[ "$(awk '{sum += $3} END {print sum}' "$dir/$peer")" -eq 0 ] || fail "${label[$peer]} did not accept every request"
	done

	ours=$(awk '{print $1}' "$dir/ours" | median)
	echo "Accepted events/s: 1 KiB bodies signed with HMAC-SHA256, $CONNECTIONS connections, $ROUNDS rounds of $SECONDS_EACH s in turns"
	printf '  %-42s %8s %8s %8s %10s %9s\n' '' median lowest highest 'p99 in ms' 'ours is'
	for peer in ours "${peers[@]}"; do
		middle=$(awk '{print $1}' "$dir/$peer" | median)
		printf '  %-42s %8s %8s %8s %10s %8sx\n' "${label[$peer]}" "$middle" "$(awk '{print $1}' "$dir/$peer" | sort -n | head -n 1)" \
			"$(awk '{print $1}' "$dir/$peer" | sort -n | tail -n 1)" "$(awk '{print $5}' "$dir/$peer" | median)" "$(ratio "$ours" "$middle")"
	done
}

# Jobs of graphile-worker per second.
drain_graphile() {
	local start end
	query >/dev/null <<-SQL
		DELETE FROM graphile_worker._private_jobs;
		SELECT count(graphile_worker.add_job('peer', '{"n": 1}')) FROM generate_series(1, $PEER_JOBS);
		TRUNCATE effect;
		CHECKPOINT;
	SQL
	(cd "$dir/peers" && DATABASE_URL="$url" exec node worker.js) >"$dir/peer.log" 2>&1 &
	peer_pid=$!
	# Starting Node does not count.
	wait_until 30 effects_are 1 || { cat "$dir/peer.log" >&2; fail "graphile-worker does not work"; }
	start=$(date +%s.%N)
	wait_until 300 effects_are "$PEER_JOBS" || fail "graphile-worker does not end"
	end=$(date +%s.%N)
	stop_peer
	awk -v n="$PEER_JOBS" -v s="$start" -v e="$end" 'BEGIN {printf "%.0f\n", n / (e - s)}'
}

jobs() {
	local round ours theirs
	for round in $(seq "$ROUNDS"); do
		fill_lane write_one "$JOBS"
		drain_lane write_one "$JOBS" >>"$dir/our-jobs"
		drain_graphile >>"$dir/graphile-jobs"
	done
	ours=$(median <"$dir/our-jobs")
	theirs=$(median <"$dir/graphile-jobs")
	echo "Jobs/s that write one row in the same database, $ROUNDS rounds in turns"
	echo "  pg_intake, one executor: $ours; graphile-worker, 24 at a time: $theirs; ratio $(ratio "$ours" "$theirs")"
}

calls() {
	# shellcheck source=test/bin/bench-peer-calls.sh
	. test/bin/bench-peer-calls.sh
	measure_calls
	show_calls
}

for part in $PARTS; do "$part"; done
