/*
 * request.h
 *		An HTTP request as it arrived. Pure.
 */
#ifndef INTAKE_REQUEST_H
#define INTAKE_REQUEST_H

#include "common/slice.h"
#include "read/json.h"

/* Microseconds between the epochs of Unix and of PostgreSQL. */
#define INTAKE_UNIX_EPOCH INT64_C(946684800000000)

typedef struct IntakeRequest
{
	IntakeSlice method;
	IntakeSlice query;   /* raw, without the question mark */
	IntakeSlice headers; /* lines "Name: value\r\n", in order, repeats kept */
	IntakeSlice body;    /* as it was sent */
	/* What body.c finds in it, once it is open: */
	bool open;
	size_t most;            /* bytes that it may be once it is unpacked */
	IntakeSlice unpacked;   /* as it was before it was packed; absent: it is not packed */
	IntakeSlice content;    /* what tells it from other bodies; absent: it is the body */
	IntakeSlice text;       /* where JSON is read; absent: it is the body */
	IntakeSlice form;       /* where fields are read, URL-encoded; absent: it is the body */
	const char *problem;    /* what hides JSON or fields, or NULL */
	IntakeJson json;        /* what the text is, where somebody has looked */
	IntakeSlice public_url; /* as it is configured, or absent where URL is from somebody else */
	IntakeSlice url;        /* as the sender called it, or absent */
	IntakeSlice claims;     /* of its verified JSON Web Token, or absent */
	int64_t now;            /* microseconds since the Unix epoch */
} IntakeRequest;

/* What tells a body from others, however it was divided. */
static inline IntakeSlice
intake_request_content(const IntakeRequest *request)
{
	return request->content.data != NULL ? request->content : request->body;
}

/* Where places in JSON are read. */
static inline IntakeSlice
intake_request_text(const IntakeRequest *request)
{
	return request->text.data != NULL ? request->text : intake_request_content(request);
}

/* Where fields of a form are read. */
static inline IntakeSlice
intake_request_form(const IntakeRequest *request)
{
	return request->form.data != NULL ? request->form : intake_request_content(request);
}

#endif
