# shellcheck shell=bash
# Which PostgreSQL is meant; to be sourced. PG_CONFIG says it where it is set. Otherwise it is the
# newest one that Debian's packages have put on this machine.

oldest_server=15

# server_version PG_CONFIG: prints the major version, such as 15.
server_version() {
	"$1" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/'
}

# Prints the newest version that the machine has a server of, old ones left out; false without one.
installed_version() {
	local file version newest=0
	for file in /usr/lib/postgresql/*/bin/postgres; do
		version=${file#/usr/lib/postgresql/}
		version=${version%%/*}
		[[ "$version" =~ ^[0-9]+$ ]] || continue
		[ ! -x "$file" ] || [ "$version" -le "$newest" ] || newest=$version
	done
	[ "$newest" -ge "$oldest_server" ] && echo "$newest"
}

# Sets PG_CONFIG, unless it is set; false where there is no server.
find_server() {
	local version
	if [ -z "${PG_CONFIG:-}" ]; then
		version=$(installed_version) || return
		PG_CONFIG=/usr/lib/postgresql/$version/bin/pg_config
	fi
	export PG_CONFIG
}
