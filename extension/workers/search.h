/*
 * search.h
 *		Searching for jobs that no commit has announced, or that were told in vain.
 */
#ifndef INTAKE_SEARCH_H
#define INTAKE_SEARCH_H

extern void intake_search_do(void);

#endif
