/*
 * owner.h
 *		Acting as the owner of the extension, and the extension as an object.
 */
#ifndef INTAKE_OWNER_H
#define INTAKE_OWNER_H

#include "postgres.h"

#include "storage/lockdefs.h"

/*
 * The gate: a lock on the extension, as an object, which everybody takes who works with its jobs.
 * Passing it holds it until the end of the transaction.
 *
 *		LOOK	the supervisor; the start and the own job of a suspect
 *		JOB		an executor that claims jobs, runs them, or looks for them
 *		ALONE	an executor that has a suspect, over several transactions: see alone.c
 *		DROP	DROP EXTENSION: the server itself
 *
 *		 waits for:	LOOK	JOB		ALONE	DROP
 *		LOOK							x
 *		JOB						x		x
 *		ALONE			x		x		x
 *		DROP	x		x		x		x
 */
typedef enum IntakeGate
{
	INTAKE_GATE_LOOK = AccessShareLock,
	INTAKE_GATE_JOB = RowShareLock,
	INTAKE_GATE_ALONE = ExclusiveLock
} IntakeGate;

typedef struct IntakeOwner
{
	Oid user;    /* who was current before */
	int context; /* and the security context */
	int nest;    /* settings are undone to this level */
} IntakeOwner;

extern Oid intake_owner_extension(LOCKMODE lock);
extern Oid intake_owner_role(void);
extern void intake_owner_begin(IntakeOwner *saved);
extern void intake_owner_end(const IntakeOwner *saved);
extern void intake_owner_execute(const char *sql);

#endif
