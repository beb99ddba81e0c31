/*
 * datum.c
 *		The bytes in values of the server's.
 */
#include "postgres.h"

#include "access/htup_details.h" /* varatt.h, which is younger than 15 */
#include "fmgr.h"
#include "mb/pg_wchar.h"

#include "ground/datum.h"

/* What a text or a bytea holds. */
IntakeSlice
intake_datum_bytes(Datum datum)
{
	struct varlena *value = PG_DETOAST_DATUM_PACKED(datum);

	return (IntakeSlice){VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)};
}

/* Whether bytes can be a text: valid UTF-8 without NUL. */
bool
intake_datum_is_text(IntakeSlice bytes)
{
	return bytes.len == 0 || (memchr(bytes.data, 0, bytes.len) == NULL &&
							  pg_verify_mbstr(PG_UTF8, bytes.data, bytes.len, true));
}
