# Functions for private PostgreSQL clusters; to be sourced.

PG_CONFIG=${PG_CONFIG:-/usr/lib/postgresql/15/bin/pg_config}
export PG_CONFIG

fail() {
	echo "$(basename "$0" .sh): $*" >&2
	exit 1
}

# Runs a command as the user that PostgreSQL runs as: root becomes postgres.
as_postgres() {
	if [ "$(id -u)" -eq 0 ]; then
		(cd / && runuser -u postgres -- "$@")
	else
		"$@"
	fi
}

# Runs a command as root.
as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

pg_bin() {
	"$PG_CONFIG" --bindir
}

# Builds everything and installs the extension where the server looks for it.
build_and_install() {
	local log
	log=$(mktemp)
	make --no-print-directory -s all >"$log" 2>&1 || { cat "$log" >&2; fail "the build failed"; }
	as_root make --no-print-directory -s install PG_CONFIG="$PG_CONFIG" PREFIX="${PREFIX:-/usr/local}" \
		>"$log" 2>&1 || { cat "$log" >&2; fail "the installation failed"; }
	rm -f "$log"
}

# A TCP port that nobody listens on.
port_is_free() {
	! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

free_port() {
	local port
	for _ in $(seq 50); do
		port=$((20000 + RANDOM % 20000))
		port_is_free "$port" && { echo "$port"; return; }
	done
	fail "no free port found"
}

# wait_until SECONDS COMMAND...: until the command succeeds.
wait_until() {
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.05
	done
}

# cluster_init DIRECTORY: an empty cluster in DIRECTORY/data, sockets in DIRECTORY/socket.
cluster_init() {
	as_postgres mkdir -p "$1/socket"
	as_postgres chmod 700 "$1/socket"
	as_postgres "$(pg_bin)/initdb" -D "$1/data" -U postgres -E UTF8 --locale=C.UTF-8 \
		--auth-local=trust --auth-host=scram-sha-256 >/dev/null
	as_postgres tee -a "$1/data/postgresql.conf" >/dev/null <<-CONF
		shared_preload_libraries = 'pg_intake'
		max_worker_processes = 16
		log_line_prefix = '%m [%p] %b '
		unix_socket_directories = '$(cluster_socket "$1")'
	CONF
}

# Where the sockets of a cluster are: a path of a socket has at most 107 bytes.
cluster_socket() {
	local socket="$1/socket"
	if [ ${#socket} -gt 80 ]; then
		socket="/tmp/pg_intake-$(printf %s "$1" | cksum | cut -d' ' -f1)"
		as_postgres mkdir -p "$socket"
		as_postgres chmod 700 "$socket"
	fi
	echo "$socket"
}

# cluster_start DIRECTORY PORT [SETTINGS]
cluster_start() {
	as_postgres "$(pg_bin)/pg_ctl" -D "$1/data" -l "$1/postgres.log" -w -t 60 -s \
		-o "-p $2 ${3:-}" start >/dev/null
}

cluster_stop() {
	as_postgres "$(pg_bin)/pg_ctl" -D "$1/data" -w -s -m fast stop >/dev/null 2>&1 || true
}
