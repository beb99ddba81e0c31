/*
 * url.h
 *		Parts and forms of a URL, as senders sign them. Pure.
 */
#ifndef INTAKE_URL_H
#define INTAKE_URL_H

#include "common/slice.h"

extern IntakeSlice intake_url_without_query(IntakeSlice url);
extern IntakeSlice intake_url_path(IntakeSlice url);
extern IntakeSlice intake_url_canonical_path(IntakeSlice url, IntakeSlice base);
extern IntakeSlice intake_url_toggle_port(IntakeSlice url);
extern IntakeSlice intake_url_decode_escapes(IntakeSlice url);

extern bool intake_url_query_is(IntakeSlice public_url, IntakeSlice query,
								const char *const *fields, int count);

#endif
