/*
 * The challenges of every preset. Input: a byte that chooses it, a line for the query, headers up
 * to an empty line, a body. Answers are bounded, and their headers are one line.
 */
#include "fuzz.h"
#include "presets.h"

static void
try_all(IntakeHandshake *rules, int count, const IntakeRequest *request, IntakeMac mac)
{
	for (int verified = 0; verified < 2; verified++)
	{
		IntakeAnswer answer = {0};

		if (!intake_handshake_answer(rules, count, request, intake_slice_cstr("token"), mac,
									 verified, &answer))
			continue;
		PROMISE(answer.status >= 200 && answer.status <= 499);
		PROMISE(answer.body.len < 30000);
		PROMISE(answer.headers.data == NULL ||
				(memchr(answer.headers.data, '\n', answer.headers.len) == NULL &&
				 memchr(answer.headers.data, '\r', answer.headers.len) == NULL));
	}
}

void
fuzz(IntakeSlice input)
{
	const IntakeMac mac = {INTAKE_SHA256, intake_slice_cstr("key")};
	static const char *const methods[] = {"GET", "POST", "HEAD"};
	const FuzzPreset *preset;
	IntakeHandshake rules[8];
	IntakeRequest request = {0};
	const char *error = NULL;

	if (input.len < 1)
		return;
	preset = &fuzz_presets[(unsigned char) input.data[0] % fuzz_n_presets];
	input = intake_slice_after(input, 1);
	for (int i = 0; i < preset->n_handshakes; i++)
	{
		IntakeHandshake *rule = intake_handshake_compile(&preset->handshakes[i], &error);

		PROMISE(rule != NULL);
		rules[i] = *rule;
	}
	request.query = fuzz_line(&input);
	request.url = intake_slice_cstr("https://example.com/hook");
	request.headers = intake_slice_cut(input, "\n\n", &request.body);
	if (request.body.data == NULL)
		request.body = intake_slice_cstr("");
	for (int i = 0; i < 3; i++)
	{
		request.method = intake_slice_cstr(methods[i]);
		try_all(rules, preset->n_handshakes, &request, mac);
	}
	for (int i = 0; i < preset->n_handshakes; i++)
		intake_handshake_release(&rules[i]);
}
