/*
 * multipart.h
 *		Reading multipart/form-data (RFC 7578), so that no other reader can find other fields. Pure.
 */
#ifndef INTAKE_MULTIPART_H
#define INTAKE_MULTIPART_H

#include "common/slice.h"

#define INTAKE_MULTIPART_PARTS_MAX 1000
#define INTAKE_MULTIPART_HEAD_MAX 8192 /* bytes of a part's headers */

/* What a body has, however it was divided. */
typedef struct IntakeMultipart
{
	IntakeSlice form;    /* the fields, URL-encoded */
	IntakeSlice content; /* the same, and behind it the files; it tells two bodies apart */
} IntakeMultipart;

extern bool intake_multipart_is(IntakeSlice body);
extern const char *intake_multipart_read(IntakeSlice content_type, IntakeSlice body,
										 IntakeMultipart *out);

#endif
