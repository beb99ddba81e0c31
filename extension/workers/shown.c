/*
 * shown.c
 *		What people see of the workers: the views intake.workers and intake.owners.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "ground/slot.h"
#include "queue/crew.h"

PG_FUNCTION_INFO_V1(intake_sql_workers);
PG_FUNCTION_INFO_V1(intake_sql_crews);

/* As a text; an empty one where the role is gone. */
static Datum
role_name(Oid role)
{
	char *name = GetUserNameFromId(role, true);

	return CStringGetTextDatum(name ? name : "");
}

/* SQL: the workers of this database, with their roles and jobs. */
Datum
intake_sql_workers(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	IntakeSlot worker;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; intake_slot_read(i, &worker); i++)
	{
		Datum values[6];
		bool nulls[6] = {0};

		if (worker.state != INTAKE_SLOT_RUNNING ||
			(worker.database != MyDatabaseId && worker.kind != INTAKE_LAUNCHER))
			continue;
		values[0] = Int32GetDatum(worker.pid);
		values[1] = CStringGetTextDatum(intake_slot_kinds[worker.kind].name);
		nulls[2] = !OidIsValid(worker.role);
		if (!nulls[2])
			values[2] = role_name(worker.role);
		values[3] = TimestampTzGetDatum(worker.started_at);
		nulls[4] = worker.job_id == 0;
		values[4] = Int64GetDatum(worker.job_id);
		values[5] = Int64GetDatum(worker.jobs);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* SQL: the crews of this database that have work. */
Datum
intake_sql_crews(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	int count;
	IntakeCrewState *states = intake_crew_read(&count);

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < count; i++)
	{
		Datum values[3];
		bool nulls[3] = {0};

		values[0] = role_name(states[i].role);
		values[1] = Int32GetDatum(states[i].ready);
		values[2] = TimestampTzGetDatum(states[i].ready_since);
		nulls[2] = states[i].ready_since == 0;
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
