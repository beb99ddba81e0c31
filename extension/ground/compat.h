/*
 * compat.h
 *		What PostgreSQL 15, 16, 17 and 18 do not have in common.
 *
 * The code is written for 18. Here is what older ones do not know: arguments that came later are
 * taken away again, and what has got one name for all is named by what it was.
 */
#ifndef INTAKE_COMPAT_H
#define INTAKE_COMPAT_H

#include "postgres.h"

#if PG_VERSION_NUM < 150000
#error "pg_intake needs PostgreSQL 15 or later"
#endif

#include "access/genam.h"
#include "access/hio.h"
#include "access/transam.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "executor/executor.h"
#include "storage/bufmgr.h"
#include "storage/lock.h"
#include "utils/acl.h"
#include "utils/rel.h"

#if PG_VERSION_NUM < 160000

#define ExecInsertIndexTuples(info, slot, estate, update, no_error, conflict, arbiters,            \
							  summarizing)                                                         \
	ExecInsertIndexTuples(info, slot, estate, update, no_error, conflict, arbiters)

/* Of the classes that are asked for; the others have no right that anybody could have. */
static inline AclResult
object_aclcheck(Oid class, Oid object, Oid role, AclMode mode)
{
	switch (class)
	{
		case DatabaseRelationId:
			return pg_database_aclcheck(object, role, mode);
		case NamespaceRelationId:
			return pg_namespace_aclcheck(object, role, mode);
		case ProcedureRelationId:
			return pg_proc_aclcheck(object, role, mode);
		default:
			return ACLCHECK_NO_PRIV;
	}
}

/* Likewise. */
static inline bool
object_ownercheck(Oid class, Oid object, Oid role)
{
	switch (class)
	{
		case DatabaseRelationId:
			return pg_database_ownercheck(object, role);
		case NamespaceRelationId:
			return pg_namespace_ownercheck(object, role);
		case ExtensionRelationId:
			return pg_extension_ownercheck(object, role);
		default:
			return false;
	}
}

#endif

#if PG_VERSION_NUM < 170000

#define LockHeldByMe(tag, mode, or_stronger) LockHeldByMe(tag, mode)
#define TransamVariables ShmemVariableCache

#endif

#if PG_VERSION_NUM < 180000

#define ExecCheckIndexConstraints(info, slot, estate, conflict, self, arbiters)                    \
	ExecCheckIndexConstraints(info, slot, estate, conflict, arbiters)
#define index_beginscan(table, index, snapshot, instrument, keys, orders)                          \
	index_beginscan(table, index, snapshot, keys, orders)
#define RelationGetPrimaryKeyIndex(relation, deferrable) RelationGetPrimaryKeyIndex(relation)

#endif

/* A bulk insert through RING, as FreeBulkInsertState wants it; nothing is allocated. */
static inline BulkInsertStateData
intake_compat_bulk(BufferAccessStrategy ring)
{
	BulkInsertStateData bulk = {.strategy = ring, .current_buf = InvalidBuffer};

#if PG_VERSION_NUM >= 160000
	bulk.next_free = bulk.last_free = InvalidBlockNumber;
#endif
	return bulk;
}

extern int intake_compat_open(Relation relation, BlockNumber block, off_t *offset);
extern int intake_compat_extend(Relation relation, BlockNumber end, int count,
								BufferAccessStrategy ring);

#endif
