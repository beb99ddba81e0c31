/*
 * answer.c
 *		What comes back from a host: headers and body, bounded.
 *
 * A body is kept as it is decoded. Where the budget has no room for more of it, its transfer waits,
 * and its host with it, until others have gone. One, the first that finds no room, goes on
 * beyond the budget, until the database has its answer, or all of them might wait for one another.
 */
#include <stdlib.h>

#include "answer.h"
#include "budget.h"

#define PIECE (16 * 1024) /* bytes that are decoded at a time */

static CourierTransfer *waiting; /* for room, the first one first */

/* Ends the transfer, which the library does when a callback has not taken all. */
static size_t
fail(CourierTransfer *transfer, const char *word, const char *detail)
{
	transfer->fault = word;
	transfer->detail = detail;
	return 0;
}

/* ---- headers ---- */

static bool
begins_head(IntakeSlice line)
{
	return intake_slice_starts(line, intake_slice_cstr("HTTP/"));
}

static bool
is_status(IntakeSlice text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
	return text.len == 3 && text.data[0] != '0';
}

/* A status line: what came before was provisional. Returns false where it is none. */
static bool
begin_head(CourierTransfer *transfer, IntakeSlice line)
{
	IntakeSlice rest;
	IntakeSlice status;

	(void) intake_slice_cut(line, " ", &rest);
	status = intake_slice_cut(rest, " ", &rest);
	if (!is_status(status))
		return fail(transfer, "protocol", "the status");
	transfer->final = status.data[0] != '1';
	transfer->in_head = true;
	transfer->foldable = false;
	transfer->call->headers.length = 0;
	courier_decode_end(transfer->decoder);
	transfer->decoder = NULL;
	return true;
}

/* A Content-Encoding. Returns false where the body cannot be read. */
static bool
set_encoding(CourierTransfer *transfer, IntakeSlice value)
{
	bool identity;

	if (!courier_decode_knows(value, &identity))
		return false;
	if (identity)
		return true;
	if (transfer->decoder != NULL)
		return false;
	transfer->decoder = courier_decode_begin();
	return true;
}

/* What is compressed on the way would be decoded by the library, without a bound. */
static bool
is_plain_transfer(IntakeSlice value)
{
	return intake_slice_equal_nocase(value, intake_slice_cstr("chunked")) ||
		   intake_slice_equal_nocase(value, intake_slice_cstr("identity"));
}

static bool
has_controls(IntakeSlice line)
{
	for (size_t i = 0; i < line.len; i++)
		if (((unsigned char) line.data[i] < ' ' && line.data[i] != '\t') || line.data[i] == 0x7f)
			return true;
	return false;
}

static void
keep_line(CourierTransfer *transfer, IntakeSlice line)
{
	CourierCall *call = transfer->call;

	intake_buffer_append(&call->headers, line.data, line.len);
	intake_buffer_append(&call->headers, "\r\n", 2);
	courier_call_count(call);
	transfer->foldable = true;
}

/* A line that goes on with the one before, as newer versions of the library put it. */
static bool
unfold(CourierTransfer *transfer, IntakeSlice line)
{
	if (!transfer->foldable)
		return false;
	transfer->call->headers.length -= 2;
	intake_buffer_append(&transfer->call->headers, " ", 1);
	keep_line(transfer, intake_slice_trim(line));
	return true;
}

/* A line of a head. Returns false when it ends the transfer, having set why. */
static bool
take_line(CourierTransfer *transfer, IntakeSlice line)
{
	IntakeSlice value;
	IntakeSlice name = intake_slice_cut(line, ":", &value);
	bool folded = line.data[0] == ' ' || line.data[0] == '\t';

	if (has_controls(line))
		return fail(transfer, "protocol", "a control character in a header");
	if (folded && unfold(transfer, line))
		return true;
	transfer->foldable = false;
	if (folded || value.data == NULL)
		return fail(transfer, "protocol", "a header without a name");
	value = intake_slice_trim(value);
	if (intake_slice_equal_nocase(name, intake_slice_cstr("Transfer-Encoding")) &&
		!is_plain_transfer(value))
		return fail(transfer, "encoding", "a Transfer-Encoding that was not asked for");
	if (!intake_slice_equal_nocase(name, intake_slice_cstr("Content-Encoding")))
		keep_line(transfer, line);
	else if (!set_encoding(transfer, value))
		return fail(transfer, "encoding", "a Content-Encoding that was not asked for");
	return true;
}

static IntakeSlice
without_end(IntakeSlice line)
{
	while (line.len > 0 && (line.data[line.len - 1] == '\n' || line.data[line.len - 1] == '\r'))
		line.len--;
	return line;
}

/* For the library: a line of a head, or one that comes behind the body. */
size_t
courier_answer_take_header(char *data, size_t size, size_t count, void *closure)
{
	CourierTransfer *transfer = closure;
	IntakeSlice line = without_end((IntakeSlice){data, count * size});

	transfer->head_bytes += count;
	if (transfer->head_bytes > COURIER_MAX_HEADERS || ++transfer->head_lines > COURIER_MAX_LINES)
		return fail(transfer, "too_large", "the headers");
	if (!transfer->in_head && !transfer->final && begins_head(line))
		return begin_head(transfer, line) ? count : 0;
	if (line.len == 0)
		transfer->in_head = false;
	else if (transfer->in_head && !take_line(transfer, line))
		return 0;
	return count;
}

/* ---- body ---- */

/* Whether a body may take so many bytes more now; if not, its transfer waits. */
static bool
has_room(CourierTransfer *transfer, size_t more)
{
	const IntakeBuffer *answer = &transfer->call->answer;
	size_t growth = intake_buffer_room(answer, more) - answer->room;

	return growth == 0 || courier_budget_has(growth) || courier_call_may_exceed(transfer->call);
}

static size_t
wait_for_room(CourierTransfer *transfer)
{
	CourierTransfer **last = &waiting;

	while (*last != NULL)
		last = &(*last)->next;
	*last = transfer;
	transfer->next = NULL;
	transfer->waits = true;
	return CURL_WRITEFUNC_PAUSE;
}

/* Adds to the body. Returns false where it becomes too large. */
static bool
keep(CourierTransfer *transfer, const char *data, size_t length)
{
	CourierCall *call = transfer->call;

	if (length > call->most - call->answer.length)
		return fail(transfer, "too_large", "the answer");
	intake_buffer_append(&call->answer, data, length);
	courier_call_count(call);
	return true;
}

static size_t
take_encoded(CourierTransfer *transfer, IntakeSlice data)
{
	IntakeSlice in = intake_slice_after(data, transfer->decoded);
	CourierDecodeResult result;
	char out[PIECE];
	size_t length;

	do
	{
		transfer->decoded = data.len - in.len;
		if (!has_room(transfer, PIECE))
			return wait_for_room(transfer);
		result = courier_decode(transfer->decoder, &in, out, PIECE, &length);
		if (result == DECODE_BROKEN)
			return fail(transfer, "encoding", "the body is not in its Content-Encoding");
		if (!keep(transfer, out, length))
			return 0;
	} while (result == DECODE_MORE);
	transfer->decoded = 0;
	return data.len;
}

/* For the library: a piece of a body, which comes again when its transfer has waited. */
size_t
courier_answer_take_body(char *data, size_t size, size_t count, void *closure)
{
	CourierTransfer *transfer = closure;
	size_t length = size * count;

	if (transfer->decoder != NULL)
		return take_encoded(transfer, (IntakeSlice){data, length});
	if (!has_room(transfer, length))
		return wait_for_room(transfer);
	return keep(transfer, data, length) ? length : 0;
}

/* Whether the body has its end. */
bool
courier_answer_is_whole(const CourierTransfer *transfer)
{
	return transfer->decoder == NULL || courier_decode_is_whole(transfer->decoder);
}

/* ---- room ---- */

static void
stop_waiting(CourierTransfer *transfer)
{
	CourierTransfer **place = &waiting;

	while (*place != NULL && *place != transfer)
		place = &(*place)->next;
	if (*place != NULL)
		*place = transfer->next;
	transfer->next = NULL;
	transfer->waits = false;
}

/* A transfer is over. */
void
courier_answer_end(CourierTransfer *transfer)
{
	if (transfer->waits)
		stop_waiting(transfer);
	courier_decode_end(transfer->decoder);
}

/* Lets those go on that there is room for now; each that finds none waits again, behind the others. */
void
courier_answer_resume(void)
{
	for (CourierTransfer *last = NULL; waiting != NULL && waiting != last;)
	{
		CourierTransfer *first = waiting;

		if (!courier_budget_has(PIECE) && !courier_call_may_exceed(first->call))
			return;
		stop_waiting(first);
		(void) curl_easy_pause(first->easy, CURLPAUSE_CONT);
		if (first->waits && last == NULL)
			last = first;
	}
}
