# shellcheck shell=bash
# What an idle server costs; to be sourced at the top of the tree, after cluster.sh. Run alone, it
# measures just that.
#
# A cluster of its own, with as many databases without the extension and with it, and in each of
# these a workflow: the processes that it starts, and the time of the CPU that all its processes
# take. The same server without the library is measured beside it.

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
	set -euo pipefail
	cd "$(dirname "$0")/../.."
	# shellcheck source=test/bin/cluster.sh
	. test/bin/cluster.sh
	prepare
	build_and_install
	idle_alone=yes
fi

IDLE_SECONDS=${IDLE_SECONDS:-60}
IDLE_WITHOUT=${IDLE_WITHOUT:-20}
IDLE_WITH=${IDLE_WITH:-3}

idle_query() {
	PGOPTIONS='-c client_min_messages=warning' psql -h "$idle_socket" -p "$idle_port" -U postgres -X -q -A -t -v ON_ERROR_STOP=1 "$@"
}

# The processes of the server: the postmaster and its children.
idle_pids() {
	local postmaster
	postmaster=$(head -n 1 "$idle_dir/data/postmaster.pid")
	echo "$postmaster"
	pgrep -P "$postmaster"
}

# The time of the CPU that they have taken, in ns; that of children which have ended is known to the
# postmaster in clock ticks. The name in field 2 of stat may have spaces.
idle_cpu() {
	local pid
	for pid in $(idle_pids); do
		awk '{print $1}' "/proc/$pid/schedstat" 2>/dev/null || true
	done | awk -v ended="$(sed 's/^.*) //' "/proc/$(idle_pids | head -n 1)/stat" | awk '{print $14 + $15}')" \
		-v hz="$(getconf CLK_TCK)" '{sum += $1} END {printf "%.0f", sum + ended * 1e9 / hz}'
}

# At debug1 the postmaster says which background worker it starts.
idle_starts() {
	grep -c 'starting background worker process "pg_intake' "$idle_dir/postgres.log" || true
}

idle_settled() {
	local before
	before=$(idle_starts)
	sleep 2
	[ "$(idle_starts)" -eq "$before" ]
}

# Waits until nothing starts, and prints what the server takes then.
idle_cost() {
	local starts cpu
	wait_until 60 idle_settled || echo -n "(workers start all the time) "
	starts=$(idle_starts) cpu=$(idle_cpu)
	sleep "$IDLE_SECONDS"
	awk -v starts="$(($(idle_starts) - starts))" -v cpu="$(($(idle_cpu) - cpu))" -v s="$IDLE_SECONDS" \
		'BEGIN {printf "%.1f process starts a minute, %.3f %% of a core", starts * 60 / s, cpu / s / 1e7}'
}

# idle_measure OPTIONS: starts the server, prints what it takes, and stops it. Autovacuum, whose
# workers visit every database in turn, is off.
idle_measure() {
	cluster_start "$idle_dir" "$idle_port" "-h '' -c log_min_messages=debug1 -c autovacuum=off -c max_worker_processes=32 $1"
	idle_socket=$(cluster_socket "$idle_dir")
	idle_cost
	cluster_stop "$idle_dir"
}

idle_fill() {
	local i
	cluster_init "$idle_dir"
	cluster_start "$idle_dir" "$idle_port" "-h '' -c fsync=off -c max_worker_processes=32"
	idle_socket=$(cluster_socket "$idle_dir")
	for i in $(seq "$IDLE_WITHOUT"); do
		idle_query -d postgres -c "CREATE DATABASE without_$i TEMPLATE template0 STRATEGY file_copy"
	done
	for i in $(seq "$IDLE_WITH"); do
		idle_query -d postgres -c "CREATE DATABASE with_$i"
		idle_query -d "with_$i" <<-'SQL' >/dev/null
			CREATE EXTENSION pg_intake CASCADE;
			CREATE FUNCTION nothing(job intake.job) RETURNS void LANGUAGE sql AS '';
			SELECT intake.create_workflow('nothing', 'nothing(intake.job)');
		SQL
	done
	cluster_stop "$idle_dir"
}

idle_prepare() {
	idle_dir=$(mktemp -d "${BENCH_DIR:-/var/tmp}/pg_intake-idle.XXXXXX")
	chmod 755 "$idle_dir"
	[ "$(id -u)" -ne 0 ] || chown postgres: "$idle_dir"
	idle_port=$(free_port)
}

bench_idle() {
	idle_prepare
	idle_fill
	echo "An idle server, $IDLE_WITHOUT databases without the extension and $IDLE_WITH with it and a workflow, for $IDLE_SECONDS s"
	echo "  ours: $(idle_measure '')"
	echo "  without the library: $(idle_measure "-c shared_preload_libraries=''")"
	stop_idle
}
stop_idle() {
	[ -n "${idle_dir:-}" ] || return 0
	cluster_stop "$idle_dir"
	rm -rf "$idle_dir"
	idle_dir=
}

if [ -n "${idle_alone:-}" ]; then
	trap stop_idle EXIT
	bench_idle
else
	bench_stop_hooks+=(stop_idle)
fi
