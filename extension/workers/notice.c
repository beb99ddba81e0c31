/*
 * notice.c
 *		Commands that change what workflows depend on: their owners and their handlers.
 *
 * There may be no supervisor that would see it. So when such a command commits, the supervisors are
 * called whom it may concern: those of all databases where a role has changed, and where it cannot
 * have changed a name, only where a workflow waits. What is overlooked here is found by the next
 * supervisor, whatever it is called for.
 */
#include "postgres.h"

#include "nodes/parsenodes.h"

#include "queue/announce.h"
#include "workers/notice.h"

/* Whether an object is, or contains, what can be a handler. */
static bool
is_handler(ObjectType type)
{
	return type == OBJECT_FUNCTION || type == OBJECT_ROUTINE || type == OBJECT_SCHEMA;
}

/* Takes note of a command that has been run. */
void
intake_notice_command(Node *statement)
{
	ObjectType type;

	switch (nodeTag(statement))
	{
		case T_RenameStmt:
			type = ((RenameStmt *) statement)->renameType;
			if (type == OBJECT_ROLE)
				intake_announce_surroundings(true, true);
			else if (is_handler(type))
				intake_announce_surroundings(false, true);
			break;
		case T_AlterObjectSchemaStmt:
			type = ((AlterObjectSchemaStmt *) statement)->objectType;
			if (is_handler(type) || type == OBJECT_EXTENSION)
				intake_announce_surroundings(false, true);
			break;
		case T_AlterOwnerStmt:
			type = ((AlterOwnerStmt *) statement)->objectType;
			if (is_handler(type) || type == OBJECT_DATABASE)
				intake_announce_surroundings(type == OBJECT_DATABASE, false);
			break;
		case T_ReassignOwnedStmt:
			intake_announce_surroundings(false, true);
			break;
		case T_AlterRoleStmt:
		case T_GrantRoleStmt:
			intake_announce_surroundings(true, false);
			break;
		case T_GrantStmt:
			type = ((GrantStmt *) statement)->objtype;
			intake_announce_surroundings(type == OBJECT_DATABASE, false);
			break;
		case T_CreateFunctionStmt:
		case T_AlterFunctionStmt:
			intake_announce_surroundings(false, false);
			break;
		default:
			break;
	}
}
