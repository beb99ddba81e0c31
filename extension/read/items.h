/*
 * items.h
 *		The items of a delivery: the parts of its JSON that are events by themselves. Pure.
 */
#ifndef INTAKE_ITEMS_H
#define INTAKE_ITEMS_H

#include "common/slice.h"
#include "read/location.h"

#define INTAKE_ITEMS_MOST 10000 /* of a delivery */

typedef enum
{
	INTAKE_ITEMS_FOUND,
	INTAKE_ITEMS_NONE,
	INTAKE_ITEMS_TOO_MANY,
	INTAKE_ITEMS_AMBIGUOUS,
	INTAKE_ITEMS_TOO_COSTLY
} IntakeItemsFound;

typedef struct IntakePiece
{
	IntakeSlice bytes; /* as they stand in the text */
	bool rest;         /* no item, but an element on the way to items that has none */
} IntakePiece;

typedef struct IntakePieces
{
	IntakePiece *list; /* in the order of the text */
	int count;
} IntakePieces;

extern bool intake_items_parse(const char *text, IntakeLocation *paths, const char **why);
extern IntakeItemsFound intake_items_find(const IntakeLocation *paths, IntakeSlice text,
										  IntakePieces *pieces);

#endif
