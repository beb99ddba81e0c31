/*
 * field.h
 *		Methods and headers of calls: which can be sent. Pure.
 */
#ifndef INTAKE_FIELD_H
#define INTAKE_FIELD_H

#include "common/slice.h"

extern const char *intake_field_method_problem(IntakeSlice method);
extern const char *intake_field_name_problem(IntakeSlice name);
extern const char *intake_field_value_problem(IntakeSlice value);

#endif
