#!/usr/bin/env bash
# Installs from apt what the build, the demonstration and (with the argument "test") the tests
# need and is not there. Does nothing, fast, when everything is.
set -euo pipefail

packages=(gcc libc6-dev pkg-config postgresql-15 postgresql-server-dev-15 libmicrohttpd-dev libpq-dev
	libssl-dev curl openssl procps)
[ "${1:-}" = test ] && packages+=(perl libipc-run-perl)

missing=()
for package in "${packages[@]}"; do
	dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

by_hand() {
	echo "setup: $1" >&2
	echo "setup: install these by hand: ${missing[*]}" >&2
	exit 1
}

command -v apt-get >/dev/null || by_hand "this is not a Debian system (no apt-get)"
become=()
if [ "$(id -u)" -ne 0 ]; then
	command -v sudo >/dev/null || by_hand "not root, and sudo is not there"
	become=(sudo)
fi

# Debian makes and starts a cluster when it installs a server. This project wants none.
config=/etc/postgresql-common/createcluster.conf
if [ ! -e "$config" ] && ! dpkg-query -W postgresql-common >/dev/null 2>&1; then
	"${become[@]}" mkdir -p /etc/postgresql-common
	echo "create_main_cluster = false" | "${become[@]}" tee "$config" >/dev/null
fi

log=$(mktemp "${TMPDIR:-/tmp}/pg_intake-setup.XXXXXX.log")
echo "setup: installing ${missing[*]}"
install_missing() {
	"${become[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
		-o Dpkg::Options::=--force-confold "${missing[@]}" </dev/null >>"$log" 2>&1
}
"${become[@]}" apt-get update </dev/null >>"$log" 2>&1 || true
install_missing || by_hand "apt-get could not install them; is there a network? Its output is in $log"
rm -f "$log"
