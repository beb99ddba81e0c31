#!/usr/bin/env bash
# make run: from nothing to a processed webhook, and on serving until Ctrl-C.
#
#   HTTP_PORT, PG_PORT   where the shim and PostgreSQL listen on 127.0.0.1
#   RUN_DIR              where the cluster, its logs and the secret of the source stay
#   PG_CONFIG            another PostgreSQL
set -euo pipefail
cd "$(dirname "$0")/../.."

HTTP_PORT=${HTTP_PORT:-8080}
PG_PORT=${PG_PORT:-25432} # below those that the system gives to outgoing connections
RUN_DIR=${RUN_DIR:-./.run}

# shellcheck source=test/bin/cluster.sh
. test/bin/cluster.sh

is_port() {
	[[ "$1" =~ ^[1-9][0-9]{0,4}$ ]] && [ "$1" -le 65535 ]
}

check_ports() {
	local name
	for name in HTTP_PORT PG_PORT; do
		is_port "${!name}" || fail "$name=${!name} is not a port"
		port_is_free "${!name}" || fail "port ${!name} is in use; choose another with $name=..."
	done
	[ "$HTTP_PORT" -ne "$PG_PORT" ] || fail "HTTP_PORT and PG_PORT are the same port"
}

# Sets RUN_DIR to an absolute path. A link to a directory that is gone starts afresh.
find_directory() {
	[ ! -L "$RUN_DIR" ] || [ -e "$RUN_DIR" ] || rm -f "$RUN_DIR"
	mkdir -p "$RUN_DIR" 2>/dev/null || fail "cannot make the directory $RUN_DIR; choose another RUN_DIR"
	link=$(cd "$RUN_DIR" 2>/dev/null && pwd) || fail "cannot enter $RUN_DIR; choose another RUN_DIR"
	RUN_DIR=$(cd -P "$RUN_DIR" && pwd)
	if cluster_is_running "$RUN_DIR"; then
		fail "$RUN_DIR is in use: a PostgreSQL runs there (process $(head -n 1 "$RUN_DIR/data/postmaster.pid"));" \
			"stop it, or choose another RUN_DIR, HTTP_PORT and PG_PORT"
	fi
}

is_empty() {
	[ -z "$(ls -A "$1" 2>&1)" ]
}

# Checks that what is in RUN_DIR can be used, or that there is nothing.
check_directory() {
	local owner=$1
	if [ -e "$RUN_DIR/data" ]; then
		[ "$(stat -c %U "$RUN_DIR/data")" = "$owner" ] ||
			fail "$RUN_DIR/data does not belong to the user $owner; choose another RUN_DIR"
		[ "$(cat "$RUN_DIR/data/PG_VERSION")" = "$(server_version "$PG_CONFIG")" ] ||
			fail "$RUN_DIR has a cluster of PostgreSQL $(cat "$RUN_DIR/data/PG_VERSION"); choose another RUN_DIR"
	elif [ ! -e "$RUN_DIR/data.new" ] && ! is_empty "$RUN_DIR"; then
		fail "$RUN_DIR has other things in it; choose another RUN_DIR"
	fi
}

# As root: sees to it that the user postgres can write to RUN_DIR. Where it cannot get there, the
# directory becomes a link to one that it can reach.
give_directory() {
	id postgres >/dev/null 2>&1 || fail "PostgreSQL does not run as root, and there is no user postgres"
	! is_empty "$RUN_DIR" || chown postgres: "$RUN_DIR"
	as_postgres test -w "$RUN_DIR" && return
	is_empty "$RUN_DIR" || fail "the user postgres cannot write to $RUN_DIR; choose another RUN_DIR"
	RUN_DIR=/var/lib/pg_intake/$(tr / - <<<"${link#/}")
	install -d -o postgres -g "$(id -g postgres)" "$RUN_DIR"
	rmdir "$link"
	ln -s "$RUN_DIR" "$link"
	echo "run: the user postgres cannot reach $link; it is now a link to $RUN_DIR"
}

shim_pid=
courier_pid=
started=

# Ends what was started, the database last, so that the others can finish what they have begun.
stop_all() {
	trap '' INT TERM HUP
	local pid
	for pid in $shim_pid $courier_pid; do
		kill -TERM "$pid" 2>/dev/null || true
	done
	for pid in $shim_pid $courier_pid; do
		wait "$pid" || true
	done
	if [ -n "$started" ]; then
		cluster_stop "$RUN_DIR"
		echo "run: stopped; the data stays in $RUN_DIR"
	fi
}

start_cluster() {
	if [ ! -e "$RUN_DIR/data" ]; then
		cluster_init "$RUN_DIR" || fail "initdb failed"
	fi
	started=yes
	cluster_start "$RUN_DIR" "$PG_PORT" "-h 127.0.0.1" || {
		tail -n 5 "$RUN_DIR/postgres.log" >&2
		fail "PostgreSQL did not start; its log is $RUN_DIR/postgres.log"
	}
	socket=$(cluster_socket "$RUN_DIR")
}

# query ROLE DATABASE [OPTIONS OF PSQL]
query() {
	PGOPTIONS='-c client_min_messages=warning' "$(pg_bin)/psql" -h "$socket" -p "$PG_PORT" -U "$1" \
		-d "$2" -X -q -P pager=off -v ON_ERROR_STOP=1 "${@:3}"
}

install_demo() {
	[ -s "$RUN_DIR/demo.secret" ] || (umask 077 && openssl rand -hex 32 >"$RUN_DIR/demo.secret")
	secret=$(cat "$RUN_DIR/demo.secret")
	{
		query postgres postgres -f - <<-'SQL' &&
			SELECT 'CREATE DATABASE intake_demo'
				WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'intake_demo') \gexec
		SQL
		query postgres intake_demo -v secret="$secret" -f test/demo/setup.sql &&
		query demo intake_demo -f test/demo/workflow.sql
	} >/dev/null || fail "the demonstration could not be set up in $RUN_DIR"
}

# run_program NAME ROLE OPTION...: starts a program, whose log is NAME.log, and sets program_pid. It
# runs with no more rights than PostgreSQL, in a session of its own, and ends with this script, however
# that ends.
run_program() {
	local become=(setpriv --pdeathsig TERM)
	[ "$(id -u)" -ne 0 ] || become+=(--reuid postgres --regid postgres --init-groups)
	PGHOST=$socket PGPORT=$PG_PORT PGUSER=$2 PGDATABASE=intake_demo \
		setsid "${become[@]}" "$PREFIX/bin/intake-$1" "${@:3}" </dev/null >>"$RUN_DIR/$1.log" 2>&1 &
	program_pid=$!
}

# settle NAME PROCESS WHERE...: waits until a program is ready, as curl finds WHERE.
is_settled() {
	! kill -0 "$1" || curl -fsS --noproxy '*' "${@:2}"
}
settle() {
	if ! wait_until 20 is_settled "${@:2}" || ! kill -0 "$2" 2>/dev/null; then
		tail -n 3 "$RUN_DIR/$1.log" >&2
		fail "the $1 did not become ready; its log is $RUN_DIR/$1.log"
	fi
}

start_programs() {
	run_program shim intake_gateway --listen "127.0.0.1:$HTTP_PORT"
	shim_pid=$program_pid
	run_program courier intake_courier --listen "unix:$socket/courier"
	courier_pid=$program_pid
	settle shim "$shim_pid" "http://127.0.0.1:$HTTP_PORT/readyz"
	settle courier "$courier_pid" --unix-socket "$socket/courier" http://localhost/readyz
}

sign() {
	printf %s "$1" | openssl dgst -sha256 -hmac "$secret" | sed 's/.* //'
}

send_webhook() {
	local body answer
	key="demo-$(date +%s)-$RANDOM"
	body="{\"event\":\"hello\",\"data\":{\"id\":\"$key\",\"name\":\"world\"}}"
	answer=$(curl -sS --noproxy '*' --max-time 30 -w ' %{http_code}' -H "X-Signature: $(sign "$body")" \
		-H 'Content-Type: application/json' --data-raw "$body" \
		"http://127.0.0.1:$HTTP_PORT/webhooks/demo") || fail "the webhook could not be sent"
	echo
	echo "One signed webhook:"
	echo "  POST http://127.0.0.1:$HTTP_PORT/webhooks/demo  $body"
	echo "  ${answer##* } ${answer% *}"
	[ "${answer##* }" = 200 ] || fail "the webhook was not accepted; see $RUN_DIR/postgres.log"
}

effect_is_there() {
	query postgres intake_demo -A -t -v key="$key" \
		<<<"SELECT 1 FROM greeting WHERE key = :'key'" | grep -qx 1
}

show_result() {
	wait_until 20 effect_is_there || fail "the job did not finish; see $RUN_DIR/postgres.log"
	echo
	query postgres intake_demo -v key="$key" <<-'SQL'
		\pset footer off
		\echo The event:
		SELECT id, source, type, key, date_trunc('second', received_at) AS received_at
			FROM intake.events WHERE key = :'key';
		\echo The job:
		SELECT j.id, j.event_id, j.workflow, j.state, j.attempts FROM intake.jobs j
			JOIN intake.events e ON e.id = j.event_id WHERE e.key = :'key';
		\echo Its effect, a row that the workflow wrote:
		SELECT key, greeting, date_trunc('second', greeted_at) AS greeted_at
			FROM greeting WHERE key = :'key';
	SQL
}

show_next_steps() {
	cat <<-TEXT
		Look around:
		  psql -h $socket -p $PG_PORT -U postgres intake_demo

		Send another:
		  body='{"event":"hello","data":{"id":"mine-1","name":"you"}}'
		  curl -H "X-Signature: \$(printf %s "\$body" | openssl dgst -sha256 -hmac "\$(cat $(printf %q "$RUN_DIR/demo.secret"))" | sed 's/.* //')" \\
		    --data-raw "\$body" http://127.0.0.1:$HTTP_PORT/webhooks/demo

		Serving on http://127.0.0.1:$HTTP_PORT. Ctrl-C stops everything.
	TEXT
}

# catches_int PROCESS: whether it has a handler for SIGINT (2); false when it is gone.
catches_int() {
	local caught
	caught=$(sed -n 's/^SigCgt:[[:space:]]*//p' "/proc/$1/status" 2>/dev/null) && ((0x${caught:-0} & 2))
}

# Whether make, if it has started this script, was told to end. It passes SIGTERM on, but with
# SIGINT it goes back to what a process does without a handler, and waits for its recipe.
make_is_interrupted() {
	[ -n "$by_make" ] && ! catches_int "$PPID"
}
by_make=
if [ "$(cat "/proc/$PPID/comm" 2>/dev/null)" = make ] && catches_int "$PPID"; then by_make=yes; fi

# Returns when make is interrupted; else a signal's trap ends it, or a part that has died.
serve() {
	while kill -0 "$shim_pid" 2>/dev/null && kill -0 "$courier_pid" 2>/dev/null; do
		! make_is_interrupted || return 0
		cluster_is_running "$RUN_DIR" || fail "PostgreSQL has ended; its log is $RUN_DIR/postgres.log"
		sleep 1 &
		{ wait -n "$!" "$shim_pid" "$courier_pid" || true; } 2>/dev/null
	done
	! kill -0 "$shim_pid" 2>/dev/null || fail "the courier has ended; its log is $RUN_DIR/courier.log"
	fail "the shim has ended; its log is $RUN_DIR/shim.log"
}

find_directory
check_ports
prepare
if [ "$(id -u)" -eq 0 ]; then
	give_directory
	check_directory postgres
else
	check_directory "$(id -un)"
fi
echo "run: building"
build_and_install

trap stop_all EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
start_cluster
install_demo
start_programs
send_webhook
show_result
show_next_steps
trap 'exit 0' INT TERM HUP
serve
