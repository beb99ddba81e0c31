/*
 * receive.h
 *		From raw requests to stored events and answers.
 */
#ifndef INTAKE_RECEIVE_H
#define INTAKE_RECEIVE_H

#include "postgres.h"

#include "access/htup.h"
#include "access/tupdesc.h"

#include "receive/judge.h"

extern void intake_receive_process(IntakeDelivery *deliveries, int count);
extern int64 intake_receive_now(void);
extern HeapTuple intake_receive_answer(const IntakeDelivery *delivery, TupleDesc descriptor);

#endif
