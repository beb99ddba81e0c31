#!/usr/bin/env bash
# setup.sh [test | lint | bench-peers | fuzz]: installs from apt what the build and make run need,
# with "test" what the tests need too, with "lint" what make lint does, with "bench-peers" what the
# peers do; with "fuzz" what the fuzzers need. Does nothing, fast, when all of it is there.
set -euo pipefail
# apt-get and perl complain about a locale that the machine does not have.
export LC_ALL=C.UTF-8

# shellcheck source=test/bin/server.sh
. "$(dirname "$0")/server.sh"

packages=(gcc libc6-dev make pkg-config libmicrohttpd-dev libcurl4-openssl-dev libpq-dev libssl-dev libkrb5-dev zlib1g-dev curl openssl)

# Whether there is a Node that runs test/clients.
has_node() {
	local version
	version=$(node --version 2>/dev/null) && command -v npm >/dev/null || return
	version=${version#v}
	[ "${version%%.*}" -ge 18 ]
}

if [ "${1:-}" = test ]; then
	packages+=(perl libipc-run-perl python3 nginx iproute2)
	has_node || packages+=(nodejs npm)
elif [ "${1:-}" = lint ]; then
	packages+=(perl clang-format cppcheck)
elif [ "${1:-}" = bench-peers ]; then
	packages+=(redis-server python3-fastapi python3-uvicorn python3-celery python3-redis python3-psycopg2)
	has_node || packages+=(nodejs npm)
elif [ "${1:-}" = fuzz ]; then
	packages=(make perl libssl-dev zlib1g-dev clang libclang-rt-14-dev)
fi

# Prints those of the packages that are not installed.
list_missing() {
	local installed package
	installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "${packages[@]}" 2>/dev/null) || true
	for package in "${packages[@]}"; do
		grep -qx "installed $package" <<<"$installed" || echo "$package"
	done
}

by_hand() {
	echo "setup: $1; install these by hand: ${missing[*]}" >&2
	exit 1
}

# Runs a command as root.
as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

check_means() {
	command -v apt-get >/dev/null || by_hand "there is no apt-get here"
	[ "$(id -u)" -eq 0 ] && return
	command -v sudo >/dev/null || by_hand "installing packages needs root, and there is no sudo"
	echo "setup: installing packages needs root: asking sudo"
	sudo true || by_hand "installing packages needs root, and sudo refused"
}

# Debian makes and starts a cluster with a new server, unless told otherwise. This project wants
# none, and takes the setting back afterwards.
no_main_cluster=/etc/postgresql-common/createcluster.d/pg_intake.conf
forbid_main_cluster() {
	as_root mkdir -p "${no_main_cluster%/*}"
	echo "create_main_cluster = false" | as_root tee "$no_main_cluster" >/dev/null
}
allow_main_cluster() {
	as_root rm -f "$no_main_cluster"
}

# It also starts services, now and with the machine. Tests run these by themselves.
policy=/usr/sbin/policy-rc.d
own_policy=
forbid_services() {
	[ ! -e "$policy" ] || return 0
	own_policy=yes
	# shellcheck disable=SC2016 # the policy expands it
	printf '#!/bin/sh\ncase $1 in nginx | redis-server) exit 101 ;; esac\n' | as_root tee "$policy" >/dev/null
	as_root chmod +x "$policy"
}
allow_services() {
	[ -z "$own_policy" ] || as_root rm -f "$policy"
}
disable_services() {
	local package
	for package in "${missing[@]}"; do
		case $package in nginx | redis-server) as_root update-rc.d "$package" disable >>"$log" 2>&1 || true ;; esac
	done
}

apt_get() {
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -y -o DPkg::Lock::Timeout=120 \
		-o Acquire::http::Timeout=30 -o Acquire::https::Timeout=30 "$@" </dev/null >>"$log" 2>&1
}

explain() {
	if grep -qE 'Unable to locate|no installation candidate' "$log" && ! grep -q '^Err:' "$log"; then
		by_hand "the package sources of this machine do not have everything (see $log)"
	elif grep -qE '^Err:|Failed to fetch|Could not resolve' "$log"; then
		by_hand "cannot reach the package mirror (see $log)"
	else
		by_hand "apt-get failed (see $log)"
	fi
}

# Asks apt-get for its lists, once.
update_lists() {
	[ -z "$log" ] || return 0
	check_means
	log=$(mktemp "${TMPDIR:-/tmp}/pg_intake-setup.XXXXXX")
	apt_get update || true
}

# Prints the version of PostgreSQL that the package sources have; false where they have none.
offered_version() {
	apt-cache depends postgresql 2>/dev/null | sed -n 's/^ *Depends: postgresql-\([0-9]*\)$/\1/p' | grep .
}

die() {
	echo "setup: $*" >&2
	exit 1
}

# Sets the version of the server's packages: the newest server of this machine, or the one that the
# package sources have. Empty where PG_CONFIG is not of Debian's packages: then the server and its
# headers are the caller's business.
choose_version() {
	if [[ "${PG_CONFIG:-}" =~ ^/usr/lib/postgresql/([0-9]+)/bin/pg_config$ ]]; then
		version=${BASH_REMATCH[1]}
	elif [ -n "${PG_CONFIG:-}" ]; then
		command -v "$PG_CONFIG" >/dev/null || die "there is no $PG_CONFIG; set PG_CONFIG to a pg_config, or leave it out"
	elif ! version=$(installed_version) && ! version=$(offered_version); then
		missing=(postgresql)
		update_lists
		version=$(offered_version) || explain
	fi
	[ "${version:-$oldest_server}" -ge "$oldest_server" ] ||
		die "pg_intake needs PostgreSQL $oldest_server or later, and this is $version; set PG_CONFIG to the pg_config of another"
}

# Whether there is pg_cron for this server: tests of schedules are skipped where the package sources lack it.
has_cron() {
	[ -n "$version" ] && { [ -e "/usr/share/postgresql/$version/extension/pg_cron.control" ] ||
		apt-cache show "postgresql-$version-cron" >/dev/null 2>&1; }
}

log=
version=
choose_version
[ -z "$version" ] || packages+=("postgresql-$version" "postgresql-server-dev-$version")
[ "${1:-}" != test ] || ! has_cron || packages+=("postgresql-$version-cron")
mapfile -t missing < <(list_missing)
[ ${#missing[@]} -gt 0 ] || exit 0

update_lists
echo "setup: installing ${missing[*]}"
trap 'allow_main_cluster; allow_services' EXIT
forbid_main_cluster
forbid_services
apt_get install --no-install-recommends "${missing[@]}" || explain
disable_services
rm -f "$log"
