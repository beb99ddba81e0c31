/*
 * tending.h
 *		What the supervisor does for workflows whose surroundings change.
 */
#ifndef INTAKE_TENDING_H
#define INTAKE_TENDING_H

extern void intake_tending_note_change(void);
extern void intake_tending_poll(void);
extern long intake_tending_due(void);
extern void intake_tending_do(void);

#endif
