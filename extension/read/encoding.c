/*
 * encoding.c
 *		Hexadecimal, base64 and base64url, decoded strictly. Pure.
 *
 * Strict: an even number of hexadecimal digits, of either case; base64 with its padding;
 * base64url with or without; no other character, and no stray bits in the last one.
 */
#include "read/encoding.h"
#include "read/word.h"

bool
intake_encoding_parse(const char *name, IntakeEncoding *encoding)
{
	static const char *const names[] = {"raw", "hex", "base64", "base64url"};
	int found = 0;

	if (!intake_word_find(name, names, 4, &found))
		return false;
	*encoding = (IntakeEncoding) found;
	return true;
}

/* The value of a hexadecimal digit; 16 or more for any other byte. */
static inline unsigned
hex_value(char c)
{
	/* One more than the value; 0 for what is no digit. */
	static const unsigned char values[256] = {
		['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,
		['6'] = 7,  ['7'] = 8,  ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12,
		['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16, ['A'] = 11, ['B'] = 12,
		['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
	};

	return values[(unsigned char) c] - 1u;
}

static bool
decode_hex(IntakeSlice text, unsigned char *out)
{
	if (text.len % 2 != 0)
		return false;
	for (size_t i = 0; i < text.len; i += 2)
	{
		unsigned high = hex_value(text.data[i]);
		unsigned low = hex_value(text.data[i + 1]);

		if ((high | low) > 15)
			return false;
		out[i / 2] = (unsigned char) (high << 4 | low);
	}
	return true;
}

static int
base64_value(char c, bool url)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == (url ? '-' : '+'))
		return 62;
	if (c == (url ? '_' : '/'))
		return 63;
	return -1;
}

/* Takes the padding off; false where it is not what the length asks for. */
static bool
strip_padding(IntakeSlice *text, bool url)
{
	size_t padding = 0;

	while (padding < 2 && padding < text->len && text->data[text->len - 1 - padding] == '=')
		padding++;
	text->len -= padding;
	if (text->len % 4 == 1)
		return false;
	if (url && padding == 0)
		return true;
	return padding == (4 - text->len % 4) % 4;
}

static bool
decode_base64(IntakeSlice text, bool url, unsigned char *out)
{
	uint32_t bits = 0;
	int count = 0;

	for (size_t i = 0; i < text.len; i++)
	{
		int value = base64_value(text.data[i], url);

		if (value < 0)
			return false;
		bits = bits << 6 | (uint32_t) value;
		count += 6;
		if (count >= 8)
		{
			count -= 8;
			*out++ = (unsigned char) (bits >> count & 0xFF);
		}
	}
	return (bits & ((1u << count) - 1)) == 0;
}

/*
 * Decodes TEXT into OUT, which has SIZE bytes, and sets *LENGTH. Returns false where the text
 * is not in the encoding, or does not fit.
 */
bool
intake_encoding_decode(IntakeEncoding encoding, IntakeSlice text, unsigned char *out, size_t size,
					   size_t *length)
{
	bool url = encoding == INTAKE_BASE64URL;

	if ((encoding == INTAKE_BASE64 || url) && !strip_padding(&text, url))
		return false;
	*length = encoding == INTAKE_RAW   ? text.len
			  : encoding == INTAKE_HEX ? text.len / 2
									   : text.len * 3 / 4;
	if (*length > size)
		return false;
	if (encoding == INTAKE_HEX)
		return decode_hex(text, out);
	if (encoding != INTAKE_RAW)
		return decode_base64(text, url, out);
	if (text.len > 0)
		memcpy(out, text.data, text.len);
	return true;
}

/* Writes 2 * COUNT lower-case digits and a NUL. */
void
intake_encoding_hex(const unsigned char *bytes, size_t count, char *out)
{
	for (size_t i = 0; i < count; i++)
	{
		out[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
		out[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
	}
	out[2 * count] = '\0';
}

/* Room that COUNT bytes may need when encoded, with a NUL. */
size_t
intake_encoding_size(size_t count)
{
	return 2 * count + 5;
}

static size_t
encode_base64(IntakeSlice bytes, bool url, char *out)
{
	const char *digits = url ? "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
							 : "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t n = 0;

	for (size_t i = 0; i < bytes.len; i += 3)
	{
		size_t left = bytes.len - i;
		uint32_t bits = (uint32_t) (unsigned char) bytes.data[i] << 16;

		if (left > 1)
			bits |= (uint32_t) (unsigned char) bytes.data[i + 1] << 8;
		if (left > 2)
			bits |= (unsigned char) bytes.data[i + 2];
		out[n++] = digits[bits >> 18];
		out[n++] = digits[bits >> 12 & 63];
		if (left > 1)
			out[n++] = digits[bits >> 6 & 63];
		else if (!url)
			out[n++] = '=';
		if (left > 2)
			out[n++] = digits[bits & 63];
		else if (!url)
			out[n++] = '=';
	}
	out[n] = '\0';
	return n;
}

/*
 * Encodes BYTES into OUT, which has intake_encoding_size bytes, and ends it with a NUL; returns
 * the length. base64url is written without padding.
 */
size_t
intake_encoding_encode(IntakeEncoding encoding, IntakeSlice bytes, char *out)
{
	if (encoding == INTAKE_BASE64 || encoding == INTAKE_BASE64URL)
		return encode_base64(bytes, encoding == INTAKE_BASE64URL, out);
	if (encoding == INTAKE_HEX)
	{
		intake_encoding_hex((const unsigned char *) bytes.data, bytes.len, out);
		return 2 * bytes.len;
	}
	memcpy(out, bytes.data, bytes.len);
	out[bytes.len] = '\0';
	return bytes.len;
}
