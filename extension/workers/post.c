/*
 * post.c
 *		Where the launcher starts workers: supervisors of databases, and executors of crews.
 *
 * A worker that ends without having said that it wanted to is started again later and later.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "postmaster/bgworker.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "ground/bgworker.h"
#include "ground/clock.h"
#include "ground/database.h"
#include "ground/slot.h"
#include "workers/make_way.h"
#include "workers/post.h"
#include "workers/spare.h"

#define FIRST_BACKOFF 100  /* milliseconds */
#define SHORT_BACKOFF 1600 /* the longest where somebody ends workers, or they do run jobs */
#define LAST_BACKOFF 60000
#define LONG_LIFE 60000   /* a worker that lived this long is started again at once */
#define LEFT_FOR 1000     /* milliseconds until what could not be started is tried again */
#define JOINED_AFTER 10   /* likewise, until it is looked whether the last one has come */
#define WARN_EVERY 600000 /* milliseconds between two warnings that there is no place */

/* Where workers are started: supervisors of a database (role InvalidOid), or a crew. */
typedef struct Post
{
	IntakeCrewTag tag; /* hash key */
	int64 next_start;  /* not before, by intake_clock_ms */
	int backoff;       /* milliseconds; 0: the last one has lived as it should */
	bool waits;        /* a crew that is not in its line until then */
} Post;

/* A process that was started and has not taken its slot yet. */
typedef struct Child
{
	IntakeStart start;
	IntakeCrewTag tag;
	BackgroundWorkerHandle *handle;
} Child;

static HTAB *posts;
static List *children = NIL; /* of Child */

/* To be called once, before the others. */
void
intake_post_open(void)
{
	HASHCTL control = {0};

	control.keysize = sizeof(IntakeCrewTag);
	control.entrysize = sizeof(Post);
	control.hcxt = TopMemoryContext;
	posts = hash_create("pg_intake posts", 32, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static Post *
find_post(const IntakeCrewTag *tag)
{
	bool found;
	Post *post = hash_search(posts, tag, HASH_ENTER, &found);

	if (!found)
		*post = (Post){*tag};
	return post;
}

/* A post that is not waited for needs no memory. */
static void
forget_post(Post *post)
{
	if (!post->waits)
		hash_search(posts, &post->tag, HASH_REMOVE, NULL);
}

/*
 * The worker of a post has ended. What ends again and again is waited for longer and longer, and for
 * long only where it ends by itself, without having run a job.
 */
static void
note_end(const IntakeCrewTag *tag, const IntakeSlot *ended)
{
	Post *post = find_post(tag);

	if (ended->content || intake_clock_ms() - ended->reserved_at >= LONG_LIFE)
		post->backoff = 0;
	else
		post->backoff = Min(Max(post->backoff * 2, FIRST_BACKOFF),
							ended->terminated || ended->jobs > 0 ? SHORT_BACKOFF : LAST_BACKOFF);
	post->next_start = intake_clock_ms() + post->backoff;
	if (post->backoff == 0)
		forget_post(post);
	if (OidIsValid(tag->role))
		intake_crew_enlist(tag, false);
}

/* A worker that had a slot has ended. */
void
intake_post_ended(const IntakeSlot *ended)
{
	IntakeCrewTag tag = {ended->database, ended->role};

	note_end(&tag, ended);
}

/* Forgets children that have taken their slots, or have ended before that. */
void
intake_post_look_after_starts(void)
{
	ListCell *cell;

	foreach (cell, children)
	{
		Child *child = lfirst(cell);
		pid_t pid;
		bool stopped = GetBackgroundWorkerPid(child->handle, &pid) == BGWH_STOPPED;

		if (stopped && intake_slot_release(&child->start))
		{
			IntakeSlot none = {.reserved_at = intake_clock_ms()};

			note_end(&child->tag, &none);
			/* Its role may not be able to connect: then nobody waits for it any more. */
			if (OidIsValid(child->tag.role))
				intake_database_call_for(child->tag.database,
										 INTAKE_CALL_TEND | INTAKE_CALL_SEARCH);
		}
		else if (!stopped && intake_slot_is_starting(&child->start))
			continue;
		pfree(child->handle);
		pfree(child);
		children = foreach_delete_current(children, cell);
	}
}

/* Something has changed, so that a worker may be started at once. */
void
intake_post_forgive(const IntakeCrewTag *tag)
{
	hash_search(posts, tag, HASH_REMOVE, NULL);
}

/* There is no place for a worker. */
static void
note_full(const char *setting)
{
	static int64 warned_at = -WARN_EVERY;
	int64 now = intake_clock_ms();

	if (now - warned_at < WARN_EVERY)
		return;
	warned_at = now;
	ereport(WARNING, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
					  errmsg("pg_intake could not start a background worker at once"),
					  errdetail("Databases and roles take turns."),
					  errhint("Raise %s to have more of them at a time.", setting)));
}

/* A job waits while an executor starts, so the spare becomes one, if there is a spare. */
static BackgroundWorkerHandle *
start_process(IntakeWorkerKind kind, const IntakeStart *start)
{
	BackgroundWorkerHandle *handle = kind == INTAKE_EXECUTOR ? intake_spare_give(start) : NULL;

	intake_spare_put_off();
	return handle != NULL ? handle : intake_bgworker_start(kind, start);
}

/* Starts a worker. Returns false when there is no place for it. */
bool
intake_post_start(IntakeWorkerKind kind, const IntakeCrewTag *tag)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	Child *child = palloc0(sizeof(Child));

	child->tag = *tag;
	if (!intake_slot_reserve(kind, tag->database, tag->role, &child->start))
		note_full("pg_intake.max_workers");
	else if ((child->handle = start_process(kind, &child->start)) == NULL)
	{
		(void) intake_slot_release(&child->start);
		/* The spare may have its place. */
		if (!intake_spare_dismiss())
			note_full("max_worker_processes");
	}
	if (child->handle != NULL)
		children = lappend(children, child);
	MemoryContextSwitchTo(old);
	if (child->handle != NULL)
		return true;
	pfree(child);
	return false;
}

/* Whether a process was started there that has not come yet. */
static bool
is_awaited(const IntakeCrewTag *tag)
{
	ListCell *cell;

	foreach (cell, children)
		if (memcmp(&((Child *) lfirst(cell))->tag, tag, sizeof(*tag)) == 0)
			return true;
	return false;
}

/* Milliseconds until a worker may be started at a post; 0: now. */
long
intake_post_until_start(const IntakeCrewTag *tag)
{
	Post *post = hash_search(posts, tag, HASH_FIND, NULL);

	/* A command may need the database without workers. */
	if (intake_make_way_is_wanted(tag->database))
		return LEFT_FOR;
	/* It is to have time for the jobs before another one joins it. */
	if (is_awaited(tag))
		return JOINED_AFTER;
	return post == NULL ? 0 : Max(post->next_start - intake_clock_ms(), 0);
}

/* Has a crew wait outside of its line. */
void
intake_post_put_off(const IntakeCrewTag *tag, long milliseconds)
{
	Post *post = find_post(tag);

	post->next_start = Max(post->next_start, intake_clock_ms() + milliseconds);
	post->waits = true;
}

/* Puts crews back into their line that have waited long enough. Returns how long to wait. */
long
intake_post_end_waits(void)
{
	HASH_SEQ_STATUS status;
	Post *post;
	int64 now = intake_clock_ms();
	long wait = INTAKE_NO_WAIT;

	hash_seq_init(&status, posts);
	while ((post = hash_seq_search(&status)) != NULL)
	{
		if (post->waits && now < post->next_start)
			wait = Min(wait, post->next_start - now);
		else if (post->waits)
		{
			post->waits = false;
			intake_crew_enlist(&post->tag, false);
		}
	}
	return wait;
}
