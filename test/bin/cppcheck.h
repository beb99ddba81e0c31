/*
 * cppcheck.h
 *		Macros of PostgreSQL that cppcheck, which does not read its headers, takes for mistakes.
 */
#define foreach(cell, list) for (cell = list_head(list); cell != NULL; cell = lnext(list, cell))
#define PG_VERSION_NUM 150000
