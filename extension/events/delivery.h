/*
 * delivery.h
 *		Deliveries that have many events, and these.
 */
#ifndef INTAKE_DELIVERY_H
#define INTAKE_DELIVERY_H

#include "events/event.h"

extern IntakeEvent **intake_delivery_unfold(IntakeEvent **events, int *count);
extern void intake_delivery_compare(IntakeEvent **events, int count);

#endif
