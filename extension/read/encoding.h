/*
 * encoding.h
 *		Hexadecimal, base64 and base64url, decoded strictly. Pure.
 */
#ifndef INTAKE_ENCODING_H
#define INTAKE_ENCODING_H

#include "common/slice.h"

typedef enum
{
	INTAKE_RAW,
	INTAKE_HEX,
	INTAKE_BASE64,
	INTAKE_BASE64URL
} IntakeEncoding;

extern bool intake_encoding_parse(const char *name, IntakeEncoding *encoding);
extern bool intake_encoding_decode(IntakeEncoding encoding, IntakeSlice text, unsigned char *out,
								   size_t size, size_t *length);
extern size_t intake_encoding_size(size_t count);
extern size_t intake_encoding_encode(IntakeEncoding encoding, IntakeSlice bytes, char *out);
extern void intake_encoding_hex(const unsigned char *bytes, size_t count, char *out);

#endif
