/*
 * proof.c
 *		Whether a scheme can be used: what its row says can be understood, and what it verifies has
 *		one reading only.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "config/profile.h"
#include "verify/borders.h"

PG_FUNCTION_INFO_V1(intake_sql_scheme_problem);

static const char *
find_problem(const IntakeProfile *profile)
{
	const char *problem = profile->problem;

	if (problem == NULL)
		problem = intake_borders_problem(profile->scheme);
	for (int i = 0; i < profile->n_handshakes && problem == NULL; i++)
		problem = intake_borders_handshake_problem(profile->scheme, &profile->handshakes[i]);
	return problem;
}

/* Why no source can use a scheme, in the current context; NULL where one can. */
static char *
scheme_problem(const char *name)
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "pg_intake scheme", ALLOCSET_DEFAULT_SIZES);
	IntakeProfile *profile;
	const char *problem;
	char *copy;

	PushActiveSnapshot(GetLatestSnapshot());
	profile = intake_profile_read_scheme(name, context);
	problem = profile->internal ? NULL : find_problem(profile);
	copy = problem ? pstrdup(problem) : NULL;
	PopActiveSnapshot();
	MemoryContextDelete(context);
	return copy;
}

/* SQL: why no source can use a scheme, or NULL. */
Datum
intake_sql_scheme_problem(PG_FUNCTION_ARGS)
{
	char *problem = scheme_problem(text_to_cstring(PG_GETARG_TEXT_PP(0)));

	if (problem == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(problem));
}
