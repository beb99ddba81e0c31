/*
 * binding.h
 *		What a workflow depends on outside of the extension: its owner and its handler.
 */
#ifndef INTAKE_BINDING_H
#define INTAKE_BINDING_H

#include "postgres.h"

struct IntakeWatched;

/* A role and a function that jobs run as and call, and what was seen of them. All zero: nothing. */
typedef struct IntakeBinding
{
	Oid owner;
	Oid handler;
	struct IntakeWatched *watched[3]; /* NULL: no such row */
	uint64 looked_at;                 /* changes before the last look; 0: none yet */
	const char *problem;              /* why jobs cannot run, as that look saw it, or NULL */
} IntakeBinding;

extern const char *intake_binding_problem(Oid owner, Oid handler);
extern char *intake_binding_database_identity(void);

extern bool intake_binding_is_fresh(const IntakeBinding *binding);
extern void intake_binding_look(IntakeBinding *binding);
extern void intake_binding_leave(IntakeBinding *binding);
extern void intake_binding_leave_all(void);
extern uint64 intake_binding_changes(void);

#endif
