/*
 * datum.h
 *		The bytes in values of the server's.
 */
#ifndef INTAKE_DATUM_H
#define INTAKE_DATUM_H

#include "postgres.h"

#include "common/slice.h"

extern IntakeSlice intake_datum_bytes(Datum datum);
extern bool intake_datum_is_text(IntakeSlice bytes);

#endif
