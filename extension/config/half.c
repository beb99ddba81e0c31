/*
 * half.c
 *		A part of the configuration that is read as a whole.
 *
 * Statement triggers on the configuration tables send a relation invalidation, which every
 * process receives when the change commits; the next look reads the tables again. A commit
 * sends invalidations after it has woken the workers, so there is a counter in shared memory
 * as well, which grows before that.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "config/half.h"
#include "ground/intake.h"
#include "ground/owner.h"
#include "ground/shmem.h"
#include "queue/announce.h"

static IntakeHalf *halves = NULL; /* those that have been read */
static Oid watched[4];

PG_FUNCTION_INFO_V1(intake_sql_config_changed);

/* Trigger: after a statement changed a table of the configuration. */
Datum
intake_sql_config_changed(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		elog(ERROR, "intake.config_changed is a trigger function");
	CacheInvalidateRelcache(trigger->tg_relation);
	intake_announce_config();
	return PointerGetDatum(NULL);
}

/*
 * A relation changed. Names can only be looked up in a transaction, so the tables of the
 * configuration are known by number here.
 */
static void
invalidate(Datum arg, Oid relation)
{
	bool ours = !OidIsValid(relation);

	for (int i = 0; i < lengthof(watched); i++)
		ours |= relation == watched[i];
	if (!ours)
		return;
	for (IntakeHalf *half = halves; half != NULL; half = half->next)
		half->stale = true;
}

static void
watch(void)
{
	static const char *const names[] = {"scheme", "source", "source_secret", "workflow"};
	static bool registered = false;
	Oid schema = get_namespace_oid(INTAKE_SCHEMA, false);

	for (int i = 0; i < lengthof(watched); i++)
		watched[i] = get_relname_relid(names[i], schema);
	if (!registered)
		CacheRegisterRelcacheCallback(invalidate, (Datum) 0);
	registered = true;
}

static void
make_context(IntakeHalf *half)
{
	half->context =
		AllocSetContextCreate(TopMemoryContext, "pg_intake configuration", ALLOCSET_DEFAULT_SIZES);
	half->next = halves;
	halves = half;
}

static void
read_half(IntakeHalf *half)
{
	IntakeOwner saved;
	MemoryContext old = CurrentMemoryContext;

	if (half->context == NULL)
		make_context(half);
	MemoryContextReset(half->context);
	half->stale = true;
	half->config = intake_shmem_config();
	half->version++;

	watch();
	intake_owner_begin(&saved);
	SPI_connect();
	PushActiveSnapshot(GetLatestSnapshot());
	half->stale = false; /* before reading: a change while we read makes it stale */
	PG_TRY();
	{
		half->reader(half->context);
	}
	PG_CATCH();
	{
		half->stale = true;
		PG_RE_THROW();
	}
	PG_END_TRY();
	PopActiveSnapshot();
	SPI_finish();
	intake_owner_end(&saved);
	MemoryContextSwitchTo(old);
}

/* Reads it again if it changed. The caller is in a transaction. */
void
intake_half_refresh(IntakeHalf *half)
{
	if (half->context == NULL || half->stale || half->config != intake_shmem_config())
		read_half(half);
}
