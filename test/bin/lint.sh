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
grep -oE '"pg_intake\.[a-z_]+"' extension/config.c | tr -d '"' | while read -r setting; do
	grep -q "\`$setting\`" README.md || echo "$setting"
done | grep . && complain "settings that the README does not name" || true

# The table of providers is made from the presets.
perl test/bin/providers.pl --check || complain "the table of providers is old: perl test/bin/providers.pl"

# Sizes: files have at most 400 lines, but for these, of which each tells one story.
long='executor|json|message|publickey|scheme|shmem|signature|source|table|connection|database|framing|server'
wc -l extension/*.[ch] shim/*.[ch] |
	awk -v long="/($long)\\.c$" '$2 != "total" && $1 > ($2 ~ long ? 620 : 400) {print}' | grep . &&
	complain "files that are too long" || true

# Durations are measured by a clock that nobody sets (extension/clock.h).
grep -nE 'TimestampDifferenceExceeds|GetCurrentTimestamp\(\) *[->]|- *GetCurrentTimestamp' extension/*.c &&
	complain "durations measured by the time of day" || true

# Format.
if command -v clang-format >/dev/null; then
	clang-format --dry-run -Werror extension/*.[ch] shim/*.[ch] test/unit/*.[ch] test/bench/*.c 2>/dev/null ||
		complain "clang-format would change something"
fi

# Headers compile alone.
for header in extension/*.h; do
	cc -fsyntax-only -x c -I"$("$PG_CONFIG" --includedir-server)" -Iextension \
		-include postgres.h "$header" 2>/dev/null || complain "$header does not compile alone"
done
for header in shim/*.h; do
	cc -fsyntax-only -x c "$header" 2>/dev/null || complain "$header does not compile alone"
done

if command -v cppcheck >/dev/null; then
	cppcheck --quiet --error-exitcode=1 --enable=warning,portability --inline-suppr \
		--suppress=missingIncludeSystem --suppress=unknownMacro --suppress=objectIndex -DINTAKE_VERSION='""' shim extension/[adefghjlrst]*.c 2>&1 | grep -E 'error|warning' &&
		complain "cppcheck has complaints" || true
fi
[ "$status" -eq 0 ] && echo "lint: nothing to complain about"
exit $status
