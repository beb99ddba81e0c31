/*
 * hidden.h
 *		Statements that have secrets in them, which the server's log does not get.
 */
#ifndef INTAKE_HIDDEN_H
#define INTAKE_HIDDEN_H

extern void intake_hidden_install_hook(void);

#endif
