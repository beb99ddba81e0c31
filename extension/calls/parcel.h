/*
 * parcel.h
 *		What a call asks for, as it is stored, and as a courier sends it.
 */
#ifndef INTAKE_PARCEL_H
#define INTAKE_PARCEL_H

#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/jsonb.h"
#include "utils/uuid.h"

#include "calls/credential.h"
#include "calls/desk.h"
#include "calls/outcome.h"
#include "ground/table.h"

/* What it points to holds until the next one is read. */
typedef struct IntakeParcel
{
	int64 job_id;
	int64 call_id;
	const char *method;
	const char *scheme;
	const char *host;
	int port;
	IntakeSlice target;
	Jsonb *headers;  /* or NULL */
	Datum body;      /* a bytea, maybe where it is stored; 0: none */
	int32 secret_id; /* 0: none */
	int64 milliseconds;
	pg_uuid_t idempotency_key;
	Jsonb *options;          /* or NULL */
	const char *traceparent; /* or NULL */
} IntakeParcel;

typedef struct IntakeParcelReader
{
	bool open;
	MemoryContext context; /* that it is opened in; NULL: the current one */
	IntakeScan scan;
} IntakeParcelReader;

extern bool intake_parcel_find(IntakeParcelReader *reader, const IntakeCall *call,
							   IntakeParcel *request);
extern void intake_parcel_close(IntakeParcelReader *reader);
extern size_t intake_parcel_size(const IntakeParcel *request);
extern char *intake_parcel_place(const IntakeParcel *request);
extern void intake_parcel_rules(Jsonb *options, IntakeOutcomeRules *rules);
extern IntakeCredentialOutcome intake_parcel_write(const IntakeParcel *request, Oid owner,
												   StringInfo headers, StringInfo target,
												   const char **why);

#endif
