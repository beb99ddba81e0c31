/*
 * repair.c
 *		Moves of jobs that SQL functions ask for (sql/60_repair.sql).
 */
#include "postgres.h"

#include "fmgr.h"

#include "ground/partition.h"
#include "ground/table.h"
#include "queue/room.h"

PG_FUNCTION_INFO_V1(intake_sql_job_enqueue);
PG_FUNCTION_INFO_V1(intake_sql_done_partition);

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

/* SQL: makes the partition of done that a job belongs to, unless it is there. */
Datum
intake_sql_done_partition(PG_FUNCTION_ARGS)
{
	IntakePartition partition;

	intake_partition_need(INTAKE_PARTITIONED_DONE, PG_GETARG_INT64(0), &partition);
	PG_RETURN_VOID();
}
