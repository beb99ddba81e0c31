/*
 * payload.h
 *		JSON made from the bytes of a request, without ever raising an error for them.
 */
#ifndef INTAKE_PAYLOAD_H
#define INTAKE_PAYLOAD_H

#include "postgres.h"

#include "utils/jsonb.h"

#include "common/slice.h"
#include "verify/scheme.h"

extern IntakeSlice intake_payload_bytes(Datum datum);
extern Jsonb *intake_payload_parse(IntakeSlice body);
extern Jsonb *intake_payload_headers(IntakeSlice block, const IntakeScheme *scheme,
									 IntakeSlice secret);
extern bool intake_payload_text_valid(IntakeSlice text);

#endif
