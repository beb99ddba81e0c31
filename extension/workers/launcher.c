/*
 * launcher.c
 *		One process per server: keeps a supervisor running in each database that has the
 *		extension.
 *
 * It is connected to no database. A database that it does not know yet gets a supervisor, which
 * ends at once and says so when the extension is absent; that is remembered here. A commit that
 * creates an extension, or a database, asks for another look (make_way.c). So an idle server starts
 * nothing.
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

#include "ground/bgworker.h"
#include "ground/settings.h"
#include "ground/shmem.h"
#include "ground/slot.h"
#include "workers/make_way.h"

/* A database, and its supervisor. */
typedef struct Database
{
	Oid oid;     /* hash key */
	bool seen;   /* in the present round */
	bool absent; /* looked at, and the extension is not there */
	bool left;   /* a command needs it without workers */
	IntakeChild supervisor;
} Database;

static HTAB *
make_databases(void)
{
	HASHCTL control = {0};

	control.keysize = sizeof(Oid);
	control.entrysize = sizeof(Database);
	control.hcxt = TopMemoryContext;
	return hash_create("pg_intake databases", 32, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static void
enter(HTAB *databases, Oid oid)
{
	bool found;
	Database *database = hash_search(databases, &oid, HASH_ENTER, &found);

	if (!found)
	{
		memset(database, 0, sizeof(Database));
		database->oid = oid;
	}
	database->seen = true;
	database->left = intake_make_way_is_wanted(oid);
}

/* Enters every database that can be connected to, and forgets those that are gone. */
static void
list_databases(HTAB *databases)
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
			enter(databases, form->oid);
	}
	table_endscan(scan);
	table_close(catalog, AccessShareLock);
	CommitTransactionCommand();
}

/* There is a reason to look at DATABASE. */
static void
look_again(Database *database)
{
	database->absent = false;
	intake_bgworker_forgive(&database->supervisor);
}

/* Takes what supervisors and commits have said since the last round. */
static void
read_letters(HTAB *databases)
{
	IntakeMailbox mailbox;
	HASH_SEQ_STATUS status;
	Database *database;

	intake_shmem_take_letters(&mailbox);
	for (int i = 0; i < mailbox.count; i++)
	{
		database = hash_search(databases, &mailbox.letters[i].database, HASH_FIND, NULL);
		if (database != NULL && mailbox.letters[i].absent)
			database->absent = true;
		else if (database != NULL)
			look_again(database);
	}
	if (!mailbox.look_everywhere)
		return;
	hash_seq_init(&status, databases);
	while ((database = hash_seq_search(&status)) != NULL)
		look_again(database);
}

/* Keeps the supervisor of a database running. Returns how long to wait, in milliseconds. */
static long
keep_supervisor(Database *database)
{
	if (database->absent || database->left)
		intake_bgworker_spare(&database->supervisor);
	else if (intake_slot_count(INTAKE_SUPERVISOR, database->oid, InvalidOid) == 0)
		return intake_bgworker_keep(&database->supervisor, INTAKE_SUPERVISOR, database->oid,
									InvalidOid);
	return INTAKE_NO_WAIT;
}

/* Keeps all of them running. Returns how long to wait, in milliseconds. */
static long
keep_supervisors(HTAB *databases)
{
	HASH_SEQ_STATUS status;
	Database *database;
	long wait = INTAKE_NO_WAIT;

	hash_seq_init(&status, databases);
	while ((database = hash_seq_search(&status)) != NULL)
	{
		if (database->seen)
			wait = Min(wait, keep_supervisor(database));
		else
		{
			intake_bgworker_forget(&database->supervisor);
			hash_search(databases, &database->oid, HASH_REMOVE, NULL);
		}
	}
	return wait;
}

extern PGDLLEXPORT void intake_launcher_main(Datum arg);

void
intake_launcher_main(Datum arg)
{
	HTAB *databases;

	intake_bgworker_begin();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	if (!intake_slot_attach(INTAKE_LAUNCHER, InvalidOid, 1))
		proc_exit(1);
	databases = make_databases();
	for (;;)
	{
		long wait;

		list_databases(databases);
		read_letters(databases);
		wait = keep_supervisors(databases);
		intake_bgworker_wait(Min(wait, intake_settings_poll_interval));
		(void) intake_bgworker_reload();
	}
}
