/*
 * used_text.c
 *		A text that gives its memory back while it is read.
 *
 * Its pages go back to the system. Whoever reads them all the same finds zeros.
 */
#include "postgres.h"

#include <sys/mman.h>
#include <unistd.h>

#include "events/used_text.h"

/* Gives back the whole pages before the offset END. */
void
intake_used_text_drop(IntakeUsedText *used, uint32 end)
{
	uintptr_t page = sysconf(_SC_PAGESIZE);
	uintptr_t from = TYPEALIGN(page, (uintptr_t) used->text + used->given_back);
	uintptr_t to = TYPEALIGN_DOWN(page, (uintptr_t) used->text + end);

	used->given_back = end;
#ifdef MADV_DONTNEED
	(void) madvise((void *) from, to - from, MADV_DONTNEED);
#endif
}
