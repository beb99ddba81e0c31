# shellcheck shell=bash
# Work with a call in it, through pg_intake and through what people build instead; to be sourced by
# bench-peers.sh.
#
# For each event: step 1 writes a row and asks for a call, the call is made, its answer is stored, and
# step 2 writes a row. All call the same responder, which takes a millisecond for an answer.

CALLS=${CALLS:-3000}
CALL_SECONDS=${CALL_SECONDS:-4} # of events that come alone
CALLS_APART=50                  # so many of these in a second
CALL_WORKERS=${CALL_WORKERS:-1}  # processes of Node: on two cores a second one takes the time of the others
CALLS_AT_ONCE=${CALLS_AT_ONCE:-200} # of all of these

read -ra call_ways <<<"${CALL_WAYS:-ours ours-flushed pgboss pgboss-lean bullmq bullmq-always bullmq-lean}"
declare -A call_label=(
	[ours]="pg_intake" [ours-flushed]="pg_intake, job_synchronous_commit = on"
	[pgboss]="pg-boss, a queue for each step" [pgboss-lean]="pg-boss, one handler does all"
	[bullmq]="BullMQ, steps in the job" [bullmq-always]="the same, appendfsync always" [bullmq-lean]="BullMQ, one handler does all")

responder_port=$(free_port)
test/bench/responder "$responder_port" 1 &
responder_pid=$!
worker_pids=()
call_redis_pid=
stop_calls() {
	stop_call_way
	end_process "$responder_pid"
}
bench_stop_hooks+=(stop_calls)

export CALL_URL=http://127.0.0.1:$responder_port/call
query >/dev/null <<-SQL
	CREATE TABLE asked (key bigint);
	CREATE TABLE called (key bigint, sent float8, at timestamptz);
	CREATE ROLE courier LOGIN;
	SELECT intake.grant_access('courier', 'courier');
	CREATE FUNCTION ask(job intake.job) RETURNS intake.next LANGUAGE plpgsql AS \$\$
	BEGIN
		CASE job.step
		WHEN 'start' THEN
			INSERT INTO public.asked VALUES ((job.payload ->> 'key')::bigint);
			RETURN intake.call('$CALL_URL', job.payload);
		WHEN 'answered' THEN
			INSERT INTO public.called VALUES ((job.payload ->> 'key')::bigint, (job.payload ->> 'sent')::float8, clock_timestamp());
			RETURN intake.done();
		END CASE;
	END \$\$;
	SELECT intake.create_workflow('ask', 'ask(intake.job)', source => 'intake', type => 'ask');
	CREATE PROCEDURE feed_ours(number int, per_second float8) LANGUAGE plpgsql AS \$\$
	DECLARE
		size CONSTANT int := CASE WHEN per_second > 0 THEN 1 ELSE 1000 END;
		start CONSTANT timestamptz := clock_timestamp();
	BEGIN
		FOR key IN 0 .. number - 1 BY size LOOP
			IF per_second > 0 THEN
				PERFORM pg_sleep(extract(epoch FROM start - clock_timestamp()) + key / per_second);
				COMMIT;
			END IF;
			PERFORM intake.emit('ask', jsonb_build_object('key', k, 'sent', extract(epoch FROM clock_timestamp())))
				FROM generate_series(key, least(key + size, number) - 1) k;
			COMMIT;
		END LOOP;
	END \$\$;
SQL

# cpu_of PROCESS...: milliseconds of CPU that they, their children and those that have ended have taken.
cpu_of() {
	{ cat /proc/[0-9]*/stat 2>/dev/null || true; } | sed 's/^\([0-9]*\) (.*) /\1 /' | awk -v roots="$*" -v ticks="$(getconf CLK_TCK)" '
		{parent[$1] = $3; taken[$1] = $12 + $13 + $14 + $15}
		END {
			n = split(roots, root, " ")
			for (i = 1; i <= n; i++) wanted[root[i]] = 1
			for (p in parent) {
				for (q = p; q in parent && !(q in wanted); q = parent[q]);
				if (q in wanted) sum += taken[p]
			}
			printf "%.0f\n", 1000 * sum / ticks
		}'
}
cpu_of_all() {
	# shellcheck disable=SC2086 # There may be none.
	cpu_of "$(head -n 1 "$dir/data/postmaster.pid")" "$responder_pid" "${worker_pids[@]}" $call_redis_pid
}

are_ready() {
	[ "$(cat "$dir"/worker*.log | grep -c ready)" -eq "$CALL_WORKERS" ]
}

start_courier() {
	query -c "ALTER SYSTEM SET pg_intake.job_synchronous_commit = $1" -c 'SELECT pg_reload_conf()' -c "SELECT intake.resume_workflow('ask')" >/dev/null
	courier/intake-courier --dsn "host=$socket port=$port user=courier dbname=postgres" --allow 127.0.0.0/8 \
		--listen "unix:$dir/courier" 2>"$dir/worker1.log" &
	worker_pids=($!)
	wait_until 20 curl -fsS --unix-socket "$dir/courier" http://localhost/readyz || { cat "$dir/worker1.log" >&2; fail "the courier did not start"; }
}

# start_node QUEUE [APPENDFSYNC]: workers, and before them a Redis if they want one.
start_node() {
	local i
	if [ -n "${2:-}" ]; then
		rm -rf "$dir/call-redis"
		mkdir "$dir/call-redis"
		REDIS_PORT=$(free_port)
		redis-server --port "$REDIS_PORT" --bind 127.0.0.1 --save '' --appendonly yes --appendfsync "$2" \
			--maxmemory-policy noeviction --dir "$dir/call-redis" >"$dir/call-redis.log" 2>&1 &
		call_redis_pid=$!
		wait_until 10 redis-cli -p "$REDIS_PORT" ping || fail "Redis did not start"
	fi
	call_queue=$1
	rm -f "$dir"/worker*.log
	for i in $(seq "$CALL_WORKERS"); do
		(cd "$dir/peers" && QUEUE=$1 CONCURRENCY=$((CALLS_AT_ONCE / CALL_WORKERS)) DATABASE_URL="$url" exec node calls.js) >"$dir/worker$i.log" 2>&1 &
		worker_pids+=($!)
	done
	wait_until 30 are_ready || { cat "$dir"/worker*.log >&2; fail "$1 did not start"; }
}

# feed WAY NUMBER [PER_SECOND]: puts events in; its first line is when it begins.
feed() {
	case $1 in
		ours*) query -c 'SELECT extract(epoch FROM clock_timestamp())' -c "CALL feed_ours($2, ${3:-0})" ;;
		*) (cd "$dir/peers" && QUEUE=$call_queue DATABASE_URL="$url" exec node calls.js feed "${@:2}") ;;
	esac
}

calls_are_made() {
	[ "$(query -c 'SELECT count(*) FROM called')" -ge "$1" ]
}
# wait_for_calls NUMBER: until all have their second row, and none has two.
wait_for_calls() {
	wait_until 120 calls_are_made "$1" || { tail -n 20 "$dir"/worker*.log >&2; fail "calls do not end"; }
	[ "$(query -c "SELECT (SELECT count(*) FROM asked) = $1 AND count(*) = $1 AND count(DISTINCT key) = $1 FROM called")" = t ] ||
		fail "the rows are not those of $1 events"
}

# What runs first does not count: a program that has just begun is slow.
start_call_way() {
	query -c 'TRUNCATE asked, called'
	case $1 in
		ours) start_courier off ;;
		ours-flushed) start_courier on ;;
		bullmq-always) start_node bullmq always ;;
		bullmq*) start_node "$1" everysec ;;
		pgboss*) start_node "$1" ;;
	esac
	feed "$1" "$((CALLS / 3))" >/dev/null
	wait_for_calls "$((CALLS / 3))"
	query -c 'TRUNCATE asked, called' -c CHECKPOINT
}
stop_call_way() {
	local pid
	for pid in "${worker_pids[@]}"; do end_process "$pid"; done
	end_process "$call_redis_pid"
	worker_pids=()
	call_redis_pid=
}

# call_rate WAY: prints calls per second, and microseconds of CPU for each, of many that come at once.
# Putting events in costs its own process time that is not counted.
call_rate() {
	local before start
	start_call_way "$1" >&2
	before=$(cpu_of_all)
	start=$(feed "$1" "$CALLS" | head -n 1)
	wait_for_calls "$CALLS"
	awk -v n="$CALLS" -v s="$start" -v e="$(query -c 'SELECT extract(epoch FROM max(at)) FROM called')" \
		-v cpu="$(($(cpu_of_all) - before))" 'BEGIN {printf "%.0f %.0f\n", n / (e - s), 1000 * cpu / n}'
	stop_call_way
}

# call_latency WAY: prints p50 and p99 of the times from before an event is put in to its second row, in
# ms, of events that come alone.
call_latency() {
	local number=$((CALL_SECONDS * CALLS_APART))
	start_call_way "$1" >&2
	feed "$1" "$number" "$CALLS_APART" >/dev/null
	wait_for_calls "$number"
	query -A -F ' ' -c "SELECT round(1000 * percentile_cont(0.5) WITHIN GROUP (ORDER BY late)::numeric, 1),
			round(1000 * percentile_cont(0.99) WITHIN GROUP (ORDER BY late)::numeric, 1)
		FROM (SELECT extract(epoch FROM at) - sent AS late FROM called) c"
	stop_call_way
}

measure_calls() {
	local round way
	for round in $(seq "$ROUNDS"); do
		for way in "${call_ways[@]}"; do call_rate "$way" >"$dir/figure"; cat "$dir/figure" >>"$dir/rate.$way"; done
	done
	for round in $(seq "$ROUNDS"); do
		for way in "${call_ways[@]}"; do call_latency "$way" >"$dir/figure"; cat "$dir/figure" >>"$dir/latency.$way"; done
	done
}

show_calls() {
	local way
	echo "An event, a row, a call that takes 1 ms, its answer, a row: $CALLS at once, and $CALLS_APART/s for $CALL_SECONDS s, $ROUNDS rounds in turns"
	printf '  %-42s %8s %8s %8s %9s %9s %9s\n' '' calls/s lowest highest 'CPU in us' 'p50 in ms' 'p99 in ms'
	for way in "${call_ways[@]}"; do
		printf '  %-42s %8s %8s %8s %9s %9s %9s\n' "${call_label[$way]}" "$(column 1 "$dir/rate.$way")" \
			"$(awk '{print $1}' "$dir/rate.$way" | sort -n | head -n 1)" "$(awk '{print $1}' "$dir/rate.$way" | sort -n | tail -n 1)" \
			"$(column 2 "$dir/rate.$way")" "$(column 1 "$dir/latency.$way")" "$(column 2 "$dir/latency.$way")"
	done
}
