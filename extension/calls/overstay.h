/*
 * overstay.h
 *		Transactions of couriers that do not end.
 */
#ifndef INTAKE_OVERSTAY_H
#define INTAKE_OVERSTAY_H

extern void intake_overstay_watch(int milliseconds);

#endif
