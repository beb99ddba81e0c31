/*
 * wire.h
 *		Whether a session may be given secrets.
 */
#ifndef INTAKE_WIRE_H
#define INTAKE_WIRE_H

extern void intake_wire_require_private(void);

#endif
