/*
 * lost.h
 *		Couriers that were not seen for too long, and what they hold.
 */
#ifndef INTAKE_LOST_H
#define INTAKE_LOST_H

extern void intake_lost_expire(void);

#endif
