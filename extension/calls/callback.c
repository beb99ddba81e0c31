/*
 * callback.c
 *		What callbacks need that SQL does not have: random tokens, and the fields of forms.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "ground/datum.h"
#include "read/encoding.h"
#include "read/form.h"
#include "read/work.h"

PG_FUNCTION_INFO_V1(intake_sql_make_token);
PG_FUNCTION_INFO_V1(intake_sql_form_fields);

#define TOKEN_BYTES 32

/* SQL: intake.make_token(). */
Datum
intake_sql_make_token(PG_FUNCTION_ARGS)
{
	unsigned char bytes[TOKEN_BYTES];
	char *token = palloc(intake_encoding_size(TOKEN_BYTES));
	size_t length;

	if (!pg_strong_random(bytes, sizeof(bytes)))
		ereport(ERROR, (errcode(ERRCODE_SYSTEM_ERROR), errmsg("there are no random bytes")));
	length = intake_encoding_encode(INTAKE_BASE64URL,
									(IntakeSlice){(const char *) bytes, sizeof(bytes)}, token);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(token, length));
}

/* Adds what a form says, decoded, to an object. Returns false where it is not text. */
static bool
push(JsonbParseState **state, JsonbIteratorToken token, IntakeSlice text)
{
	IntakeSlice decoded = intake_form_decode(text);
	JsonbValue value = {.type = jbvString};

	if (!intake_datum_is_text(decoded))
		return false;
	value.val.string.val = (char *) decoded.data;
	value.val.string.len = decoded.len;
	pushJsonbValue(state, token, &value);
	return true;
}

/* SQL: intake.form_fields(form). */
Datum
intake_sql_form_fields(PG_FUNCTION_ARGS)
{
	IntakeSlice form = intake_datum_bytes(PG_GETARG_DATUM(0));
	IntakeFormReader reader = intake_form_begin(form);
	JsonbParseState *state = NULL;
	IntakeField field;

	intake_work_begin(form.len, 0);
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	while (intake_form_next(&reader, &field))
		if (!push(&state, WJB_KEY, field.name) || !push(&state, WJB_VALUE, field.value))
			PG_RETURN_NULL();
	if (intake_work.too_many_fields)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL)));
}
