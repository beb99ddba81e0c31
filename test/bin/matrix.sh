#!/usr/bin/env bash
# make test-matrix: make test on each release of Debian that has another PostgreSQL, in chroots, as
# root; a line for each. matrix.sh RELEASE... takes only these.
#
#   MATRIX_DIR      where the chroots, the logs and what is known stay (~/.cache/pg_intake/matrix)
#   MATRIX_MIRROR   where the packages come from
#
# What is tested is the work tree as it is, without what git ignores. A tree that has passed on a
# release is not tested there again: git's name for it is remembered. So a run that was interrupted
# goes on where it was. Of a chroot that is half made, nothing is used.
set -euo pipefail
cd "$(dirname "$0")/../.."

MATRIX_DIR=${MATRIX_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/pg_intake/matrix}
MATRIX_MIRROR=${MATRIX_MIRROR:-http://deb.debian.org/debian}
releases=(bookworm trixie forky) # PostgreSQL 15, 17 and 18
[ $# -eq 0 ] || releases=("$@")

fail() {
	echo "test-matrix: $*" >&2
	exit 1
}

archives=$MATRIX_DIR/archives
# shellcheck source=test/bin/chroot.sh
. test/bin/chroot.sh

# Prints git's name for the work tree, and keeps it in the repository, where nothing refers to it.
name_tree() {
	local index=$MATRIX_DIR/index
	rm -f "$index"
	GIT_INDEX_FILE=$index git read-tree HEAD
	GIT_INDEX_FILE=$index git add -A
	GIT_INDEX_FILE=$index git write-tree
	rm -f "$index"
}

# Puts the tree into a chroot, in the place of the one that was there.
lay_tree() {
	rm -rf "$1/root/pg_intake" &&
		mkdir "$1/root/pg_intake" &&
		git archive "$tree" | tar xf - -C "$1/root/pg_intake" &&
		cp /etc/resolv.conf "$1/etc/resolv.conf"
}

# make_chroot RELEASE: the smallest system, and on it what the tests need.
make_chroot() {
	local new=$MATRIX_DIR/$1.new
	make_root "$1" "$new" "$MATRIX_MIRROR" || return
	lay_tree "$new" && inside "$new" test/bin/setup.sh test || return
	mv "$new" "$MATRIX_DIR/$1"
}

# last_line LOG: what make test closed with.
last_line() {
	grep -E '^[0-9]+ passed, [0-9]+ failed' "$1" | tail -n 1 | grep . || tail -n 1 "$1"
}

# server_of ROOT: prints the version of its PostgreSQL.
server_of() {
	find "$1/usr/lib/postgresql" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort -n | tail -n 1
}

# test_release RELEASE: prints its line; false where the tests have failed.
test_release() {
	local root=$MATRIX_DIR/$1 log=$MATRIX_DIR/$1.log known=$MATRIX_DIR/passed/$1-$tree started=$SECONDS
	[ ! -e "$known" ] || { echo "$1: $(cat "$known"), before"; return; }
	: >"$log"
	if [ ! -e "$root" ]; then
		echo "$1: making the chroot"
		make_chroot "$1" >>"$log" 2>&1 || { echo "$1: the chroot could not be made; see $log"; return 1; }
	fi
	if ! { lay_tree "$root" && inside "$root" make test; } >>"$log" 2>&1; then
		echo "$1: $(last_line "$log"); see $log"
		return 1
	fi
	echo "PostgreSQL $(server_of "$root"): $(last_line "$log")" >"$known"
	echo "$1: $(cat "$known"), in $(((SECONDS - started + 59) / 60)) minutes"
}

check_chroots
mkdir -p "$MATRIX_DIR/passed"
exec 9>"$MATRIX_DIR/lock"
flock -n 9 || fail "another run is using $MATRIX_DIR"
tree=$(name_tree)
passed=0 failed=0
for release in "${releases[@]}"; do
	if test_release "$release"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
done
echo "test-matrix: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
