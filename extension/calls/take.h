/*
 * take.h
 *		Calls that a courier takes.
 */
#ifndef INTAKE_TAKE_H
#define INTAKE_TAKE_H

#include "postgres.h"

#include "lib/stringinfo.h"

#include "calls/desk.h"
#include "calls/outage.h"
#include "calls/parcel.h"

/* Gives a call to the courier. What it points to does not stay. */
typedef void (*IntakeTakePut)(void *argument, const IntakeParcel *request, StringInfo headers,
							  StringInfo target);

typedef struct IntakeTaking
{
	IntakeDesk *desk;
	IntakeLines *lines;
	int64 courier;
	TimestampTz courier_until;
	int most;    /* calls */
	int64 bytes; /* that there is room for */
	IntakeTakePut put;
	void *argument;
	int taken; /* set by intake_take_calls */
	bool full; /* likewise: there was no room for the next one */
} IntakeTaking;

extern void intake_take_calls(IntakeTaking *taking);

#endif
