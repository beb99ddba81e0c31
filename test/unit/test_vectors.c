/*
 * test_vectors.c
 *		Requests that the providers' own SDKs have judged.
 */
#include <stdlib.h>
#include <string.h>

#include "memory.h"

#include "check.h"
#include "signature.h"

#define MOST 8

typedef struct Vector
{
	char *id;
	char *expected;
	IntakeSlice secret;
	IntakeRequest request;
	char headers[1 << 16];
	IntakeSchemeRow row;
	const char *places[MOST];
	const char *variants[MOST];
	IntakePair pairs[MOST];
} Vector;

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
	};

	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
		if (strcmp(columns[i].name, name) == 0)
			*columns[i].place = value;
}

static void
set_url(Vector *vector, IntakeSlice value)
{
	const char *mark = memchr(value.data, '?', value.len);

	vector->request.url = value;
	if (mark != NULL)
		vector->request.query = intake_slice_after(value, mark + 1 - value.data);
}

static void
set_field(Vector *vector, const char *name, IntakeSlice value)
{
	IntakeSchemeRow *row = &vector->row;

	if (strcmp(name, "id") == 0)
		vector->id = (char *) value.data;
	else if (strcmp(name, "expected") == 0)
		vector->expected = (char *) value.data;
	else if (strcmp(name, "secret") == 0)
		vector->secret = value;
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
	else if (strcmp(name, "tolerance") == 0)
		row->tolerance = atoll(value.data) * 1000000;
	else if (strcmp(name, "signature_from") == 0)
		vector->places[row->n_signature_from++] = value.data;
	else if (strcmp(name, "url_variant") == 0)
		vector->variants[row->n_url_variants++] = value.data;
	else if (strcmp(name, "require") == 0)
		vector->pairs[row->n_require++] =
			(IntakePair){value.data, value.data + strlen(value.data) + 1};
	else
		set_column(row, name, value.data);
}

static void
judge(Vector *vector)
{
	IntakeVerdict verdict;
	IntakeScheme *scheme;
	char *error = NULL;
	bool valid;

	vector->row.signature_from = vector->places;
	vector->row.url_variants = vector->variants;
	vector->row.require = vector->pairs;
	vector->request.headers = intake_slice_cstr(vector->headers);
	scheme = intake_scheme_compile(&vector->row, &error);
	if (scheme == NULL)
		printf("%s: %s\n", vector->id, error);
	CHECK(scheme != NULL);
	if (scheme == NULL)
		return;
	intake_signature_verify(scheme, &vector->request, &vector->secret, 1, &verdict);
	valid = verdict.reason == INTAKE_OK;
	if (strcmp(vector->expected, "any") == 0)
		return;
	if (valid != (strcmp(vector->expected, "valid") == 0))
		printf("%s: expected %s, got %s (%s)\n", vector->id, vector->expected,
			   intake_reason_name(verdict.reason), verdict.detail);
	CHECK(valid == (strcmp(vector->expected, "valid") == 0));
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
	vector.row.tolerance = -1;
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
		vector.row.tolerance = -1;
	}
	CHECK(count > 1000);
	free(line);
}
