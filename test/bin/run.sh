#!/usr/bin/env bash
# make run: from nothing to a processed webhook, and on serving until Ctrl-C.
set -euo pipefail
cd "$(dirname "$0")/../.."

HTTP_PORT=${HTTP_PORT:-8080}
PG_PORT=${PG_PORT:-54300}
RUN_DIR=${RUN_DIR:-./.run}

for port in "$HTTP_PORT" "$PG_PORT"; do
	[[ "$port" =~ ^[0-9]+$ ]] && [ "$port" -ge 1 ] && [ "$port" -le 65535 ] ||
		{ echo "run: \"$port\" is not a port" >&2; exit 1; }
done

test/bin/setup.sh
# shellcheck source=test/bin/cluster.sh
. test/bin/cluster.sh

# The directory must be one that PostgreSQL's user can reach.
prepare_directory() {
	mkdir -p "$RUN_DIR" 2>/dev/null || fail "cannot make $RUN_DIR"
	RUN_DIR=$(cd -P "$RUN_DIR" && pwd)
	[ "$(id -u)" -eq 0 ] || return 0
	[ -O "$RUN_DIR/data" ] || chown postgres: "$RUN_DIR" 2>/dev/null || true
	as_postgres test -w "$RUN_DIR" 2>/dev/null && return 0
	local link=$RUN_DIR
	local real
	real=/var/lib/pg_intake/$(printf %s "$link" | tr / _ | sed 's/^_//')
	mkdir -p "$real"
	chown postgres: "$real"
	rmdir "$link" 2>/dev/null || fail "$link cannot be reached by the user postgres; choose another RUN_DIR"
	ln -s "$real" "$link"
	echo "run: the user postgres cannot reach $link; the data is in $real"
	RUN_DIR=$real
}

shim_pid=
cluster_up=

stop_all() {
	trap '' INT TERM EXIT
	if [ -n "$shim_pid" ]; then
		kill -TERM "$shim_pid" 2>/dev/null && wait "$shim_pid" 2>/dev/null || true
	fi
	[ -z "$cluster_up" ] || cluster_stop "$RUN_DIR"
	[ -z "$cluster_up" ] || echo "run: stopped; the data stays in $RUN_DIR"
}

query() {
	psql -h "$socket" -p "$PG_PORT" -U "${role:-postgres}" -d intake_demo -X -q -v ON_ERROR_STOP=1 "$@"
}

start_cluster() {
	[ ! -e "$RUN_DIR/data/PG_VERSION" ] && cluster_init "$RUN_DIR"
	socket=$(cluster_socket "$RUN_DIR")
	if as_postgres "$(pg_bin)/pg_ctl" -D "$RUN_DIR/data" status >/dev/null 2>&1; then
		fail "$RUN_DIR is in use by a PostgreSQL that runs already; stop it, or choose another RUN_DIR"
	fi
	port_is_free "$PG_PORT" || fail "port $PG_PORT is in use; choose another with PG_PORT=..."
	port_is_free "$HTTP_PORT" || fail "port $HTTP_PORT is in use; choose another with HTTP_PORT=..."
	cluster_up=yes
	setsid_as_postgres_start || {
		tail -5 "$RUN_DIR/postgres.log" >&2
		fail "PostgreSQL did not start; its log is $RUN_DIR/postgres.log"
	}
}

# pg_ctl starts the server in a session of its own, so Ctrl-C reaches only this script.
setsid_as_postgres_start() {
	cluster_start "$RUN_DIR" "$PG_PORT" "-h 127.0.0.1"
}

install_demo() {
	psql -h "$socket" -p "$PG_PORT" -U postgres -d postgres -X -q -A -t \
		-c "SELECT 1 FROM pg_database WHERE datname = 'intake_demo'" | grep -q 1 ||
		psql -h "$socket" -p "$PG_PORT" -U postgres -d postgres -X -q -c "CREATE DATABASE intake_demo"
	[ -s "$RUN_DIR/demo.secret" ] || (umask 077 && openssl rand -hex 32 >"$RUN_DIR/demo.secret")
	secret=$(cat "$RUN_DIR/demo.secret")
	PGOPTIONS='-c client_min_messages=warning' query -v secret="$secret" -f test/demo/setup.sql >/dev/null
	role=demo PGOPTIONS='-c client_min_messages=warning' query -f test/demo/workflow.sql >/dev/null
}

start_shim() {
	# A session of its own, for the same reason; it needs nothing but the socket.
	setsid shim/intake-shim --listen "127.0.0.1:$HTTP_PORT" \
		--dsn "host=$socket port=$PG_PORT user=intake_gateway dbname=intake_demo" \
		2>>"$RUN_DIR/shim.log" &
	shim_pid=$!
	wait_until 20 curl -fsS "http://127.0.0.1:$HTTP_PORT/readyz" || {
		tail -3 "$RUN_DIR/shim.log" >&2
		fail "the shim did not become ready; its log is $RUN_DIR/shim.log"
	}
}

sign() {
	printf %s "$1" | openssl dgst -sha256 -hmac "$secret" | sed 's/.* //'
}

send_webhook() {
	key="demo-$(date +%s)-$RANDOM"
	body="{\"event\":\"hello\",\"data\":{\"id\":\"$key\",\"name\":\"world\"}}"
	echo
	echo "One signed webhook:"
	echo "  POST http://127.0.0.1:$HTTP_PORT/webhooks/demo  $body"
	echo "  $(curl -sS -H "X-Signature: $(sign "$body")" -H 'Content-Type: application/json' \
		--data-raw "$body" "http://127.0.0.1:$HTTP_PORT/webhooks/demo")"
}

effect_is_there() {
	query -A -t -v key="$key" <<<"SELECT 1 FROM greeting WHERE key = :'key'" | grep -q 1
}

show_result() {
	wait_until 20 effect_is_there || fail "the job did not finish; see $RUN_DIR/postgres.log"
	echo
	query -v key="$key" <<-'SQL'
		\pset footer off
		\echo The event:
		SELECT id, source, type, key, received_at FROM intake.events WHERE key = :'key';
		\echo The job:
		SELECT j.id, j.event_id, j.workflow, j.state, j.attempts FROM intake.jobs j
			JOIN intake.events e ON e.id = j.event_id WHERE e.key = :'key';
		\echo Its effect, a row that the workflow wrote:
		SELECT * FROM greeting WHERE key = :'key';
	SQL
}

show_next_steps() {
	cat <<-TEXT
		Look around:
		  psql -h $socket -p $PG_PORT -U postgres intake_demo

		Send another:
		  body='{"event":"hello","data":{"id":"mine-1","name":"you"}}'
		  curl -H "X-Signature: \$(printf %s "\$body" | openssl dgst -sha256 -hmac \$(cat $RUN_DIR/demo.secret) | sed 's/.* //')" \\
		    --data-raw "\$body" http://127.0.0.1:$HTTP_PORT/webhooks/demo

		Serving on http://127.0.0.1:$HTTP_PORT. Ctrl-C stops everything.
	TEXT
}

postgres_runs() {
	as_postgres "$(pg_bin)/pg_ctl" -D "$RUN_DIR/data" status >/dev/null 2>&1
}

# Until a signal, or until a part of it dies.
serve() {
	while kill -0 "$shim_pid" 2>/dev/null; do
		postgres_runs || fail "PostgreSQL has ended; its log is $RUN_DIR/postgres.log"
		sleep 1 &
		wait $! || true
	done
	fail "the shim has ended; its log is $RUN_DIR/shim.log"
}

prepare_directory
port_is_free "$HTTP_PORT" || fail "port $HTTP_PORT is in use; choose another with HTTP_PORT=..."
echo "run: building"
build_and_install
trap 'exit 0' INT
trap 'exit 0' TERM
trap stop_all EXIT
start_cluster
install_demo
start_shim
send_webhook
show_result
show_next_steps
serve
