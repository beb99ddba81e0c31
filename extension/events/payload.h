/*
 * payload.h
 *		JSON made from the bytes of a request, without ever raising an error for them.
 */
#ifndef INTAKE_PAYLOAD_H
#define INTAKE_PAYLOAD_H

#include "postgres.h"

#include "utils/jsonb.h"

#include "common/slice.h"
#include "events/event_row.h"
#include "read/json.h"
#include "verify/single.h"

extern Jsonb *intake_payload_of_event(int32 source_id, Jsonb *headers, IntakeSlice body,
									  IntakeJson known);
extern Jsonb *intake_payload_of_stored(const IntakeStoredEvent *event, MemoryContext keeps);
extern bool intake_payload_is_json(IntakeSlice body);
extern IntakeSlice intake_payload_head(Jsonb *headers);
extern Datum intake_payload_body(Jsonb *payload);
extern Jsonb *intake_payload_headers(IntakeSlice block, const IntakeReaders *readers,
									 IntakeSlice secret);

#endif
