/*
 * form.h
 *		Reading URL-encoded queries and forms. Pure.
 */
#ifndef INTAKE_FORM_H
#define INTAKE_FORM_H

#include "slice.h"

extern IntakeSlice intake_form_decode(IntakeSlice text);
extern IntakeSlice intake_form_find(IntakeSlice form, IntakeSlice name, int nth);
extern IntakeSlice intake_form_sorted(IntakeSlice form);

#endif
