/*
 * handler.c
 *		Calling the handler of a workflow.
 *
 * A handler is called by a prepared SELECT handler($1). The server plans the statements of
 * a function in SQL anew in each transaction, which costs as much as a small job, so that
 * the body of a plain function in SQL is prepared itself, and kept until the function
 * changes. What it may do, and what it sees, is the same.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "executor/functions.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/params.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "handler.h"

/* The prepared call of a workflow's handler. */
typedef struct Handler
{
	int32 workflow_id;
	Oid function;
	TransactionId xmin; /* of the function's row when it was prepared */
	ItemPointerData tid;
	bool body; /* the plan is that of its body, not a call */
	bool read_only;
	SPIPlanPtr plan;
	MemoryContext context; /* of all this */
} Handler;

static List *handlers = NIL; /* in TopMemoryContext */

/* Whether the body of a function can stand for a call of it. */
static bool
is_plain_sql(HeapTuple tuple)
{
	Form_pg_proc function = (Form_pg_proc) GETSTRUCT(tuple);

	return function->prolang == SQLlanguageId && !function->prosecdef && !function->proisstrict &&
		   function->pronargs == 1 && heap_attisnull(tuple, Anum_pg_proc_proconfig, NULL) &&
		   heap_attisnull(tuple, Anum_pg_proc_prosqlbody, NULL) && !FmgrHookIsNeeded(function->oid);
}

static SPIPlanPtr
prepare_body(HeapTuple tuple, Handler *handler)
{
	MemoryContext old = MemoryContextSwitchTo(handler->context);
	SQLFunctionParseInfoPtr info = prepare_sql_fn_parse_info(tuple, NULL, InvalidOid);
	Datum source = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_prosrc, &(bool){false});
	char *statements = TextDatumGetCString(source);

	MemoryContextSwitchTo(old);
	handler->read_only = ((Form_pg_proc) GETSTRUCT(tuple))->provolatile != PROVOLATILE_VOLATILE;
	return SPI_prepare_params(statements, (ParserSetupHook) sql_fn_parser_setup, info, 0);
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

/* Prepares the handler of a workflow, looked up by its name. */
static Handler *
prepare(const IntakeWorkflow *workflow, Oid type)
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "pg_intake handler", ALLOCSET_SMALL_SIZES);
	Handler *handler = MemoryContextAllocZero(context, sizeof(Handler));
	MemoryContext old;
	HeapTuple tuple;

	handler->context = context;
	handler->workflow_id = workflow->id;
	handler->function =
		DatumGetObjectId(DirectFunctionCall1(regprocedurein, CStringGetDatum(workflow->handler)));
	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(handler->function));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "function %u is gone", handler->function);
	handler->xmin = HeapTupleHeaderGetRawXmin(tuple->t_data);
	handler->tid = tuple->t_self;
	handler->body = is_plain_sql(tuple);
	handler->plan =
		handler->body ? prepare_body(tuple, handler) : prepare_call(handler->function, type);
	ReleaseSysCache(tuple);
	if (handler->plan == NULL || SPI_keepplan(handler->plan) != 0)
		elog(ERROR, "could not prepare the handler of workflow \"%s\"", workflow->name);
	MemoryContextSetParent(context, TopMemoryContext);
	old = MemoryContextSwitchTo(TopMemoryContext);
	handlers = lappend(handlers, handler);
	MemoryContextSwitchTo(old);
	return handler;
}

static void
forget(Handler *handler)
{
	handlers = list_delete_ptr(handlers, handler);
	SPI_freeplan(handler->plan);
	MemoryContextDelete(handler->context);
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
	ListCell *cell;

	foreach (cell, handlers)
	{
		Handler *handler = lfirst(cell);

		if (handler->workflow_id != workflow->id)
			continue;
		if (is_current(handler))
			return handler;
		forget(handler);
		break;
	}
	return prepare(workflow, type);
}

static int
execute(const Handler *handler, Oid type, Datum job)
{
	ParamListInfo parameters;

	if (!handler->body)
		return SPI_execute_plan(handler->plan, &job, NULL, false, 0);
	parameters = makeParamList(1);
	parameters->params[0].value = job;
	parameters->params[0].isnull = false;
	parameters->params[0].pflags = PARAM_FLAG_CONST;
	parameters->params[0].ptype = type;
	return SPI_execute_plan_with_paramlist(handler->plan, parameters, handler->read_only, 0);
}

/*
 * Calls the handler of a workflow with a row of type intake.job, whose number is TYPE. The
 * caller is connected to SPI.
 */
void
intake_handler_call(const IntakeWorkflow *workflow, Oid type, Datum job)
{
	Handler *handler = find(workflow, type);
	AclResult allowed = pg_proc_aclcheck(handler->function, GetUserId(), ACL_EXECUTE);
	int result;

	if (allowed != ACLCHECK_OK)
		aclcheck_error(allowed, OBJECT_FUNCTION, get_func_name(handler->function));
	result = execute(handler, type, job);
	if (result < 0)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("the handler has a statement that a function cannot have: %s",
							   SPI_result_code_string(result))));
}

/* Forgets every prepared handler: a workflow changed. Outside of transactions too. */
void
intake_handler_forget(void)
{
	while (handlers != NIL)
		forget(linitial(handlers));
}
