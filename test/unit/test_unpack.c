/*
 * test_unpack.c
 *		Bodies that are packed: bounds, and what is no single stream.
 */
#include <string.h>
#include <zlib.h>

#include "common/memory.h"

#include "read/unpack.h"
#include "read/work.h"
#include "check.h"

/* Packs a text, as gzip or as zlib. */
static IntakeSlice
pack(const char *text, size_t length, bool gzip)
{
	z_stream stream = {0};
	char *out = palloc(length + 100);

	deflateInit2(&stream, 9, Z_DEFLATED, gzip ? 31 : 15, 9, Z_DEFAULT_STRATEGY);
	stream.next_in = (Bytef *) text;
	stream.avail_in = length;
	stream.next_out = (Bytef *) out;
	stream.avail_out = length + 100;
	deflate(&stream, Z_FINISH);
	deflateEnd(&stream);
	return (IntakeSlice){out, stream.total_out};
}

static const char *
unpack(const char *coding, IntakeSlice packed, size_t most, IntakeSlice *plain)
{
	intake_work_begin(packed.len, 1);
	return intake_unpack(intake_slice_cstr(coding), packed, most, plain);
}

void
test_unpack(void)
{
	size_t large = 64 * 1024 * 1024;
	char *zeros = palloc0(large);
	IntakeSlice packed = pack("hello, hello", 12, true);
	IntakeSlice plain;

	CHECK(unpack("gzip", packed, 12, &plain) == NULL);
	CHECK(intake_slice_equal(plain, intake_slice_cstr("hello, hello")));
	CHECK(unpack("gzip", packed, 11, &plain) != NULL);
	CHECK(unpack("deflate", packed, 12, &plain) != NULL);
	CHECK(unpack("zstd", packed, 12, &plain) != NULL);
	for (size_t n = 0; n < packed.len; n++)
		CHECK(unpack("x-gzip", (IntakeSlice){packed.data, n}, 12, &plain) != NULL);
	CHECK(unpack("gzip", (IntakeSlice){packed.data, packed.len + 1}, 12, &plain) != NULL);
	packed = pack("", 0, false);
	CHECK(unpack("Deflate", packed, 0, &plain) == NULL && plain.data != NULL && plain.len == 0);
	/* A bomb stops at its bound, or at what a request may cost. */
	packed = pack(zeros, large, true);
	CHECK(packed.len < 100000);
	CHECK(strstr(unpack("gzip", packed, 1024 * 1024, &plain), "too large"));
	CHECK(plain.len <= 1024 * 1024 + 1);
	CHECK(strstr(unpack("gzip", packed, large, &plain), "costs more"));
	CHECK(plain.len < large / 4);
}
