/*
 * budget.h
 *		How many bytes are held for calls: their requests, and what has come of their answers.
 */
#ifndef COURIER_BUDGET_H
#define COURIER_BUDGET_H

#include <stdbool.h>
#include <stddef.h>

extern void courier_budget_init(size_t bytes);
extern bool courier_budget_has(size_t bytes);
extern void courier_budget_change(size_t *held, size_t bytes);
extern size_t courier_budget_used(void);
extern size_t courier_budget_free(void);

#endif
