/*
 * split.h
 *		A delivery that has many events: its items, each of which is an event by itself.
 */
#ifndef INTAKE_SPLIT_H
#define INTAKE_SPLIT_H

#include "receive/judge.h"

extern bool intake_split_delivery(IntakeDelivery *delivery, const IntakeScheme *scheme);
extern void intake_split_keep(IntakeDelivery *delivery);
extern size_t intake_split_size(const IntakeDelivery *delivery);
extern void intake_split_release(IntakeDelivery *delivery);

#endif
