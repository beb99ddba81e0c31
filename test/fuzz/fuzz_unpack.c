/*
 * Bodies that are packed. Input: a letter for the coding, one for the bound, then the body. Zlib packs
 * what was unpacked once more, and that is read, too.
 */
#include <string.h>
#include <zlib.h>

#include "read/body.h"
#include "read/unpack.h"
#include "read/work.h"
#include "fuzz.h"

static const char *const codings[] = {"gzip", "deflate", "X-GZIP", "br"};

/* Packs a text, as gzip or as zlib. */
static IntakeSlice
pack(IntakeSlice text, bool gzip)
{
	z_stream stream = {0};
	size_t room = text.len + text.len / 1000 + 64;
	char *out = palloc(room);

	PROMISE(deflateInit2(&stream, 1, Z_DEFLATED, gzip ? 31 : 15, 8, Z_DEFAULT_STRATEGY) == Z_OK);
	stream.next_in = (Bytef *) text.data;
	stream.avail_in = text.len;
	stream.next_out = (Bytef *) out;
	stream.avail_out = room;
	PROMISE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
	PROMISE(deflateEnd(&stream) == Z_OK);
	return (IntakeSlice){out, stream.total_out};
}

/* What is packed is unpacked to the byte, and no part of it is. */
static void
there_and_back(IntakeSlice text, int coding)
{
	IntakeSlice packed = pack(text, coding != 1);
	IntakeSlice plain = INTAKE_ABSENT;

	intake_work_begin(packed.len + text.len, 1);
	PROMISE(intake_unpack(intake_slice_cstr(codings[coding]), packed, text.len, &plain) == NULL);
	PROMISE(intake_slice_equal(plain, text));
	packed.len--;
	intake_work_begin(packed.len + text.len, 1);
	PROMISE(intake_unpack(intake_slice_cstr(codings[coding]), packed, text.len, &plain) != NULL);
	packed.len++;
	if (text.len == 0)
		return;
	intake_work_begin(packed.len + text.len, 1);
	PROMISE(intake_unpack(intake_slice_cstr(codings[coding]), packed, text.len - 1, &plain) !=
			NULL);
}

/* A request says the same of the body as its parts do, and never more than its bound. */
static void
opened(IntakeSlice body, int coding, size_t most, IntakeSlice plain, const char *problem)
{
	char headers[64];
	IntakeRequest request = {.body = body, .most = most};
	char first = intake_body_first(body);

	snprintf(headers, sizeof(headers), "Content-Encoding: %s\r\n", codings[coding]);
	request.headers = intake_slice_cstr(headers);
	intake_work_begin(body.len, 1);
	intake_body_open(&request, intake_slice_cstr("json"));
	PROMISE(request.unpacked.len <= most);
	if (first == '{' || first == '[')
		PROMISE(request.unpacked.data == NULL && request.problem == NULL);
	else if (problem != NULL)
		PROMISE(request.unpacked.data == NULL && request.problem != NULL &&
				intake_request_text(&request).len == 0 && intake_request_form(&request).len == 0);
	else
		PROMISE(intake_slice_equal(request.unpacked, plain));
}

void
fuzz(IntakeSlice input)
{
	IntakeSlice plain = INTAKE_ABSENT;
	const char *problem;
	size_t most;
	int coding;

	if (input.len < 2)
		return;
	coding = (unsigned char) input.data[0] % 4;
	most = (size_t) 1 << (unsigned char) input.data[1] % 20;
	input = intake_slice_after(input, 2);
	intake_work_begin(input.len, 1);
	problem = intake_unpack(intake_slice_cstr(codings[coding]), input, most, &plain);
	opened(input, coding, most, plain, problem);
	if (coding == 3)
	{
		PROMISE(problem != NULL && plain.data == NULL);
		return;
	}
	PROMISE(plain.len <= most + 1);
	there_and_back(input, coding);
	if (problem == NULL)
	{
		PROMISE(plain.data != NULL && plain.len <= most);
		there_and_back(plain, coding);
	}
}
