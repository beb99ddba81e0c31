/*
 * budget.h
 *		How many bytes are held for clients, over all threads.
 */
#ifndef SHIM_BUDGET_H
#define SHIM_BUDGET_H

#include <stdbool.h>
#include <stddef.h>

extern bool shim_budget_init(size_t bytes, int threads);
extern void shim_budget_join(int index);
extern int shim_budget_fd(void);
extern void shim_budget_wake(void);
extern void shim_budget_press(void);
extern bool shim_budget_change(size_t *held, size_t bytes);
extern bool shim_budget_has_large(size_t bytes);
extern size_t shim_budget_large(void);
extern size_t shim_budget_used(void);
extern unsigned shim_budget_look(void);
extern unsigned shim_budget_refusals(void);

#endif
