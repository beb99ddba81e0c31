/*
 * payload.h
 *		JSON made from the bytes of a request, without ever raising an error for them.
 */
#ifndef INTAKE_PAYLOAD_H
#define INTAKE_PAYLOAD_H

#include "postgres.h"

#include "utils/jsonb.h"

#include "common/slice.h"
#include "read/json.h"
#include "verify/scheme.h"

extern Jsonb *intake_payload_parse(IntakeSlice body, IntakeJson known);
extern Jsonb *intake_payload_headers(IntakeSlice block, const IntakeScheme *scheme,
									 IntakeSlice secret);

#endif
