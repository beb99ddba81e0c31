# shellcheck shell=bash disable=SC2154,SC2034
# Two tables of bench-wide.sh, which sources this: one event for many workflows, and what PostgreSQL alone
# takes for rows whose keys come in another order.

# ---- one event for many workflows ----

emit_fan() {
	query <<-SQL
		SELECT count(intake.emit('$1', '{"n": 1}')) FROM generate_series(1, $2) \g /dev/null
		SELECT extract(epoch FROM clock_timestamp());
	SQL
}
# fan_database NAME: with a hundred workflows for one type, and one for another.
fan_database() {
	new_database "$1" -f test/bench/width.sql
	database=$1 query >/dev/null <<-'SQL'
		SELECT intake.create_workflow(label('w', i), 'write_one(intake.job)', type => 'fan') FROM generate_series(1, 100) i;
		SELECT intake.create_workflow('one', 'write_one(intake.job)', type => 'one');
	SQL
}
# stores TYPE EVENTS: the CPU of a session for storing jobs of so many events, per job in µs.
stores() {
	query -c "SELECT round(1e6::numeric * (emit_some('$1', $2) * $2)::numeric / $JOBS, 2)"
}
fan_table() {
	local JOBS=$((JOBS / 100 * 100)) round
	local events=$((JOBS / 100))
	together=(lone fan)
	fan_database lone
	fan_database fan
	for round in $(seq "$ROUNDS"); do
		phase "a hundred workflows of each event, round $round"
		database=lone drain 1000 emit_fan one 1000 >/dev/null
		database=fan drain 1000 emit_fan fan 10 >/dev/null
		run_together "SELECT count(intake.emit('one', '{\"n\": 1}')) FROM generate_series(1, $JOBS)" \
			"SELECT count(intake.emit('fan', '{\"n\": 1}')) FROM generate_series(1, $events)" >"$dir/fan"
		head -n 1 "$dir/fan" >>"$dir/row/lone"
		tail -n 1 "$dir/fan" >>"$dir/row/fan"
		for name in lone fan; do
			database=$name query -c 'TRUNCATE effect'
		done
		database=lone stores one "$JOBS" >>"$dir/row/lone.cpu"
		database=lone wait_until "${DRAIN_SECONDS:-300}" effects_are "$JOBS"
		database=fan stores fan "$events" >>"$dir/row/fan.cpu"
		database=fan wait_until "${DRAIN_SECONDS:-300}" effects_are "$JOBS"
		for name in lone fan; do
			database=$name query -c 'TRUNCATE effect'
		done
	done
	printf '\n| %s jobs | an event each, of one workflow | 100 of each event, of 100 workflows |\n|---|---|---|\n' "$(dots "$JOBS")"
	printf '| to run them, in a second of the CPU of one executor | %s/s | **%s** %s/s |\n' "$(dots "$(median <"$dir/row/lone")")" \
		"$(paste "$dir/row/lone" "$dir/row/fan" | awk '{print $2 / $1}' | median | xargs printf %.2f)" "$(dots "$(median <"$dir/row/fan")")"
	printf '| to store one, with its share of the event | %s µs | %s µs |\n' "$(median <"$dir/row/lone.cpu")" "$(median <"$dir/row/fan.cpu")"
}

# ---- PostgreSQL alone ----

# bare WHAT: see bare.sql.
bare() {
	query -c "SELECT bare_value('$1')"
}
bare_table() {
	local database=bare
	phase "PostgreSQL alone"
	new_database bare -f test/bench/width.sql -f test/bench/bare.sql
	query -c "CALL bare_rounds($((4 * ROUNDS)))"
	printf '\n| PostgreSQL alone, CPU of an INSERT for a row of 100,000, the least of the rounds | |\n|---|---|\n'
	printf '| a table like `done`, jobs end in the order in which they came | %s µs |\n' "$(bare done_true)"
	printf '| the same, as jobs of 10,000 workflows end | %s µs |\n' "$(bare done_false)"
	printf '| a table like `queue`, all in one lane | %s µs |\n' "$(bare queue_1)"
	printf '| the same, 100 lanes | %s µs |\n' "$(bare queue_100)"
	printf '| the same, 10,000 lanes | %s µs |\n' "$(bare queue_10000)"
}
