#!/usr/bin/env bash
# make lint: what a machine can check of the code's habits. Installs what it needs, and takes a few
# seconds.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=test/bin/cluster.sh
. test/bin/cluster.sh
test/bin/setup.sh lint || echo "lint: goes on with what there is" >&2
find_server || fail "there is no PostgreSQL on this machine"
status=0
complain() {
	echo "lint: $*" >&2
	status=1
}

# complain_of WHAT COMMAND...: about the lines that a command prints, if there are any.
complain_of() {
	local lines
	lines=$("${@:2}" || true)
	[ -z "$lines" ] || complain "$1:"$'\n'"$(sed 's/^/    /' <<<"$lines")"
}

# The files of the extension, and of what both halves share; all; the parts of the install script;
# where options and settings are documented.
ours=(common/*.[ch] extension/*.c extension/*/*.[ch])
all=("${ours[@]}" common/program/*.[ch] {shim,courier}/*.[ch] test/unit/*.[ch] test/fuzz/*.[ch] test/bench/*.c test/t/*.c)
sql=(sql/[0-9]*.sql)
reference=docs/reference.md

# Names: what a library exports begins with its prefix.
foreign_names() {
	nm -D --defined-only pg_intake.so | awk '{print $3}' |
		grep -vE '^(intake_|pg_finfo_intake_|Pg_magic_func|_PG_init|_init|_fini)'
}

# Documents: every option and every setting stands in the reference.
hidden_options() {
	{ shim/intake-shim --help && courier/intake-courier --help; } | grep -oE -- '--[a-z-]+' | sort -u | while read -r option; do
		grep -qh -- "\`$option" "$reference" || echo "$option"
	done
}
hidden_settings() {
	grep -ohE '"pg_intake\.[a-z_]+"' extension/ground/settings.c | tr -d '"' | while read -r setting; do
		grep -qh "\`$setting\`" "$reference" || echo "$setting"
	done
}

# SQL: every object has a COMMENT, and what runs as the owner a search_path. The test install asks the
# catalogues for the same, and for columns.
silent_objects() {
	grep -ohE '^CREATE (FUNCTION|TABLE|VIEW|TYPE|SEQUENCE|TRIGGER) [a-z0-9_.]+' "${sql[@]}" | sort -u |
		while read -r _ kind name; do
			grep -qE "^COMMENT ON $kind ${name//./\\.}( |\(|\$)" "${sql[@]}" || echo "$kind $name"
		done
}
open_definers() {
	awk 'BEGIN {RS = ""} /CREATE FUNCTION/ && /SECURITY DEFINER/ && !/SET search_path/' "${sql[@]}" |
		grep -E '^CREATE FUNCTION'
}

# Sizes: files have at most 400 lines, but for these, of which each tells one story.
long=(extension/{config/profile,ground/partition,ground/table,read/json,read/json_valid,read/multipart,verify/scheme}.c
	extension/verify/{signature,template}.c courier/session.c shim/{connection,database,framing,server}.c)
wrong_lengths() {
	local file lines
	for file in "${ours[@]}" common/program/*.[ch] {shim,courier}/*.[ch]; do
		lines=$(wc -l <"$file")
		if [[ " ${long[*]} " == *" $file "* ]]; then
			[ "$lines" -gt 400 ] || echo "$file has $lines: it is no exception any more"
			[ "$lines" -le 660 ] || echo "$file has $lines, of 660 at most"
		else
			[ "$lines" -le 400 ] || echo "$file has $lines, of 400 at most"
		fi
	done
}

# Walls: an include goes only to a folder on a lower floor, or stays in its folder; read and verify
# know nothing of PostgreSQL, but through common/memory.h. See extension/README.md.
declare -A floor=([common]=0 [ground]=1 [read]=1 [verify]=2 [queue]=2 [config]=3 [events]=4
	[calls]=5 [receive]=6 [jobs]=6 [workers]=7)
# Arrows that still go back up: each is a knot that is to be untied.
back_up='extension/config/vault.c events/payload.h
extension/events/match.c receive/rejection.h'
server_headers='(postgres|fmgr|funcapi|miscadmin|pgstat)\.h'
includes() {
	grep -oE '^#include "[^"]+"' "$@" | sed -E 's/:#include "/ /; s/"$//'
}
# goes_up FROM TO: whether an include from one folder into the other breaks the rule.
goes_up() {
	[ "$1" != "$2" ] || return 1
	[ "${floor[$2]}" -ge "${floor[$1]}" ] || [[ $1 == verify && $2 == ground ]]
}
includes_up() {
	local file included from to
	includes common/*.[ch] extension/*/*.[ch] | while read -r file included; do
		from=${file%/*} from=${from#extension/} to=${included%%/*}
		if [ ! -e "$included" ] && [ ! -e "extension/$included" ]; then
			[[ $from != @(common|read|verify) || $file == common/memory.h ]] || echo "$file: $included"
		elif goes_up "$from" "$to"; then
			grep -qxF "$file $included" <<<"$back_up" || echo "$file: $included"
		fi
	done
}
# Within these folders no includes go in a circle. Elsewhere some still do.
circles() {
	local folder
	for folder in extension/{calls,queue,read,workers} courier; do
		includes "$folder"/*.[ch] | sed -E 's#[^ ]*/##g; s/\.[ch]\>//g' | while read -r file included; do
			[ ! -e "$folder/$included.h" ] || echo "$file $included"
		done | tsort 2>&1 >/dev/null | sed -E "s#^(tsort: )?(-: )?#$folder: #"
	done
}
nameless_includes() {
	includes "${ours[@]}" | grep -vE " (.*/.*|$server_headers)\$"
}

# Durations are measured by a clock that nobody sets (extension/ground/clock.h).
durations_by_day() {
	grep -nE 'TimestampDifferenceExceeds|GetCurrentTimestamp\(\) *[->]|- *GetCurrentTimestamp' "${ours[@]}"
}

# Every header compiles alone; those that know the server behind postgres.h, as the server's do.
dependent_headers() {
	local header server
	server=$("$PG_CONFIG" --includedir-server)
	for header in common/*.h common/program/*.h {shim,courier}/*.h extension/*/*.h; do
		local options=(-I.)
		[[ $header == @(shim|courier)/* ]] || options+=(-Iextension -I"$server")
		[[ $header == @(common|shim|courier|extension/read|extension/verify)/* ]] || options+=(-include postgres.h)
		cc -std=gnu11 -Wall -Werror -fsyntax-only -x c "${options[@]}" "$header" 2>&1 | head -n 5
	done
}

# has_version TOOL VERSION: what a tool says depends on its version; that of Debian 12 counts.
has_version() {
	"$1" --version 2>/dev/null | grep -qE "(version|Cppcheck) ${2//./\\.}" && return
	echo "lint: not checked by $1: it is not that of Debian 12 ($2)"
	return 1
}
check_format() {
	has_version clang-format 14 || return 0
	clang-format --dry-run -Werror "${all[@]}" || complain "clang-format would change something"
}
# What is counted first and read then is taken for uninitialized.
check_code() {
	has_version cppcheck 2.10 || return 0
	cppcheck --quiet --error-exitcode=1 --enable=warning,portability --inline-suppr \
		--suppress=missingIncludeSystem --suppress=objectIndex --suppress=ctuuninitvar --suppress=invalidPointerCast \
		-DINTAKE_VERSION='""' -DINTAKE_PROGRAM='""' --include=test/bin/cppcheck.h -I. -Iextension "${all[@]}" ||
		complain "cppcheck has complaints"
}

build_quietly make -s --no-print-directory all || fail "the build failed"
complain_of "exported without a prefix" foreign_names
complain_of "options that the reference does not name" hidden_options
complain_of "settings that the reference does not name" hidden_settings
perl test/bin/providers.pl --check || complain "the table of providers is old: perl test/bin/providers.pl"
complain_of "without a COMMENT" silent_objects
complain_of "SECURITY DEFINER without a search_path" open_definers
complain_of "files that are too long" wrong_lengths
complain_of "includes that go up, or out of what is pure" includes_up
complain_of "includes in a circle" circles
complain_of "includes that do not name their folder" nameless_includes
complain_of "durations measured by the time of day" durations_by_day
complain_of "headers that do not compile alone" dependent_headers
check_format
check_code
[ "$status" -ne 0 ] || echo "lint: nothing to complain about"
exit $status
