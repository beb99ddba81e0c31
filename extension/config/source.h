/*
 * source.h
 *		Sources: each with its scheme compiled, its secrets prepared.
 */
#ifndef INTAKE_SOURCE_H
#define INTAKE_SOURCE_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

#include "common/address.h"
#include "common/slice.h"
#include "read/location.h"
#include "verify/handshake.h"
#include "verify/scheme.h"
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

/* What becomes of a request without a usable key. */
typedef enum
{
	INTAKE_MISSING_REJECT,
	INTAKE_MISSING_DIGEST, /* the digest of its content is its key */
	INTAKE_MISSING_EACH    /* it is an event of its own */
} IntakeMissingKey;

typedef struct IntakeSource
{
	int32 id;
	const char *name;
	const char *problem;   /* why it verifies nothing, or NULL */
	const char *our_fault; /* the problem is of this server: the word for it; or NULL */
	bool closed;           /* for the problem, it accepts nothing */
	IntakeScheme *scheme;  /* the first variant; NULL when there is a problem */
	IntakeLocation *key;   /* NULL: no place is known */
	IntakeLocation *type;
	IntakeMissingKey missing_key;
	int64 dedup_window;        /* microseconds */
	bool key_ends;             /* keys stand that long only: nobody says that they are an event's */
	IntakeLocation *split;     /* where the items of a delivery stand that are events; or NULL */
	IntakeLocation *item_key;  /* in such an item; NULL: no place is known */
	IntakeLocation *item_type; /* likewise */
	bool item_key_ends;        /* keys of several parts stand for the window only */
	bool reads_body;           /* key, type or items may stand in it */
	bool guarded;              /* content is accepted once where its key is not signed */
	IntakeSecret *secrets;     /* for signatures, the newest first */
	int n_secrets;
	IntakeSlice token; /* for handshakes, or absent */
	IntakeHandshake *handshakes;
	int n_handshakes;
	IntakeSlice public_url; /* or absent */
	IntakeRange *allowed;   /* addresses that may send */
	int n_allowed;          /* 0: all may */
	bool replay_dead;       /* a duplicate re-arms dead jobs */
	int reject_status;
	const char *success_body; /* or NULL */
} IntakeSource;

/* A source whose events may be forms with JSON in a field. */
typedef struct IntakeJsonField
{
	int32 source_id;
	IntakeSlice name;
} IntakeJsonField;

extern void intake_source_read_json_fields(List **list, MemoryContext context);
extern void intake_source_read_all(List **list, MemoryContext context);
extern void intake_source_read_scheme(List **list, MemoryContext context, const char *name);

#endif
