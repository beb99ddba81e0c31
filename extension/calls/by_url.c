/*
 * by_url.c
 *		Workflows with a URL: what they send.
 *
 * Such a workflow has a function in place of a handler, which makes the body of a request, or all of
 * it. That becomes a call like any other, and is checked like any other when its step ends. The same
 * is checked when the workflow is configured, so that a mistake is told to whoever makes it.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "calls/asked.h"
#include "calls/by_url.h"
#include "calls/maker.h"
#include "calls/next.h"
#include "calls/outbox.h"
#include "ground/duration.h"

PG_FUNCTION_INFO_V1(intake_sql_require_url);

/*
 * The one request of a step, from what the function of a workflow has RETURNED: a body, or the WHOLE
 * request. What that leaves out is the workflow's.
 */
ArrayType *
intake_by_url_requests(const IntakeWorkflow *workflow, bool whole, Datum returned)
{
	Datum row = whole ? returned : intake_maker_post(DatumGetJsonbP(returned));

	row = intake_asked_complete(row, workflow->url, workflow->auth, workflow->limits,
								workflow->timeout * 1000);
	return construct_array(&row, 1, intake_next_type("request"), -1, false, TYPALIGN_DOUBLE);
}

/*
 * SQL: intake.require_url(owner, url, auth, limits, timeout): an error where a workflow of OWNER could not
 * send what it makes.
 */
Datum
intake_sql_require_url(PG_FUNCTION_ARGS)
{
	Oid owner = PG_ARGISNULL(0) ? InvalidOid : PG_GETARG_OID(0);
	const char *url = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));
	const char *auth = PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2));
	Jsonb *limits = PG_ARGISNULL(3) ? NULL : PG_GETARG_JSONB_P(3);
	int64 timeout =
		PG_ARGISNULL(4) ? INTAKE_REQUEST_TIMEOUT : intake_duration_usecs(PG_GETARG_INTERVAL_P(4));
	Jsonb *nothing = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum("{}")));
	IntakeAsked request;

	intake_outbox_check_right(owner);
	(void) intake_outbox_check(
		intake_asked_complete(intake_maker_post(nothing), url, auth, limits, timeout), owner,
		&request);
	PG_RETURN_VOID();
}
