/*
 * hide.h
 *		What an answer must not show of the secret that its call was made with.
 */
#ifndef INTAKE_HIDE_H
#define INTAKE_HIDE_H

#include "calls/secret_place.h"

#define INTAKE_HIDDEN_MOST 32

/* Texts that are hidden. */
typedef struct IntakeHidden
{
	IntakeSlice texts[INTAKE_HIDDEN_MOST];
	int count;
} IntakeHidden;

extern void intake_hide_learn(IntakeHidden *hidden, const IntakeSecretPlace *place,
							  IntakeSlice secret);
extern void intake_hide_forget(IntakeHidden *hidden);
extern IntakeSlice intake_hide(const IntakeHidden *hidden, IntakeSlice bytes);

#endif
