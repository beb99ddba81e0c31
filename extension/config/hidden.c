/*
 * hidden.c
 *		Statements that have secrets in them, which the server's log does not get.
 *
 * A function that takes a secret hides the statement that it runs in. That is too late where the
 * statement fails before it: an argument of the wrong type, a function of that name with other
 * arguments. So whatever is logged of a statement that names such a function goes without it, too.
 */
#include "postgres.h"

#include "nodes/params.h"
#include "nodes/parsenodes.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"

#include "config/hidden.h"

PG_FUNCTION_INFO_V1(intake_sql_hide_statement);

static emit_log_hook_type previous_log_hook = NULL;

/* Parameters that a client has sent, which the server may add to errors, are not to be added. */
static void
hide_parameters(void)
{
	ErrorContextCallback *callback;

	for (callback = error_context_stack; callback != NULL; callback = callback->previous)
	{
		ParamsErrorCbData *data = callback->arg;

		if (callback->callback == ParamsErrorCallback && data != NULL && data->params != NULL)
			data->params->paramValuesStr = NULL;
	}
}

/* Whether a text, or NULL, names a function that takes a secret. */
static bool
names_secret(const char *text)
{
	static const char *const functions[] = {"create_source", "alter_source",  "add_secret",
											"rotate_secret", "create_secret", "alter_secret"};

	for (int i = 0; i < lengthof(functions) && text != NULL; i++)
		if (strcasestr(text, functions[i]) != NULL)
			return true;
	return false;
}

/*
 * While a statement is hidden, the log does not get the context of what is said either: a call
 * from PL/pgSQL stands there with its arguments, and so does a statement that failed in there.
 */
static void
hide(ErrorData *error)
{
	bool hidden = log_min_error_statement >= PANIC;

	if (names_secret(debug_query_string) || names_secret(error->internalquery))
		hidden = error->hide_stmt = true;
	if (error->context != NULL &&
		(names_secret(error->context) || (hidden && strstr(error->context, " intake.") != NULL)))
		error->hide_ctx = true;
	if (names_secret(error->internalquery))
	{
		error->internalquery = NULL;
		error->internalpos = 0;
	}
	if (previous_log_hook)
		previous_log_hook(error);
}

void
intake_hidden_install_hook(void)
{
	previous_log_hook = emit_log_hook;
	emit_log_hook = hide;
}

/*
 * SQL: until the calling function ends, the server does not log a statement that fails. A SET
 * clause of that function would do, but the setting is for superusers, and the owner of the
 * extension may have ceased to be one. The setting is of the caller's level, so that it is still
 * there when the error is reported; this function must have no SET clause of its own.
 */
Datum
intake_sql_hide_statement(PG_FUNCTION_ARGS)
{
	(void) set_config_option("log_min_error_statement", "panic", PGC_SUSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	hide_parameters();
	PG_RETURN_VOID();
}
