/*
 * sketch.h
 *		Requests drawn from the parts of what is signed: each part is put back where its scheme
 *		reads it. For attacks on the borders between the parts.
 */
#ifndef SKETCH_H
#define SKETCH_H

#include "presets.h"
#include "read/request.h"

#define SEGMENTS_MAX 40
#define SKETCH_NOW INT64_C(1700000000) /* when the genuine request is signed; seconds */

typedef enum
{
	SEGMENT_LITERAL,
	SEGMENT_BODY,
	SEGMENT_TIME,
	SEGMENT_METHOD,
	SEGMENT_URL,
	SEGMENT_ENDPOINT,
	SEGMENT_PATH,
	SEGMENT_SECRET,
	SEGMENT_TOKEN,
	SEGMENT_FORM,
	SEGMENT_CRC,
	SEGMENT_LIST,
	SEGMENT_PLACE,
	SEGMENT_OPEN,
	SEGMENT_CLOSE
} SegmentKind;

/* A part of a template, read anew: the attack does not trust what it attacks. */
typedef struct Segment
{
	SegmentKind kind;
	bool lower;
	IntakeSlice text; /* of a literal; the header of a list */
	IntakePlace place;
} Segment;

typedef struct Sketch
{
	const FuzzPreset *preset;
	const IntakeSchemeRow *row;
	const IntakeScheme *scheme; /* the row, compiled */
	Segment segments[SEGMENTS_MAX];
	int count;
	IntakeSlice values[SEGMENTS_MAX]; /* of each segment; absent: it is left out */
	IntakeSlice form;                 /* the body, where only its sorted form is signed */
	IntakeSlice time;                 /* where the scheme has one, and does not sign it */
	IntakeSlice id;                   /* where the key is not signed */
	IntakeSlice text;                 /* of a customer */
	IntakeSlice signature;            /* encoded */
	IntakeSlice token;                /* of the source */
	const char *base;                 /* public_url */
	int style;                        /* of a body: see sketch_body */
	bool twice;                       /* a scheme that signs items gets each of them twice */
} Sketch;

#define SKETCH_STYLES 5

extern void sketch_begin(Sketch *sketch, const FuzzPreset *preset, int row,
						 const IntakeScheme *scheme);
extern const char *sketch_time(const IntakeScheme *scheme, bool later);
extern IntakeSlice sketch_body(const Sketch *sketch);
extern IntakeSlice sketch_query(const Sketch *sketch, IntakeSlice body);
extern IntakeSlice sketch_url(const char *base, IntakeSlice query);
extern IntakeRequest sketch_request(const Sketch *sketch);

/* A text that grows. */
typedef struct Draft
{
	char *data;
	size_t len;
	size_t room;
} Draft;

extern void draft_add(Draft *draft, IntakeSlice more);
extern void draft_put(Draft *draft, const char *more);
extern void draft_put_encoded(Draft *draft, IntakeSlice text);
extern IntakeSlice draft_slice(const Draft *draft);

#endif
