/*
 * json.h
 *		Reading JSON without building it. Pure.
 */
#ifndef INTAKE_JSON_H
#define INTAKE_JSON_H

#include "common/slice.h"

#define INTAKE_PATH_MAX 16     /* steps */
#define INTAKE_JSON_DEPTH 1000 /* levels that jsonb is asked to hold */

typedef enum
{
	INTAKE_JSON_UNKNOWN, /* nobody has looked */
	INTAKE_JSON_NOT,
	INTAKE_JSON_TEXT, /* it is, but jsonb cannot hold it */
	INTAKE_JSON_HELD  /* jsonb can */
} IntakeJson;

typedef struct IntakeJsonFault
{
	size_t at; /* bytes before it */
	const char *problem;
} IntakeJsonFault;

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

extern IntakeJson intake_json_look(IntakeSlice text, IntakeJsonFault *fault);
extern IntakeSlice intake_json_unmarked(IntakeSlice text);
extern bool intake_json_pointer(const char *text, IntakePath *path);
extern bool intake_json_path(const char *text, IntakePath *path);
extern int intake_json_find(IntakeSlice text, const IntakePath *path, IntakeSlice *values,
							int most);
extern int intake_json_find_all(IntakeSlice text, const IntakePath *path, IntakeSlice *values,
								int most, bool *repeats);
extern IntakeSlice intake_json_scalar(IntakeSlice value);
extern const char *intake_json_end(const char *place, const char *end);
extern size_t intake_json_unescape(IntakeSlice inside, char *out);
extern bool intake_json_repeats_name(IntakeSlice object);

/* Whether a text is JSON that jsonb can hold. */
static inline bool
intake_json_valid(IntakeSlice text)
{
	return intake_json_look(text, NULL) == INTAKE_JSON_HELD;
}

#endif
