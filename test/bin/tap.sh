#!/usr/bin/env bash
# tap.sh SCRIPT...: runs TAP scripts with what is built and installed, not as root. Says their figures, what
# was skipped and why, of what failed enough to understand it, and in the last line how much there was
# of each. The logs stay in LOGS.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=test/bin/cluster.sh
. test/bin/cluster.sh
export LANG=C.UTF-8
LOGS=${LOGS:-$(mktemp -d "${TMPDIR:-/tmp}/pg_intake-tap.XXXXXX")}
log=$LOGS/tap
pgxs=$(dirname "$("$PG_CONFIG" --pgxs)")/../..
status=0
PERL5LIB="$pgxs/src/test/perl" PG_REGRESS="$pgxs/src/test/regress/pg_regress" \
	PATH="$(pg_bin):$PATH" INTAKE_SHIM="$PWD/shim/intake-shim" INTAKE_COURIER="$PWD/courier/intake-courier" \
	TESTDIR="$LOGS" TESTDATADIR="$LOGS/tmp_check" TESTLOGDIR="$LOGS/tmp_check/log" \
	prove -v -I test/t "$@" >"$log" 2>&1 || status=$?

# count PATTERN [NOT]: the lines of the log that match one pattern, and not the other.
count() {
	grep -E "$1" "$log" | grep -civE "${2:-^$}" || true
}

# The scripts that failed, by prove's summary: each with its exit status and numbers.
broken_scripts() {
	grep -E ' \(Wstat: .*\)$' "$log" || true
}

# What a script says on standard error, a dying one too, goes to a file of its own.
show_script() {
	local own=$LOGS/tmp_check/log/regress_log_$1
	[ -s "$own" ] || return 0
	echo "    the end of what $1 said:"
	tail -n 15 "$own" | sed 's/^/      /'
}

show_figures() {
	sed -nE 's/^# figures: /    /p' "$log"
}

show_skipped() {
	sed -nE -e 's/^ok [0-9]+ #? ?skip (.*)/\1/Ip' -e 's/^(.*) \.+ skipped: (.*)/\1: \2/p' "$log" |
		sort | uniq -c | sed -E 's/^ *([0-9]+) (.*)/    skipped, \1: \2/'
}

# Assertions count at the top level of every script. A script that died, or that ran less than it
# had planned, failed without a failing assertion; one that is skipped as a whole counts as one.
passed=$(count '^ok [0-9]+' '[^\\]# skip')
failed=$(($(count '^not ok [0-9]+' '[^\\]# todo') + $(count '\(Wstat: [1-9].* Failed: 0\)$')))
skipped=$(($(count '^ok [0-9]+.*[^\\]# skip') + $(count '\.+ skipped: ')))
[ "$failed" -gt 0 ] || { [ "$status" -eq 0 ] && [ $((passed + skipped)) -gt 0 ]; } || failed=1

show_figures
show_skipped
if [ "$failed" -gt 0 ]; then
	grep -E '^not ok [0-9]+' "$log" | grep -ivE '[^\\]# todo' | head -n 20 | sed 's/^/    /' || true
	broken_scripts | while read -r script rest; do
		echo "    $script $rest"
		script=${script##*/}
		show_script "${script%.pl}"
	done
	tail -n 5 "$log" | sed 's/^/    /'
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
