/*
 * guard.h
 *		Where calls may go: judged by the address of each connection, after names are looked up.
 */
#ifndef COURIER_GUARD_H
#define COURIER_GUARD_H

#include "common/program/ranges.h"

struct sockaddr;

extern void courier_guard_init(const IntakeRanges *allowed);
extern const char *courier_guard_problem(const struct sockaddr *address);
extern const char *courier_guard_problem_between(const char *remote, const char *local);

#endif
