/*
 * test_resplit.c
 *		For every preset: who has one genuine request, with a text of his choice in it, and cuts
 *		what was signed into other parts, or sends it again with what nobody signed changed, gets
 *		nothing stored beside it; and no challenge is answered with the signature of an event.
 */
#include <string.h>

#include "common/memory.h"

#include "check.h"
#include "resplit.h"
#include "sketch.h"

static bool
is_token(const IntakeSchemeRow *row)
{
	return strcmp(row->kind, "jwt") == 0;
}

/* Attacks what one variant signs; returns whether it holds. */
static bool
attack_row(const FuzzPreset *preset, int row, int *tried)
{
	static const char *const bases[] = {"https://example.com/hooks/in",
										"https://example.com/hooks/in?tenant=1"};
	char reason[200] = "";
	int genuine = 0;
	bool holds = true;

	for (int number = 0; number < SKETCH_STYLES * 4 && holds; number++)
	{
		Resplit attack = {.preset = preset,
						  .row = row,
						  .style = number / 4,
						  .bare = number & 1,
						  .base = bases[number >> 1 & 1]};

		if (is_token(&preset->rows[row]))
			resplit_run_token(&attack);
		else
			resplit_run(&attack);
		*tried += attack.tried;
		genuine += attack.genuine;
		holds = !attack.genuine || attack.problem[0] == '\0';
		if (!holds)
			printf("%s: variant %d, body %d: %s\n", preset->name, row, attack.style,
				   attack.problem);
		if (!attack.genuine)
			memcpy(reason, attack.problem, sizeof(reason));
		intake_memory_reset();
	}
	if (genuine == 0)
		printf("%s: variant %d: no genuine request is accepted: %s\n", preset->name, row, reason);
	CHECK(genuine > 0);
	return holds;
}

void
test_resplit(void)
{
	int tried = 0;

	for (int i = 0; i < fuzz_n_presets; i++)
	{
		const FuzzPreset *preset = &fuzz_presets[i];
		const char *challenge = resplit_challenge(preset);
		bool holds = challenge == NULL;

		if (challenge != NULL)
			printf("%s: the answer to the challenge %s signs an event\n", preset->name, challenge);
		for (int row = 0; row < preset->n_rows; row++)
			if (preset->rows[row].message != NULL || is_token(&preset->rows[row]))
				holds = attack_row(preset, row, &tried) && holds;
		CHECK(holds);
		intake_memory_reset();
	}
	printf("re-split: %d forged requests\n", tried);
	CHECK(tried > 10000);
}
