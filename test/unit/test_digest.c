/*
 * test_digest.c
 *		HMAC with keys of every length, and messages in parts, against what libcrypto says.
 */
#include <string.h>

#include <openssl/hmac.h>

#include "verify/digest.h"
#include "check.h"

static bool
is_right(IntakeAlgorithm algorithm, IntakeSlice key, IntakeSlice message, size_t cut)
{
	IntakeMac mac = {algorithm, key};
	IntakeSlice parts[] = {{message.data, cut}, {message.data + cut, message.len - cut}};
	IntakeDigest digest;
	unsigned char expected[EVP_MAX_MD_SIZE];
	unsigned int length = 0;

	HMAC(intake_digest_method(algorithm), key.data, (int) key.len,
		 (const unsigned char *) message.data, message.len, expected, &length);
	return intake_digest_mac(mac, parts, 2, &digest) && digest.len == length &&
		   memcmp(digest.bytes, expected, length) == 0;
}

void
test_digest(void)
{
	char bytes[300];
	IntakeDigest digest;
	IntakeSlice text = {bytes, sizeof(bytes)};
	bool right = true;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char) (i * 7 + 3);
	for (IntakeAlgorithm algorithm = INTAKE_SHA1; algorithm <= INTAKE_SHA512; algorithm++)
		for (size_t length = 1; length < sizeof(bytes); length++)
		{
			right &= is_right(algorithm, (IntakeSlice){bytes, length}, text, length);
			right &=
				is_right(algorithm, (IntakeSlice){bytes, length}, (IntakeSlice){bytes, length}, 0);
			right &= intake_digest_plain(algorithm, &text, 1, &digest);
		}
	CHECK(right);
	CHECK(!intake_digest_mac((IntakeMac){INTAKE_SHA256, INTAKE_ABSENT}, &text, 1, &digest));
}
