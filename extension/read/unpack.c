/*
 * unpack.c
 *		Content-Encoding: gzip and deflate, by zlib. Pure; what is made is palloc'ed.
 *
 * A body is one stream, from its first byte to its last: what stands behind it, other readers may
 * take for more of it. The memory of zlib is palloc'ed too, so that an interrupt leaves none behind.
 */
#include <zlib.h>

#include "common/memory.h"

#include "read/unpack.h"
#include "read/work.h"

#define FIRST_ROOM 16384
#define WINDOW 15 /* bits: the largest that there is */
#define GZIP 16   /* added to WINDOW: a header of gzip */
#define UNITS 3   /* of work for a byte */

static voidpf
allocate(voidpf opaque, uInt items, uInt size)
{
	(void) opaque;
	return palloc((size_t) items * size);
}

static void
release(voidpf opaque, voidpf memory)
{
	(void) opaque;
	pfree(memory);
}

/*
 * The bits of the window for zlib, which tell it the format; 0: the coding is not known. Deflate is
 * zlib's format, as RFC 9110 has it: without its header, other bytes could pass for packed ones.
 */
static int
format_of(IntakeSlice coding)
{
	if (intake_slice_equal_nocase(coding, intake_slice_cstr("gzip")) ||
		intake_slice_equal_nocase(coding, intake_slice_cstr("x-gzip")))
		return WINDOW + GZIP;
	return intake_slice_equal_nocase(coding, intake_slice_cstr("deflate")) ? WINDOW : 0;
}

/* Makes room for more, of which there is never more than one byte above MOST. */
static void
grow(IntakeSlice *room, size_t most)
{
	size_t size = room->len == 0 ? FIRST_ROOM : 2 * room->len;

	if (size > most + 1)
		size = most + 1;
	room->data = room->len == 0 ? palloc(size) : repalloc((char *) room->data, size);
	room->len = size;
}

/* Inflates all of a stream into ROOM; returns zlib's last word. */
static int
inflate_all(z_stream *stream, IntakeSlice *room, size_t most)
{
	int status = Z_OK;

	while (status == Z_OK && stream->total_out <= most && !intake_work_over())
	{
		size_t before = stream->total_out;

		if (before == room->len)
			grow(room, most);
		stream->next_out = (Bytef *) room->data + before;
		stream->avail_out = room->len - before;
		status = inflate(stream, Z_NO_FLUSH);
		intake_work_charge((stream->total_out - before) * UNITS);
	}
	return status;
}

/*
 * Unpacks a body of at most MOST bytes. Returns NULL, or what is wrong: nothing of the body is in it.
 */
const char *
intake_unpack(IntakeSlice coding, IntakeSlice packed, size_t most, IntakeSlice *plain)
{
	z_stream stream = {.zalloc = allocate, .zfree = release};
	IntakeSlice room = {NULL, 0};
	int format = format_of(coding);
	int status;

	if (format == 0)
		return "the Content-Encoding is not gzip or deflate";
	stream.next_in = (Bytef *) packed.data;
	stream.avail_in = packed.len;
	if (inflateInit2(&stream, format) != Z_OK)
		return "the body cannot be unpacked here";
	status = inflate_all(&stream, &room, most);
	(void) inflateEnd(&stream);
	*plain = (IntakeSlice){room.data ? room.data : "", stream.total_out};
	if (stream.total_out > most)
		return "the body is too large once it is unpacked";
	if (status == Z_OK)
		return "unpacking the body costs more than a request may";
	if (status == Z_BUF_ERROR)
		return "the packed body ends too early";
	if (status != Z_STREAM_END)
		return "the body is not packed as its Content-Encoding says";
	return stream.avail_in > 0 ? "there is something behind the packed body" : NULL;
}
