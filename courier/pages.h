/*
 * pages.h
 *		What the courier shows over HTTP of itself.
 */
#ifndef COURIER_PAGES_H
#define COURIER_PAGES_H

#include <stdbool.h>

extern bool courier_pages_start(const char *listen);
extern int courier_pages_fd(void);
extern double courier_pages_timeout(void);
extern void courier_pages_run(void);
extern void courier_pages_stop(void);

#endif
