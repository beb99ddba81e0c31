/*
 * txn.h
 *		Transactions that have the extension, and what may fail alone within one.
 */
#ifndef INTAKE_TXN_H
#define INTAKE_TXN_H

#include "postgres.h"

#include "ground/owner.h"

/* What is tried. Returns whether it is to be kept; what it raises undoes it as well. */
typedef bool (*IntakeTxnBody)(void *argument);

extern bool intake_txn_begin(IntakeGate gate);
extern bool intake_txn_try(IntakeTxnBody body, void *argument, ErrorData **error);
extern bool intake_txn_error_is_general(const ErrorData *error);
extern void intake_txn_tell(IntakeTxnBody body, void *argument, const char *what);

#endif
