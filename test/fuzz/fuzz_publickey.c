/* Public keys: PEM, JSON Web Keys and sets of them, bytes; and signatures for them. */
#include "verify/publickey.h"
#include "fuzz.h"

void
fuzz(IntakeSlice input)
{
	for (int type = INTAKE_KEY_ED25519; type <= INTAKE_KEY_RSA; type++)
	{
		IntakePublicKey keys[INTAKE_KEYS_MAX] = {0};
		IntakePublicKey key = {0};
		IntakeSigned content;
		const char *why = "";
		int count = intake_publickey_read((IntakeKeyType) type, input, keys, &why);

		PROMISE(count >= -1 && count <= INTAKE_KEYS_MAX);
		for (int i = 0; i < count; i++)
		{
			PROMISE(!intake_publickey_prepare((IntakeKeyType) type, INTAKE_SHA256, &input, 1,
											  &content) ||
					!intake_publickey_verify(&keys[i], INTAKE_SHA256, &content, input));
			intake_publickey_free(&keys[i]);
		}
		if (intake_publickey_read_bytes((IntakeKeyType) type, input, &key, &why))
			intake_publickey_free(&key);
	}
	(void) intake_publickey_ecdsa_der(input);
}
