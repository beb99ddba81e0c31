/*
 * handshake.h
 *		Challenges by which a provider checks an endpoint, as rules. Pure.
 */
#ifndef INTAKE_HANDSHAKE_H
#define INTAKE_HANDSHAKE_H

#include "scheme.h"

/* A rule as it is stored: an element of intake.scheme.handshake. */
typedef struct IntakeHandshakeRow
{
	const char *method;
	const IntakePair *require;
	int n_require;
	bool after_verification; /* the request must have verified */
	int status;
	const char *content_type; /* or NULL */
	const char *headers;      /* template of header lines, or NULL */
	const char *body;         /* template, or NULL */
} IntakeHandshakeRow;

typedef struct IntakeHandshake
{
	const char *method;
	IntakeRequirement *require;
	int n_require;
	bool after_verification;
	int status;
	const char *content_type;
	IntakeMessage *headers;
	IntakeMessage *body;
} IntakeHandshake;

typedef struct IntakeAnswer
{
	int status;
	const char *content_type; /* or NULL */
	const char *headers;      /* lines, or NULL */
	IntakeSlice body;         /* or absent */
} IntakeAnswer;

extern IntakeHandshake *intake_handshake_compile(const IntakeHandshakeRow *row, char **error);
extern bool intake_handshake_answer(const IntakeHandshake *rules, int count,
									const IntakeRequest *request, IntakeSlice token, bool verified,
									IntakeAnswer *answer);

#endif
