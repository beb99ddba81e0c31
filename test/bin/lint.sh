#!/usr/bin/env bash
# make lint: what a machine can check of the code's habits.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=test/bin/cluster.sh
. test/bin/cluster.sh
status=0
complain() {
	echo "lint: $*" >&2
	status=1
}

# The files of the extension, and of what both halves share.
ours=(common/*.[ch] extension/*.c extension/*/*.[ch])

# Names: what a library exports begins with its prefix.
make -s pg_intake.so >/dev/null
nm -D --defined-only pg_intake.so | awk '{print $3}' |
	grep -vE '^(intake_|pg_finfo_intake_|Pg_magic_func|_PG_init|_init|_fini)' |
	while read -r name; do echo "exported without a prefix: $name"; done >/tmp/lint.$$ || true
[ ! -s /tmp/lint.$$ ] || complain "$(cat /tmp/lint.$$)"
rm -f /tmp/lint.$$

# Documents: every option and every setting stands in the README.
shim/intake-shim --help | grep -oE -- '--[a-z-]+' | sort -u | while read -r option; do
	grep -q -- "\`$option" README.md || echo "$option"
done | grep . && complain "options that the README does not name" || true
grep -oE '"pg_intake\.[a-z_]+"' extension/ground/settings.c | tr -d '"' | while read -r setting; do
	grep -q "\`$setting\`" README.md || echo "$setting"
done | grep . && complain "settings that the README does not name" || true

# The table of providers is made from the presets.
perl test/bin/providers.pl --check || complain "the table of providers is old: perl test/bin/providers.pl"

# Sizes: files have at most 400 lines, but for these, of which each tells one story.
long='executor|json|template|publickey|scheme|shmem|signature|source|table|connection|database|framing|server'
wc -l "${ours[@]}" shim/*.[ch] |
	awk -v long="/($long)\\.c$" '$2 != "total" && $1 > ($2 ~ long ? 620 : 400) {print}' | grep . &&
	complain "files that are too long" || true

# Walls: an include goes only to a room on a lower floor, or stays in its room; read and verify
# know nothing of PostgreSQL, but through common/memory.h. See extension/README.md.
declare -A floor=([common]=0 [ground]=1 [read]=1 [verify]=2 [queue]=2 [config]=3 [events]=4
	[receive]=5 [jobs]=5 [workers]=6)
server_headers='(postgres|fmgr|funcapi|miscadmin|pgstat)\.h'
includes() {
	grep -oE '^#include "[^"]+"' "$@" | sed -E 's/:#include "/ /; s/"$//'
}
# goes_up FROM TO: whether an include from one room into the other breaks the rule.
goes_up() {
	[ "$1" != "$2" ] || return 1
	[ "${floor[$2]}" -ge "${floor[$1]}" ] || [[ $1 == verify && $2 == ground ]]
}
includes common/*.[ch] extension/*/*.[ch] | while read -r file included; do
	from=${file%/*} from=${from#extension/} to=${included%%/*}
	if [ ! -e "$included" ] && [ ! -e "extension/$included" ]; then
		[[ $from != @(common|read|verify) || $file == common/memory.h ]] || echo "$file: $included"
	elif goes_up "$from" "$to"; then
		echo "$file: $included"
	fi
done | grep . && complain "includes that go up, or out of what is pure" || true
includes "${ours[@]}" | grep -vE " (.*/.*|$server_headers)\$" &&
	complain "includes that do not name their room" || true

# Durations are measured by a clock that nobody sets (extension/ground/clock.h).
grep -nE 'TimestampDifferenceExceeds|GetCurrentTimestamp\(\) *[->]|- *GetCurrentTimestamp' "${ours[@]}" &&
	complain "durations measured by the time of day" || true

# Format.
if command -v clang-format >/dev/null; then
	clang-format --dry-run -Werror "${ours[@]}" shim/*.[ch] test/unit/*.[ch] test/fuzz/*.[ch] test/bench/*.c 2>/dev/null ||
		complain "clang-format would change something"
fi

# Headers compile alone.
for header in common/*.h extension/*/*.h; do
	cc -fsyntax-only -x c -I"$("$PG_CONFIG" --includedir-server)" -I. -Iextension \
		-include postgres.h "$header" 2>/dev/null || complain "$header does not compile alone"
done
for header in shim/*.h; do
	cc -fsyntax-only -x c -I. "$header" 2>/dev/null || complain "$header does not compile alone"
done

if command -v cppcheck >/dev/null; then
	# What is counted first and read then is taken for uninitialized.
	cppcheck --quiet --error-exitcode=1 --enable=warning,portability --inline-suppr \
		--suppress=missingIncludeSystem --suppress=unknownMacro --suppress=objectIndex \
		--suppress=ctuuninitvar --suppress=invalidPointerCast -DINTAKE_VERSION='""' -I. -Iextension common extension shim ||
		complain "cppcheck has complaints"
fi
[ "$status" -eq 0 ] && echo "lint: nothing to complain about"
exit $status
