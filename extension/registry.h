/*
 * registry.h
 *		The configuration as this process knows it: sources with their compiled schemes and
 *		secrets, and workflows. Read when first wanted, and again after a change committed.
 */
#ifndef INTAKE_REGISTRY_H
#define INTAKE_REGISTRY_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "utils/jsonpath.h"

#include "address.h"
#include "handshake.h"
#include "key.h"
#include "location.h"
#include "scheme.h"
#include "slice.h"

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
	const char *problem;  /* why it verifies nothing, or NULL */
	bool our_fault;       /* the problem is of this server, not of the configuration */
	IntakeScheme *scheme; /* the first variant; NULL when there is a problem */
	IntakeLocation *key;  /* NULL: no place is known */
	IntakeLocation *type;
	bool digest_key;       /* without a key, the digest of the content is it */
	bool guarded;          /* content is accepted once, whatever the key */
	IntakeSecret *secrets; /* for signatures, the newest first */
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

typedef struct IntakeWorkflow
{
	int32 id;
	const char *name;
	const char *owner_name;
	Oid owner;           /* InvalidOid: there is no such role */
	const char *handler; /* schema-qualified signature */
	const char *source;  /* glob */
	const char *type;    /* glob */
	JsonPath *filter;    /* or NULL */
	int32 max_attempts;
	int64 backoff;     /* microseconds */
	int64 backoff_max; /* microseconds */
	int64 timeout;     /* milliseconds */
	bool replay_safe;
	bool active; /* neither paused nor of another database */
} IntakeWorkflow;

extern void intake_registry_refresh_sources(void);
extern void intake_registry_refresh_workflows(void);
extern uint64 intake_registry_version(void);
extern IntakeSource *intake_registry_source(IntakeSlice name);
extern List *intake_registry_workflows(void);
extern IntakeWorkflow *intake_registry_workflow(int32 id);
extern char *intake_registry_database_identity(void);

#endif
