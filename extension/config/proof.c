/*
 * proof.c
 *		Whether a scheme can be used: what its row says can be understood, and what it verifies has
 *		one reading only.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "config/source.h"
#include "ground/owner.h"
#include "verify/borders.h"

PG_FUNCTION_INFO_V1(intake_sql_scheme_problem);

static const char *
source_problem(const IntakeSource *source)
{
	const char *problem = source->problem;

	if (problem == NULL)
		problem = intake_borders_problem(source->scheme);
	for (int i = 0; i < source->n_handshakes && problem == NULL; i++)
		problem = intake_borders_handshake_problem(source->scheme, &source->handshakes[i]);
	return problem;
}

/* Why no source can use a scheme, in the current context; NULL where one can. */
static char *
scheme_problem(const char *name)
{
	MemoryContext outer = CurrentMemoryContext;
	MemoryContext context =
		AllocSetContextCreate(outer, "pg_intake scheme", ALLOCSET_DEFAULT_SIZES);
	List *list = NIL;
	const char *problem = NULL;
	char *copy;

	SPI_connect();
	PushActiveSnapshot(GetLatestSnapshot());
	intake_source_read_scheme(&list, context, name);
	if (list != NIL)
		problem = source_problem(linitial(list));
	copy = problem ? MemoryContextStrdup(outer, problem) : NULL;
	PopActiveSnapshot();
	SPI_finish();
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(context);
	return copy;
}

/* SQL: why no source can use a scheme, or NULL. */
Datum
intake_sql_scheme_problem(PG_FUNCTION_ARGS)
{
	IntakeOwner saved;
	char *problem;

	intake_owner_begin(&saved);
	problem = scheme_problem(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	intake_owner_end(&saved);
	if (problem == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(problem));
}
