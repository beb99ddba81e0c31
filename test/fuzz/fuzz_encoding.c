/* Hexadecimal and base64: what is decoded encodes to the same, and the other way round. */
#include "read/encoding.h"
#include "fuzz.h"

static IntakeSlice
encode(IntakeEncoding encoding, IntakeSlice bytes)
{
	char *out = palloc(intake_encoding_size(bytes.len));

	return (IntakeSlice){out, intake_encoding_encode(encoding, bytes, out)};
}

void
fuzz(IntakeSlice input)
{
	for (int i = INTAKE_RAW; i <= INTAKE_BASE64URL; i++)
	{
		IntakeEncoding encoding = (IntakeEncoding) i;
		IntakeSlice text = encode(encoding, input);
		unsigned char *out = palloc(text.len + 1);
		size_t length;

		PROMISE(intake_encoding_decode(encoding, text, out, text.len, &length));
		PROMISE(intake_slice_equal((IntakeSlice){(char *) out, length}, input));
		if (input.len > 0 && intake_encoding_decode(encoding, input, out, text.len, &length))
		{
			text = encode(encoding, (IntakeSlice){(char *) out, length});
			while (encoding == INTAKE_BASE64URL && input.data[input.len - 1] == '=')
				input.len--;
			PROMISE(intake_slice_equal_nocase(text, input));
			PROMISE(encoding == INTAKE_HEX || intake_slice_equal(text, input));
		}
	}
}
