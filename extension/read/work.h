/*
 * work.h
 *		What judging a request costs, and when it has cost enough. Pure.
 *
 * Whoever reads, copies or digests bytes of a request charges for them, in units of about the time
 * that a byte of SHA-256 takes. Nothing stops by itself: the loops whose length a stranger chooses
 * ask intake_work_over before each round, so that an answer is never made of half a reading.
 */
#ifndef INTAKE_WORK_H
#define INTAKE_WORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INTAKE_WORK_FACTOR 16            /* units for each byte of a request, at least, */
#define INTAKE_WORK_FREE (1024 * 1024)   /* and for each of these, for nothing */
#define INTAKE_WORK_DIGEST 2             /* units for each byte that each secret may take, */
#define INTAKE_WORK_READING 4            /* and those that reading takes, whatever the secrets */
#define INTAKE_WORK_PUBLIC_KEY (1 << 16) /* units for verifying by a public key */

typedef struct IntakeWork
{
	uint64_t spent;
	uint64_t limit;
	uint64_t breathe_at;   /* when to look for interrupts */
	bool too_many_fields;  /* a form or a query has more than is read */
	void (*breathe)(void); /* looks for interrupts, and may never return; or NULL */
} IntakeWork;

extern IntakeWork intake_work;

extern void intake_work_begin(size_t size, int secrets);
extern void intake_work_breathe(void);

static inline void
intake_work_charge(size_t units)
{
	intake_work.spent += units;
	if (intake_work.spent >= intake_work.breathe_at)
		intake_work_breathe();
}

/* Whether the request has cost what it may. */
static inline bool
intake_work_over(void)
{
	return intake_work.spent > intake_work.limit || intake_work.too_many_fields;
}

#endif
