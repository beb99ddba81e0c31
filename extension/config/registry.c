/*
 * registry.c
 *		The configuration as this process knows it.
 *
 * Statement triggers on the configuration tables send a relation invalidation, which every
 * process receives when the change commits; the next look reads the tables again. A commit
 * sends invalidations after it has woken the workers, so there is a counter in shared memory
 * as well, which grows before that. Sources and workflows are read apart, so that a process
 * that runs jobs holds no secret.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "config/binding.h"
#include "config/registry.h"
#include "ground/clock.h"
#include "ground/intake.h"
#include "ground/owner.h"
#include "ground/shmem.h"
#include "queue/announce.h"

#define RETRY_MS 1000

/* One half of the configuration. */
typedef struct Half
{
	MemoryContext context; /* NULL: not read yet */
	List *list;
	bool stale;
	uint64 config; /* intake_shmem_config() before it was read */
} Half;

static Half sources;
static Half workflows;
static List *json_fields; /* of sources, read with the workflows: whoever runs jobs needs them */
/* When to read sources again that lack their key file, by intake_clock_ms; 0: none does. */
static int64 retry_at = 0;
static uint64 version = 0;
static Oid watched[4];

PG_FUNCTION_INFO_V1(intake_sql_config_changed);
PG_FUNCTION_INFO_V1(intake_sql_source_problem);
PG_FUNCTION_INFO_V1(intake_sql_workflow_problem);

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
	sources.stale = true;
	workflows.stale = true;
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

/* Reads the sources; where one lacks its key file, it is tried again a second later. */
static void
read_sources(MemoryContext context)
{
	ListCell *cell;

	intake_source_read_all(&sources.list, context);
	foreach (cell, sources.list)
	{
		const char *fault = ((IntakeSource *) lfirst(cell))->our_fault;

		if (fault != NULL && strcmp(fault, INTAKE_FAULT_KEY_FILE) == 0)
			retry_at = intake_clock_ms() + RETRY_MS;
	}
}

static void
read_workflows(MemoryContext context)
{
	json_fields = NIL;
	intake_workflow_read_all(&workflows.list, context);
	intake_source_read_json_fields(&json_fields, context);
}

/* ---- looking up ---- */

static void
read_half(Half *half, void (*reader)(MemoryContext))
{
	IntakeOwner saved;
	MemoryContext old = CurrentMemoryContext;

	if (half->context == NULL)
		half->context = AllocSetContextCreate(TopMemoryContext, "pg_intake configuration",
											  ALLOCSET_DEFAULT_SIZES);
	MemoryContextReset(half->context);
	half->list = NIL;
	half->stale = true;
	half->config = intake_shmem_config();
	version++;

	watch();
	intake_owner_begin(&saved);
	SPI_connect();
	PushActiveSnapshot(GetLatestSnapshot());
	half->stale = false; /* before reading: a change while we read makes it stale */
	PG_TRY();
	{
		reader(half->context);
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

static void
refresh(Half *half, void (*reader)(MemoryContext))
{
	if (half->context == NULL || half->stale || half->config != intake_shmem_config())
		read_half(half, reader);
}

/*
 * Reads the sources again if they changed. What the other functions return holds until the
 * next refresh. The caller is in a transaction.
 */
void
intake_registry_refresh_sources(void)
{
	if (retry_at != 0 && intake_clock_ms() >= retry_at)
	{
		retry_at = 0;
		sources.stale = true;
	}
	refresh(&sources, read_sources);
}

/* Reads the workflows again if they changed, or what they depend on. */
void
intake_registry_refresh_workflows(void)
{
	workflows.stale |= intake_binding_changed();
	refresh(&workflows, read_workflows);
}

/* A number that changes whenever something is read again. */
uint64
intake_registry_version(void)
{
	return version;
}

/* The field of forms that has the JSON of a source, or absent. The workflows are fresh. */
IntakeSlice
intake_registry_json_field(int32 source_id)
{
	ListCell *cell;

	foreach (cell, json_fields)
	{
		IntakeJsonField *field = lfirst(cell);

		if (field->source_id == source_id)
			return field->name;
	}
	return INTAKE_ABSENT;
}

/* The source of that name, or NULL. */
IntakeSource *
intake_registry_source(IntakeSlice name)
{
	ListCell *cell;

	foreach (cell, sources.list)
	{
		IntakeSource *source = lfirst(cell);

		if (intake_slice_equal(intake_slice_cstr(source->name), name))
			return source;
	}
	return NULL;
}

/* All workflows that are not dropped, paused ones too. */
List *
intake_registry_workflows(void)
{
	return workflows.list;
}

/* The workflow with that id, or NULL when it is dropped. */
IntakeWorkflow *
intake_registry_workflow(int32 id)
{
	ListCell *cell;

	foreach (cell, workflows.list)
		if (((IntakeWorkflow *) lfirst(cell))->id == id)
			return lfirst(cell);
	return NULL;
}

/* SQL: why a source rejects everything, or NULL. */
Datum
intake_sql_source_problem(PG_FUNCTION_ARGS)
{
	IntakeSource *source;

	intake_registry_refresh_sources();
	source = intake_registry_source(intake_slice_cstr(text_to_cstring(PG_GETARG_TEXT_PP(0))));
	if (source == NULL || source->problem == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(source->problem));
}

/* SQL: why the jobs of a workflow wait though nobody has paused it, or NULL. */
Datum
intake_sql_workflow_problem(PG_FUNCTION_ARGS)
{
	IntakeWorkflow *workflow;

	intake_registry_refresh_workflows();
	workflow = intake_registry_workflow(PG_GETARG_INT32(0));
	if (workflow == NULL || workflow->problem == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(workflow->problem));
}
