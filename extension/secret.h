/*
 * secret.h
 *		What requests do to secrets: use them, and teach them.
 */
#ifndef INTAKE_SECRET_H
#define INTAKE_SECRET_H

#include "delivery.h"

extern void intake_secret_note_uses(IntakeDelivery *deliveries, int count);
extern void intake_secret_learn(IntakeDelivery *delivery);
extern void intake_secret_install_hook(void);

#endif
