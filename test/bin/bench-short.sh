#!/usr/bin/env bash
# make bench: figures of this machine, ratios first. About ten minutes.
#
# A throwaway cluster with fsync on. Ours and pgbench take turns, and medians are compared.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=test/bin/cluster.sh
. test/bin/cluster.sh
prepare
# shellcheck source=test/bin/bench-verify.sh
. test/bin/bench-verify.sh
# shellcheck source=test/bin/bench-cluster.sh
. test/bin/bench-cluster.sh
# shellcheck source=test/bin/bench-idle.sh
. test/bin/bench-idle.sh

# shim_memory PID: resident memory of a shim, in MB: the peak.
shim_memory() {
	awk '/^VmHWM/ {printf "%.0f", $2 / 1024}' "/proc/$1/status"
}

# What the load generator reaches where nobody verifies or stores anything.
ceiling() {
	local bare
	bare=$(free_port)
	test/bench/responder "$bare" &
	responder_pid=$!
	wait_until 5 curl -fsS "http://127.0.0.1:$bare/" || fail "the bare responder did not start"
	echo "The load generator against a bare responder, 64 connections: $(server=$bare load_once ceiling -c 64 | awk '{print $1}')/s"
	stop_responder
}
responder_pid=
stop_responder() {
	end_process "$responder_pid"
	responder_pid=
}
bench_stop_hooks+=(stop_responder)

# show NAME FILE THEIRS: the medians of a file of load's lines, beside pgbench.
show() {
	echo "  $1: ratio $(ratio "$(column 1 "$2")" "$3"), $(column 1 "$2")/s, p50 $(column 4 "$2") ms, p99 $(column 5 "$2") ms"
}

# accept KIND ROUND: one of the things that take turns.
accept() {
	case $1 in
		theirs) pgbench_once 64 ;;
		theirs.tcp) pgbench_host=127.0.0.1 pgbench_once 64 ;;
		ours.idle) load_once "$1-$2" -c 64 -i 960 ;;
		ours.tcp-*) server=$http load_once "$1-$2" -c "${1#*-}" ;;
		ours.*) load_once "$1-$2" -c "${1#*.}" ;;
		storm) load_once storm -c 64 -d 1000 ;;
	esac >>"$dir/$1"
}

# What runs next has the disk that the last one left: so the order of each round is another.
accepts() {
	local kinds=(theirs theirs.tcp ours.64 ours.256 ours.1024 ours.tcp-64 ours.tcp-256 ours.tcp-1024 ours.idle storm)
	local count round kind theirs theirs_tcp
	echo "Durable accepts: 1 KiB bodies signed with HMAC-SHA256, a workflow that matches, $ROUNDS rounds of $SECONDS_EACH s in turns"
	load_once warm -c 64 >"$dir/ours.warm"
	for round in $(seq "$ROUNDS"); do
		for kind in $(shuf -e "${kinds[@]}"); do
			accept "$kind" "$round"
		done
	done
	theirs=$(median <"$dir/theirs")
	theirs_tcp=$(median <"$dir/theirs.tcp")
	echo "  pgbench, 64 connections, one INSERT per transaction: $theirs/s by Unix socket, $theirs_tcp/s by TCP"
	for count in 64 256 1024; do
		show "$count connections by Unix socket" "$dir/ours.$count" "$theirs"
	done
	for count in 64 256 1024; do
		show "$count connections by TCP, as pgbench" "$dir/ours.tcp-$count" "$theirs_tcp"
	done
	show "64 connections beside 960 idle ones" "$dir/ours.idle" "$theirs"
	show "the same 1,000 events over and over, 64 connections" "$dir/storm" "$theirs"
	echo "  the shims' peaks: $(shim_memory "$shim_pid") MB, $(shim_memory "$tcp_shim_pid") MB by TCP"
}

# pgbench_latency CONNECTIONS [OPTION...]: p50, p99 and longest of pgbench's times, in ms.
pgbench_latency() {
	rm -f "$dir"/times.*
	pgbench_once "$@" -l --log-prefix=times >/dev/null
	cat "$dir"/times.* | awk '{print $3 / 1000}' | sort -n |
		awk '{v[NR] = $1} END {printf "%.2f %.2f %.2f\n", v[int((NR + 1) / 2)], v[int(NR * 0.99)], v[NR]}'
}

# half FILE: half of the median of what it has.
half() {
	column 1 "$@" | awk '{printf "%.0f", $1 / 2}'
}

# Runs at half of the maximal rate, where the time to an answer counts from when its request was due,
# once what the full rate has left in memory is written; and a longer one, in which a checkpoint
# begins and ends, beside pgbench at half of its own rate.
latency() {
	local rate round
	rate=$(half "$dir/ours.64")
	query -c CHECKPOINT
	for round in $(seq "$ROUNDS"); do
		load_once "half-$round" -c 64 -r "$rate" >>"$dir/ours.half"
	done
	echo "At $rate requests/s, 64 connections: p50 $(column 4 "$dir/ours.half") ms, p99 $(column 5 "$dir/ours.half") ms, longest $(column 6 "$dir/ours.half") ms"
	query -c "ALTER SYSTEM SET checkpoint_timeout = '30s'" -c 'SELECT pg_reload_conf()' >/dev/null
	through_checkpoint load_once checkpoint -c 64 -r "$rate" -t 35 >"$dir/ours.checkpoint"
	through_checkpoint pgbench_latency 64 -j 2 -R "$(half "$dir/theirs")" -T 35 >"$dir/checkpoint"
	query -c 'ALTER SYSTEM RESET checkpoint_timeout' -c 'SELECT pg_reload_conf()' >/dev/null
	echo "The same for 35 s, through a checkpoint: p99 $(column 5 "$dir/ours.checkpoint") ms, longest $(column 6 "$dir/ours.checkpoint") ms;" \
		"pgbench at half of its rate: p99 $(column 2 "$dir/checkpoint") ms, longest $(column 3 "$dir/checkpoint") ms"
}
through_checkpoint() {
	local before
	before=$(checkpoints)
	"$@"
	[ "$(checkpoints)" -gt "$before" ] || fail "there was no checkpoint"
}
checkpoints() {
	query -c 'SELECT checkpoints_timed + checkpoints_req FROM pg_stat_bgwriter'
}

# The events in the log are those that were acknowledged, and each has its job. A request that was
# under way when a run ended is stored and not counted.
check_truth() {
	local accepted refused stored jobs
	accepted=$(cat "$dir"/ours.* | awk '{sum += $2} END {print sum + 1000}')
	refused=$(cat "$dir"/ours.* "$dir/storm" | awk '{sum += $3} END {print sum}')
	stored=$(query -c "SELECT count(*) FROM intake.events WHERE source = 'bench'")
	jobs=$(query -c "SELECT count(*) FROM intake.queue")
	echo "  truth: $accepted answers of 200, $refused others, $stored events and $jobs jobs stored"
	[ "$refused" -eq 0 ] && [ "$stored" -ge "$accepted" ] && [ "$jobs" -eq "$stored" ] &&
		[ "$stored" -le $((accepted + (ROUNDS + 3) * (2 * (64 + 256 + 1024) + 64))) ] ||
		fail "the events are not those that were acknowledged"
}

# Deliveries of many events beside as many deliveries, in turns, as fast as they come.
many_events() {
	local round one split
	for round in $(seq "$ROUNDS"); do
		load_once "one-$round" -c 64 >>"$dir/ours.one"
		load_source=bench_split load_once "many-$round" -c 8 -n 50 >>"$dir/many"
	done
	one=$(column 1 "$dir/ours.one")
	split=$(column 1 "$dir/many" | awk '{printf "%.0f", 50 * $1}')
	echo "Deliveries of 50 events, 8 connections: ratio $(ratio "$split" "$one") of single ones, $split events/s"
	[ "$(column 3 "$dir/many")" -eq 0 ] || fail "deliveries were refused"
}

lone_requests() {
	local round
	for round in $(seq "$ROUNDS"); do
		load_once "lone-$round" -c 1 >>"$dir/lone-ours"
		pgbench_latency 1 -j 1 >>"$dir/lone-theirs"
	done
	echo "One connection: ratio $(ratio "$(column 4 "$dir/lone-ours")" "$(column 1 "$dir/lone-theirs")") of the p50s;" \
		"p50 $(column 4 "$dir/lone-ours") ms, p99 $(column 5 "$dir/lone-ours") ms;" \
		"pgbench p50 $(column 1 "$dir/lone-theirs") ms, p99 $(column 2 "$dir/lone-theirs") ms"
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
	local handler first
	echo "Jobs, one executor, a transaction each, one row written by the handler, $JOBS jobs, the other workflow's jobs waiting"
	query -c "SELECT intake.create_workflow('stay', 'write_one(intake.job)', type => 'job.stay')" >/dev/null
	fill_lane write_one 10000
	drain_lane write_one 10000 >/dev/null
	first=$(executor_memory)
	for handler in write_one_plpgsql write_one; do
		fill_lane "$handler" "$JOBS"
		echo "  $handler: $(drain_lane "$handler" "$JOBS") jobs/s"
	done
	query -c "SELECT intake.alter_workflow('write_one', jobs_per_transaction => 16)" >/dev/null
	fill_lane write_one "$JOBS"
	echo "  write_one, 16 jobs in a transaction: $(drain_lane write_one "$JOBS") jobs/s"
	query -c "SELECT intake.alter_workflow('write_one', jobs_per_transaction => 1)" >/dev/null
	echo "  the executor's own memory: $first kB after 10,000 jobs, $(executor_memory) kB after $((3 * JOBS)) more"
}

accepts
lone_requests
jobs
bench_verify
