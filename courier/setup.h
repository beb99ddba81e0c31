/*
 * setup.h
 *		What the library is told of a call before it starts.
 */
#ifndef COURIER_SETUP_H
#define COURIER_SETUP_H

#include "answer.h"
#include "options.h"

extern void courier_setup_init(const CourierOptions *options, CourierBegan began);
extern void courier_setup_do(CourierTransfer *transfer);

#endif
