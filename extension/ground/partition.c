/*
 * partition.c
 *		The partitions of event and done: found, and made before they are needed.
 *
 * A partition that is made in some session's transaction does not exist for others until that ends,
 * and all intake would wait. So the supervisor makes partitions, ahead of need and each in its own
 * transaction. A process that misses one asks the supervisor for it, in shared memory, and waits for
 * a few seconds. Only if no other process can make it, it is made in the caller's transaction.
 *
 * Partitions are found by the bounds that the server knows, not by name: one that was detached
 * takes no rows. What was found is kept until the server says that it has changed.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/namespace.h"
#include "commands/tablespace.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "partitioning/partbounds.h"
#include "partitioning/partdesc.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/partcache.h"
#include "utils/rel.h"
#include "utils/wait_event.h"

#include "ground/clock.h"
#include "ground/database.h"
#include "ground/intake.h"
#include "ground/owner.h"
#include "ground/partition.h"
#include "ground/shmem.h"
#include "ground/slot.h"
#include "ground/table.h"

#define PATIENCE 5000 /* milliseconds that a caller waits for the supervisor */
#define ASK_EVERY 1000
#define STEP 10

static const struct
{
	const char *name;
	const char *key;
	const char *index; /* besides that of the key; NULL: none */
	const char *sequence;
} partitioned[] = {
	[INTAKE_PARTITIONED_EVENT] = {"event", "id", NULL, "event_id_seq"},
	[INTAKE_PARTITIONED_DONE] = {"done", "job_id", "(event_id)", "job_id_seq"},
};

/* ---- finding ---- */

/* What was found last. */
static struct
{
	Oid parent; /* InvalidOid: nothing */
	IntakePartition partition;
} known[lengthof(partitioned)];

static uint64 changes = 0;

static void
forget(Datum arg, Oid oid)
{
	for (int i = 0; i < lengthof(known); i++)
		if (!OidIsValid(oid) || oid == known[i].parent || oid == known[i].partition.oid)
		{
			known[i].parent = InvalidOid;
			changes++;
		}
}

/* The bound at INDEX, or OTHERWISE where there is none, or none that is a value. */
static int64
bound_value(const PartitionBoundInfoData *bounds, int index, int64 otherwise)
{
	if (index < 0 || index >= bounds->ndatums ||
		bounds->kind[index][0] != PARTITION_RANGE_DATUM_VALUE)
		return otherwise;
	return DatumGetInt64(bounds->datums[index][0]);
}

/* The partition of PARENT that the server would put ID into. Returns false where there is none. */
static bool
look_up(Relation parent, int64 id, IntakePartition *found)
{
	PartitionKey key = RelationGetPartitionKey(parent);
	PartitionDesc descriptor = RelationGetPartitionDesc(parent, true);
	Datum value = Int64GetDatum(id);
	bool equal;
	int bound;
	int index;

	if (key->strategy != PARTITION_STRATEGY_RANGE || key->partnatts != 1 ||
		key->partopcintype[0] != INT8OID)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("table \"%s\" is not partitioned by ranges of its first column",
							   RelationGetRelationName(parent))));
	if (descriptor->nparts == 0)
		return false;
	bound = partition_range_datum_bsearch(key->partsupfunc, key->partcollation,
										  descriptor->boundinfo, 1, &value, &equal);
	index = descriptor->boundinfo->indexes[bound + 1];
	if (index < 0)
		return false;
	found->oid = descriptor->oids[index];
	found->low = bound_value(descriptor->boundinfo, bound, PG_INT64_MIN);
	found->end = bound_value(descriptor->boundinfo, bound + 1, PG_INT64_MAX);
	return true;
}

/*
 * Finds the partition of TABLE that has row ID, and takes LOCK on it; it has still been that
 * partition then. Returns false where there is none. To be called with an active snapshot.
 */
bool
intake_partition_find(IntakePartitioned table, int64 id, LOCKMODE lock, IntakePartition *found)
{
	static bool watching = false;
	Oid parent = intake_table_oid(partitioned[table].name);
	uint64 before;

	if (!watching)
		CacheRegisterRelcacheCallback(forget, (Datum) 0);
	watching = true;
	do
	{
		before = changes;
		*found = known[table].partition;
		if (known[table].parent != parent || id < found->low || id >= found->end)
		{
			Relation relation;
			bool there;

			intake_table_lock(parent, AccessShareLock);
			relation = table_open(parent, NoLock);
			before = changes;
			there = look_up(relation, id, found);
			table_close(relation, AccessShareLock);
			if (!there)
				return false;
		}
		intake_table_lock(found->oid, lock);
		if (changes != before)
			UnlockRelationOid(found->oid, lock);
	} while (changes != before);
	known[table].parent = parent;
	known[table].partition = *found;
	return true;
}

/*
 * The same, for a caller to whom a missing partition means that its rows are gone. What a
 * transaction has done becomes visible a moment before others are told that it has changed a table,
 * and until then it holds a lock on the parent. So this waits for a transaction that has made the
 * partition and stored rows in it.
 */
bool
intake_partition_find_surely(IntakePartitioned table, int64 id, LOCKMODE lock,
							 IntakePartition *found)
{
	Oid parent = intake_table_oid(partitioned[table].name);

	if (intake_partition_find(table, id, lock, found))
		return true;
	LockRelationOid(parent, ShareUpdateExclusiveLock);
	UnlockRelationOid(parent, ShareUpdateExclusiveLock);
	return intake_partition_find(table, id, lock, found);
}

/* ---- making ---- */

static void
set_here(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
							 false);
}

static void
execute(const char *sql)
{
	int result = SPI_execute(sql, false, 0);

	if (result < 0)
		elog(ERROR, "SPI_execute failed: %s", SPI_result_code_string(result));
}

/*
 * Makes the partition for a million ids, as sql/24_rooms.sql says. It lies in the tablespace of its
 * parent, whatever the settings of the session or the role say.
 */
static void
make_as_owner(IntakePartitioned table, int64 low)
{
	const char *parent = partitioned[table].name;
	Oid tablespace = get_rel_tablespace(intake_table_oid(parent));
	IntakeOwner saved;

	intake_owner_begin(&saved);
	set_here("default_tablespace", OidIsValid(tablespace) ? get_tablespace_name(tablespace) : "");
	set_here("default_table_access_method", "heap");
	SPI_connect();
	execute(psprintf("SELECT intake.make_partition('%s', " INT64_FORMAT ", " INT64_FORMAT ")",
					 parent, low, low + INTAKE_PARTITION_ROWS));
	SPI_finish();
	intake_owner_end(&saved);
}

static const char *
partition_name(IntakePartitioned table, int64 low)
{
	return psprintf("%s_" INT64_FORMAT, partitioned[table].name, low);
}

/* A table that has the name, and is no partition, was detached. */
static void
refuse_detached(IntakePartitioned table, int64 low)
{
	const char *name = partition_name(table, low);
	Oid oid = get_relname_relid(name, get_namespace_oid(INTAKE_SCHEMA, false));

	if (OidIsValid(oid))
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("table \"%s.%s\" was detached, and no other can have its rows",
							   INTAKE_SCHEMA, name),
						errhint("Attach it again as the partition of \"%s.%s\" from " INT64_FORMAT
								" to " INT64_FORMAT ", or rename it.",
								INTAKE_SCHEMA, partitioned[table].name, low,
								low + INTAKE_PARTITION_ROWS)));
}

static int64
low_of(int64 id)
{
	return id - id % INTAKE_PARTITION_ROWS;
}

/* Makes the partition for row ID, unless it is there. Processes that do so at once take turns. */
static void
make(IntakePartitioned table, int64 id)
{
	IntakePartition found;

	if (intake_partition_find(table, id, AccessShareLock, &found))
		return;
	LockRelationOid(intake_table_oid(partitioned[table].name), ShareUpdateExclusiveLock);
	if (intake_partition_find(table, id, AccessShareLock, &found))
		return;
	refuse_detached(table, low_of(id));
	make_as_owner(table, low_of(id));
	CommandCounterIncrement();
}

/* ---- asking ---- */

/*
 * Whether nobody else can make a partition: there are no workers, this is the one that makes them,
 * or the table is this transaction's until it ends.
 */
static bool
only_we_can(IntakePartitioned table)
{
	Relation parent;
	bool ours;

	if (intake_shmem == NULL ||
		(intake_slot_self != NULL && intake_slot_self->kind == INTAKE_SUPERVISOR))
		return true;
	parent = table_open(intake_table_oid(partitioned[table].name), AccessShareLock);
	ours = parent->rd_createSubid != InvalidSubTransactionId ||
		   CheckRelationLockedByMe(parent, ShareUpdateExclusiveLock, true);
	table_close(parent, AccessShareLock);
	return ours;
}

/* Waits until the supervisor has made the partition for row ID. Returns false when it takes long. */
static bool
ask(IntakePartitioned table, int64 id, IntakePartition *found)
{
	int64 started = intake_clock_ms();
	int64 next = started; /* when to ask again */

	while (intake_clock_ms() - started < PATIENCE)
	{
		if (intake_clock_ms() >= next)
		{
			intake_shmem_ask_partition(table, low_of(id));
			intake_database_call(INTAKE_CALL_DUTIES);
			next += ASK_EVERY;
		}
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, STEP,
						 PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		AcceptInvalidationMessages();
		if (intake_partition_find(table, id, RowExclusiveLock, found))
			return true;
	}
	return false;
}

/* Once half of a partition is full, calls the supervisor, which makes the next one. */
static void
look_ahead(IntakePartitioned table, int64 id, const IntakePartition *partition)
{
	static int64 called_at[INTAKE_PARTITIONED_COUNT]; /* its end, at the last call */

	if (id - partition->low < INTAKE_PARTITION_ROWS / 2 || called_at[table] == partition->end)
		return;
	called_at[table] = partition->end;
	intake_database_call(INTAKE_CALL_DUTIES);
}

/*
 * Finds the partition for row ID, and locks it for writing. A missing one is made by the
 * supervisor; if there is none, because no slot is free for it, it is made here after a while.
 */
void
intake_partition_need(IntakePartitioned table, int64 id, IntakePartition *found)
{
	if (intake_partition_find(table, id, RowExclusiveLock, found))
	{
		look_ahead(table, id, found);
		return;
	}
	refuse_detached(table, low_of(id));
	if (!only_we_can(table))
	{
		if (ask(table, id, found))
			return;
		if (intake_slot_count(INTAKE_SUPERVISOR, MyDatabaseId, InvalidOid) > 0)
			ereport(ERROR, (errcode(ERRCODE_CANNOT_CONNECT_NOW),
							errmsg("the partition \"%s.%s\" has not been made in time",
								   INTAKE_SCHEMA, partition_name(table, low_of(id))),
							errhint("What keeps the supervisor of pg_intake from it is in the "
									"server's log: maybe a lock on \"%s.%s\", or an event trigger.",
									INTAKE_SCHEMA, partitioned[table].name)));
	}
	make(table, id);
	if (!intake_partition_find(table, id, RowExclusiveLock, found))
		elog(ERROR, "a partition that was made is not there");
}

/* ---- ahead of need ---- */

/* The last value that a sequence gave out, or -1 when it gave none. */
static int64
last_value(const char *sequence)
{
	LOCAL_FCINFO(fcinfo, 1);
	Datum value;

	InitFunctionCallInfoData(*fcinfo, NULL, 1, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = ObjectIdGetDatum(intake_table_oid(sequence));
	fcinfo->args[0].isnull = false;
	value = pg_sequence_last_value(fcinfo);
	return fcinfo->isnull ? -1 : DatumGetInt64(value);
}

/*
 * Makes the partitions that were asked for, and the next one once half of the current one is full.
 * A restored dump sets the sequences after it has made all of its tables, so until then nothing is
 * made here that the dump will make.
 */
static void
keep(IntakePartitioned table)
{
	int64 last = last_value(partitioned[table].sequence);
	int64 asked;

	while (intake_shmem_partition_asked(table, &asked))
		make(table, asked);
	if (last < 0)
		return;
	make(table, last);
	make(table, last + INTAKE_PARTITION_ROWS / 2);
}

/* Duties of the supervisor, each in a transaction of its own. */
void
intake_partition_keep_event(void)
{
	keep(INTAKE_PARTITIONED_EVENT);
}

void
intake_partition_keep_done(void)
{
	keep(INTAKE_PARTITIONED_DONE);
}

/* Whether somebody waits for one of them. */
bool
intake_partition_event_wanted(void)
{
	return intake_shmem_partition_asked(INTAKE_PARTITIONED_EVENT, NULL);
}

bool
intake_partition_done_wanted(void)
{
	return intake_shmem_partition_asked(INTAKE_PARTITIONED_DONE, NULL);
}
