#!/usr/bin/env bash
# make bench-wide: does it stay fast when there is much configured? Prints the tables of
# docs/figures.md. Half an hour; SCALE=0.01 takes a hundredth of everything.
#
# Each width, as many sources and workflows, has databases of its own in one cluster: in some the
# workflows are for one source each, in others for one type of all sources. The widths take turns.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=test/bin/cluster.sh
. test/bin/cluster.sh
prepare
# shellcheck source=test/bin/bench-size.sh
. test/bin/bench-size.sh
ROUNDS=${ROUNDS:-$(scaled 5)}
SECONDS_EACH=${SECONDS_EACH:-$(scaled 3)}
JOBS=${JOBS:-$(scaled 200000 2000)}
WAL_FILES=${WAL_FILES:-$(scaled 256 16)}
CREATE_SECONDS=${CREATE_SECONDS:-300} # that creating all may take
bench_options='-c max_worker_processes=32 -c track_functions=none'
# shellcheck source=test/bin/bench-cluster.sh
. test/bin/bench-cluster.sh
# shellcheck source=test/bin/bench-idle.sh
. test/bin/bench-idle.sh
# shellcheck source=test/bin/bench-owners.sh
. test/bin/bench-owners.sh
# shellcheck source=test/bin/bench-fan.sh
. test/bin/bench-fan.sh

widths=(1 "$(scaled 100 10)" "$(scaled 10000 100)")
events=$(scaled 40000 2000)   # of one measurement
requests=$(scaled 20000 1000) # likewise
as_postgres mkdir "$dir/row"
chmod 777 "$dir/row"

# phase WHAT: says on standard error what goes on.
phase() {
	echo "$(date +%T) $1" >&2
}

# ---- the tables ----

# dots NUMBER: with commas between thousands.
dots() {
	sed -E ':a; s/^([0-9]+)([0-9]{3})\b/\1,\2/; ta' <<<"$1"
}
# record ROW WIDTH VALUE: one round's value.
record() {
	echo "$3" >>"$dir/row/$1.$2"
}
# head_of_table: a column for each width.
head_of_table() {
	local width
	printf '\n| |'
	for width in "${widths[@]}"; do printf ' %s |' "$(dots "$width")"; done
	printf '\n|---|'
	for width in "${widths[@]}"; do printf -- '---|'; done
	printf '\n'
}
# ratio_to_first ROW WIDTH: the median, over the rounds, of the ratios to the first width.
ratio_to_first() {
	paste "$dir/row/$1.${widths[0]}" "$dir/row/$1.$2" | awk '{printf "%.4f\n", $2 / $1}' | median | awk '{printf "%.2f", $1}'
}
# row TITLE UNIT ROW [ratios]: the medians, and how they compare with the first width.
row() {
	local width value
	printf '| %s |' "$1"
	for width in "${widths[@]}"; do
		if [ ! -s "$dir/row/$3.$width" ]; then
			printf ' |'
			continue
		fi
		value=$(dots "$(median <"$dir/row/$3.$width")")$2
		if [ "${4:-}" = ratios ] && [ "$width" != "${widths[0]}" ]; then
			value="**$(ratio_to_first "$3" "$width")** $value"
		fi
		printf ' %s |' "$value"
	done
	printf '\n'
}
# in_turns FUNCTION...: each, at each width, in each round; what it prints are values of its row.
in_turns() {
	local round kind width
	for round in $(seq "$ROUNDS"); do
		for kind in "$@"; do
			phase "$kind, round $round"
			for width in $(shuf -e "${widths[@]}"); do
				record "$kind" "$width" "$("$kind" "$width" "$round")"
			done
		done
	done
}

# ---- making the widths ----

# new_database NAME [OPTION...]: with the extension, and what psql does by these options.
new_database() {
	database=postgres query -c "CREATE DATABASE $1"
	database=$1 query -c 'CREATE EXTENSION pg_intake CASCADE' "${@:2}"
}

# in_time ROW WIDTH SQL OTHERWISE: the SQL's seconds, in one statement, or the other SQL where it takes
# too long.
in_time() {
	local start end
	start=$(date +%s.%N)
	if query -c "SET statement_timeout = '${CREATE_SECONDS}s'" -c "$3" >/dev/null 2>"$dir/create.log"; then
		end=$(date +%s.%N)
		record "$1" "$2" "$(awk -v s="$start" -v e="$end" 'BEGIN {printf "%.2f", e - s}')"
	else
		grep -q 'statement timeout' "$dir/create.log" || fail "$(cat "$dir/create.log")"
		record "$1" "$2" ">$CREATE_SECONDS"
		query -c "$4" >/dev/null
	fi
}
make_width() {
	local by_type database
	for by_type in false true; do
		database=source_$1
		[ $by_type = false ] || database=type_$1
		new_database "$database" -f test/bench/width.sql
		if [ $by_type = false ]; then
			in_time create_sources "$1" "SELECT create_sources($1)" "SELECT store_sources($1)"
			in_time create_workflows "$1" "SELECT create_workflows($1, false)" "SELECT store_workflows($1, false)"
		else
			in_time create_by_type "$1" "SELECT create_workflows($1, true)" "SELECT store_workflows($1, true)"
		fi
		query >/dev/null <<-'SQL'
			SELECT intake.create_workflow('one', 'write_one(intake.job)', source => 'intake', type => 'one');
			SELECT intake.pause_workflow('one');
		SQL
		[ $by_type = true ] || query -c 'UPDATE intake.workflow SET paused = true'
		query -c 'VACUUM ANALYZE'
	done
	start_shim "$dir/shim-$1" "source_$1"
	shim_pids+=("$started_pid")
}
shim_pids=()
stop_shims() {
	local pid
	for pid in "${shim_pids[@]}"; do end_process "$pid"; done
}
bench_stop_hooks+=(stop_shims)

# ---- what takes turns ----

# small_turns ROW DATABASE PREPARE COMMAND: how many in a second of one backend's CPU, each width in a session
# of its own; see take_turns. In PREPARE, ROUND is the round.
turns=$(scaled 20 5)
small_turns() {
	local round width value
	for round in $(seq "$ROUNDS"); do
		phase "$1, round $round"
		database=source_${widths[0]} query -F ' ' -c "SELECT width, round(1 / value)
			FROM take_turns('$2', '{$(IFS=,; echo "${widths[*]}")}', ARRAY[${3//ROUND/$round}], '$4', $turns)" >"$dir/turns"
		while read -r width value; do record "$1" "$width" "$value"; done <"$dir/turns"
	done
}
# emit ROW DATABASE TYPE
emit() {
	small_turns "$1" "$2" "'SELECT emit_some(''$3'', 1000)'" "SELECT emit_some(''$3'', $((events / turns)))"
}
# receive ROW SOURCES: each backend has seen all of its sources before.
receive() {
	local batches=$((requests / 100 / turns))
	small_turns "$1" source \
		"'CALL make_batches(''$1-ROUND-before'', $((requests / 2)), $2)', 'CALL receive_batches()',
			'CALL make_batches(''$1-ROUND'', $requests, $2)'" \
		"CALL receive_batches(NULL, (%2\$s - 1) * $batches + 1, %2\$s * $batches)"
}

# accept WIDTH PREFIX SOURCES: in the minute in which each backend of the shim has read all sources, and
# recorded the use of their secrets.
accept() {
	local server=$dir/shim-$1 load_source=s before=0 n=0 more
	while [ "$before" -lt $((10 * $3)) ]; do
		n=$((n + 1))
		more=$(load_once "$2-before-$n" -c "$CONNECTIONS" -p "$3" | awk '{print $2}')
		[ "$more" -gt 0 ] || fail "the shim accepts nothing"
		before=$((before + more))
	done
	load_once "$2" -c "$CONNECTIONS" -p "$3" | awk '{print $1}'
}
accept_one() { accept "$1" "accept-one-$2" 1; }
accept_all() { accept "$1" "accept-all-$2" "$1"; }

# emit_jobs TYPES COUNT: in one transaction; prints the time of its commit.
emit_jobs() {
	query <<-SQL
		BEGIN;
		SELECT count(intake.emit(label('t', 1 + n % $1), '{"n": 1}')) FROM generate_series(1, $2) n \g /dev/null
		SELECT extract(epoch FROM clock_timestamp());
		COMMIT;
	SQL
}
# warm TYPES: the executor of $database, which may have left meanwhile, runs one job of each.
warm() {
	query -c 'TRUNCATE effect'
	drain "$1" emit_jobs "$1" "$1" >/dev/null
}
# jobs_memory WIDTH: of the executor that has run jobs of all workflows.
jobs_memory() {
	local database=type_$1
	warm "$1"
	query -c 'TRUNCATE effect'
	drain "$JOBS" emit_jobs "$1" "$JOBS" >/dev/null
	record executor "$1" "$(executor_memory)"
}

# pin DATABASE CORES: where its executor runs.
pin() {
	as_postgres taskset -pc "$2" "$(query -c "SELECT pid FROM pg_stat_activity
		WHERE backend_type = 'pg_intake executor' AND datname = '$1'")" >/dev/null
}
# run_together EMIT...: the executors of $together run as many jobs each on one core, and make them by those commands;
# prints the jobs that each runs in a second of its CPU. How fast the machine is, is the same for all then.
run_together() {
	local name list
	list=$(IFS=,; echo "${together[*]}")
	for name in "${together[@]}"; do database=$name query -c 'TRUNCATE effect'; done
	query -c CHECKPOINT
	for name in "${together[@]}"; do pin "$name" $(($(nproc) - 1)); done
	database=${together[0]} query -c "SELECT round(1 / value) FROM run_together('{$list}',
		ARRAY[$(printf "\$\$%s\$\$," "$@" | sed 's/,$//')], $JOBS)"
	for name in "${together[@]}"; do pin "$name" "0-$(($(nproc) - 1))"; done
}
# jobs_by_cpu ROW TYPES: TYPES is 1, or all.
jobs_by_cpu() {
	local round width emits types
	together=("${widths[@]/#/type_}")
	for round in $(seq "$ROUNDS"); do
		phase "$1, round $round"
		emits=()
		for width in "${widths[@]}"; do
			[ "$2" = all ] && types=$width || types=$2
			database=type_$width warm "$types"
			emits+=("SELECT count(intake.emit(label('t', 1 + n % $types), '{\"n\": 1}')) FROM generate_series(1, $JOBS) n")
		done
		run_together "${emits[@]}" | paste -d ' ' <(printf '%s\n' "${widths[@]}") - | while read -r width value; do
			record "$1" "$width" "$value"
		done
	done
}

# ---- what is measured once for each width ----

# gateway WIDTH USED: the CPU of a new backend's first request, in ms, and that of the first requests
# to so many sources, in µs; and the backend's memory then.
gateway() {
	database=source_$1 query -F ' ' <<-SQL | {
		CALL make_batches('gateway-$2', $2, $2);
		\c
		SELECT cpu() AS start \gset
		SELECT receive_one('s00001', 'gateway-$2') \g /dev/null
		SELECT round(1000 * (cpu() - :start)::numeric, 1) AS first \gset
		CALL receive_batches() \gset
		SELECT :first, round(1e6 * :per_request), round(own_memory() / 1024.0, 1);
	SQL
		read -r first each memory
		record "first.$2" "$1" "$first"
		record "each.$2" "$1" "$each"
		record "gateway.$2" "$1" "$memory"
	}
}

# adding WIDTH: one more of each.
adding() {
	local database=source_$1 what
	query >/dev/null <<-SQL
		CALL make_batches('adding', $1, $1);
		CALL receive_batches();
		CALL add_one('source', 's00001', $added);
		CALL add_one('workflow', 'one', $added);
	SQL
	for what in source workflow; do
		query -F ' ' -c "SELECT round(percentile_cont(0.5) WITHIN GROUP (ORDER BY create_ms)::numeric, 2),
				round(percentile_cont(0.5) WITHIN GROUP (ORDER BY next_ms)::numeric, 2),
				round(percentile_cont(0.5) WITHIN GROUP (ORDER BY new_ms)::numeric, 2)
			FROM added WHERE what = '$what'" | {
			read -r create next new
			record "add_$what" "$1" "$create"
			record "next_$what" "$1" "$next"
			record "new_$what" "$1" "$new"
		}
	done
}
added=$(scaled 100 5)

# milliseconds SQL: p50 of five times, as psql sees them.
milliseconds() {
	local again=()
	for _ in 1 2 3 4 5; do again+=(-c "$1"); done
	query -o /dev/null -c '\timing on' "${again[@]}" | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' | median
}
views() {
	local database=views_$1 view
	new_database "$database" -v "sources=$1" -v "events=$1" -v "dead=$1" -v "rejections=$1" -f test/bench/wide.sql
	for view in sources workflows stats dead_letters rejections; do
		record "view_$view" "$1" "$(milliseconds "SELECT * FROM intake.$view")"
	done
}

# has_idle_time: whether workers leave when they have nothing to do.
has_idle_time() {
	[ "$(query -c "SELECT count(*) FROM pg_settings WHERE name = 'pg_intake.idle_time'")" -eq 1 ]
}
set_idle_time() {
	query -c "ALTER SYSTEM SET pg_intake.idle_time = '$1'" -c 'SELECT pg_reload_conf()' >/dev/null
}
pickups() {
	local database=type_$1
	pickup 10 0.01 >/dev/null
	pickup "$(scaled 500 50)" 0.01 | tr ' ' '/' >>"$dir/row/pickup.$1"
	if has_idle_time; then
		set_idle_time 100ms
		pickup "$(scaled 100 10)" 0.5 | tr ' ' '/' >>"$dir/row/start.$1"
		set_idle_time 30s
	fi
}

# ---- deep data ----

# deep TITLE SQL: a line of the table.
deep() {
	printf '| %s | %s ms |\n' "$1" "$(milliseconds "$2")"
}
deep_table() {
	local database=deep n million
	n=$(scaled 10000 100) million=$(scaled 1000000)
	new_database deep -v "sources=$n" -v "events=$((2 * million))" -v "done=$million" -v "dead=$million" -f test/bench/wide.sql
	printf '\n| with %s sources and workflows, %s events, %s jobs that ended, and as many dead letters | |\n|---|---|\n' \
		"$(dots "$n")" "$(dots $((2 * million)))" "$(dots "$million")"
	deep 'dead letters of a workflow, the newest 50' "SELECT * FROM intake.dead_letters WHERE workflow = 'wide_7' ORDER BY died_at DESC LIMIT 50"
	deep 'dead letters, the newest 50' "SELECT * FROM intake.dead_letters ORDER BY died_at DESC LIMIT 50"
	deep 'a job by its id' "SELECT * FROM intake.jobs WHERE id = (SELECT max(job_id) / 2 FROM intake.done)"
	deep 'jobs of an event' "SELECT * FROM intake.jobs WHERE event_id = (SELECT max(event_id) / 2 FROM intake.done)"
	deep 'dead jobs of a workflow, 50 of them' "SELECT * FROM intake.jobs WHERE workflow = 'wide_7' AND state = 'dead' LIMIT 50"
	deep 'events of a source in an hour' "SELECT id, key, type, received_at FROM intake.events WHERE source = 'wide_7' AND received_at BETWEEN now() - interval '2 hours' AND now() - interval '1 hour'"
	deep 'stats' 'SELECT * FROM intake.stats'
}

for width in "${widths[@]}"; do
	phase "making $width sources and workflows, twice"
	make_width "$width"
done
emit emit_none_source source none
emit emit_one_source source one
emit emit_none_type type none
emit emit_one_type type one
receive receive_one 1
receive receive_all '%1$s'
in_turns accept_one accept_all
for width in "${widths[@]}"; do jobs_memory "$width"; done
jobs_by_cpu jobs_one 1
jobs_by_cpu jobs_all all
used=$(scaled 1000 50)
for width in "${widths[@]}"; do
	phase "the rest, $width"
	gateway "$width" "$width"
	[ "$width" -le "$used" ] || gateway "$width" "$used"
	for kind in gateway first each; do
		cat "$dir/row/$kind.$width.$width" >"$dir/row/${kind}_all.$width"
	done
	cat "$dir/row/gateway.$used.$width" >"$dir/row/gateway_used.$width" 2>/dev/null || true
	adding "$width"
	pickups "$width"
	views "$width"
done

echo "By the number of sources, and as many workflows; bold: the ratio to the first column, in turns, $ROUNDS rounds"
head_of_table
row 'emit, no workflow matches; each workflow for one source' /s emit_none_source ratios
row 'emit, one workflow matches; the others for one source each' /s emit_one_source ratios
row 'emit, no workflow matches; each workflow for one type of all sources' /s emit_none_type ratios
row 'emit, one workflow matches; the others for one type each' /s emit_one_type ratios
row '`intake.receive`, batches of 100, all to one source' /s receive_one ratios
row '`intake.receive`, batches of 100, over all sources' /s receive_all ratios
row "accepts by the shim, $CONNECTIONS connections, to one source" /s accept_one ratios
row "accepts by the shim, $CONNECTIONS connections, to all sources in turn" /s accept_all ratios
row 'jobs in a second of the CPU of one executor, all of one workflow' /s jobs_one ratios
row 'jobs in a second of the CPU of one executor, of all workflows' /s jobs_all ratios
row 'the executor'\''s own memory afterwards' ' kB' executor
row 'creating the sources in one statement' ' s' create_sources
row 'creating the workflows, for one source each' ' s' create_workflows
row 'creating the workflows, for one type each' ' s' create_by_type
row 'creating one more source' ' ms' add_source
row 'the next request to another source, in a backend that knows all' ' ms' next_source
row 'the first request to the new source' ' ms' new_source
row 'creating one more workflow' ' ms' add_workflow
row 'the next event for another workflow' ' ms' next_workflow
row 'the first event for the new workflow' ' ms' new_workflow
row 'a gateway backend'\''s own memory, all sources in use' ' MB' gateway_all
row "the same, $(dots "$used") sources in use" ' MB' gateway_used
row 'the first request of a backend, CPU' ' ms' first_all
row 'then the first request to each source, CPU' ' µs' each_all
row 'from the commit to the start of the job, p50/p99, an executor is there' ' ms' pickup
row 'the same, an executor must start' ' ms' start
for view in sources workflows stats dead_letters rejections; do
	row "all of \`intake.$view\`, as many rows" ' ms' "view_$view"
done
fan_table
bare_table
deep_table
bench_owners
