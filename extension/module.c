/*
 * module.c
 *		The entry of the library.
 *
 * Loaded by shared_preload_libraries it has shared memory, hooks and the launcher. Loaded by a
 * session only, events can be received and configured, but no job runs and nothing wakes.
 */
#include "postgres.h"

#include <unistd.h>

#include "fmgr.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

#include "calls/left.h"
#include "calls/board.h"
#include "config/dependency.h"
#include "config/hidden.h"
#include "ground/bgworker.h"
#include "ground/database.h"
#include "ground/settings.h"
#include "ground/shmem.h"
#include "ground/slot.h"
#include "queue/lane.h"
#include "read/work.h"
#include "workers/make_way.h"

PG_MODULE_MAGIC;

static shmem_request_hook_type previous_request_hook = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;

extern PGDLLEXPORT void _PG_init(void);

static void
request_shmem(void)
{
	if (previous_request_hook)
		previous_request_hook();
	intake_shmem_request();
	RequestAddinShmemSpace(intake_slot_shmem_size());
	RequestAddinShmemSpace(intake_database_shmem_size());
	RequestAddinShmemSpace(intake_crew_shmem_size());
	RequestAddinShmemSpace(intake_lane_shmem_size());
	RequestAddinShmemSpace(intake_board_shmem_size());
	RequestAddinShmemSpace(intake_left_shmem_size());
}

static void
startup_shmem(void)
{
	if (previous_startup_hook)
		previous_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	intake_shmem_startup();
	intake_slot_startup();
	intake_database_startup();
	intake_crew_startup();
	intake_lane_startup();
	intake_board_startup();
	intake_left_startup();
	LWLockRelease(AddinShmemInitLock);
}

PG_FUNCTION_INFO_V1(intake_sql_warn_unless_preloaded);

/* Whoever sets something up learns at once that nothing will run. */
Datum
intake_sql_warn_unless_preloaded(PG_FUNCTION_ARGS)
{
	if (intake_shmem == NULL)
		ereport(WARNING,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("no job will run: the server has not loaded the library pg_intake"),
				 errhint("Add pg_intake to shared_preload_libraries in postgresql.conf, such as "
						 "shared_preload_libraries = 'pg_intake', and restart the server.")));
	PG_RETURN_VOID();
}

static void
breathe(void)
{
	CHECK_FOR_INTERRUPTS();
}

/*
 * Most handlers are in PL/pgSQL. Processes that start for a job find it loaded, as they find this
 * library: loading it would take a millisecond of the few that pass before the job runs.
 */
static void
load_plpgsql(void)
{
	char path[MAXPGPATH];

	snprintf(path, sizeof(path), "%s/plpgsql%s", pkglib_path, DLSUFFIX);
	if (access(path, R_OK) == 0)
		load_file(path, false);
}

void
_PG_init(void)
{
	intake_work.breathe = breathe;
	if (IsBinaryUpgrade)
		return;
	if (!process_shared_preload_libraries_in_progress)
		return;
	intake_settings_define();
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = request_shmem;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = startup_shmem;
	intake_make_way_install_hook();
	intake_dependency_install_hook();
	intake_hidden_install_hook();
	intake_bgworker_register_launcher();
	load_plpgsql();
}
