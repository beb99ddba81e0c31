/*
 * by_sql.h
 *		Requests from SQL: what their arguments stand for.
 */
#ifndef INTAKE_BY_SQL_H
#define INTAKE_BY_SQL_H

#include "postgres.h"

#include "utils/jsonb.h"

#include "config/source.h"

extern IntakeSlice intake_by_sql_headers(Jsonb *headers);
extern IntakeSource *intake_by_sql_source(IntakeSlice name);

#endif
