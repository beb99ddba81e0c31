/*
 * jsonb.h
 *		Writing jsonb out of JSON, straight to where it stays.
 */
#ifndef INTAKE_JSONB_H
#define INTAKE_JSONB_H

#include "postgres.h"

#include "utils/jsonb.h"

#include "common/slice.h"

extern Jsonb *intake_jsonb_write(IntakeSlice text, bool uses_up, MemoryContext keeps);

#endif
