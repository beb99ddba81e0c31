/*
 * source.h
 *		Sources: the row of one, and its secrets, prepared for its profile.
 */
#ifndef INTAKE_SOURCE_H
#define INTAKE_SOURCE_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "common/address.h"
#include "common/slice.h"
#include "config/profile.h"
#include "verify/signing_key.h"

/* The fault that may be gone a moment later. */
#define INTAKE_FAULT_KEY_FILE "no_key_file"

typedef struct IntakeSecret
{
	int32 id;
	IntakeKey key;
	TimestampTz from;
	TimestampTz until;    /* DT_NOEND: for ever */
	TimestampTz recorded; /* when this process recorded a use of it; 0: never */
} IntakeSecret;

typedef struct IntakeSource
{
	int32 id;
	const char *name;
	IntakeProfile *profile; /* how its requests are verified and read */
	const char *problem;    /* why it verifies nothing, or NULL */
	const char *our_fault;  /* the problem is of this server: the word for it; or NULL */
	IntakeSecret *secrets;  /* for signatures, the newest first */
	int n_secrets;
	IntakeSlice token;      /* for handshakes, or absent */
	IntakeSlice public_url; /* or absent */
	IntakeRange *allowed;   /* addresses that may send */
	int n_allowed;          /* 0: all may */
	bool replay_dead;       /* a duplicate re-arms dead jobs */
	MemoryContext context;  /* it is in */
} IntakeSource;

/* Where the rows of a source are in their tables: values of type tid. */
typedef struct IntakeSourcePlaces
{
	Datum row;
	const Datum *secrets;
	int n_secrets;
} IntakeSourcePlaces;

extern IntakeSource *intake_source_read(IntakeSlice name, MemoryContext context);
extern IntakeSource *intake_source_read_at(const IntakeSourcePlaces *places, MemoryContext context);

#endif
