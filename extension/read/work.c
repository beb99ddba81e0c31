/*
 * work.c
 *		What judging a request costs, and when it has cost enough. Pure.
 */
#include "read/work.h"

#define BREATHE_EVERY (1024 * 1024)

IntakeWork intake_work;

/*
 * A request of SIZE bytes, all parts together, is judged from here on. It may cost what trying one
 * signature with all of the secrets does, of which there are SECRETS.
 */
void
intake_work_begin(size_t size, int secrets)
{
	unsigned factor = INTAKE_WORK_READING + INTAKE_WORK_DIGEST * (unsigned) secrets;

	factor = factor > INTAKE_WORK_FACTOR ? factor : INTAKE_WORK_FACTOR;
	intake_work.spent = 0;
	intake_work.limit = ((uint64_t) size + INTAKE_WORK_FREE) * factor;
	intake_work.breathe_at = BREATHE_EVERY;
	intake_work.too_many_fields = false;
}

void
intake_work_breathe(void)
{
	intake_work.breathe_at = intake_work.spent + BREATHE_EVERY;
	if (intake_work.breathe != NULL)
		intake_work.breathe();
}
