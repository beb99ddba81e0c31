/*
 * repair.c
 *		Moves of jobs that SQL functions ask for (sql/60_repair.sql).
 */
#include "postgres.h"

#include "fmgr.h"

#include "ground/table.h"
#include "queue/room.h"

PG_FUNCTION_INFO_V1(intake_sql_job_enqueue);
PG_FUNCTION_INFO_V1(intake_sql_job_discard);

/* SQL: puts a job that the caller took out of its room at the end of its lane. */
Datum
intake_sql_job_enqueue(PG_FUNCTION_ARGS)
{
	IntakeTable queue;

	intake_table_open(&queue, intake_table_oid("queue"));
	intake_room_enqueue(&queue, PG_GETARG_INT32(2), PG_GETARG_INT64(0), PG_GETARG_INT64(1), 0);
	intake_table_close(&queue);
	PG_RETURN_VOID();
}

/* SQL: puts a job that the caller took out of its room into done, with a reason. */
Datum
intake_sql_job_discard(PG_FUNCTION_ARGS)
{
	IntakeJob job = {.job_id = PG_GETARG_INT64(0),
					 .event_id = PG_GETARG_INT64(1),
					 .workflow_id = PG_GETARG_INT32(2),
					 .attempts = PG_GETARG_INT32(3)};

	intake_room_discard(&job, PG_GETARG_TEXT_PP(4));
	PG_RETURN_VOID();
}
