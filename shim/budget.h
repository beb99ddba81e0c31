/*
 * budget.h
 *		How many bytes are held for clients, over all threads.
 */
#ifndef SHIM_BUDGET_H
#define SHIM_BUDGET_H

#include <stdbool.h>
#include <stddef.h>

extern void shim_budget_init(size_t bytes);
extern bool shim_budget_change(size_t *held, size_t bytes);
extern bool shim_budget_has_large(size_t bytes);
extern size_t shim_budget_large(void);
extern size_t shim_budget_used(void);
extern unsigned shim_budget_refusals(void);

#endif
