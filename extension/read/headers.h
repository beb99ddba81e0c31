/*
 * headers.h
 *		Reading a header block. Pure; what is decoded is palloc'ed.
 */
#ifndef INTAKE_HEADERS_H
#define INTAKE_HEADERS_H

#include "common/slice.h"

typedef struct IntakeHeaderIterator
{
	IntakeSlice rest;
} IntakeHeaderIterator;

extern IntakeHeaderIterator intake_headers_begin(IntakeSlice block);
extern bool intake_headers_next(IntakeHeaderIterator *iterator, IntakeSlice *name,
								IntakeSlice *value);
extern IntakeSlice intake_headers_decode(IntakeSlice value);

#endif
