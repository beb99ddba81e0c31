#!/usr/bin/env bash
# make test: builds, installs, runs every suite, and adds them up in the last line. ONLY names some
# tests, such as "filter race_guard 002_crash unit", of whatever suite; the rest is left out.
#
# PostgreSQL does not run as root. So root builds and installs, and the suites run as the user
# postgres, in a copy of the tree that this user can read.
set -euo pipefail
cd "$(dirname "$0")/../.."

# shellcheck source=test/bin/cluster.sh
. test/bin/cluster.sh
# The TAP library takes LC_ALL away, and makes its clusters by LANG.
export LANG=C.UTF-8

# --- what runs the suites: as the caller, but never as root ---

# apart COMMAND...: runs a command in a process group of its own, so that a signal ends every part
# of it; returns its status.
apart() {
	setsid "$@" </dev/null &
	group=$!
	trap end_apart INT TERM
	wait "$group"
}

end_apart() {
	trap '' INT TERM
	kill -TERM -- "-$group" 2>/dev/null || true
	wait "$group" || true
	status=130
	exit "$status"
}

# Installs the SDKs that test/clients asks for. Without a registry, its tests are skipped; where npm
# fails for another reason, they fail.
install_clients() {
	local log=$work/logs/npm code=0
	mkdir "$work/clients"
	tar cf - -C test/clients --exclude=./node_modules . | tar xf - -C "$work/clients"
	echo "test: installing SDKs from npm"
	apart timeout 600 npm ci --prefix "$work/clients" --ignore-scripts --no-audit --no-fund \
		--prefer-offline --fetch-timeout=30000 --fetch-retries=1 >"$log" 2>&1 || code=$?
	if [ "$code" -eq 124 ] ||
		grep -qE '^npm (ERR!|error) (network|code (E(403|50[0-9]|CONN|HOST|NET|.*TIMEOUT)|.*CERT))' "$log"; then
		echo "test: npm cannot reach its registry: the tests with SDKs are skipped"
		return
	fi
	export INTAKE_CLIENTS=$work/clients
	[ "$code" -eq 0 ] || { echo "test: npm ci failed"; tail -n 20 "$log" | sed 's/^/    /'; }
}

copy_tree() {
	tree=$work/tree
	mkdir "$tree"
	tar cf - --exclude=./.git --exclude=./.run --exclude=node_modules . | tar xf - -C "$tree"
	chown -R postgres: "$work"
	become=(setpriv --reuid postgres --regid postgres --init-groups)
}

# Ends the servers that a test left behind.
end_servers() {
	local file pid
	find "$work" -name postmaster.pid | while read -r file; do
		pid=$(head -n 1 "$file")
		[ ! "/proc/$pid/cwd" -ef "${file%/*}" ] || kill -QUIT "$pid"
	done
}

# The logs stay when something has failed.
clean_up() {
	end_servers
	if [ "$status" -eq 1 ]; then
		rm -rf "$work/tree" "$work/tmp" "$work/clients"
	else
		rm -rf "$work"
	fi
}

run_apart() {
	tree=$PWD become=() status=1
	work=$(mktemp -d "${TMPDIR:-/tmp}/pg_intake-test.XXXXXX")
	trap clean_up EXIT
	mkdir "$work/tmp" "$work/logs"
	[[ ${ONLY:-006_clients} != *006_clients* ]] || install_clients
	[ "$(id -u)" -ne 0 ] || copy_tree
	status=0
	TMPDIR=$work/tmp HOME=$work/tmp LOGS=$work/logs apart "${become[@]}" \
		env --default-signal=INT,QUIT "$tree/test/bin/test.sh" suites || status=$?
	exit "$status"
}

# --- the suites ---

passed=0
failed=0
skipped=0

# run NAME COMMAND...: keeps what the command says in a log, and its exit status.
run() {
	log=$LOGS/$1
	status=0
	"${@:2}" >"$log" 2>&1 || status=$?
}

# report NAME PASSED FAILED [SKIPPED]: false where something failed. A suite that broke, or that ran
# nothing, has at least one failure.
report() {
	local bad=$3
	[ "$bad" -gt 0 ] || { [ "$status" -eq 0 ] && [ "$2" -gt 0 ]; } || bad=1
	echo "$1: $2 passed, $bad failed${4:+, $4 skipped}"
	passed=$((passed + $2))
	failed=$((failed + bad))
	skipped=$((skipped + ${4:-0}))
	[ "$bad" -eq 0 ]
}

# show [DIFFS]: enough of a failure to understand it where the logs cannot be fetched.
show() {
	grep -E '(^|\.\.\. )(not ok|FAILED)' "$log" | head -n 20 | sed 's/^/    /' || true
	echo "    ..."
	tail -n 30 "$log" | sed 's/^/    /'
	if [ -s "${1:-}" ]; then
		cp "$1" "$log.diffs"
		head -n 200 "$1"
	fi
}

# count PATTERN: the lines of the log that match.
count() {
	grep -cE "$1" "$log" || true
}

run_unit() {
	run unit make -s --no-print-directory -C test/unit check
	local line
	line=$(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$log" | tail -n 1)
	line=${line:-0 passed, 0 failed}
	line=${line% failed}
	report unit "${line%% *}" "${line##* }" || show
}

# run_regress NAME DIFFS [TESTS]: a target of the Makefile, whose tests say "test NAME ... ok" or
# FAILED, or from PostgreSQL 16 on "ok 1 - NAME" or "not ok".
run_regress() {
	rm -f "$2"
	run "$1" make -s --no-print-directory "$1" PGHOST="$socket" PGPORT="$port" PGUSER=postgres \
		${3:+"${1^^}=$3"}
	report "$1" "$(count '^(test .*\.\.\. ok|ok [0-9]+ )')" \
		"$(count '^(test .*\.\.\. FAILED|not ok [0-9]+ )')" || show "$2"
}

# run_tap SCRIPT...: the last line has the numbers; before it stands what was skipped, and what failed.
run_tap() {
	local ok=0 bad=0 skip=0
	local numbers='^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$'
	run tap-report test/bin/tap.sh "$@"
	read -r ok _ bad _ skip _ < <(grep -E "$numbers" "$log") || true
	report tap "${ok:-0}" "${bad:-0}" "${skip:-0}" || true
	grep -vE "$numbers" "$log" || true
}

start_cluster() {
	cluster=$TMPDIR/cluster
	mkdir "$cluster"
	port=$(free_port)
	trap 'cluster_stop "$cluster"' EXIT
	if ! cluster_init "$cluster" || ! cluster_start "$cluster" "$port" "-h '' -c fsync=off"; then
		echo "test: the cluster for the tests did not start"
		tail -n 5 "$cluster/postgres.log"
	fi
	socket=$(cluster_socket "$cluster")
}

run_all() {
	run_unit
	start_cluster
	run_regress regress regression.diffs
	run_regress isolation output_iso/regression.diffs
	cp "$cluster/postgres.log" "$LOGS/postgres.log" || true
	run_tap test/t/*.pl
}

# run_some TEST...: the same with the tests of these names.
run_some() {
	local name regress=() isolation=() scripts=()
	for name; do
		if [ "$name" = unit ]; then
			run_unit
		elif [ -f "test/sql/$name.sql" ]; then
			regress+=("$name")
		elif [ -f "test/specs/$name.spec" ]; then
			isolation+=("$name")
		elif [ -f "test/t/$name.pl" ]; then
			scripts+=("test/t/$name.pl")
		else
			echo "test: there is no test \"$name\""
			failed=$((failed + 1))
		fi
	done
	[ $((${#regress[@]} + ${#isolation[@]})) -eq 0 ] || start_cluster
	[ ${#regress[@]} -eq 0 ] || run_regress regress regression.diffs "${regress[*]}"
	[ ${#isolation[@]} -eq 0 ] || run_regress isolation output_iso/regression.diffs "${isolation[*]}"
	[ ${#scripts[@]} -eq 0 ] || run_tap "${scripts[@]}"
}

run_suites() {
	# shellcheck disable=SC2086 # ONLY is a list.
	if [ -n "${ONLY:-}" ]; then run_some $ONLY; else run_all; fi
	[ "$failed" -eq 0 ] || echo "test: the logs are in $LOGS"
	echo "$passed passed, $failed failed, $skipped skipped"
	[ "$failed" -eq 0 ]
}

if [ "${1:-}" = suites ]; then
	run_suites
else
	prepare test
	echo "test: building"
	(build_and_install) || { echo "0 passed, 1 failed, 0 skipped"; exit 1; }
	run_apart
fi
