/*
 * owner.h
 *		Acting as the owner of the extension, and the extension as an object.
 */
#ifndef INTAKE_OWNER_H
#define INTAKE_OWNER_H

#include "postgres.h"

#include "storage/lock.h"

/*
 * The gate is a lock that stands for the extension. Every process that works with jobs takes it,
 * and holds it until the end of its transaction. It is a lock of our own, not the server's lock on
 * the extension as an object: any role can hold that one exclusively, for as long as it likes, with
 * ALTER FUNCTION ... DEPENDS ON EXTENSION.
 *
 *		LOOK	the supervisor; the start and the own job of a suspect
 *		JOB		an executor that claims jobs, runs them, or looks for them
 *		ALONE	an executor that has a suspect, over several transactions: see alone.c
 *		DROP	who drops the extension, and may: see make_way.c
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
	INTAKE_GATE_ALONE = ExclusiveLock,
	INTAKE_GATE_DROP = AccessExclusiveLock
} IntakeGate;

typedef struct IntakeOwner
{
	Oid user;    /* who was current before */
	int context; /* and the security context */
	int nest;    /* settings are undone to this level */
} IntakeOwner;

extern void intake_owner_gate(LOCKTAG *tag, Oid extension);
extern Oid intake_owner_extension(LOCKMODE gate);
extern Oid intake_owner_role(void);
extern void intake_owner_begin(IntakeOwner *saved);
extern void intake_owner_end(const IntakeOwner *saved);
extern void intake_owner_execute(const char *sql);

#endif
