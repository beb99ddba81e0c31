/*
 * credential.c
 *		The secrets of calls: who may use which of them for what, and putting them into a request.
 *
 * Whoever may use a secret may do so for the hosts that it is bound to, over https, and never sees
 * it. That is looked at twice: when a call is stored, as the owner of its workflow, and when it is
 * made, since the secret may have been dropped, bound to other hosts or taken away from that role in
 * between. A grant counts in the database in which it was given, and for members of its role that
 * inherit what it has. Nothing here is read by SQL: the owner of a workflow has no right to look.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "calls/credential.h"
#include "calls/field.h"
#include "calls/opened.h"
#include "calls/secret_place.h"
#include "config/binding.h"
#include "config/rows.h"
#include "ground/datum.h"
#include "ground/settings.h"

#define MOST_HEADERS 100
#define MOST_HEADER_BYTES 65536

/* A row of call_secret. */
typedef struct Secret
{
	int32 id;
	const char **hosts; /* host:port */
	int n_hosts;
	bytea *sealed;
	IntakeSecretPlace place;
	TimestampTz changed_at; /* DT_NOBEGIN: never */
} Secret;

/* ---- reading ---- */

/* Reads the row in which COLUMN is VALUE, as it is now. Returns false where there is none. */
static bool
find_secret(const char *index, const char *column, Datum value, Secret *secret)
{
	IntakeRowLook look;
	bool null;
	bool found;

	PushActiveSnapshot(GetLatestSnapshot());
	intake_rows_look(&look, "call_secret", index, column, value);
	found = intake_rows_next(&look);
	if (found)
	{
		secret->id = intake_rows_number(0, "id", 0);
		secret->hosts = intake_rows_texts(0, "hosts", &secret->n_hosts);
		secret->sealed = DatumGetByteaPCopy(intake_rows_datum(0, "secret", &null));
		secret->changed_at = DatumGetTimestampTz(intake_rows_datum(0, "changed_at", &null));
		if (null)
			secret->changed_at = DT_NOBEGIN;
		found = intake_secret_place_parse(intake_slice_cstr(intake_rows_text(0, "place")),
										  &secret->place) == NULL;
	}
	intake_rows_end(&look);
	PopActiveSnapshot();
	return found;
}

/* Whether ROLE has been given a secret here, or inherits that. */
static bool
may_use(int32 secret_id, Oid role)
{
	char *here = intake_binding_database_identity();
	IntakeRowLook look;
	bool may = false;

	PushActiveSnapshot(GetLatestSnapshot());
	intake_rows_look(&look, "call_secret_grant", "call_secret_grant_role", "secret_id",
					 Int32GetDatum(secret_id));
	while (!may && intake_rows_next(&look))
	{
		bool null;
		Oid granted = DatumGetObjectId(intake_rows_datum(0, "role_oid", &null));

		may = !null && intake_rows_is(0, "database_identity", here) &&
			  has_privs_of_role(role, granted);
	}
	intake_rows_end(&look);
	PopActiveSnapshot();
	return may;
}

static bool
goes_to(const Secret *secret, const IntakeCallUrl *url)
{
	char *host = psprintf("%.*s:%d", (int) url->host.len, url->host.data, url->port);

	for (int i = 0; i < secret->n_hosts; i++)
		if (strcmp(secret->hosts[i], host) == 0)
			return true;
	return false;
}

/* Why a secret must not be sent to a URL: a constant text; NULL: it may. */
static const char *
binding_problem(const Secret *secret, const IntakeCallUrl *url)
{
	if (!goes_to(secret, url))
		return "it is not bound to that host and port";
	if (!url->https && !intake_settings_allow_plain_credentials)
		return "it goes over https only";
	return NULL;
}

/*
 * The id of the secret that AUTH names, which OWNER may use for a URL; raises an error otherwise.
 * Whether there is such a secret is not told to who may not use it.
 */
int32
intake_credential_check(const char *auth, Oid owner, const IntakeCallUrl *url)
{
	Secret secret = {0};
	const char *problem;

	if (!find_secret("call_secret_name", "name", CStringGetTextDatum(auth), &secret) ||
		!may_use(secret.id, owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("role \"%s\" has no secret \"%s\"", GetUserNameFromId(owner, true), auth),
				 errhint("intake.grant_secret gives a role a secret. In a restored copy of the "
						 "database it has to be given again.")));
	problem = binding_problem(&secret, url);
	if (problem != NULL)
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("secret \"%s\" cannot be sent to %.*s:%d: %s", auth,
							   (int) url->host.len, url->host.data, url->port, problem)));
	return secret.id;
}

/* ---- headers ---- */

static void
refuse_header(const JsonbValue *name, const char *problem)
{
	int length = pg_mbcliplen(name->val.string.val, name->val.string.len, 200);
	char *shown = pnstrdup(name->val.string.val, length);

	for (char *c = shown; *c != '\0'; c++)
		if ((unsigned char) *c < ' ' || *c == 0x7f)
			*c = '?';
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("header \"%s\" of a call cannot be sent: %s", shown, problem)));
}

/* Whether one of the names before this one is the same, in whatever case. */
static bool
is_repeated(const JsonbValue *names, int count)
{
	IntakeSlice last = {names[count].val.string.val, names[count].val.string.len};

	for (int i = 0; i < count; i++)
		if (intake_slice_equal_nocase(
				last, (IntakeSlice){names[i].val.string.val, names[i].val.string.len}))
			return true;
	return false;
}

static void
check_header(const JsonbValue *names, int count, const JsonbValue *value,
			 const IntakeSecretPlace *place)
{
	const JsonbValue *key = &names[count];
	IntakeSlice name = {key->val.string.val, key->val.string.len};
	const char *problem = intake_field_name_problem(name);

	if (problem == NULL && place != NULL && intake_secret_place_takes(place, name))
		problem = "the secret of the call stands there";
	if (problem == NULL && is_repeated(names, count))
		problem = "its name is there twice";
	if (problem == NULL && value->type != jbvString)
		problem = "its value is no string";
	if (problem == NULL)
		problem =
			intake_field_value_problem((IntakeSlice){value->val.string.val, value->val.string.len});
	if (problem != NULL)
		refuse_header(key, problem);
}

static void
check_bounds(int count, size_t bytes)
{
	if (count > MOST_HEADERS || bytes > MOST_HEADER_BYTES)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("a call has at most %d headers, and %d bytes in them", MOST_HEADERS,
							   MOST_HEADER_BYTES)));
}

/*
 * Raises an error where the headers of a request, an object of names and strings, cannot be sent: one
 * of them, or all together, or one that the secret takes which the request is sent with (0: none).
 */
void
intake_call_headers_check(Jsonb *headers, int32 secret_id)
{
	JsonbValue names[MOST_HEADERS + 1];
	Secret secret = {0};
	const IntakeSecretPlace *place = NULL;
	JsonbIterator *iterator = JsonbIteratorInit(&headers->root);
	JsonbValue value;
	size_t bytes = 0;
	int count = 0;

	if (!JB_ROOT_IS_OBJECT(headers))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the headers of a call are not a JSON object"),
				 errhint("They are names and strings, such as {\"Accept\": \"text/plain\"}.")));
	if (secret_id != 0 && find_secret("call_secret_pkey", "id", Int32GetDatum(secret_id), &secret))
		place = &secret.place;
	(void) JsonbIteratorNext(&iterator, &value, true);
	while (JsonbIteratorNext(&iterator, &names[count], true) == WJB_KEY)
	{
		(void) JsonbIteratorNext(&iterator, &value, true);
		check_header(names, count, &value, place);
		bytes += names[count].val.string.len + value.val.string.len + 4;
		check_bounds(++count, bytes);
	}
}

/* ---- a call that is made ---- */

/*
 * Puts a secret into the header lines and the target of a request. Otherwise neither is changed, and
 * the cause, a constant text, is in *WHY. What was made of the secret is the caller's to wipe.
 */
IntakeCredentialOutcome
intake_credential_apply(const IntakeCredentialUse *use, StringInfo headers, StringInfo target,
						const char **why)
{
	IntakePresented what = {.id = intake_slice_cstr(use->id), .body = use->body};
	Secret secret = {0};
	IntakeSlice value;
	IntakeSlice lines;
	IntakeSlice whole;

	what.seconds = use->now / 1000000;
	*why = "its secret was dropped, or taken away from the owner of the workflow";
	if (!find_secret("call_secret_pkey", "id", Int32GetDatum(use->secret_id), &secret) ||
		!may_use(use->secret_id, use->owner))
		return INTAKE_CREDENTIAL_GONE;
	*why = binding_problem(&secret, use->url) ? "its secret is bound to another host" : NULL;
	if (*why != NULL)
		return INTAKE_CREDENTIAL_GONE;
	switch (intake_opened_secret(secret.id, secret.sealed, &value, why))
	{
		case INTAKE_UNSEALED:
			break;
		case INTAKE_NO_KEY_FILE:
			return INTAKE_CREDENTIAL_LOCKED;
		case INTAKE_DAMAGED:
			return INTAKE_CREDENTIAL_GONE;
	}
	lines = intake_secret_place_headers(&secret.place, value, &what);
	whole = intake_secret_place_target(&secret.place, value,
									   (IntakeSlice){target->data, (size_t) target->len});
	*why = "its secret does not fit its place";
	if (lines.data == NULL || whole.data == NULL)
		return INTAKE_CREDENTIAL_GONE;
	appendBinaryStringInfo(headers, lines.data, (int) lines.len);
	if (whole.data != target->data)
	{
		resetStringInfo(target);
		appendBinaryStringInfo(target, whole.data, (int) whole.len);
	}
	return INTAKE_CREDENTIAL_APPLIED;
}

/*
 * Puts what answers must not show of a secret in place of what is HIDDEN: nothing, where the secret is
 * gone, or cannot be read. Returns since when it is what it is; DT_NOBEGIN: ever, DT_NOEND: it is not known.
 */
TimestampTz
intake_credential_learn(int32 secret_id, IntakeHidden *hidden)
{
	Secret secret = {0};
	IntakeSlice value;
	const char *problem;

	intake_hide_forget(hidden);
	if (find_secret("call_secret_pkey", "id", Int32GetDatum(secret_id), &secret) &&
		intake_opened_secret(secret.id, secret.sealed, &value, &problem) == INTAKE_UNSEALED)
	{
		intake_hide_learn(hidden, &secret.place, value);
		return secret.changed_at;
	}
	return DT_NOEND;
}
