/*
 * check.h
 *		Counting of what holds and what does not.
 */
#ifndef CHECK_H
#define CHECK_H

#include <stdbool.h>
#include <stdio.h>

extern int check_passed;
extern int check_failed;

static inline void
check_that(bool holds, const char *what, const char *file, int line)
{
	if (holds)
		check_passed++;
	else
	{
		check_failed++;
		printf("%s:%d: failed: %s\n", file, line, what);
	}
}

#define CHECK(condition) check_that((condition), #condition, __FILE__, __LINE__)

extern void test_reading(void);
extern void test_times(void);
extern void test_digest(void);
extern void test_keys(void);
extern void test_jwt(void);
extern void test_json(void);
extern void test_items(void);
extern void test_notes(void);
extern void test_volatile(void);
extern void test_multipart(void);
extern void test_unpack(void);
extern void test_key_parts(void);
extern void test_content(void);
extern void test_schemes(void);
extern void test_address(void);
extern void test_egress(void);
extern void test_call_url(void);
extern void test_call_fields(void);
extern void test_peer(void);
extern void test_framing(void);
extern void test_path(void);
extern void test_hide(void);
extern void test_outcome(void);
extern void test_cost(void);
extern void test_coverage(void);
extern void test_borders(void);
extern void test_resplit(void);
extern void test_vectors(FILE *vectors);

#endif
