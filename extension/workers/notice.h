/*
 * notice.h
 *		Commands that change what workflows depend on.
 */
#ifndef INTAKE_NOTICE_H
#define INTAKE_NOTICE_H

#include "postgres.h"

#include "nodes/nodes.h"

extern void intake_notice_command(Node *statement);

#endif
