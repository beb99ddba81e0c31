/*
 * command.h
 *		Which database a utility command needs without workers.
 */
#ifndef INTAKE_COMMAND_H
#define INTAKE_COMMAND_H

#include "postgres.h"

#include "nodes/nodes.h"

extern Oid intake_command_database(Node *statement, bool top);

#endif
