/*
 * form.h
 *		Reading URL-encoded queries and forms. Pure.
 */
#ifndef INTAKE_FORM_H
#define INTAKE_FORM_H

#include "common/slice.h"

/* Names of sorted fields begin with one of these, so that a URL before them keeps its end. */
#define INTAKE_FORM_NAME_STARTS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"

#define INTAKE_FORM_NAME_MOST 200

#define INTAKE_FIELDS_MAX 10000 /* of a form or query that are read */

/* One field, as it is written. */
typedef struct IntakeField
{
	IntakeSlice name;
	IntakeSlice value; /* empty where there is no = */
} IntakeField;

typedef struct IntakeFormReader
{
	IntakeSlice rest;
	int count; /* of what & separates, so far */
} IntakeFormReader;

extern IntakeFormReader intake_form_begin(IntakeSlice form);
extern bool intake_form_next(IntakeFormReader *reader, IntakeField *field);
extern bool intake_form_says(IntakeSlice text, IntakeSlice name);
extern IntakeSlice intake_form_behind(IntakeSlice text, size_t count);
extern IntakeSlice intake_form_decode(IntakeSlice text);
extern int intake_form_all(IntakeSlice form, IntakeSlice name, IntakeSlice *values, int most);
extern IntakeSlice intake_form_find(IntakeSlice form, IntakeSlice name, int nth);
extern IntakeSlice intake_form_sorted(IntakeSlice form); /* or absent */
extern IntakeSlice intake_form_canonical(IntakeSlice query, IntakeSlice without);

#endif
