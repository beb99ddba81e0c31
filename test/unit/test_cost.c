/*
 * test_cost.c
 *		What a request may cost: for every preset, requests that want to be expensive stay within
 *		the budget of work and of memory, and one that is genuine is never too costly.
 */
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

#include "read/form.h"
#include "read/work.h"
#include "verify/sign.h"
#include "verify/signature.h"
#include "check.h"
#include "measure.h"
#include "presets.h"

#define SIZE 65536 /* bytes of a body, at least */
#define SECRETS 10
#define NOW (INT64_C(1700000000) * 1000000)
#define SLACK (128 * 1024) /* bytes of memory, for nothing, */
#define FIELD 32           /* and for each field of a form */

static const char *const public_keys[] = {
	"-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAE3TWTtNt1DbVU5TIOeVjur+xFQ9s65Gn4gyiTeg0Xfk=\n"
	"-----END PUBLIC KEY-----\n",
	"-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEiKCXeX9Bun1+k14iJ1OCrrmdyUOe\n"
	"ruIXjF69dtIGRSmXagsxKAV/9BTF/rl9jWOXgd7CfgGezHh3IDwXWZDC3Q==\n-----END PUBLIC KEY-----\n",
	"-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAsaCuEmd+X/JOfWoPW82z\n"
	"fwW2krUgV1wh1sO4D3LGi+kUHoyG6TzdO0y7hZNa1i2xVUfuRXsLrHJSYmKBhnGb\n"
	"u15aND+df3qTh9kLivxMCaHIaBgrcARVFc/oJQk4Zkh6CdDeKEP5JkkWHtS07tT4\n"
	"murx2KqFFhKvh2iIEWlUtmQYsH+ILS3jFtLw5en6X6VQc6ExR6CbeSnGqDaZ/Wj9\n"
	"+nMG/a1v7iyBHK6vqCg2uM+hSF9owqYSNduCZeU8IKNJhEMTjlK2+GevktSvAkQI\n"
	"0aLe61jkOTLZsNo6x6W66N78dtwWLx3KNtl++14SJlMQTkBtborMdkRX+UvKdJXN\n"
	"/wIDAQAB\n-----END PUBLIC KEY-----\n",
};

/* A text that grows. */
typedef struct Text
{
	char *data;
	size_t length;
	size_t room;
} Text;

static void
add(Text *text, IntakeSlice more)
{
	if (more.len == 0)
		return;
	if (text->length + more.len > text->room)
	{
		text->room = 2 * (text->length + more.len) + 1024;
		text->data = realloc(text->data, text->room);
	}
	memcpy(text->data + text->length, more.data, more.len);
	text->length += more.len;
}

static void
put(Text *text, const char *more)
{
	add(text, intake_slice_cstr(more));
}

static IntakeSlice
slice(const Text *text)
{
	return (IntakeSlice){text->data, text->length};
}

static void
fill(Text *text, const char *more)
{
	while (text->length < SIZE)
		put(text, more);
}

/* ---- secrets ---- */

static const char *
secret_for(const IntakeScheme *scheme, int number)
{
	static char text[80];

	if (scheme->kind == INTAKE_PUBLIC_KEY || (scheme->kind == INTAKE_JWT && !scheme->key_is_shared))
		return public_keys[scheme->key_type];
	if (scheme->key_encoding == INTAKE_HEX)
		snprintf(text, sizeof(text), "%064d", number);
	else if (scheme->key_encoding != INTAKE_RAW)
		snprintf(text, sizeof(text), "c2VjcmV0MDAw%04dAAAA", number);
	else
		snprintf(text, sizeof(text), "user:secret%d", number);
	return text;
}

static void
make_keys(const IntakeScheme *scheme, IntakeKey *keys, IntakeKey **list)
{
	const char *why = "";

	for (int i = 0; i < SECRETS; i++)
	{
		IntakeSlice secret = intake_slice_cstr(pstrdup(secret_for(scheme, i)));

		CHECK(intake_signing_key_prepare(scheme, secret, &keys[i], &why));
		list[i] = &keys[i];
	}
}

/* ---- requests that want to be expensive ---- */

/* A value where a scheme looks for signatures, COUNT of them if the place has several. */
static void
put_signatures(Text *text, const IntakeScheme *scheme, int count)
{
	const char *value = scheme->encoding == INTAKE_HEX ? "00000000000000000000000000000000"
													   : "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

	add(text, scheme->prefix.data ? scheme->prefix : intake_slice_cstr(""));
	for (int i = 0; i < count; i++)
	{
		char time[40];

		snprintf(time, sizeof(time), "%d%s", 1700000000 + (scheme->group_sep ? i : 0),
				 scheme->unit == INTAKE_MILLISECONDS ? "000" : "");
		if (i > 0)
			put(text, scheme->group_sep  ? scheme->group_sep
					  : scheme->item_sep ? scheme->item_sep
										 : " ");
		if (scheme->has_timestamp && scheme->timestamp.kind == INTAKE_SIGNATURE_ITEM &&
			(i == 0 || scheme->group_sep))
		{
			if (scheme->format == INTAKE_KV)
			{
				add(text, scheme->timestamp.name);
				put(text, scheme->kv_sep);
			}
			put(text, time);
			put(text, scheme->item_sep);
		}
		if (scheme->format == INTAKE_KV)
		{
			put(text, scheme->tag ? scheme->tag : "k");
			put(text, scheme->kv_sep);
		}
		put(text, value);
	}
}

/* Headers as intake_sign makes them, and COUNT forged signatures, in one value or in as many. */
static void
put_headers(Text *text, const IntakeScheme *scheme, const IntakeRequest *request, int count,
			bool apart)
{
	for (int p = 0; p < scheme->n_signatures; p++)
		for (int i = 0; i < (apart ? count : 1); i++)
		{
			if (scheme->signatures[p].kind > INTAKE_HEADERS)
				continue;
			add(text, scheme->signatures[p].name);
			put(text, scheme->signatures[p].kind == INTAKE_HEADERS ? "1: " : ": ");
			put_signatures(text, scheme, apart ? 1 : count);
			put(text, "\r\n");
		}
	add(text, request->headers);
}

/* A form with the fields that a preset reads, each of them large, or many times. */
static void
put_form(Text *text, const IntakeScheme *scheme, int fields)
{
	for (int i = 0; i < fields; i++)
	{
		for (int p = 0; p < scheme->n_signatures; p++)
		{
			if (scheme->signatures[p].kind != INTAKE_FORM)
				continue;
			add(text, scheme->signatures[p].name);
			put(text, "=");
			put_signatures(text, scheme, 10);
			put(text, "&");
		}
		put(text, "bt_payload=%61+%62&a=%2");
	}
	put(text, "&b=");
	fill(text, "%61+");
}

/* Writes FILL COUNT times at the end of a JSON pointer. */
static void
put_path(Text *text, const IntakePath *path, const char *fill_with, int count)
{
	for (int i = 0; i < path->count; i++)
	{
		if (path->steps[i].any)
		{
			put(text, "[");
			continue;
		}
		put(text, "{\"");
		add(text, path->steps[i].name);
		put(text, "\":");
	}
	put(text, "\"");
	for (int i = 0; i < count; i++)
		put(text, fill_with);
	put(text, "\"");
	for (int i = path->count - 1; i >= 0; i--)
		put(text, path->steps[i].any ? "]" : "}");
}

/* An object whose members are what a preset reads, with long strings that must be unescaped. */
static void
put_json(Text *text, const IntakeScheme *scheme)
{
	IntakePath path;
	bool first = true;

	put(text, "{");
	for (int p = 0; p < scheme->n_signatures; p++)
		if (scheme->signatures[p].kind == INTAKE_JSON && scheme->signatures[p].path.count == 1)
		{
			put(text, first ? "\"" : ",\"");
			add(text, scheme->signatures[p].path.steps[0].name);
			put(text, "\":\"AAAAAAAA\"");
			first = false;
		}
	for (int i = 0; scheme->message != NULL && i < scheme->message->count; i++)
	{
		const IntakePlace *place = scheme->message->parts[i].place;

		if (place == NULL || place->kind != INTAKE_JSON)
			continue;
		path = place->path;
		put(text, first ? "\"" : ",\"");
		add(text, path.steps[0].name);
		put(text, "\":");
		path.count--;
		memmove(path.steps, path.steps + 1, path.count * sizeof(IntakeStep));
		put_path(text, &path, "\\u00e9\\n", 1000);
		first = false;
	}
	put(text, first ? "\"z\":[0" : ",\"z\":[0");
	fill(text, ",\"\\\\\\\"\",{\"a\":[]}");
	put(text, "]}");
}

/* Items for schemes that sign each of them. */
static void
put_items(Text *text)
{
	put(text, "{\"notificationItems\":[");
	for (int i = 0; i < 100; i++)
		put(text,
			"{\"NotificationRequestItem\":{\"additionalData\":{\"hmacSignature\":\"AAAA\"},"
			"\"pspReference\":\"\\n\\n\",\"originalReference\":\"1\",\"merchantAccountCode\":1,"
			"\"merchantReference\":1,\"amount\":{\"value\":1,\"currency\":1},\"eventCode\":1,"
			"\"success\":1}},");
	put(text, "{}],\"value\":[");
	for (int i = 0; i < 100; i++)
		put(text, i < 99 ? "{\"clientState\":\"\\n\"}," : "{\"clientState\":\"\\n\"}");
	put(text, "],\"z\":\"");
	fill(text, "x");
	put(text, "\"}");
}

#define BODIES 12

static void
put_body(Text *text, const IntakeScheme *scheme, int number)
{
	static const char *const fills[] = {"a&",   "&",     "%61",      "{\"a\":", "[",
										"\\\"", "\"\",", "\"a\":1,", "a=b&"};

	if (number < 9)
	{
		put(text, number >= 5 && number < 8 ? "{\"a\":[\"" : "");
		fill(text, fills[number]);
	}
	else if (number == 9)
		put_form(text, scheme, 150);
	else if (number == 10)
		put_json(text, scheme);
	else
		put_items(text);
}

/* ---- the budget ---- */

/* What a request may hold of memory. */
static size_t
memory_for(const IntakeRequest *request, size_t size)
{
	int fields = 1;

	for (size_t i = 0; i < request->body.len && fields < INTAKE_FIELDS_MAX; i++)
		fields += request->body.data[i] == '&';
	return 3 * size + SLACK + fields * FIELD;
}

static size_t
size_of(const IntakeRequest *request)
{
	return request->headers.len + request->query.len + request->url.len + request->body.len;
}

static void
judge(const FuzzPreset *preset, const IntakeScheme *scheme, const IntakeRequest *request,
	  IntakeKey **keys, IntakeVerdict *verdict)
{
	size_t size = size_of(request);
	size_t before;
	/* What is looked for before each round may be passed by one round. */
	uint64_t most;

	memory_peak = 0;
	pfree(palloc(1));
	before = memory_peak;
	intake_signature_verify(scheme, request, intake_slice_cstr("token"), keys, SECRETS, verdict);
	most = intake_work.limit + 16 * size;
	if (intake_work.spent > most || memory_peak - before > memory_for(request, size))
		printf("%s: %zu bytes cost %llu units and %zu bytes of memory: %s\n", preset->name, size,
			   (unsigned long long) intake_work.spent, memory_peak - before, verdict->detail);
	CHECK(intake_work.spent <= most);
	CHECK(memory_peak - before <= memory_for(request, size));
}

static void
attack(const FuzzPreset *preset, const IntakeScheme *scheme, IntakeKey **keys)
{
	/* What is not made for a preset is tried with every third of them. */
	int first = (int) (preset - fuzz_presets) % 3;

	for (int number = first; number < BODIES; number += number < 9 ? 3 : 1)
		for (int count = 8; count <= 101; count += 92)
		{
			IntakeRequest request = {0};
			IntakeSigner signer = {.scheme = scheme,
								   .key = keys[0],
								   .token = intake_slice_cstr("token"),
								   .id = intake_slice_cstr("id")};
			IntakeVerdict verdict;
			Text body = {0};
			Text headers = {0};
			const char *why = "";

			put_body(&body, intake_scheme_for(scheme, &request), number);
			request.method = intake_slice_cstr("POST");
			request.body = slice(&body);
			request.url = intake_slice_cstr("https://example.com/%3Fa");
			request.query = request.headers = intake_slice_cstr("");
			request.now = NOW;
			/* The headers that a sender adds, but signed by another secret. */
			(void) intake_sign(&signer, &request, &request.headers, &why);
			put_headers(&headers, intake_scheme_for(scheme, &request), &request, count,
						number % 2 == 0);
			request.headers = slice(&headers);
			body.data[body.length / 2] ^= 1;
			request.body = slice(&body);
			judge(preset, scheme, &request, keys, &verdict);
			free(body.data);
			free(headers.data);
		}
}

/* A sender that signs a large body with the oldest of all secrets is not turned away. */
static void
work_honestly(const IntakeScheme *scheme, IntakeKey **keys)
{
	/* The dearest digest is tried beyond what is for nothing. */
	size_t size = scheme->algorithm == INTAKE_SHA512 ? 8 * INTAKE_WORK_FREE : 10 * SIZE;
	IntakeRequest request = {0};
	IntakeSigner signer = {.scheme = scheme,
						   .key = keys[SECRETS - 1],
						   .token = intake_slice_cstr("token"),
						   .id = intake_slice_cstr("id")};
	IntakeVerdict verdict;
	Text body = {0};
	const char *why = "";

	put(&body, "{\"id\":\"");
	while (body.length < size)
		put(&body, "0123456789abcdef");
	put(&body, "\"}");
	request.method = intake_slice_cstr("POST");
	request.body = slice(&body);
	request.url = intake_slice_cstr("https://example.com/");
	request.query = request.headers = intake_slice_cstr("");
	request.now = NOW;
	(void) intake_sign(&signer, &request, &request.headers, &why);
	intake_signature_verify(scheme, &request, signer.token, keys, SECRETS, &verdict);
	CHECK(verdict.reason != INTAKE_TOO_COSTLY && verdict.reason != INTAKE_TOO_MANY_FIELDS);
	free(body.data);
}

void
test_cost(void)
{
	for (int i = 0; i < fuzz_n_presets; i++)
	{
		IntakeScheme *scheme = fuzz_scheme(&fuzz_presets[i]);
		IntakeKey keys[SECRETS];
		IntakeKey *list[SECRETS];

		make_keys(scheme, keys, list);
		work_honestly(scheme, list);
		attack(&fuzz_presets[i], scheme, list);
		for (int k = 0; k < SECRETS; k++)
			intake_signing_key_release(&keys[k]);
		fuzz_scheme_release(scheme);
		intake_memory_reset();
	}
}
