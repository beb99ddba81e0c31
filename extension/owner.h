/*
 * owner.h
 *		Acting as the owner of the extension, and the extension as an object.
 */
#ifndef INTAKE_OWNER_H
#define INTAKE_OWNER_H

#include "postgres.h"

#include "storage/lockdefs.h"

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
