/*
 * test_vectors.c
 *		Requests that the providers' own SDKs have judged, against the presets.
 */
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

#include "verify/signature.h"
#include "check.h"

#define MOST 16
#define MOST_ROWS 4

typedef struct Row
{
	IntakeSchemeRow row;
	const char *places[MOST];
	const char *variants[MOST];
	const char *url_fields[MOST];
	IntakePair require[MOST];
	IntakePair when[MOST];
} Row;

typedef struct Vector
{
	char *id;
	char *preset;
	char *expected;
	IntakeSlice secret;
	IntakeSlice token; /* of the source, or absent */
	IntakeRequest request;
	char headers[1 << 16];
	Row rows[MOST_ROWS];
	int n_rows;
} Vector;

/* How many presets have vectors, and how many pass all of theirs. */
static char *presets[256];
static bool preset_fails[256];
static int n_presets;

static IntakeSlice
unhex(const char *hex)
{
	size_t length = strlen(hex) / 2;
	char *out = palloc(length + 1);

	for (size_t i = 0; i < length; i++)
	{
		unsigned byte;

		sscanf(hex + 2 * i, "%2x", &byte);
		out[i] = (char) byte;
	}
	out[length] = '\0';
	return (IntakeSlice){out, length};
}

static void
set_column(IntakeSchemeRow *row, const char *name, const char *value)
{
	struct
	{
		const char *name;
		const char **place;
	} columns[] = {
		{"kind", &row->kind},
		{"algorithm", &row->algorithm},
		{"key", &row->key},
		{"message", &row->message},
		{"each", &row->each},
		{"prefix", &row->prefix},
		{"format", &row->format},
		{"item_sep", &row->item_sep},
		{"kv_sep", &row->kv_sep},
		{"tag", &row->tag},
		{"group_sep", &row->group_sep},
		{"encoding", &row->encoding},
		{"timestamp_from", &row->timestamp_from},
		{"timestamp_unit", &row->timestamp_unit},
		{"verified", &row->verified},
		{"content", &row->content},
		{"borders", &row->borders},
	};

	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
		if (strcmp(columns[i].name, name) == 0)
			*columns[i].place = value;
}

static IntakePair
pair_of(IntakeSlice value)
{
	return (IntakePair){value.data, value.data + strlen(value.data) + 1};
}

static void
set_row_field(Row *row, const char *name, IntakeSlice value)
{
	if (strcmp(name, "tolerance") == 0)
		row->row.tolerance = atoll(value.data) * 1000000;
	else if (strcmp(name, "signature_from") == 0)
		row->places[row->row.n_signature_from++] = value.data;
	else if (strcmp(name, "url_variant") == 0)
		row->variants[row->row.n_url_variants++] = value.data;
	else if (strcmp(name, "url_field") == 0)
		row->url_fields[row->row.n_url_fields++] = value.data;
	else if (strcmp(name, "require") == 0)
		row->require[row->row.n_require++] = pair_of(value);
	else if (strcmp(name, "when") == 0)
		row->when[row->row.n_when++] = pair_of(value);
	else
		set_column(&row->row, name, value.data);
}

static void
set_url(Vector *vector, IntakeSlice value)
{
	const char *mark = memchr(value.data, '?', value.len);

	vector->request.url = value;
	vector->request.query = intake_slice_cstr("");
	if (mark != NULL)
		vector->request.query = intake_slice_after(value, mark + 1 - value.data);
}

static void
set_field(Vector *vector, const char *name, IntakeSlice value)
{
	if (strcmp(name, "row") == 0)
		vector->rows[vector->n_rows++].row.tolerance = -1;
	else if (vector->n_rows > 0)
		set_row_field(&vector->rows[vector->n_rows - 1], name, value);
	else if (strcmp(name, "id") == 0)
		vector->id = (char *) value.data;
	else if (strcmp(name, "preset") == 0)
		vector->preset = (char *) value.data;
	else if (strcmp(name, "expected") == 0)
		vector->expected = (char *) value.data;
	else if (strcmp(name, "secret") == 0)
		vector->secret = value;
	else if (strcmp(name, "token") == 0)
		vector->token = value;
	else if (strcmp(name, "method") == 0)
		vector->request.method = value;
	else if (strcmp(name, "url") == 0)
		set_url(vector, value);
	else if (strcmp(name, "now") == 0)
		vector->request.now = atoll(value.data) * 1000000;
	else if (strcmp(name, "body") == 0)
		vector->request.body = value;
	else if (strcmp(name, "header") == 0)
		strcat(vector->headers, value.data);
}

static IntakeScheme *
compile(Vector *vector)
{
	IntakeScheme *first = NULL;
	const char *error = NULL;

	for (int i = vector->n_rows - 1; i >= 0; i--)
	{
		Row *row = &vector->rows[i];
		IntakeScheme *scheme;

		row->row.signature_from = row->places;
		row->row.url_variants = row->variants;
		row->row.url_fields = row->url_fields;
		row->row.require = row->require;
		row->row.when = row->when;
		scheme = intake_scheme_compile(&row->row, &error);
		if (scheme == NULL)
		{
			printf("%s: %s\n", vector->id, error);
			return NULL;
		}
		scheme->next = first;
		first = scheme;
	}
	return first;
}

static void
release(IntakeScheme *scheme)
{
	for (; scheme != NULL; scheme = scheme->next)
		intake_scheme_release(scheme);
}

static void
count_preset(const Vector *vector, bool right)
{
	int i = 0;

	while (i < n_presets && strcmp(presets[i], vector->preset) != 0)
		i++;
	if (i == n_presets)
		presets[n_presets++] = strdup(vector->preset);
	preset_fails[i] |= !right;
}

/* A secret that its scheme cannot use verifies nothing. */
static void
judge(Vector *vector)
{
	IntakeVerdict verdict;
	IntakeKey key;
	IntakeKey *keys[1] = {&key};
	const char *why;
	IntakeScheme *scheme = compile(vector);
	bool valid;

	CHECK(scheme != NULL);
	if (scheme == NULL)
		return;
	vector->request.headers = intake_slice_cstr(vector->headers);
	intake_signature_verify(scheme, &vector->request, vector->token, keys,
							intake_signing_key_prepare(scheme, vector->secret, &key, &why),
							&verdict);
	valid = verdict.reason == INTAKE_OK;
	if (strcmp(vector->expected, "any") != 0)
	{
		bool right = valid == (strcmp(vector->expected, "valid") == 0);

		if (!right)
			printf("%s: expected %s, got %s (%s)\n", vector->id, vector->expected,
				   intake_reason_name(verdict.reason), verdict.detail);
		CHECK(right);
		count_preset(vector, right);
	}
	intake_signing_key_release(&key);
	release(scheme);
}

static void
report(int count)
{
	int failing = 0;

	for (int i = 0; i < n_presets; i++)
	{
		failing += preset_fails[i];
		free(presets[i]);
	}
	printf("vectors: %d, for %d presets, of which %d pass all of theirs\n", count, n_presets,
		   n_presets - failing);
}

void
test_vectors(FILE *vectors)
{
	static Vector vector;
	char *line = NULL;
	size_t room = 0;
	ssize_t length;
	int count = 0;

	memset(&vector, 0, sizeof(vector));
	while ((length = getline(&line, &room, vectors)) > 0)
	{
		char *space;

		line[length - 1] = '\0';
		space = strchr(line, ' ');
		if (space != NULL)
		{
			*space = '\0';
			set_field(&vector, line, unhex(space + 1));
			continue;
		}
		judge(&vector);
		count++;
		memset(&vector, 0, sizeof(vector));
		intake_memory_reset();
	}
	CHECK(count > 1000);
	report(count);
	free(line);
}
