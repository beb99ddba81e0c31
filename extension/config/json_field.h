/*
 * json_field.h
 *		The fields of forms that have the JSON of sources, as a process knows them.
 */
#ifndef INTAKE_JSON_FIELD_H
#define INTAKE_JSON_FIELD_H

#include "postgres.h"

#include "common/slice.h"

extern IntakeSlice intake_json_field(int32 source_id);

#endif
