/*
 * candidate.h
 *		The signatures that a request presents. Pure.
 */
#ifndef INTAKE_CANDIDATE_H
#define INTAKE_CANDIDATE_H

#include "read/request.h"
#include "verify/scheme.h"

#define INTAKE_CANDIDATES_MAX 100

typedef struct IntakeCandidate
{
	IntakeSlice value;
	IntakeSlice timestamp; /* of its group, where the scheme has it there */
} IntakeCandidate;

typedef struct IntakeCandidates
{
	IntakeCandidate list[INTAKE_CANDIDATES_MAX];
	int count;
	bool overflow;   /* there were more */
	bool other_tags; /* there were items with other tags, or values without the prefix */
} IntakeCandidates;

extern void intake_candidates_collect(const IntakeScheme *scheme, const IntakeRequest *request,
									  IntakeSlice item, IntakeCandidates *candidates);
extern IntakeSlice intake_candidate_password(IntakeSlice value);

#endif
