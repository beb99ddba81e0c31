/*
 * body.h
 *		What stands in the body of a request: JSON, a form, or a form with JSON in it. Pure.
 */
#ifndef INTAKE_BODY_H
#define INTAKE_BODY_H

#include "read/request.h"

extern IntakeSlice intake_body_coding(const IntakeRequest *request);
extern char intake_body_first(IntakeSlice text);
extern void intake_body_open(IntakeRequest *request, IntakeSlice field);
extern void intake_body_reopen(IntakeRequest *request, IntakeSlice field);

#endif
