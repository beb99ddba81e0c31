/*
 * decode.c
 *		Bodies that came compressed: gzip, and deflate with or without its frame.
 *
 * The HTTP library could decode, but would take whatever it knows, asked for or not, with windows of
 * 128 MB. Here a decoder has 40 kB, and its caller says how much it may write at a time.
 */
#include <stdlib.h>
#include <zlib.h>

#include "decode.h"

struct CourierDecoder
{
	z_stream stream;
	bool begun;
	bool framed; /* gzip or zlib; otherwise bare deflate */
	bool ended;
};

/* Whether bodies with this Content-Encoding can be read; sets *IDENTITY where they are plain. */
bool
courier_decode_knows(IntakeSlice encoding, bool *identity)
{
	static const char *const names[] = {"gzip", "x-gzip", "deflate"};

	*identity =
		encoding.len == 0 || intake_slice_equal_nocase(encoding, intake_slice_cstr("identity"));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (intake_slice_equal_nocase(encoding, intake_slice_cstr(names[i])))
			return true;
	return *identity;
}

CourierDecoder *
courier_decode_begin(void)
{
	CourierDecoder *decoder = calloc(1, sizeof(CourierDecoder));

	if (decoder == NULL)
		abort();
	return decoder;
}

/* Whether a stream that begins so has a frame: gzip's, or zlib's, whose method is 8. */
static bool
is_framed(unsigned char first)
{
	return first == 0x1f || ((first & 0x0f) == 8 && first >> 4 <= 7);
}

static bool
begin(CourierDecoder *decoder, unsigned char first)
{
	decoder->begun = true;
	decoder->framed = is_framed(first);
	/* 32: with a frame of either kind. */
	return inflateInit2(&decoder->stream, decoder->framed ? MAX_WBITS + 32 : -MAX_WBITS) == Z_OK;
}

/* Decodes up to SIZE bytes of *IN, which it cuts, to OUT. */
CourierDecodeResult
courier_decode(CourierDecoder *decoder, IntakeSlice *in, char *out, size_t size, size_t *length)
{
	z_stream *stream = &decoder->stream;
	int result;

	*length = 0;
	if (!decoder->begun && in->len == 0)
		return DECODE_DONE;
	if (!decoder->begun && !begin(decoder, (unsigned char) in->data[0]))
		return DECODE_BROKEN;
	if (decoder->ended)
	{
		if (in->len == 0)
			return DECODE_DONE;
		/* gzip may be several, one behind the other. */
		if (!decoder->framed || inflateReset(stream) != Z_OK)
			return DECODE_BROKEN;
		decoder->ended = false;
	}
	stream->next_in = (Bytef *) (uintptr_t) in->data;
	stream->avail_in = (uInt) in->len;
	stream->next_out = (Bytef *) out;
	stream->avail_out = (uInt) size;
	result = inflate(stream, Z_NO_FLUSH);
	*length = size - stream->avail_out;
	*in = intake_slice_after(*in, in->len - stream->avail_in);
	decoder->ended = result == Z_STREAM_END;
	if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
		return DECODE_BROKEN;
	return stream->avail_out == 0 || in->len > 0 ? DECODE_MORE : DECODE_DONE;
}

/* Whether nothing is missing at the end. */
bool
courier_decode_is_whole(const CourierDecoder *decoder)
{
	return !decoder->begun || decoder->ended;
}

void
courier_decode_end(CourierDecoder *decoder)
{
	if (decoder == NULL)
		return;
	if (decoder->begun)
		(void) inflateEnd(&decoder->stream);
	free(decoder);
}
