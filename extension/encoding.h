/*
 * encoding.h
 *		Strict decoding of hexadecimal, base64 and base64url. Pure.
 */
#ifndef INTAKE_ENCODING_H
#define INTAKE_ENCODING_H

#include "slice.h"

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
extern void intake_encoding_hex(const unsigned char *bytes, size_t count, char *out);

#endif
