/*
 * record.c
 *		Events that were fetched from their sender, because no delivery of them came.
 *
 * They stand in the same space of keys as what is delivered, so whichever comes first is the event.
 * Nothing is verified, and there is no guard: what was signed is not at hand. A delivery that comes
 * later is known by its key.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"

#include "common/scratch.h"
#include "config/workflows.h"
#include "events/key_row.h"
#include "events/payload.h"
#include "events/trouble.h"
#include "ground/datum.h"
#include "ground/intake.h"
#include "receive/by_sql.h"
#include "receive/extract.h"
#include "verify/key_parts.h"

PG_FUNCTION_INFO_V1(intake_sql_record);

static int
count_parts(const IntakePlace *place)
{
	int count = 0;

	for (; place != NULL; place = place->also)
		count++;
	return count;
}

/*
 * The alternative of a key that has so many parts, or NULL. ALONE says whether there is one of a
 * single part, which may have slashes in it as no digest has, or none at all.
 */
static const IntakePlace *
find_alternative(const IntakeLocation *key, int count, bool *alone)
{
	const IntakePlace *found = NULL;

	*alone = key == NULL;
	for (int i = 0; key != NULL && i < key->count; i++)
	{
		int parts = count_parts(&key->places[i]);

		*alone |= parts == 1 && key->places[i].kind != INTAKE_DIGEST_PART;
		if (parts == count && found == NULL)
			found = &key->places[i];
	}
	return found;
}

/* Whether a key has at most one part, however it is found. */
static bool
is_single(const IntakeLocation *key)
{
	for (int i = 0; key != NULL && i < key->count; i++)
		if (key->places[i].also != NULL)
			return false;
	return true;
}

/* Cuts a key, as it is shown, at its slashes. What stands between two of them with nothing is absent. */
static void
cut_key(const IntakePlace *place, IntakeSlice key, IntakeKeyParts *parts)
{
	for (; place != NULL; place = place->also)
	{
		IntakeSlice rest;
		IntakeSlice part = intake_slice_cut(key, "/", &rest);

		parts->is_digest[parts->count] = place->kind == INTAKE_DIGEST_PART;
		parts->values[parts->count++] = part.len > 0 ? part : INTAKE_ABSENT;
		key = rest;
	}
}

/* What is recorded is an event: where deliveries are split, it is one of their items. */
static const IntakeLocation *
key_of(const IntakeSource *source)
{
	return source->profile->split ? source->profile->item_key : source->profile->key;
}

static const IntakeLocation *
type_of(const IntakeSource *source)
{
	return source->profile->split ? source->profile->item_type : source->profile->type;
}

/* Reads the parts of a key that was given, as the source's own key has them. */
static void
split_key(const IntakeSource *source, IntakeSlice key, IntakeKeyParts *parts)
{
	const IntakePlace *place;
	int count = 1;
	bool alone = false;

	memset(parts, 0, sizeof(*parts));
	if (is_single(key_of(source)))
	{
		parts->count = 1;
		parts->values[0] = key;
		return;
	}
	for (size_t i = 0; i < key.len; i++)
		count += key.data[i] == '/';
	place = find_alternative(key_of(source), count, &alone);
	if (place == NULL || (alone && count > 1))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("the key does not tell its parts"),
						errdetail("Cut at slashes it has %d; the keys of source \"%s\" have other "
								  "numbers of parts, or a part with a slash.",
								  count, source->name),
						errhint("With NULL for a key, it is read from payload and headers.")));
	cut_key(place, key, parts);
}

static void
read_key(const IntakeSource *source, const IntakeRequest *request, IntakeKeyParts *parts)
{
	bool found = intake_extract_parts(key_of(source), request, parts);

	if (found && !intake_key_parts_have_digest(parts))
		return;
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("no usable key was found in payload and headers"),
					errdetail(found ? "The key is made of the content of a delivery."
									: "They have none at key_from of the source."),
					errhint("Give the key that a delivery of the event has.")));
}

/*
 * Whether what was fetched has the GIVEN key. Then its parts are read from there: they may have
 * slashes in them, as those of a CloudEvent have.
 */
static bool
has_key(const IntakeSource *source, const IntakeRequest *request, IntakeSlice given,
		IntakeKeyParts *parts)
{
	return intake_extract_parts(key_of(source), request, parts) &&
		   !intake_key_parts_have_digest(parts) &&
		   intake_slice_equal(intake_key_parts_join(parts->values, parts->count), given);
}

/* A source for which events can be recorded: it is known where its keys stand. */
static IntakeSource *
require_source(IntakeSlice name)
{
	IntakeSource *source = intake_by_sql_source(name);

	if (source->profile->scheme == NULL || (source->problem != NULL && source->our_fault == NULL))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot record for source \"%s\": %s", source->name, source->problem)));
	return source;
}

static IntakeSlice
optional_text(FunctionCallInfo fcinfo, int number)
{
	if (PG_ARGISNULL(number))
		return INTAKE_ABSENT;
	return intake_slice_cstr(text_to_cstring(PG_GETARG_TEXT_PP(number)));
}

/* Fills in the key of an event: the GIVEN one, or what is read from REQUEST. */
static void
set_key(IntakeEvent *event, const IntakeSource *source, const IntakeRequest *request,
		IntakeSlice given)
{
	IntakeKeyParts parts;

	if (given.data == NULL)
		read_key(source, request, &parts);
	else if (!has_key(source, request, given, &parts))
		split_key(source, given, &parts);
	if (parts.values[0].len == 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("the key of an event must not be empty")));
	event->key = intake_key_parts_join(parts.values, parts.count);
	event->stored_key = intake_key_row_make(source->id, parts.values, parts.count);
	event->key_window = intake_extract_window(source, &parts, source->profile->split != NULL);
}

/* Stores an event in the current transaction; returns its id, or that of the one that has its key. */
static int64
store(IntakeEvent *event)
{
	intake_workflows_refresh();
	(void) intake_event_store(&event, 1, false);
	intake_trouble_record();
	return event->id;
}

/* SQL: intake.record(source, key, type, payload, headers). */
Datum
intake_sql_record(PG_FUNCTION_ARGS)
{
	IntakeRequest request = {.json = INTAKE_JSON_HELD};
	IntakeEvent event = {.verified = INTAKE_VERIFIED_FETCHED};
	IntakeSource *source;
	IntakeReaders readers;

	PreventCommandIfReadOnly("intake.record()");
	if (PG_ARGISNULL(0) || PG_ARGISNULL(3) || PG_ARGISNULL(4))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("source, payload and headers of an event must not be null")));
	intake_scratch_restart();
	source = require_source(intake_datum_bytes(PG_GETARG_DATUM(0)));
	request.method = intake_slice_cstr("POST");
	request.query = intake_slice_cstr("");
	request.headers = intake_by_sql_headers(PG_GETARG_JSONB_P(4));
	event.body = intake_payload_body(PG_GETARG_JSONB_P(3));
	request.body = intake_datum_bytes(event.body);
	set_key(&event, source, &request, optional_text(fcinfo, 1));
	event.type =
		PG_ARGISNULL(2) ? intake_extract_text(type_of(source), &request) : optional_text(fcinfo, 2);
	if (event.type.len == 0)
		event.type = INTAKE_ABSENT;
	intake_event_check_sizes(event.type, event.key);
	event.source_id = source->id;
	/* The source may go while the event is stored. */
	event.source_name = pstrdup(source->name);
	readers = (IntakeReaders){source->profile->scheme, key_of(source), type_of(source)};
	event.headers = intake_payload_headers(request.headers, &readers, INTAKE_ABSENT);
	event.json = request.json;
	PG_RETURN_INT64(store(&event));
}
