/*
 * launcher.c
 *		One process per server: keeps a supervisor running in each database that has the
 *		extension.
 *
 * It is connected to no database. A database that nobody has looked at yet gets a supervisor,
 * which ends at once and says so when the extension is absent. CREATE EXTENSION clears that
 * note and wakes the launcher.
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

#include "config.h"
#include "shmem.h"
#include "worker.h"

/* A database, and its supervisor. */
typedef struct Database
{
	Oid oid;   /* hash key */
	bool seen; /* in the present round */
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
		bool found;

		if (!form->datallowconn || form->datconnlimit == -2)
			continue;
		database = hash_search(databases, &form->oid, HASH_ENTER, &found);
		if (!found)
			memset(&database->supervisor, 0, sizeof(IntakeChild));
		database->seen = true;
	}
	table_endscan(scan);
	table_close(catalog, AccessShareLock);
	CommitTransactionCommand();
}

/* Keeps the supervisors running. Returns whether one waits for its time to start. */
static bool
keep_supervisors(HTAB *databases)
{
	HASH_SEQ_STATUS status;
	Database *database;
	bool waiting = false;

	hash_seq_init(&status, databases);
	while ((database = hash_seq_search(&status)) != NULL)
	{
		if (!database->seen)
			hash_search(databases, &database->oid, HASH_REMOVE, NULL);
		else if (!intake_shmem_database_wanted(database->oid))
			intake_worker_spare(&database->supervisor);
		else if (intake_shmem_count(INTAKE_SUPERVISOR, database->oid, InvalidOid) == 0)
			waiting |= !intake_worker_keep(&database->supervisor, INTAKE_SUPERVISOR, database->oid,
										   InvalidOid);
	}
	return waiting;
}

void
intake_launcher_main(Datum arg)
{
	HTAB *databases;

	intake_worker_begin();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	if (!intake_shmem_attach(INTAKE_LAUNCHER, InvalidOid, 1))
		proc_exit(1);
	databases = make_databases();
	for (;;)
	{
		bool waiting;

		list_databases(databases);
		waiting = keep_supervisors(databases);
		intake_worker_wait(waiting ? 200 : intake_config_poll_interval);
	}
}
