/*
 * presets.h
 *		The presets, compiled. presets.pl makes the rows from sql/presets.json.
 */
#ifndef FUZZ_PRESETS_H
#define FUZZ_PRESETS_H

#include "verify/handshake.h"
#include "verify/scheme.h"

typedef struct FuzzPreset
{
	const char *name;
	const char *key_from;
	bool digest_key;             /* where there is none */
	const IntakeSchemeRow *rows; /* variants first */
	int n_rows;
	const IntakeHandshakeRow *handshakes;
	int n_handshakes;
} FuzzPreset;

extern const FuzzPreset fuzz_presets[];
extern const int fuzz_n_presets;

/* Compiles a preset, variants before it. */
static inline IntakeScheme *
fuzz_scheme(const FuzzPreset *preset)
{
	IntakeScheme *first = NULL;
	const char *error = NULL;

	for (int i = preset->n_rows - 1; i >= 0; i--)
	{
		IntakeScheme *scheme = intake_scheme_compile(&preset->rows[i], &error);

		if (scheme == NULL)
			abort();
		scheme->next = first;
		first = scheme;
	}
	return first;
}

static inline void
fuzz_scheme_release(IntakeScheme *scheme)
{
	for (; scheme != NULL; scheme = scheme->next)
		intake_scheme_release(scheme);
}

#endif
