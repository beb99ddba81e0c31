/*
 * maker.h
 *		Rows of intake.request and intake.next, made.
 */
#ifndef INTAKE_MAKER_H
#define INTAKE_MAKER_H

#include "postgres.h"

#include "utils/jsonb.h"

extern Datum intake_maker_post(Jsonb *body);

#endif
