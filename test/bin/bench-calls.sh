#!/usr/bin/env bash
# make bench-calls: what calls cost, and how long they take. Prints the table of docs/figures.md, in
# about two minutes.
#
# Each event has a job that makes one call, and inserts a row when the answer is there. The courier and
# the local servers that answer share the machine with the database; fsync is on.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=test/bin/cluster.sh
. test/bin/cluster.sh
prepare
# shellcheck source=test/bin/bench-size.sh
. test/bin/bench-size.sh
WAL_FILES=${WAL_FILES:-$(scaled 64 4)}
# shellcheck source=test/bin/bench-cluster.sh
. test/bin/bench-cluster.sh

calls=$(scaled 20000 500) # of a round
alone=$(scaled 300 20)
slow=$(scaled 1000 40) # calls of 2 s

query -f test/bench/calls.sql -c 'CREATE ROLE courier LOGIN' -c "SELECT intake.grant_access('courier', 'courier')" >/dev/null

# start_responder MILLISECONDS: a server that takes so long for each answer; sets started_port.
responders=()
start_responder() {
	started_port=$(free_port)
	test/bench/responder "$started_port" "$1" &
	responders+=("$!")
	wait_until 10 curl -fsS "http://127.0.0.1:$started_port/" || fail "the server that answers did not start"
}
start_courier() {
	courier/intake-courier --allow 127.0.0.0/8 --dsn "host=$socket port=$port user=courier dbname=postgres" 2>"$dir/courier.log" &
	courier=$!
	wait_until 20 courier_is_there || fail "the courier did not start"
}
courier_is_there() {
	[ "$(query -c 'SELECT count(*) FROM intake.couriers')" -eq 1 ]
}
courier=
stop_all() {
	local pid
	end_process "$courier"
	for pid in "${responders[@]}"; do end_process "$pid"; done
}
bench_stop_hooks+=(stop_all)

all_answered() {
	[ "$(query -c 'SELECT count(*) FROM answered')" -ge "$1" ]
}

# call COUNT PORT...: so many calls; prints the seconds from the first event to the last answer's step.
call() {
	local count=$1 start ports
	ports=$(IFS=,; echo "${*:2}")
	start=$(query -c 'TRUNCATE answered' -c 'SELECT clock_timestamp()' -c "CALL send($count, '{$ports}')" | head -n 1)
	wait_until 120 all_answered "$count" || fail "the calls do not end"
	[ "$(query -c 'SELECT count(*) FROM answered WHERE status = 200')" -eq "$count" ] || fail "not every call was answered once"
	query -c "SELECT extract(epoch FROM max(at) - '$start') FROM answered"
}

# cpu PROCESS...: what processes have used of the CPU, in ticks of 10 ms.
cpu() {
	local pid
	for pid in "$@"; do cat "/proc/$pid/stat"; done 2>/dev/null | sed 's/.*) //' | awk '{n += $12 + $13} END {print n + 0}'
}
pids_of() {
	query -c "SELECT pid FROM pg_stat_activity WHERE $1"
}
# used_by WHO PROCESS...: notes what they use until note_use.
declare -A watched before
used_by() {
	watched[$1]="${*:2}"
	# shellcheck disable=SC2048,SC2086
	before[$1]=$(cpu ${watched[$1]})
}
note_use() {
	local who
	for who in "${!watched[@]}"; do
		# shellcheck disable=SC2086
		echo $((($(cpu ${watched[$who]}) - before[$who]) * 10000 / calls)) >>"$dir/use.$who"
	done
}

fast_round() {
	query -c CHECKPOINT
	used_by executor "$(pids_of "backend_type = 'pg_intake executor'")"
	used_by exchange "$(pids_of "usename = 'courier'")"
	used_by courier "$courier"
	used_by responder "${responders[0]}"
	call "$calls" "$fast" | awk -v n="$calls" '{printf "%.0f\n", n / $1}' >>"$dir/rate"
	note_use
}

# From the commit of a lone event until the step that has the answer runs.
lone_calls() {
	query -c 'TRUNCATE answered, sent' -c "CALL send_alone($alone, $fast, 0.05)"
	wait_until 20 all_answered "$alone" || fail "lone calls do not end"
	query -c "SELECT format('p50 %s ms, p99 %s ms', round(1000 * percentile_cont(0.5) WITHIN GROUP (ORDER BY took)::numeric, 1),
			round(1000 * percentile_cont(0.99) WITHIN GROUP (ORDER BY took)::numeric, 1))
		FROM (SELECT extract(epoch FROM a.at - s.at) FROM sent s JOIN answered a USING (event_id)) t (took)"
}
memory_peak() {
	awk '/^VmHWM/ {printf "%.0f", $2 / 1024}' "/proc/$courier/status"
}
use() { median <"$dir/use.$1"; }

start_responder 1
fast=$started_port
slow_ports=()
for _ in 1 2 3 4; do
	start_responder 2000
	slow_ports+=("$started_port")
done
start_courier
call "$(scaled 2000 100)" "$fast" >/dev/null # everybody is there, and knows the way
for _ in $(seq "$ROUNDS"); do fast_round; done
lone=$(lone_calls)
one_host=$(call "$slow" "${slow_ports[0]}")
four_hosts=$(call "$slow" "${slow_ports[@]}")

cat <<TABLE

| calls, $ROUNDS rounds of $calls | |
|---|---|
| answers that take 1 ms: event, step, call, answer, second step | $(median <"$dir/rate")/s ($(sort -n "$dir/rate" | head -n 1) to $(sort -n "$dir/rate" | tail -n 1)) |
| the CPU of each: the executor, which runs both steps | $(use executor) µs |
| the exchange in the server | $(use exchange) µs |
| the courier | $(use courier) µs |
| the local server that answers | $(use responder) µs |
| a lone call, from the commit of its event to the second step, 1 ms of it for the answer | $lone |
| $slow calls of 2 s to four hosts, all ended after | $(printf '%.1f' "$four_hosts") s |
| the same to one host, which gets a quarter of the courier's 1,000 transfers | $(printf '%.1f' "$one_host") s |
| the courier's peak memory, with 1,000 transfers | $(memory_peak) MB |
TABLE
