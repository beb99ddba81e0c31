/*
 * call_secret.c
 *		SQL: managing the secrets of calls.
 *
 * The functions that people call know who calls them, which a SECURITY DEFINER function cannot: they
 * run as the caller, and hand on to a function of the same name with _as behind it, which runs as the
 * owner of the extension and gets the caller's role before all else.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parse_func.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "calls/secret_place.h"
#include "ground/datum.h"
#include "ground/owner.h"

PG_FUNCTION_INFO_V1(intake_sql_as_owner);
PG_FUNCTION_INFO_V1(intake_sql_call_secret_problem);
PG_FUNCTION_INFO_V1(intake_sql_call_host);
PG_FUNCTION_INFO_V1(intake_sql_call_url_host);

#define MOST_ARGUMENTS 8

/* The function that a public one hands on to. */
static Oid
find_function(Oid public, int count)
{
	char *name = psprintf("%s_as", get_func_name(public));
	char *schema = get_namespace_name(get_func_namespace(public));
	Oid types[MOST_ARGUMENTS + 1] = {OIDOID};
	Oid *arguments;
	int n;

	(void) get_func_signature(public, &arguments, &n);
	if (n != count || n > MOST_ARGUMENTS)
		elog(ERROR, "function %u has %d arguments", public, n);
	memcpy(types + 1, arguments, n * sizeof(Oid));
	return LookupFuncName(list_make2(makeString(schema), makeString(name)), n + 1, types, false);
}

/* SQL: calls what find_function finds, with the role of the caller, and the arguments. */
Datum
intake_sql_as_owner(PG_FUNCTION_ARGS)
{
	LOCAL_FCINFO(call, MOST_ARGUMENTS + 1);
	FmgrInfo function;
	IntakeOwner saved;
	Datum result;

	fmgr_info(find_function(fcinfo->flinfo->fn_oid, PG_NARGS()), &function);
	InitFunctionCallInfoData(*call, &function, PG_NARGS() + 1, PG_GET_COLLATION(), NULL, NULL);
	call->args[0] = (NullableDatum){ObjectIdGetDatum(GetUserId()), false};
	for (int i = 0; i < PG_NARGS(); i++)
		call->args[i + 1] = fcinfo->args[i];
	intake_owner_begin(&saved);
	result = FunctionCallInvoke(call);
	intake_owner_end(&saved);
	fcinfo->isnull = call->isnull;
	return result;
}

/* SQL: why a secret cannot stand in a place; NULL: it can. */
Datum
intake_sql_call_secret_problem(PG_FUNCTION_ARGS)
{
	IntakeSecretPlace place;
	const char *problem = intake_secret_place_parse(intake_datum_bytes(PG_GETARG_DATUM(1)), &place);

	if (problem == NULL)
		problem = intake_secret_place_check(&place, intake_datum_bytes(PG_GETARG_DATUM(0)));
	if (problem == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(problem));
}

static Datum
host_and_port(const IntakeCallUrl *url)
{
	return CStringGetTextDatum(psprintf("%.*s:%d", (int) url->host.len, url->host.data, url->port));
}

/* SQL: a host as secrets are bound to it, with its port. */
Datum
intake_sql_call_host(PG_FUNCTION_ARGS)
{
	IntakeSlice text = intake_datum_bytes(PG_GETARG_DATUM(0));
	IntakeCallUrl url;
	const char *problem = intake_call_url_parse_host(text, &url);

	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a secret cannot be bound to \"%.*s\"",
						pg_mbcliplen(text.data, (int) text.len, 300), text.data),
				 errdetail("In a URL %s.", problem),
				 errhint("It is a name or an address, and a port if that is not 443, such as "
						 "api.example.com or api.example.com:8443.")));
	PG_RETURN_DATUM(host_and_port(&url));
}

/* SQL: the host of a URL, likewise; NULL: it is no URL of a call. */
Datum
intake_sql_call_url_host(PG_FUNCTION_ARGS)
{
	IntakeCallUrl url;

	if (intake_call_url_parse(intake_datum_bytes(PG_GETARG_DATUM(0)), &url) != NULL)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(host_and_port(&url));
}
