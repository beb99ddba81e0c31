/*
 * piece.h
 *		Pieces of the configuration: a workflow, a source with its secrets, a scheme. Who changes one
 *		says so in his transaction, and each process that watches is told when that has committed.
 */
#ifndef INTAKE_PIECE_H
#define INTAKE_PIECE_H

#include "postgres.h"

typedef enum IntakePieceKind
{
	INTAKE_PIECE_WORKFLOW,
	INTAKE_PIECE_SOURCE,
	INTAKE_PIECE_SCHEME
} IntakePieceKind;

#define INTAKE_PIECE_KINDS 3

/*
 * Forgets a piece, 0: all of its kind. Called whenever messages are taken in, also in the midst of
 * reading: so it only marks what is known, raises no error, and looks nothing up.
 */
typedef void (*IntakePieceForget)(int32 id);

extern int32 intake_piece_named(const char *name, size_t length);
extern void intake_piece_changed(IntakePieceKind kind, int32 id);
extern void intake_piece_watch(IntakePieceKind kind, IntakePieceForget forget);
extern void intake_piece_read_from(IntakePieceKind kind, Oid table);

#endif
