/*
 * scratch.h
 *		Memory for a while: what is allocated between intake_scratch_begin and intake_scratch_end
 *		is given back at the end, all of it together. They nest, MOST_LEVELS deep.
 *
 * In the extension scratch.c has memory contexts for it, which live as long as the process; in
 * programs of their own the allocator of test/unit does it.
 */
#ifndef INTAKE_SCRATCH_H
#define INTAKE_SCRATCH_H

extern void intake_scratch_restart(void);
extern int intake_scratch_begin(void);
extern void intake_scratch_end(int level);

#endif
