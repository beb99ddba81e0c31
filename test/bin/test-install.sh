#!/usr/bin/env bash
# make test-install: what docs/operations.md says for a server that one has, and the README's tour,
# pasted line by line on the smallest Debian, as root; then, on another such machine, make run as a
# user with sudo and as root, and all that again. No LANG is set. Ten minutes, most of them
# apt-get's. test-install.sh NAME takes only fresh or after-run.
#
#   INSTALL_RELEASE  another Debian: trixie, forky
#   INSTALL_DIR      where the system and its packages are kept, and the logs (~/.cache/pg_intake/install)
#   INSTALL_MIRROR   where the packages come from
set -euo pipefail
cd "$(dirname "$0")/../.."

INSTALL_DIR=${INSTALL_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/pg_intake/install}
INSTALL_RELEASE=${INSTALL_RELEASE:-bookworm}
INSTALL_MIRROR=${INSTALL_MIRROR:-http://deb.debian.org/debian}

fail() {
	echo "test-install: $*" >&2
	exit 1
}

archives=$INSTALL_DIR/archives
# shellcheck source=test/bin/chroot.sh
. test/bin/chroot.sh

# The smallest system, once; a copy of it with the tree for each test.
make_base() {
	base=$INSTALL_DIR/$INSTALL_RELEASE
	[ ! -e "$base" ] || return 0
	echo "test-install: making the system"
	make_root "$INSTALL_RELEASE" "$base.new" "$INSTALL_MIRROR" >"$base.log" 2>&1 ||
		fail "debootstrap failed; see $base.log"
	mv "$base.new" "$base"
}

# make_machine NAME: prints where it is.
make_machine() {
	local root=$INSTALL_DIR/$1
	rm -rf "$root"
	cp -a "$base" "$root"
	mkdir "$root/root/pg_intake"
	git ls-files -z --cached --others --exclude-standard | tar cf - --null -T - | tar xf - -C "$root/root/pg_intake"
	cp /etc/resolv.conf "$root/etc/resolv.conf"
	echo "$root"
}

# What a newcomer pastes, who keeps the shim and the courier running in other windows, and what must come of it.
paste_all() {
	cat <<-'SCRIPT'
		set -eu
		export PSQL="runuser -u postgres -- psql -X -A -t -v ON_ERROR_STOP=1 app"
		paste() { perl test/bin/blocks.pl "$1" "$2" >"/tmp/$2.sh" && bash -x "/tmp/$2.sh"; }
		paste docs/operations.md install
		paste docs/operations.md serve &
		until curl -fsS "http://127.0.0.1:8080/readyz"; do sleep 0.2; done
		paste docs/operations.md courier
		paste docs/operations.md call &
		until [ "$($PSQL -c 'SELECT count(*) FROM intake.couriers')" = 1 ]; do sleep 0.2; done
		paste README.md tour | tee /tmp/tour.out
		grep -qx 'o-2|' /tmp/tour.out
		paste docs/operations.md remove
		runuser -u postgres -- psql -c "ALTER SYSTEM RESET shared_preload_libraries"
		service postgresql restart
		make uninstall
		test ! -e /usr/local/bin/intake-shim
		test ! -e /usr/local/bin/intake-courier
		find /usr/lib/postgresql /usr/share/postgresql -name '*pg_intake*' | { ! grep .; }
	SCRIPT
}

# make run until it serves, and Ctrl-C: as a user with sudo, who finds nothing, and then as root.
run_twice() {
	cat <<-'SCRIPT'
		set -eu
		apt-get update
		apt-get install -y --no-install-recommends make sudo
		useradd -m somebody
		echo 'somebody ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/somebody
		cp -r . ~somebody/pg_intake
		chown -R somebody: ~somebody
		cat >/tmp/run.sh <<'END'
		set -eum
		make run >run.out 2>&1 &
		until grep -q 'Ctrl-C stops everything' run.out; do kill -0 $! || { cat run.out; exit 1; }; sleep 0.5; done
		kill -INT -- -$!
		wait $! || true
		cat run.out
		grep 'run: stopped' run.out
		END
		cd ~somebody/pg_intake
		runuser -u somebody -- env HOME=~somebody bash /tmp/run.sh
		cd ~/pg_intake
		bash /tmp/run.sh
	SCRIPT
}

# check NAME COMMAND...: one machine, on which a script runs.
passed=0 failed=0
check() {
	local root name=$1 started=$SECONDS
	root=$(make_machine "$name")
	{ for part in "${@:2}"; do echo "("; "$part"; echo ")"; done; } >"$root/root/pg_intake/script.sh"
	if inside "$root" bash -e script.sh >"$INSTALL_DIR/$name.log" 2>&1; then
		echo "$name: passed, in $((SECONDS - started)) s"
		passed=$((passed + 1))
		rm -rf "$root"
	else
		echo "$name: FAILED, see $INSTALL_DIR/$name.log"
		tail -n 20 "$INSTALL_DIR/$name.log" | sed 's/^/    /'
		failed=$((failed + 1))
	fi
}

check_chroots
for port in 5432 8080 25432; do
	! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || fail "port $port is in use; the README's lines need it"
done
mkdir -p "$INSTALL_DIR"
exec 9>"$INSTALL_DIR/lock"
flock -n 9 || fail "another run is using $INSTALL_DIR"
make_base
[ "${1:-fresh}" != fresh ] || check fresh paste_all
[ "${1:-after-run}" != after-run ] || check after-run run_twice paste_all
echo "test-install: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
