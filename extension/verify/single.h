/*
 * single.h
 *		Headers of which the first counts, however often they are there. Pure.
 */
#ifndef INTAKE_SINGLE_H
#define INTAKE_SINGLE_H

#include "verify/scheme.h"

/* Who reads the headers of a request. */
typedef struct IntakeReaders
{
	const IntakeScheme *scheme; /* the variant that the request is of, or NULL */
	const IntakeLocation *key;  /* of the event, or NULL */
	const IntakeLocation *type;
} IntakeReaders;

extern bool intake_single_header(const IntakeReaders *readers, IntakeSlice name,
								 IntakeSlice headers);

#endif
