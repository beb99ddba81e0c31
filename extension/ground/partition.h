/*
 * partition.h
 *		The partitions of event and done: found, and made before they are needed.
 */
#ifndef INTAKE_PARTITION_H
#define INTAKE_PARTITION_H

#include "postgres.h"

#include "storage/lockdefs.h"

typedef enum
{
	INTAKE_PARTITIONED_EVENT,
	INTAKE_PARTITIONED_DONE,
	INTAKE_PARTITIONED_COUNT
} IntakePartitioned;

typedef struct IntakePartition
{
	Oid oid;
	int64 low; /* it has the rows from this id */
	int64 end; /* to before this one */
} IntakePartition;

extern bool intake_partition_find(IntakePartitioned table, int64 id, LOCKMODE lock,
								  IntakePartition *found);
extern bool intake_partition_find_surely(IntakePartitioned table, int64 id, LOCKMODE lock,
										 IntakePartition *found);
extern void intake_partition_need(IntakePartitioned table, int64 id, IntakePartition *found);

extern void intake_partition_keep_event(void);
extern void intake_partition_keep_done(void);
extern bool intake_partition_event_wanted(void);
extern bool intake_partition_done_wanted(void);

#endif
