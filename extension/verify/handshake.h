/*
 * handshake.h
 *		Challenges by which a provider checks an endpoint, as rules. Pure.
 */
#ifndef INTAKE_HANDSHAKE_H
#define INTAKE_HANDSHAKE_H

#include "verify/requirement.h"

/* A rule as it is stored: an element of intake.scheme.handshake. */
typedef struct IntakeHandshakeRow
{
	const char *method;
	const IntakePair *require;
	int n_require;
	bool after_verification; /* the request must have verified */
	int status;
	const char *content_type; /* or NULL */
	const char *headers;      /* templates of header lines, with \n between them, or NULL */
	const char *body;         /* template, or NULL */
	const IntakePair *json;   /* or members of a JSON object, and templates of their strings */
	int n_json;
	const char *learn; /* location of a secret to be stored, or NULL */
} IntakeHandshakeRow;

typedef struct IntakeHandshake
{
	const char *method;
	IntakeRequirement *require;
	int n_require;
	bool after_verification;
	int status;
	const char *content_type;
	IntakeTemplate **headers; /* one for each line */
	int n_headers;
	IntakeTemplate *body;
	const char **names; /* of the members of a JSON object */
	IntakeTemplate **members;
	int n_members;
	IntakeLocation *learn;
} IntakeHandshake;

typedef struct IntakeAnswer
{
	int status;
	const char *content_type; /* or NULL */
	IntakeSlice headers;      /* lines with \r\n between them, or absent */
	IntakeSlice body;         /* or absent */
	IntakeSlice secret;       /* what the request teaches, or absent */
} IntakeAnswer;

extern IntakeHandshake *intake_handshake_compile(const IntakeHandshakeRow *row, const char **why);
extern void intake_handshake_release(IntakeHandshake *rule);
extern bool intake_handshake_answer(const IntakeHandshake *rules, int count,
									const IntakeRequest *request, IntakeSlice token, IntakeMac mac,
									bool verified, IntakeAnswer *answer);

#endif
