/*
 * launcher.c
 *		One process per server: starts the others. Supervisors where something is to be done in a
 *		database, and executors for crews that have ready lanes.
 *
 * It is connected to no database. A database that it does not know yet gets a supervisor, which
 * ends at once and says so when the extension is absent; that is remembered here. A commit that
 * creates an extension, or a database, asks for another look (make_way.c). So an idle server starts
 * nothing.
 *
 * What wants a process and finds no place waits in a line (lane.c), and as many workers are asked for
 * their places: those that are idle leave at once, the others when they have worked for a while. So
 * all databases and roles have their turns, however few processes there may be.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "calls/board.h"
#include "ground/bgworker.h"
#include "ground/clock.h"
#include "ground/database.h"
#include "ground/settings.h"
#include "ground/shmem.h"
#include "ground/slot.h"
#include "queue/lane.h"
#include "workers/post.h"
#include "workers/spare.h"

#define RETRY 1000 /* milliseconds until what found no place is tried again */

/* A database that can be connected to. */
typedef struct Database
{
	Oid oid;     /* hash key */
	bool seen;   /* in the present round */
	bool looked; /* a supervisor has been there */
	bool absent; /* it has not found the extension */
	bool again;  /* somebody has asked for another look since the last one began */
} Database;

static HTAB *databases;
static int64 list_databases_at = 0; /* by intake_clock_ms */
static int unplaced; /* supervisors and first executors that found no place, in this round */

static HTAB *
make_databases(void)
{
	HASHCTL control = {0};

	control.keysize = sizeof(Oid);
	control.entrysize = sizeof(Database);
	control.hcxt = TopMemoryContext;
	return hash_create("pg_intake databases", 32, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* ---- databases ---- */

static void
enter(Oid oid)
{
	bool found;
	Database *database = hash_search(databases, &oid, HASH_ENTER, &found);

	if (!found)
		*database = (Database){oid};
	database->seen = true;
}

static void
forget_database(Oid oid)
{
	intake_database_forget(oid);
	intake_lane_forget(oid);
	intake_board_forget(oid);
}

/* Enters every database that can be connected to, and forgets those that are gone. */
static void
list_databases(void)
{
	HASH_SEQ_STATUS status;
	Database *database;
	Relation catalog;
	TableScanDesc scan;
	HeapTuple tuple;

	hash_seq_init(&status, databases);
	while ((database = hash_seq_search(&status)) != NULL)
		database->seen = false;

	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	catalog = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(catalog, 0, NULL);
	while (HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection)))
	{
		Form_pg_database form = (Form_pg_database) GETSTRUCT(tuple);

		if (form->datallowconn && form->datconnlimit != -2)
			enter(form->oid);
	}
	table_endscan(scan);
	table_close(catalog, AccessShareLock);
	CommitTransactionCommand();

	hash_seq_init(&status, databases);
	while ((database = hash_seq_search(&status)) != NULL)
	{
		if (database->seen)
			continue;
		forget_database(database->oid);
		hash_search(databases, &database->oid, HASH_REMOVE, NULL);
	}
}

/* There is a reason to look at DATABASE, even if a supervisor is looking already. */
static void
look_again(Database *database)
{
	IntakeCrewTag tag = {database->oid, InvalidOid};

	database->absent = database->looked = false;
	database->again = true;
	intake_post_forgive(&tag);
}

/* Takes what supervisors and commits have said since the last round. */
static void
read_letters(void)
{
	IntakeMailbox mailbox;
	HASH_SEQ_STATUS status;
	Database *database;

	intake_shmem_take_letters(&mailbox);
	if (mailbox.databases_changed || intake_clock_ms() >= list_databases_at)
	{
		list_databases();
		list_databases_at = intake_clock_ms() + intake_settings_poll_interval;
	}
	for (int i = 0; i < mailbox.count; i++)
	{
		database = hash_search(databases, &mailbox.databases[i], HASH_FIND, NULL);
		if (database != NULL)
			look_again(database);
	}
	if (!mailbox.look_everywhere)
		return;
	hash_seq_init(&status, databases);
	while ((database = hash_seq_search(&status)) != NULL)
		look_again(database);
}

/* ---- those that have ended ---- */

/* What the supervisor of a database has found, which has ended. */
static void
note_look(Database *database, const IntakeSlot *ended)
{
	database->looked = ended->content && !database->again;
	database->absent = ended->absent && !database->again;
	if (database->absent)
		forget_database(database->oid);
}

/* Frees the slots of workers that have ended. */
static void
reap(void)
{
	IntakeSlot ended;

	while (intake_slot_reap(&ended))
	{
		Database *database = hash_search(databases, &ended.database, HASH_FIND, NULL);

		if (ended.kind == INTAKE_SUPERVISOR && database != NULL)
			note_look(database, &ended);
		intake_post_ended(&ended);
	}
}

/* ---- starting ---- */

/* Milliseconds until a database wants its supervisor; 0: now. */
static long
until_wanted(const Database *database)
{
	IntakeDatabaseState state;
	long wait = INTAKE_NO_WAIT;

	if (database->absent || intake_slot_count(INTAKE_SUPERVISOR, database->oid, InvalidOid) > 0)
		return INTAKE_NO_WAIT;
	if (!database->looked)
		return 0;
	if (!intake_database_read(database->oid, &state))
		return INTAKE_NO_WAIT;
	if (state.calls != 0)
		return 0;
	if (state.look_at != 0)
		wait = Max(state.look_at - intake_clock_ms(), 0);
	if (state.due != DT_NOEND)
		wait = Min(wait, TimestampDifferenceMilliseconds(GetCurrentTimestamp(), state.due));
	return wait;
}

/* Starts the supervisor of a database. Returns how long to wait, in milliseconds; 0: it is started. */
static long
start_supervisor(Database *database)
{
	IntakeCrewTag tag = {database->oid, InvalidOid};

	if (!intake_post_start(INTAKE_SUPERVISOR, &tag))
	{
		unplaced++;
		return RETRY;
	}
	database->again = false;
	return 0;
}

/* Starts the supervisors that are wanted. Returns how long to wait, in milliseconds. */
static long
start_supervisors(void)
{
	HASH_SEQ_STATUS status;
	Database *database;
	long wait = INTAKE_NO_WAIT;

	hash_seq_init(&status, databases);
	while ((database = hash_seq_search(&status)) != NULL)
	{
		IntakeCrewTag tag = {database->oid, InvalidOid};
		long until = until_wanted(database);

		if (until == 0)
			until = intake_post_until_start(&tag);
		if (until == 0)
			until = start_supervisor(database);
		if (until > 0)
			wait = Min(wait, until);
	}
	return wait;
}

/* Starts executors for the crews that wait, as long as there are places. Returns how long to wait. */
static long
start_executors(void)
{
	IntakeCrewTag tag;
	long wait = intake_post_end_waits();

	while (intake_crew_next(&tag, &wait))
	{
		long until = intake_post_until_start(&tag);

		if (until > 0)
		{
			intake_post_put_off(&tag, until);
			wait = Min(wait, until);
		}
		else if (intake_post_start(INTAKE_EXECUTOR, &tag))
			intake_crew_enlist(&tag, false);
		else
		{
			intake_crew_enlist(&tag, true);
			unplaced += intake_crew_unserved();
			return Min(wait, RETRY);
		}
	}
	return wait;
}

/* Asks for as many places as were missing. */
static void
ask_for_places(void)
{
	pg_atomic_write_u32(&intake_shmem->wanted, unplaced);
	if (unplaced > 0)
		intake_slot_wake_idle();
}

/* Whether there is a database where jobs may come, as far as is known. */
static bool
any_works(void)
{
	HASH_SEQ_STATUS status;
	Database *database;
	bool works = false;

	hash_seq_init(&status, databases);
	while ((database = hash_seq_search(&status)) != NULL)
		works |= !database->absent;
	return works;
}

/* Keeps a spare process, while nobody waits for a place. Returns how long to wait, in milliseconds. */
static long
keep_spare(void)
{
	if (any_works())
		return unplaced == 0 ? intake_spare_keep() : INTAKE_NO_WAIT;
	(void) intake_spare_dismiss();
	return INTAKE_NO_WAIT;
}

/* One round. Returns how long to wait, in milliseconds. */
static long
do_round(void)
{
	long wait;
	long next; /* Min() would do the work twice */

	unplaced = 0;
	read_letters();
	reap();
	intake_post_look_after_starts();
	StartTransactionCommand();
	wait = start_supervisors();
	next = start_executors();
	wait = Min(wait, next);
	CommitTransactionCommand();
	ask_for_places();
	next = keep_spare();
	wait = Min(wait, next);
	return Min(wait, intake_settings_poll_interval);
}

extern PGDLLEXPORT void intake_launcher_main(Datum arg);

void
intake_launcher_main(Datum arg)
{
	intake_bgworker_begin();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	if (!intake_slot_attach_launcher())
		proc_exit(1);
	databases = make_databases();
	intake_post_open();
	(void) intake_spare_dismiss();
	intake_crew_enlist_all();
	for (;;)
	{
		uint64 news = intake_shmem_news();
		long wait = do_round();

		if (news == intake_shmem_news())
			intake_bgworker_wait(wait);
		(void) intake_bgworker_reload();
		CHECK_FOR_INTERRUPTS();
	}
}
