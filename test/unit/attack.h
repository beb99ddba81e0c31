/*
 * attack.h
 *		What the attacks of resplit.h share: a source, its genuine request, and what the product
 *		would make of another one.
 */
#ifndef ATTACK_H
#define ATTACK_H

#include "resplit.h"
#include "sketch.h"
#include "verify/signature.h"

#define ATTACK_SECRET "user:secret-of-the-source"
#define ATTACK_TOKEN "arn:aws:sns:us-east-1:123456789012:topic" /* verify_token */
#define ATTACK_BODY "{\"forged\":true,\"id\":\"another-id\"}"
#define ATTACK_ROWS 4

typedef struct Attack
{
	Resplit *resplit;
	IntakeSchemeRow rows[ATTACK_ROWS]; /* those of the preset, but signed by HMAC */
	FuzzPreset preset;
	IntakeScheme *scheme;
	IntakeKey key;
	Sketch original;
	IntakeSlice original_key;
	IntakeDigest *original_guards;
	int n_original_guards;
	IntakeSlice content; /* that was signed */
	IntakeSlice signature;
	bool extended; /* the content is more than what the sender signed */
	bool moved;    /* the fields of a form are */
	Sketch forged;
	int left; /* requests to try */
} Attack;

extern void attack_begin(Attack *a, Resplit *resplit);
extern void attack_end(Attack *a);
extern const IntakeScheme *attack_scheme(const Attack *a, int row);
extern void attack_sketch(const Attack *a, Sketch *sketch, int row);
extern bool attack_verify(Attack *a, IntakeRequest *request, IntakeVerdict *verdict);
extern bool attack_content_fits(const IntakeVerdict *verdict, IntakeRequest *request);
extern IntakeSlice attack_key(const Attack *a, const IntakeVerdict *verdict,
							  const IntakeRequest *request);
extern int attack_guards(const Attack *a, const IntakeVerdict *verdict,
						 const IntakeRequest *request, IntakeDigest **guards);
extern bool attack_is_news(const Attack *a, const IntakeVerdict *verdict,
						   const IntakeRequest *request);
extern bool attack_is_time(const Sketch *s, const Segment *segment);
extern const char *attack_path(const char *url);
extern IntakeSlice attack_sign(Attack *a, const IntakeScheme *scheme, IntakeSlice content);
extern bool attack_make_original(Attack *a);
extern void attack_cut(Attack *a);

#endif
