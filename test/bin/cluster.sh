# shellcheck shell=bash
# Functions for private PostgreSQL clusters; to be sourced at the top of the tree. A cluster lives
# in one directory, given by an absolute path: data/, socket/ and postgres.log.

# shellcheck source=test/bin/server.sh
. test/bin/server.sh

PREFIX=${PREFIX:-/usr/local}
export PREFIX
unset DESTDIR PGOPTIONS PGSERVICE
# The machine may have no locale set, or one that it does not have.
export LC_ALL=C.UTF-8

fail() {
	echo "$(basename "$0" .sh): $*" >&2
	exit 1
}

# prepare [WHAT]: installs what is missing (see setup.sh), and finds the server.
prepare() {
	test/bin/setup.sh "$@" || exit
	find_server || fail "there is no PostgreSQL on this machine; set PG_CONFIG to its pg_config"
}

# Runs a command as the user that PostgreSQL runs as: root becomes postgres. It runs in /, because
# that user may not be able to read where the caller stands.
as_postgres() {
	if [ "$(id -u)" -eq 0 ]; then
		(cd / && runuser -u postgres -- "$@")
	else
		(cd / && "$@")
	fi
}

pg_bin() {
	"$PG_CONFIG" --bindir
}

# build_quietly COMMAND...: shows what the command says only when it fails.
build_quietly() {
	local output
	output=$("$@" 2>&1) || { tail -n 60 <<<"$output" >&2; return 1; }
}

# Whether what is built is what the server and PREFIX have.
is_installed() {
	local share file
	share=$("$PG_CONFIG" --sharedir)/extension
	for file in extension/*.control sql/pg_intake--*.sql; do
		cmp -s "$file" "$share/${file##*/}" || return 1
	done
	cmp -s pg_intake.so "$("$PG_CONFIG" --pkglibdir)/pg_intake.so" &&
		cmp -s shim/intake-shim "$PREFIX/bin/intake-shim" &&
		cmp -s courier/intake-courier "$PREFIX/bin/intake-courier"
}

# Runs make install, through sudo where the directories ask for it.
install_built() {
	local become=()
	if ! { [ -w "$("$PG_CONFIG" --pkglibdir)" ] && [ -w "$("$PG_CONFIG" --sharedir)/extension" ] &&
		[ -w "$PREFIX/bin" ]; } && [ "$(id -u)" -ne 0 ]; then
		command -v sudo >/dev/null || fail "the installation needs root; run first, as root: make install"
		become=(sudo)
	fi
	build_quietly "${become[@]}" make -s --no-print-directory install PG_CONFIG="$PG_CONFIG" PREFIX="$PREFIX" ||
		fail "make install failed"
}

# Builds the extension and the programs, and installs them unless they are there already.
build_and_install() {
	build_quietly make -s --no-print-directory all || fail "the build failed"
	is_installed || install_built
}

# port_is_free PORT: whether nobody listens there on 127.0.0.1.
port_is_free() {
	! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# Prints a TCP port that nobody listens on.
free_port() {
	local port
	for _ in $(seq 50); do
		port=$((20000 + RANDOM % 12000))
		port_is_free "$port" && { echo "$port"; return; }
	done
	fail "no free port found"
}

# wait_until SECONDS COMMAND...: until the command succeeds; false when it does not in time.
wait_until() {
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.05
	done
}

# cluster_init DIRECTORY: makes a cluster; false when it cannot. What an interrupted one left goes.
cluster_init() {
	as_postgres rm -rf "$1/data.new" &&
		as_postgres "$(pg_bin)/initdb" -D "$1/data.new" -U postgres -E UTF8 --locale=C.UTF-8 \
			--auth-local=trust --auth-host=scram-sha-256 >/dev/null || return
	as_postgres tee -a "$1/data.new/postgresql.conf" >/dev/null <<-'CONF'
		shared_preload_libraries = 'pg_intake'
		max_worker_processes = 16
		log_line_prefix = '%m [%p] %b '
	CONF
	as_postgres mv "$1/data.new" "$1/data"
}

# Makes DIRECTORY/socket, for nobody else's eyes: a link to a short path where the own one is
# longer than a socket's address holds (107 bytes), or is not plain.
make_socket_directory() {
	[ ! -L "$1/socket" ] || as_postgres rm -f "$1/socket"
	if [[ "$1" =~ ^[A-Za-z0-9/._+-]{1,80}$ ]]; then
		as_postgres mkdir -p -m 700 "$1/socket"
	else
		as_postgres rm -rf "$1/socket"
		as_postgres ln -s "$(as_postgres mktemp -d /tmp/pg_intake.XXXXXX)" "$1/socket"
	fi
}

# cluster_socket DIRECTORY: prints where the sockets of a started cluster are.
cluster_socket() {
	(cd -P "$1/socket" && pwd)
}

# cluster_is_running DIRECTORY. A process that only has the number of a dead server is not one.
cluster_is_running() {
	local pid
	pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null) && [ "/proc/$pid/cwd" -ef "$1/data" ]
}

# A server that was killed leaves its file behind. Another process with its number would keep the
# next server from starting.
remove_stale_pid() {
	local pid
	pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null) || return 0
	if [ -e "/proc/$pid" ] && ! cluster_is_running "$1"; then
		as_postgres rm -f "$1/data/postmaster.pid"
	fi
}

# cluster_start DIRECTORY PORT [OPTIONS]: returns when the server answers; false when it does not
# start, for reasons that are in DIRECTORY/postgres.log. The server has a session of its own.
cluster_start() {
	make_socket_directory "$1"
	remove_stale_pid "$1"
	as_postgres "$(pg_bin)/pg_ctl" -D "$1/data" -l "$1/postgres.log" -w -t 60 -s \
		-o "-p $2 -k $(cluster_socket "$1") ${3:-}" start >/dev/null
}

# cluster_stop DIRECTORY: ends the server, if it runs.
cluster_stop() {
	if cluster_is_running "$1"; then
		as_postgres "$(pg_bin)/pg_ctl" -D "$1/data" -w -s -m fast stop >/dev/null 2>&1 ||
			as_postgres "$(pg_bin)/pg_ctl" -D "$1/data" -w -s -m immediate stop >/dev/null 2>&1 || true
	fi
	[ ! -L "$1/socket" ] || as_postgres rm -rf "$(cluster_socket "$1")" "$1/socket"
}
