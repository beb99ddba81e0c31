/*
 * json.h
 *		Reading JSON without building it. Pure.
 */
#ifndef INTAKE_JSON_H
#define INTAKE_JSON_H

#include "common/slice.h"

#define INTAKE_PATH_MAX 16 /* steps */
#define INTAKE_JSON_DEPTH 1000

/* One step of a path: into an object by name, into an array by place, or into all of it. */
typedef struct IntakeStep
{
	bool any;         /* every element */
	IntakeSlice name; /* of a member; or the digits of a place */
} IntakeStep;

typedef struct IntakePath
{
	IntakeStep steps[INTAKE_PATH_MAX];
	int count;
} IntakePath;

extern bool intake_json_valid(IntakeSlice text);
extern bool intake_json_pointer(const char *text, IntakePath *path);
extern bool intake_json_path(const char *text, IntakePath *path);
extern int intake_json_find(IntakeSlice text, const IntakePath *path, IntakeSlice *values,
							int most);
extern IntakeSlice intake_json_scalar(IntakeSlice value);

#endif
