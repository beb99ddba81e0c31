/*
 * session.h
 *		What handlers leave in the session of their executor.
 */
#ifndef INTAKE_SESSION_H
#define INTAKE_SESSION_H

#include "postgres.h"

extern void intake_session_keep_lock_timeout(void);
extern void intake_session_enter_handler(void);
extern void intake_session_leave_handler(void);
extern void intake_session_watch(void);
extern void intake_session_settle(void);
extern bool intake_session_must_end(void);
extern void intake_session_forget(void);
extern void intake_session_clear(void);

#endif
