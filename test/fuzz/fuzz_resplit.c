/*
 * The re-split attack (test/unit/resplit.h) by every preset. Input: a byte that chooses the
 * preset, one for the variant, the body and the URL, one for the length of a customer's text, the
 * text, and bytes that choose where what was signed is cut. Nothing but the genuine request, and
 * its repetition, may be stored.
 */
#include "resplit.h"
#include "sketch.h"
#include "fuzz.h"
#include "measure.h"

void
fuzz(IntakeSlice input)
{
	static const char *const bases[] = {"https://example.com/hooks/in",
										"https://example.com/hooks/in?tenant=1"};
	const unsigned char *bytes = (const unsigned char *) input.data;
	Resplit attack = {0};
	size_t length;

	if (input.len < 4)
		return;
	attack.preset = &fuzz_presets[bytes[0] % fuzz_n_presets];
	attack.row = bytes[1] % attack.preset->n_rows;
	attack.style = bytes[1] / 4 % SKETCH_STYLES;
	attack.bare = bytes[1] & 32;
	attack.base = bases[bytes[1] >> 7];
	length = 4 * (size_t) bytes[2];
	input = intake_slice_after(input, 3);
	length = length < input.len ? length : input.len;
	attack.text = (IntakeSlice){input.data, length};
	attack.moves = intake_slice_after(input, length);
	if (strcmp(attack.preset->rows[attack.row].kind, "jwt") == 0)
		resplit_run_token(&attack);
	else if (attack.preset->rows[attack.row].message != NULL)
		resplit_run(&attack);
	if (attack.genuine && attack.problem[0] != '\0')
		fprintf(stderr, "%s: %s\n", attack.preset->name, attack.problem);
	PROMISE(!attack.genuine || attack.problem[0] == '\0');
}
