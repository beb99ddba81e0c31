/*
 * volatile.h
 *		The places of a request that change between the tries of one delivery. Pure.
 */
#ifndef INTAKE_VOLATILE_H
#define INTAKE_VOLATILE_H

#include "read/location.h"
#include "read/request.h"

#define INTAKE_VOLATILE_MOST 16     /* places of a scheme */
#define INTAKE_VOLATILE_FOUND 10000 /* values of a place that are cut out of a body */

typedef struct IntakeVolatile
{
	IntakePlace *places;
	int count;
	IntakeSlice json_from; /* the field of a form that has the JSON, or absent */
} IntakeVolatile;

extern const char *intake_volatile_parse(const char *const *texts, int count, IntakeVolatile *list);
extern void intake_volatile_add(IntakeVolatile *list, const IntakePlace *place);
extern void intake_volatile_within(const IntakeVolatile *list, const IntakeLocation *paths,
								   IntakeVolatile *within);
extern IntakeSlice intake_volatile_cut(const IntakeVolatile *list, const IntakeRequest *request);
extern IntakeSlice intake_volatile_cut_headers(const IntakeVolatile *list, IntakeSlice block);
extern bool intake_volatile_same(const IntakeVolatile *list, const IntakeRequest *one,
								 const IntakeRequest *other);

#endif
