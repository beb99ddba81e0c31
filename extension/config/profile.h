/*
 * profile.h
 *		Profiles: how the requests of sources are verified and read, compiled from the row of their
 *		scheme and what they say themselves.
 */
#ifndef INTAKE_PROFILE_H
#define INTAKE_PROFILE_H

#include "postgres.h"

#include "lib/ilist.h"

#include "common/slice.h"
#include "read/location.h"
#include "verify/handshake.h"
#include "verify/scheme.h"

/* What becomes of a request without a usable key. */
typedef enum
{
	INTAKE_MISSING_REJECT,
	INTAKE_MISSING_DIGEST, /* the digest of its content is its key */
	INTAKE_MISSING_EACH    /* it is an event of its own */
} IntakeMissingKey;

typedef struct IntakeProfile
{
	bool internal;         /* requests do not come to such sources */
	const char *problem;   /* why nothing verifies, or NULL */
	const char *our_fault; /* the problem is of this server: the word for it; or NULL */
	bool closed;           /* for the problem, nothing is accepted */
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
	IntakeHandshake *handshakes;
	int n_handshakes;
	int reject_status;
	const char *success_body; /* or NULL */

	MemoryContext context; /* it is in */

	/* Of profiles.c. */
	IntakeSlice made_of;
	int32 piece;   /* of its scheme */
	bool outdated; /* the scheme has changed since it was read */
	int users;
	size_t bytes;
	dlist_node place;
} IntakeProfile;

extern IntakeProfile *intake_profile_read(int32 source_id, MemoryContext context);
extern IntakeProfile *intake_profile_read_scheme(const char *name, MemoryContext context);

#endif
