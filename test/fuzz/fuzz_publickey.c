/* Public keys: PEM, JSON Web Keys and sets of them, bytes; and signatures for them. */
#include "verify/jwk.h"
#include "verify/pem.h"
#include "fuzz.h"

/* No input is signed by a key that it is, or that it has in it. */
static void
try_keys(IntakeKeyType type, IntakeSlice input, IntakePublicKey *keys, int count)
{
	IntakeSigned content;

	PROMISE(count >= 0 && count <= INTAKE_KEYS_MAX);
	for (int i = 0; i < count; i++)
	{
		PROMISE(!intake_publickey_prepare(type, INTAKE_SHA256, &input, 1, &content) ||
				!intake_publickey_verify(&keys[i], INTAKE_SHA256, &content, input));
		intake_publickey_free(&keys[i]);
	}
}

void
fuzz(IntakeSlice input)
{
	for (int type = INTAKE_KEY_ED25519; type <= INTAKE_KEY_RSA; type++)
	{
		IntakePublicKey keys[INTAKE_KEYS_MAX] = {0};
		const char *why = "";

		try_keys(type, input, keys, intake_jwk_read(type, input, keys, &why));
		memset(keys, 0, sizeof(keys));
		try_keys(type, input, keys, intake_pem_read(type, input, keys, &why));
		memset(keys, 0, sizeof(keys));
		try_keys(type, input, keys, intake_publickey_read_bytes(type, input, keys, &why));
	}
	(void) intake_publickey_ecdsa_der(input);
}
