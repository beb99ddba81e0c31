/*
 * session.h
 *		What the courier and the database have to say to each other, and when.
 */
#ifndef COURIER_SESSION_H
#define COURIER_SESSION_H

#include <poll.h>
#include <stdbool.h>

#include "options.h"

#define COURIER_SESSION_POLLERS 3

extern bool courier_session_start(const CourierOptions *options);
extern void courier_session_poll(struct pollfd *pollers);
extern double courier_session_timeout(void);
extern void courier_session_run(const struct pollfd *pollers);
extern void courier_session_send(void);
extern bool courier_session_is_in_touch(void);
extern void courier_session_leave(void);
extern bool courier_session_is_empty(void);
extern bool courier_session_has_left(void);
extern void courier_session_stop(void);

#endif
