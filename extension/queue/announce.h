/*
 * announce.h
 *		What a transaction tells the workers when it commits.
 */
#ifndef INTAKE_ANNOUNCE_H
#define INTAKE_ANNOUNCE_H

#include "postgres.h"

extern void intake_announce_job(int32 workflow_id, int64 position);
extern void intake_announce_supervisor(void);
extern void intake_announce_config(void);
extern void intake_announce_prepared(void);

#endif
