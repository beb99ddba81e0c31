/*
 * egress.h
 *		Addresses that are not out there: what nobody may make the courier connect to. Pure.
 */
#ifndef INTAKE_EGRESS_H
#define INTAKE_EGRESS_H

#include "common/address.h"

extern const char *intake_egress_problem(const IntakeAddress *address);

#endif
