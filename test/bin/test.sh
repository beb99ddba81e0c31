#!/usr/bin/env bash
# make test: every suite, and one line at the end that adds them up.
#
# PostgreSQL does not run as root; so root builds and installs, and the suites run as the user
# postgres in a copy of the tree that this user can read.
set -euo pipefail
cd "$(dirname "$0")/../.."

if [ "${1:-}" != suites ]; then
	test/bin/setup.sh test
	# shellcheck source=test/bin/cluster.sh
	. test/bin/cluster.sh
	echo "test: building"
	build_and_install
	if [ "$(id -u)" -ne 0 ]; then
		exec test/bin/test.sh suites
	fi
	work=$(mktemp -d /tmp/pg_intake-test.XXXXXX)
	trap 'rm -rf "$work"' EXIT
	tar cf - --exclude=./.git --exclude=./.run --exclude='*.o' . | tar xf - -C "$work"
	chown -R postgres: "$work"
	status=0
	runuser -u postgres -- env PG_CONFIG="$PG_CONFIG" HOME="$work" TMPDIR="$work" \
		"$work/test/bin/test.sh" suites || status=$?
	exit $status
fi

# shellcheck source=test/bin/cluster.sh
. test/bin/cluster.sh
export TMPDIR=${TMPDIR:-/tmp}
logs=$(mktemp -d "$TMPDIR/logs.XXXXXX")
passed=0
failed=0

# report NAME LOG PASSED FAILED: a suite that ran nothing has failed.
report() {
	local ok=$3 bad=$4
	[ $((ok + bad)) -gt 0 ] || bad=1
	echo "$1: $ok passed, $bad failed"
	if [ "$bad" -gt 0 ]; then
		tail -n 60 "$2" | sed 's/^/    /'
		[ ! -s regression.diffs ] || head -n 200 regression.diffs
		[ ! -s output_iso/regression.diffs ] || head -n 200 output_iso/regression.diffs
	fi
	passed=$((passed + ok))
	failed=$((failed + bad))
}

# Matching lines; no match is no failure.
count() {
	grep -cE "$1" "$2" || true
}

run_unit() {
	local log=$logs/unit line
	make -s -C test/unit check >"$log" 2>&1 || true
	line=$(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$log" | tail -1)
	report unit "$log" "$(echo "${line:-0 0 0 1}" | awk '{print $1}')" "$(echo "${line:-0 0 1}" | awk '{print $3}')"
}

# pg_regress writes "test NAME ... ok" or "... FAILED", newer ones "ok 1 - NAME".
run_regress() {
	local log=$logs/$1
	rm -f regression.diffs output_iso/regression.diffs
	make -s --no-print-directory "$1" PGHOST="$socket" PGPORT="$port" PGUSER=postgres >"$log" 2>&1 || true
	report "$1" "$log" "$(count '^(test .*\.\.\. ok|ok [0-9]+ )' "$log")" \
		"$(count '^(test .*\.\.\. FAILED|not ok [0-9]+ )' "$log")"
}

run_tap() {
	local log=$logs/tap lib
	lib=$(dirname "$("$PG_CONFIG" --pgxs)")/../../src/test/perl
	PERL5LIB=$lib PG_REGRESS=$(dirname "$("$PG_CONFIG" --pgxs)")/../../src/test/regress/pg_regress \
		PATH="$(pg_bin):$PATH" INTAKE_SHIM=$PWD/shim/intake-shim TESTDATADIR=$TMPDIR/tap \
		prove -v -I test/t test/t/*.pl >"$log" 2>&1 || true
	# Assertions at the top level; a file that dies before its plan counts once.
	report tap "$log" "$(count '^ok [0-9]+' "$log")" \
		"$(( $(count '^not ok [0-9]+' "$log") + $(count '^Dubious|No plan found' "$log") ))"
}

cluster=$(mktemp -d "$TMPDIR/cluster.XXXXXX")
port=$(free_port)
cluster_init "$cluster"
cluster_start "$cluster" "$port" "-h '' -c fsync=off"
trap 'cluster_stop "$cluster"' EXIT
socket=$(cluster_socket "$cluster")

run_unit
run_regress regress
run_regress isolation
run_tap

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
