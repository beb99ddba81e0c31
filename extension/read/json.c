/*
 * json.c
 *		Finding values in JSON without building it. Pure; results are palloc'ed where they
 *		must differ from the text.
 *
 * Finding reads any bytes without harm, valid JSON or not; json_valid.c says which it is. Of
 * members of the same name the last one counts, as in jsonb.
 */
#include <limits.h>
#include <stdlib.h>

#include "common/memory.h"

#include "read/json.h"
#include "read/work.h"

#define CHARGE_EVERY 65536 /* bytes */

/* ---- paths ---- */

static bool
add_step(IntakePath *path, IntakeSlice name)
{
	IntakeStep *step;

	if (path->count == INTAKE_PATH_MAX)
		return false;
	step = &path->steps[path->count++];
	step->any = intake_slice_equal(name, intake_slice_cstr("*"));
	step->name = name;
	return true;
}

/* Undoes ~1 and ~0 of a step of a JSON pointer. */
static IntakeSlice
unescape_pointer(IntakeSlice step)
{
	char *out = palloc(step.len + 1);
	size_t n = 0;

	for (size_t i = 0; i < step.len; i++)
	{
		char c = step.data[i];

		if (c == '~' && i + 1 < step.len && (step.data[i + 1] == '0' || step.data[i + 1] == '1'))
			c = step.data[++i] == '0' ? '~' : '/';
		out[n++] = c;
	}
	return (IntakeSlice){out, n};
}

/*
 * Reads a JSON pointer (RFC 6901), such as /a/b/0; * is every element. The leading slash may
 * be missing. Returns false where it has too many steps, or none.
 */
bool
intake_json_pointer(const char *text, IntakePath *path)
{
	IntakeSlice rest = intake_slice_cstr(text);

	path->count = 0;
	if (rest.len > 0 && rest.data[0] == '/')
		rest = intake_slice_after(rest, 1);
	if (rest.len == 0)
		return false;
	while (rest.data != NULL)
		if (!add_step(path, unescape_pointer(intake_slice_cut(rest, "/", &rest))))
			return false;
	return true;
}

/* Takes one step, .name or [0] or ["name"], off a JSON path. */
static bool
take_step(const char **text, IntakePath *path)
{
	const char *start = *text + 1;
	const char *end;
	char quote;

	if (**text == '.')
	{
		end = start + strcspn(start, ".[");
		*text = end;
		return end > start && add_step(path, (IntakeSlice){start, end - start});
	}
	quote = start[0] == '"' || start[0] == '\'' ? start[0] : '\0';
	start += quote != '\0';
	end = strchr(start, quote ? quote : ']');
	if (end == NULL || end == start || (quote && end[1] != ']'))
		return false;
	*text = end + (quote ? 2 : 1);
	return add_step(path, (IntakeSlice){start, end - start});
}

/*
 * Reads a path such as $.a.b[0]["c d"]; [*] is every element. TEXT must outlive the path.
 * Returns false where it is not one.
 */
bool
intake_json_path(const char *text, IntakePath *path)
{
	path->count = 0;
	if (*text++ != '$')
		return false;
	while (*text == '.' || *text == '[')
		if (!take_step(&text, path))
			return false;
	return *text == '\0' && path->count > 0;
}

/* ---- walking ---- */

static void
skip_space(IntakeSlice *text)
{
	while (text->len > 0 && (text->data[0] == ' ' || text->data[0] == '\t' ||
							 text->data[0] == '\r' || text->data[0] == '\n'))
		*text = intake_slice_after(*text, 1);
}

/* Whether the quote at PLACE is escaped: an odd number of backslashes stands before it. */
static bool
is_escaped(const char *start, const char *place)
{
	const char *slash = place;

	while (slash > start && slash[-1] == '\\')
		slash--;
	return (place - slash) % 2 != 0;
}

/*
 * The end of a string, of which PLACE is behind the first quote. Most strings are shorter than
 * a call of memchr is worth, and some are long.
 */
static const char *
end_of_string(const char *place, const char *end)
{
	while (place < end)
	{
		const char *near = end - place > 16 ? place + 16 : end;
		const char *quote;

		while (place < near)
		{
			if (*place == '"')
				return place + 1;
			place += *place == '\\' && end - place > 1 ? 2 : 1;
		}
		quote = place < end ? (const char *) memchr(place, '"', end - place) : NULL;
		if (quote == NULL)
			return end;
		if (!is_escaped(place, quote))
			return quote + 1;
		place = quote + 1;
	}
	return end;
}

/* Takes a string off the text, quotes and all. */
static IntakeSlice
take_string(IntakeSlice *text)
{
	const char *start = text->data;
	const char *end = start + text->len;
	const char *place = end_of_string(start + 1, end);

	intake_work_charge(place - start);
	*text = (IntakeSlice){place, end - place};
	return (IntakeSlice){start, place - start};
}

/* The end of an object or array, of which PLACE is the first byte. */
static const char *
end_of_container(const char *place, const char *end)
{
	static const bool marks[256] = {
		['"'] = true, ['{'] = true, ['}'] = true, ['['] = true, [']'] = true};
	const char *charged = place;
	size_t depth = 0;

	do
	{
		char c = *place;

		place = c == '"' ? end_of_string(place + 1, end) : place + 1;
		if (c == '{' || c == '[')
			depth++;
		else if (c != '"' && --depth == 0)
			break;
		while (place < end && !marks[(unsigned char) *place])
			place++;
		if (place - charged >= CHARGE_EVERY)
		{
			intake_work_charge(place - charged);
			charged = place;
		}
	} while (place < end);
	intake_work_charge(place - charged);
	return place;
}

/* The end of a number or a word; also of what is neither. */
static const char *
end_of_word(const char *place, const char *end)
{
	static const bool ends[256] = {
		[','] = true, [':'] = true, [' '] = true, ['\t'] = true, ['\r'] = true, ['\n'] = true,
		['"'] = true, ['{'] = true, ['}'] = true, ['['] = true,  [']'] = true};

	while (place < end && !ends[(unsigned char) *place])
		place++;
	return place;
}

/* The end of the value that begins at PLACE, before END. */
const char *
intake_json_end(const char *place, const char *end)
{
	if (place == end)
		return end;
	if (*place == '"')
		return end_of_string(place + 1, end);
	if (*place == '{' || *place == '[')
		return end_of_container(place, end);
	return end_of_word(place, end);
}

/* Takes one value, whatever it is, off the text. Absent at the end. */
static IntakeSlice
take_value(IntakeSlice *text)
{
	const char *start;
	const char *end;
	const char *place;

	skip_space(text);
	if (text->len == 0)
		return INTAKE_ABSENT;
	if (text->data[0] == '"')
		return take_string(text);
	start = text->data;
	end = start + text->len;
	if (*start == '{' || *start == '[')
		place = end_of_container(start, end);
	else
	{
		place = end_of_word(start, end);
		intake_work_charge(place - start + 1);
	}
	*text = (IntakeSlice){place, end - place};
	return (IntakeSlice){start, place - start};
}

/* Steps over a comma; false where the container ends. */
static bool
take_comma(IntakeSlice *text)
{
	skip_space(text);
	if (text->len == 0 || text->data[0] != ',')
		return false;
	*text = intake_slice_after(*text, 1);
	return true;
}

static bool says(IntakeSlice string, IntakeSlice name);

/* Takes a member off the inside of an object. False at its end, and at what is no member. */
static bool
take_member(IntakeSlice *rest, IntakeSlice *key, IntakeSlice *value)
{
	skip_space(rest);
	if (rest->len == 0 || rest->data[0] != '"')
		return false;
	*key = take_string(rest);
	skip_space(rest);
	if (rest->len == 0 || rest->data[0] != ':')
		return false;
	*rest = intake_slice_after(*rest, 1);
	*value = take_value(rest);
	return true;
}

/* The value of the last member of that name; *REPEATS is set where there is another before it. */
static IntakeSlice
find_member(IntakeSlice object, IntakeSlice name, bool *repeats)
{
	IntakeSlice rest = intake_slice_after(object, 1);
	IntakeSlice found = INTAKE_ABSENT;
	IntakeSlice key;
	IntakeSlice value;

	do
	{
		if (!take_member(&rest, &key, &value))
			break;
		if (!says(key, name))
			continue;
		*repeats |= found.data != NULL;
		found = value;
	} while (take_comma(&rest));
	return found;
}

/* The place that the digits of a step name; -1 where they name none. */
static long
place_of(IntakeSlice digits)
{
	long place = 0;

	if (digits.len == 0 || digits.len > 6)
		return -1;
	for (size_t i = 0; i < digits.len; i++)
	{
		if (digits.data[i] < '0' || digits.data[i] > '9')
			return -1;
		place = place * 10 + (digits.data[i] - '0');
	}
	return place;
}

typedef struct Search
{
	const IntakePath *path;
	IntakeSlice *values;
	int most;
	int found;
	bool repeats; /* a name on the path is there twice */
} Search;

static void
search(Search *state, IntakeSlice value, int step)
{
	const IntakeStep *wanted = &state->path->steps[step];
	IntakeSlice rest;
	long place = 0;
	long last;

	skip_space(&value);
	if (value.data == NULL || value.len == 0 || state->found >= state->most)
		return;
	if (step == state->path->count)
	{
		state->values[state->found++] = value;
		return;
	}
	if (value.data[0] == '{' && !wanted->any)
		search(state, find_member(value, wanted->name, &state->repeats), step + 1);
	if (value.data[0] != '[')
		return;
	last = wanted->any ? LONG_MAX : place_of(wanted->name);
	rest = intake_slice_after(value, 1);
	do
	{
		IntakeSlice element = place <= last ? take_value(&rest) : INTAKE_ABSENT;

		if (element.data == NULL || element.len == 0)
			break;
		if (wanted->any || place == last)
			search(state, element, step + 1);
		place++;
	} while (state->found < state->most && take_comma(&rest));
}

/* A text without the mark (U+FEFF) that some write before UTF-8; to JSON it is nothing. */
IntakeSlice
intake_json_unmarked(IntakeSlice text)
{
	IntakeSlice mark = {"\xEF\xBB\xBF", 3};

	return intake_slice_starts(text, mark) ? intake_slice_after(text, mark.len) : text;
}

/*
 * Finds the values at a path, at most MOST, as they are written; returns how many. A step that
 * is a number is a place where it meets an array, and a name where it meets an object. Says in
 * *REPEATS whether an object on the path has two members of the name that the path asks for, of
 * which readers take the one or the other.
 */
int
intake_json_find_all(IntakeSlice text, const IntakePath *path, IntakeSlice *values, int most,
					 bool *repeats)
{
	Search state = {path, values, most, 0, false};

	search(&state, intake_json_unmarked(text), 0);
	*repeats = state.repeats;
	return state.found;
}

/* The same, whatever repeats. */
int
intake_json_find(IntakeSlice text, const IntakePath *path, IntakeSlice *values, int most)
{
	bool repeats;

	return intake_json_find_all(text, path, values, most, &repeats);
}

/* ---- scalars ---- */

static int
hex4(const char *digits)
{
	int value = 0;

	for (int i = 0; i < 4; i++)
	{
		char c = digits[i];

		if (!((c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'f')))
			return -1;
		value = value * 16 + (c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
	}
	return value;
}

static size_t
put_utf8(char *out, unsigned code)
{
	if (code < 0x80)
	{
		out[0] = (char) code;
		return 1;
	}
	if (code < 0x800)
	{
		out[0] = (char) (0xC0 | code >> 6);
		out[1] = (char) (0x80 | (code & 0x3F));
		return 2;
	}
	if (code < 0x10000)
	{
		out[0] = (char) (0xE0 | code >> 12);
		out[1] = (char) (0x80 | (code >> 6 & 0x3F));
		out[2] = (char) (0x80 | (code & 0x3F));
		return 3;
	}
	out[0] = (char) (0xF0 | code >> 18);
	out[1] = (char) (0x80 | (code >> 12 & 0x3F));
	out[2] = (char) (0x80 | (code >> 6 & 0x3F));
	out[3] = (char) (0x80 | (code & 0x3F));
	return 4;
}

/* Undoes the escape at TEXT, which begins with a backslash; returns how long it is, 0: bad. */
static size_t
unescape_one(IntakeSlice text, char *out, size_t *written)
{
	static const char escapes[] = "\"\\/bfnrt";
	static const char meanings[] = "\"\\/\b\f\n\r\t";
	const char *place;
	int code;
	int low;

	if (text.len < 2)
		return 0;
	place = text.data[1] != '\0' ? strchr(escapes, text.data[1]) : NULL;
	if (place != NULL)
	{
		out[0] = meanings[place - escapes];
		*written = 1;
		return 2;
	}
	if (text.data[1] != 'u' || text.len < 6 || (code = hex4(text.data + 2)) < 0)
		return 0;
	if (code < 0xD800 || code > 0xDFFF)
	{
		*written = put_utf8(out, (unsigned) code);
		return 6;
	}
	if (code > 0xDBFF || text.len < 12 || text.data[6] != '\\' || text.data[7] != 'u' ||
		(low = hex4(text.data + 8)) < 0xDC00 || low > 0xDFFF)
		return 0;
	*written =
		put_utf8(out, 0x10000u + ((unsigned) (code - 0xD800) << 10) + (unsigned) (low - 0xDC00));
	return 12;
}

/* Undoes all escapes up to one that is none: then it is not *WHOLE. Returns how many bytes it has written. */
static size_t
unescape_inside(IntakeSlice inside, char *out, bool *whole)
{
	size_t n = 0;

	*whole = true;
	while (inside.len > 0)
	{
		size_t length = 1;
		size_t written = 1;

		if (inside.data[0] != '\\')
			out[n] = inside.data[0];
		else if ((length = unescape_one(inside, out + n, &written)) == 0)
		{
			*whole = false;
			break;
		}
		n += written;
		inside = intake_slice_after(inside, length);
	}
	return n;
}

/*
 * Writes what a string says, given without its quotes, to OUT, where as many bytes have room. Returns
 * how many it has; where an escape is none, what is behind it is left out.
 */
size_t
intake_json_unescape(IntakeSlice inside, char *out)
{
	bool whole;

	return unescape_inside(inside, out, &whole);
}

/* What a string says, given with its quotes; absent where it is not a string. */
static IntakeSlice
unescape(IntakeSlice string)
{
	char *out;
	size_t n;
	bool whole;

	if (string.len < 2 || string.data[0] != '"' || string.data[string.len - 1] != '"')
		return INTAKE_ABSENT;
	string = (IntakeSlice){string.data + 1, string.len - 2};
	if (memchr(string.data, '\\', string.len) == NULL)
		return string;
	intake_work_charge(string.len);
	out = palloc(string.len + 1);
	n = unescape_inside(string, out, &whole);
	return whole ? (IntakeSlice){out, n} : INTAKE_ABSENT;
}

/* Whether a string, given with its quotes, says NAME. */
static bool
says(IntakeSlice string, IntakeSlice name)
{
	if (string.len < 2 || string.data[string.len - 1] != '"' || string.len - 2 < name.len)
		return false;
	string = (IntakeSlice){string.data + 1, string.len - 2};
	while (string.len > 0)
	{
		char bytes[4];
		size_t length = 1;
		size_t written = 1;

		bytes[0] = string.data[0];
		if (bytes[0] == '\\' && (length = unescape_one(string, bytes, &written)) == 0)
			return false;
		if (written > name.len || memcmp(bytes, name.data, written) != 0)
			return false;
		name = intake_slice_after(name, written);
		string = intake_slice_after(string, length);
	}
	return name.len == 0;
}

/*
 * What a scalar says: a string without its escapes, a number or a truth value as written.
 * Absent for null, for objects and for arrays.
 */
IntakeSlice
intake_json_scalar(IntakeSlice value)
{
	if (value.data == NULL || value.len == 0 || value.data[0] == '{' || value.data[0] == '[')
		return INTAKE_ABSENT;
	if (value.data[0] == '"')
		return unescape(value);
	if (intake_slice_equal(value, intake_slice_cstr("null")))
		return INTAKE_ABSENT;
	return value;
}

/* ---- names ---- */

static int
compare_names(const void *a, const void *b)
{
	const IntakeSlice *left = a;
	const IntakeSlice *right = b;

	if (left->len != right->len)
		return left->len < right->len ? -1 : 1;
	return left->len == 0 ? 0 : memcmp(left->data, right->data, left->len);
}

/*
 * Whether an object has two members of one name, of which readers take one or the other. Those of
 * what stands in it are not looked at.
 */
bool
intake_json_repeats_name(IntakeSlice object)
{
	size_t room = 16;
	size_t count = 0;
	IntakeSlice *names = palloc(room * sizeof(IntakeSlice));
	IntakeSlice rest;
	IntakeSlice value;

	skip_space(&object);
	rest = intake_slice_after(object, object.len > 0 ? 1 : 0);
	do
	{
		if (count == room)
			names = repalloc(names, (room *= 2) * sizeof(IntakeSlice));
		if (!take_member(&rest, &names[count], &value))
			break;
		names[count] = unescape(names[count]);
		count++;
	} while (take_comma(&rest));
	intake_work_charge(count * 16);
	qsort(names, count, sizeof(IntakeSlice), compare_names);
	for (size_t i = 1; i < count; i++)
		if (compare_names(&names[i - 1], &names[i]) == 0)
			return true;
	return false;
}
