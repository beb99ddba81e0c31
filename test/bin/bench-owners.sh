# shellcheck shell=bash
# Many owners on few worker processes; to be sourced at the top of the tree, after bench-idle.sh, whose
# cluster it has. Run alone, it measures just that.
#
# OWNERS roles with a workflow each in one database, and then three roles with one each in each of
# OWNER_DATABASES databases; 16 worker processes for all. All have jobs at once; then an event a
# second for each.

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
	set -euo pipefail
	cd "$(dirname "$0")/../.."
	# shellcheck source=test/bin/cluster.sh
	. test/bin/cluster.sh
	prepare
	build_and_install
	# shellcheck source=test/bin/bench-size.sh
	. test/bin/bench-size.sh
	# shellcheck source=test/bin/bench-idle.sh
	. test/bin/bench-idle.sh
	trap stop_idle EXIT
	owners_alone=yes
fi

OWNERS=${OWNERS:-$(scaled 300 30)}
OWNER_DATABASES=${OWNER_DATABASES:-$(scaled 100 10)}
OWNER_SECONDS=${OWNER_SECONDS:-$(scaled 30 5)}
OWNER_PATIENCE=${OWNER_PATIENCE:-90} # seconds for jobs to run behind that

# owners_fill DATABASES OWNERS: as many databases with the extension, each with so many roles' workflows.
owners_fill() {
	local i
	cluster_init "$idle_dir"
	cluster_start "$idle_dir" "$idle_port" "-h '' -c log_min_messages=debug1 -c autovacuum=off -c max_worker_processes=16 -c max_connections=300 -c pg_intake.max_workers=32 -c pg_intake.idle_time=$(scaled 30 2)s"
	idle_socket=$(cluster_socket "$idle_dir")
	idle_query -d postgres <<-SQL >/dev/null
		CREATE EXTENSION dblink;
		SELECT format('CREATE ROLE o%s LOGIN', n) FROM generate_series(1, $2) n \gexec
		CREATE DATABASE owners;
	SQL
	idle_query -d owners <<-SQL >/dev/null
		CREATE EXTENSION pg_intake CASCADE;
		CREATE TABLE effect (owner text, sent_at timestamptz, ran_at timestamptz);
		GRANT INSERT ON effect TO PUBLIC;
		CREATE FUNCTION note(job intake.job) RETURNS void LANGUAGE sql AS
			'INSERT INTO public.effect VALUES (job.workflow, (job.payload ->> ''at'')::timestamptz, clock_timestamp())';
		DO \$\$
		BEGIN
			FOR i IN 1 .. $2 LOOP
				PERFORM intake.grant_access(format('o%s', i)::regrole, 'admin');
				EXECUTE format('SET LOCAL ROLE o%s', i);
				PERFORM intake.create_workflow('o' || i, 'note(intake.job)', source => 'intake', type => 'o' || i);
				RESET ROLE;
			END LOOP;
		END \$\$;
		-- Each owner gets so many jobs, in one transaction.
		CREATE FUNCTION send(n int) RETURNS bigint LANGUAGE sql AS \$\$
			SELECT count(intake.emit('o' || o, jsonb_build_object('at', clock_timestamp()))) FROM generate_series(1, n), generate_series(1, $2) o
		\$\$;
	SQL
	for i in $(seq 2 "$1"); do
		idle_query -d postgres -c "CREATE DATABASE owners_$i TEMPLATE owners"
		idle_query -d "owners_$i" -c 'SELECT intake.resume_workflows()' >/dev/null
	done
	idle_query -d postgres <<-'SQL'
		CREATE FUNCTION all_databases() RETURNS SETOF text LANGUAGE sql AS
			$$ SELECT datname FROM pg_database WHERE datname LIKE 'owners%' ORDER BY oid $$;
		-- A command, in each of them, by a connection that stays.
		CREATE FUNCTION everywhere(command text) RETURNS SETOF bigint LANGUAGE plpgsql AS $$
		DECLARE
			name text;
		BEGIN
			FOR name IN SELECT all_databases() LOOP
				IF name <> ALL (coalesce(dblink_get_connections(), '{}')) THEN
					PERFORM dblink_connect(name, format('host=%s port=%s dbname=%s user=postgres',
						current_setting('unix_socket_directories'), current_setting('port'), name));
				END IF;
				RETURN QUERY SELECT * FROM dblink(name, command) AS x(n bigint);
			END LOOP;
		END $$;
		-- An event for each owner, each second.
		CREATE PROCEDURE stream(seconds int) LANGUAGE plpgsql AS $$
		DECLARE
			start timestamptz := clock_timestamp();
		BEGIN
			FOR i IN 1 .. seconds LOOP
				PERFORM everywhere('SELECT send(1)');
				PERFORM pg_sleep(extract(epoch FROM start + i * interval '1 second' - clock_timestamp()));
			END LOOP;
		END $$;
		-- Until so many jobs have run, or so many seconds are over.
		CREATE PROCEDURE wait_for_jobs(n bigint, seconds int) LANGUAGE plpgsql AS $$
		DECLARE
			until timestamptz := clock_timestamp() + seconds * interval '1 second';
		BEGIN
			WHILE clock_timestamp() < until AND (SELECT sum(x) FROM everywhere('SELECT count(*) FROM effect') x) < n LOOP
				PERFORM pg_sleep(0.2);
			END LOOP;
		END $$;
		CREATE TABLE effect (name text, owner text, sent_at timestamptz, ran_at timestamptz);
		-- After everywhere, in the same session.
		CREATE PROCEDURE gather() LANGUAGE sql AS $$
			TRUNCATE effect;
			INSERT INTO effect SELECT name, x.*
				FROM all_databases() name, dblink(name, 'SELECT * FROM effect') AS x(owner text, sent_at timestamptz, ran_at timestamptz);
		$$;
	SQL
}

# owners_row TITLE JOBS OWNERS SQL: lets so many jobs come by that SQL, and prints a line of the table.
owners_row() {
	local starts start end
	idle_query -d postgres -c "SELECT count(*) FROM everywhere('WITH gone AS (DELETE FROM effect RETURNING 1) SELECT count(*) FROM gone')" >/dev/null
	starts=$(idle_starts)
	start=$(date +%s.%N)
	idle_query -d postgres -v ON_ERROR_STOP=0 -c "SET statement_timeout = '$((OWNER_SECONDS + OWNER_PATIENCE))s'" \
		-c "$4" -c "CALL wait_for_jobs($2, $OWNER_PATIENCE)" -c 'CALL gather()' >/dev/null
	end=$(date +%s.%N)
	idle_query -d postgres -F ' ' <<-SQL | awk -v t="$1" -v jobs="$2" -v owners="$3" -v starts="$(($(idle_starts) - starts))" -v s="$start" -v e="$end" '{
		printf "| %s | %s | %s s | %.2f s | %.2f s | %.2f s | %.0f/s | %.1f/s |\n", t, $2 < jobs ? sprintf("%d of %d jobs ran in %.0f s", $2, jobs, e - s) : "all ran",
			$1 < owners ? "only " $1 " of " owners ", " sprintf("%.2f", $3) : sprintf("%.2f", $3), $4, $5, $6, $2 / $7, starts / (e - s)}'
		WITH first AS (SELECT extract(epoch FROM min(ran_at) - min(sent_at)) AS s FROM effect GROUP BY name, owner),
			waits AS (SELECT extract(epoch FROM ran_at - sent_at) AS s FROM effect)
		SELECT (SELECT count(*) FROM first), (SELECT count(*) FROM effect), (SELECT max(s) FROM first),
			percentile_cont(0.5) WITHIN GROUP (ORDER BY s), percentile_cont(0.99) WITHIN GROUP (ORDER BY s), max(s),
			(SELECT extract(epoch FROM max(ran_at) - to_timestamp($start)) FROM effect) FROM waits;
	SQL
}

# Whether only the launcher is there.
owners_left() {
	[ "$(idle_query -d postgres -c "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'pg_intake%'")" -eq 1 ]
}

# owners_table TITLE DATABASES OWNERS
owners_table() {
	local all=$(($2 * $3)) each
	each=$(scaled 100 20)
	idle_prepare
	owners_fill "$2" "$3"
	owners_row "$1, $each jobs for each at once" $((each * all)) "$all" "SELECT count(*) FROM everywhere('SELECT send($each)')"
	owners_row "$1, one a second for each, for $OWNER_SECONDS s" $((OWNER_SECONDS * all)) "$all" "CALL stream($OWNER_SECONDS)"
	wait_until 60 owners_left || true
	idle=$(idle_cost)
	stop_idle
}

bench_owners() {
	local idle
	printf '\n| 16 worker processes | | first job of the last owner after | waiting, p50 | p99 | longest | jobs | process starts |\n|---|---|---|---|---|---|---|---|\n'
	owners_table "$OWNERS owners in one database" 1 "$OWNERS"
	printf '| idle afterwards | %s | | | | | | |\n' "$idle"
	owners_table "$OWNER_DATABASES databases with 3 owners each" "$OWNER_DATABASES" 3
	printf '| idle afterwards | %s | | | | | | |\n' "$idle"
}

[ -z "${owners_alone:-}" ] || bench_owners
