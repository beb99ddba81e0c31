/* JSON Web Tokens. */
#include "verify/jwt.h"
#include "fuzz.h"

void
fuzz(IntakeSlice input)
{
	static const char *const claims[] = {"/exp", "/nbf", "/iat"};
	IntakeJwt token;

	if (!intake_jwt_read(input, &token))
		return;
	PROMISE(intake_json_valid(token.header) && intake_json_valid(token.claims));
	PROMISE(token.content.data == input.data && token.content.len < input.len);
	PROMISE(!(intake_jwt_algorithm_is(&token, "none") && intake_jwt_algorithm_is(&token, "HS256")));
	for (int i = 0; i < 3; i++)
	{
		bool present;
		int64_t time;

		(void) intake_jwt_time(&token, claims[i], &present, &time);
	}
}
