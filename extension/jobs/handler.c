/*
 * handler.c
 *		Calling the handler of a workflow.
 *
 * A handler is called by a prepared SELECT handler($1). The server plans the statements of a
 * function in SQL anew in each transaction, which costs as much as a small job, so the body of a
 * plain function in SQL is prepared in place of the call, and kept until the function changes. What
 * it may do, and what it sees, is the same.
 *
 * Workflows that have the same function share what is prepared. A process may run the jobs of
 * thousands of workflows, and what was not called for the longest leaves.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/proclang.h"
#include "executor/functions.h"
#include "executor/spi.h"
#include "lib/ilist.h"
#include "miscadmin.h"
#include "nodes/params.h"
#include "tcop/dest.h"
#include "utils/builtins.h"
#include "utils/expandeddatum.h"
#include "utils/fmgrprotos.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/syscache.h"

#include "calls/next.h"
#include "ground/compat.h"
#include "ground/slot.h"
#include "jobs/handler.h"

#define MOST_HANDLERS 256 /* prepared at a time; each takes some ten kB */

/* The prepared call of a function. */
typedef struct Handler
{
	Oid function;       /* hash key */
	dlist_node node;    /* by use, the latest first */
	TransactionId xmin; /* of the function's row when it was prepared */
	ItemPointerData tid;
	bool body;  /* the plan is that of its body, not a call */
	bool takes; /* the function takes over its argument, which it does not copy then */
	bool read_only;
	bool first_row; /* the plan stops there */
	IntakeReturns returns;
	SPIPlanPtr before; /* what runs before it, or NULL */
	SPIPlanPtr plan;
	MemoryContext context; /* of all this */
} Handler;

static HTAB *handlers = NULL; /* NULL: none yet */
static dlist_head by_use = DLIST_STATIC_INIT(by_use);

/* Whether the body of a function can stand for a call of it. */
static bool
is_plain_sql(HeapTuple tuple)
{
	Form_pg_proc function = (Form_pg_proc) GETSTRUCT(tuple);

	return function->prolang == SQLlanguageId && !function->prosecdef && !function->proisstrict &&
		   function->pronargs == 1 && heap_attisnull(tuple, Anum_pg_proc_proconfig, NULL) &&
		   heap_attisnull(tuple, Anum_pg_proc_prosqlbody, NULL) && !FmgrHookIsNeeded(function->oid);
}

/* What a function returns; a domain is what it is over. */
static IntakeReturns
returns_what(Form_pg_proc function)
{
	Oid type = getBaseType(function->prorettype);
	Oid next = intake_next_type("next");

	if ((type == next && function->proretset) || get_element_type(type) == next)
		ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
						errmsg("the handler returns many rows of type intake.next"),
						errhint("It returns one, which says what comes next.")));
	if (type == next)
		return INTAKE_RETURNS_NEXT;
	if (type == intake_next_type("request") && !function->proretset)
		return INTAKE_RETURNS_REQUEST;
	return type == JSONBOID && !function->proretset ? INTAKE_RETURNS_RESULT
													: INTAKE_RETURNS_NOTHING;
}

/* Whether a function is in PL/pgSQL, which may own a record that it is called with. */
static bool
is_plpgsql(HeapTuple tuple)
{
	return ((Form_pg_proc) GETSTRUCT(tuple))->prolang == get_language_oid("plpgsql", true);
}

/*
 * Whether the last statement of a body is a SELECT of which a call reads the first row only: one
 * that gives the result, and changes nothing by itself.
 */
static bool
stops_at_first_row(Form_pg_proc function, const CachedPlanSource *last)
{
	Query *query = linitial(last->query_list);

	return !function->proretset && function->prorettype != VOIDOID &&
		   list_length(last->query_list) == 1 && query->commandType == CMD_SELECT &&
		   !query->hasModifyingCTE;
}

/*
 * Prepares the body, as a call would: without regard to the argument, which a plan that is made for it
 * would have copies of. In two parts where the last statement runs otherwise than those before it.
 */
static void
prepare_body(HeapTuple tuple, Handler *handler)
{
	MemoryContext old = MemoryContextSwitchTo(handler->context);
	Form_pg_proc function = (Form_pg_proc) GETSTRUCT(tuple);
	SQLFunctionParseInfoPtr info = prepare_sql_fn_parse_info(tuple, NULL, InvalidOid);
	Datum source = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_prosrc, &(bool){false});
	char *statements = TextDatumGetCString(source);
	ParserSetupHook setup = (ParserSetupHook) sql_fn_parser_setup;
	List *parts;

	MemoryContextSwitchTo(old);
	handler->read_only = function->provolatile != PROVOLATILE_VOLATILE;
	handler->plan = SPI_prepare_params(statements, setup, info, CURSOR_OPT_GENERIC_PLAN);
	parts = handler->plan ? SPI_plan_get_plan_sources(handler->plan) : NIL;
	handler->first_row = parts != NIL && stops_at_first_row(function, llast(parts));
	if (handler->first_row && list_length(parts) > 1)
	{
		int last = ((CachedPlanSource *) llast(parts))->raw_parse_tree->stmt_location;

		SPI_freeplan(handler->plan);
		handler->before =
			SPI_prepare_params(pnstrdup(statements, last), setup, info, CURSOR_OPT_GENERIC_PLAN);
		handler->plan = SPI_prepare_params(statements + last, setup, info, CURSOR_OPT_GENERIC_PLAN);
	}
}

/* SELECT schema.handler($1), with names that no search_path changes. */
static SPIPlanPtr
prepare_call(Oid function, Oid type)
{
	char *query =
		psprintf("SELECT %s($1)",
				 quote_qualified_identifier(get_namespace_name(get_func_namespace(function)),
											get_func_name(function)));

	return SPI_prepare_cursor(query, 1, &type, CURSOR_OPT_GENERIC_PLAN);
}

/* Prepares the handler of a workflow. Where that was dropped, its jobs wait: see binding.c. */
static void
prepare(Handler *handler, const IntakeWorkflow *workflow, Oid type)
{
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(workflow->handler));

	if (!HeapTupleIsValid(tuple))
		intake_slot_leave();
	handler->function = workflow->handler;
	handler->xmin = HeapTupleHeaderGetRawXmin(tuple->t_data);
	handler->tid = tuple->t_self;
	handler->context =
		AllocSetContextCreate(CurrentMemoryContext, "pg_intake handler", ALLOCSET_SMALL_SIZES);
	handler->returns = returns_what((Form_pg_proc) GETSTRUCT(tuple));
	/* What the statements of a body give is not what a call of it does: that is one value. */
	handler->body = handler->returns == INTAKE_RETURNS_NOTHING && is_plain_sql(tuple);
	handler->takes = is_plpgsql(tuple);
	if (handler->body)
		prepare_body(tuple, handler);
	else
		handler->plan = prepare_call(handler->function, type);
	ReleaseSysCache(tuple);
	if (handler->plan == NULL || SPI_keepplan(handler->plan) != 0 ||
		(handler->before != NULL && SPI_keepplan(handler->before) != 0))
		elog(ERROR, "could not prepare the handler of workflow \"%s\"", workflow->name);
}

static void
make_handlers(void)
{
	HASHCTL control = {.keysize = sizeof(Oid), .entrysize = sizeof(Handler)};

	control.hcxt = TopMemoryContext;
	handlers = hash_create("pg_intake handlers", MOST_HANDLERS, &control,
						   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static Handler *
keep(const Handler *prepared)
{
	Handler *handler = hash_search(handlers, &prepared->function, HASH_ENTER, NULL);

	*handler = *prepared;
	MemoryContextSetParent(handler->context, TopMemoryContext);
	dlist_push_head(&by_use, &handler->node);
	return handler;
}

static void
forget(Handler *handler)
{
	SPI_freeplan(handler->plan);
	if (handler->before != NULL)
		SPI_freeplan(handler->before);
	MemoryContextDelete(handler->context);
	dlist_delete(&handler->node);
	(void) hash_search(handlers, &handler->function, HASH_REMOVE, NULL);
}

/* Whether a function is still what it was when its handler was prepared. */
static bool
is_current(const Handler *handler)
{
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(handler->function));
	bool same;

	if (!HeapTupleIsValid(tuple))
		return false;
	same = handler->xmin == HeapTupleHeaderGetRawXmin(tuple->t_data) &&
		   ItemPointerEquals((ItemPointer) &handler->tid, &tuple->t_self);
	ReleaseSysCache(tuple);
	return same;
}

/* The prepared handler of a workflow; prepared again where its function has changed. */
static Handler *
find(const IntakeWorkflow *workflow, Oid type)
{
	Handler prepared = {0};
	Handler *handler;

	if (handlers == NULL)
		make_handlers();
	handler = hash_search(handlers, &workflow->handler, HASH_FIND, NULL);
	if (handler != NULL && is_current(handler))
	{
		dlist_move_head(&by_use, &handler->node);
		return handler;
	}
	if (handler != NULL)
		forget(handler);
	else if (hash_get_num_entries(handlers) >= MOST_HANDLERS)
		forget(dlist_tail_element(Handler, node, &by_use));
	prepare(&prepared, workflow, type);
	return keep(&prepared);
}

/* What a handler returns is not kept where nobody reads it. */
static int
execute(const Handler *handler, Oid type, Datum job)
{
	ParamListInfo parameters = makeParamList(1);
	SPIExecuteOptions options = {.params = parameters};
	int result = 0;

	if (handler->returns == INTAKE_RETURNS_NOTHING)
		options.dest = None_Receiver;

	parameters->params[0].value = handler->takes ? job : MakeExpandedObjectReadOnly(job, false, -1);
	parameters->params[0].isnull = false;
	parameters->params[0].pflags = PARAM_FLAG_CONST;
	parameters->params[0].ptype = type;
	options.read_only = handler->read_only;
	if (handler->before != NULL)
		result = SPI_execute_plan_extended(handler->before, &options);
	options.tcount = handler->first_row ? 1 : 0;
	return result < 0 ? result : SPI_execute_plan_extended(handler->plan, &options);
}

/* Takes what a handler has returned out of SPI. */
static void
read_returned(const Handler *handler, IntakeReturned *returned)
{
	*returned = (IntakeReturned){handler->returns, true, (Datum) 0};
	if (handler->returns == INTAKE_RETURNS_NOTHING || SPI_processed == 0)
		return;
	returned->value =
		SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &returned->null);
	if (!returned->null)
		returned->value = SPI_datumTransfer(returned->value, false, -1);
}

/*
 * Calls the handler of a workflow with a row of type intake.job, whose number is TYPE, as an expanded
 * record, which is gone afterwards. The caller is connected to SPI; what is RETURNED stays behind
 * that.
 */
void
intake_handler_call(const IntakeWorkflow *workflow, Oid type, Datum job, IntakeReturned *returned)
{
	Handler *handler = find(workflow, type);
	int result;

	if (object_aclcheck(ProcedureRelationId, handler->function, GetUserId(), ACL_EXECUTE) !=
		ACLCHECK_OK)
		intake_slot_leave();
	result = execute(handler, type, job);
	if (result < 0)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("the handler has a statement that a function cannot have: %s",
							   SPI_result_code_string(result))));
	read_returned(handler, returned);
}
