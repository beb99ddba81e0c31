/*
 * key_row.h
 *		Rows of the table event_key: what stands for a source and a key, and its event.
 */
#ifndef INTAKE_KEY_ROW_H
#define INTAKE_KEY_ROW_H

#include "events/event.h"
#include "ground/table.h"

typedef enum
{
	INTAKE_KEY_FREE,
	INTAKE_KEY_TAKEN,
	INTAKE_KEY_OVER /* it stood for an event, and stands for news by now */
} IntakeKeyState;

extern IntakeEventKey intake_key_row_make(int32 source_id, const IntakeSlice *parts, int count);
extern int intake_key_row_compare(const IntakeEventKey *left, const IntakeEventKey *right);
extern int64 intake_key_row_find(IntakeTable *keys, const IntakeEventKey *key);
extern IntakeKeyState intake_key_row_look(IntakeTable *keys, const IntakeEventKey *key,
										  int64 window, int64 *id);
extern bool intake_key_row_take(IntakeTable *keys, const IntakeEventKey *key, int64 window,
								int64 *id);
extern void intake_key_row_put(IntakeTable *keys, const IntakeEventKey *key, int64 event_id);
extern void intake_key_row_read(const IntakeEventKey *keys, int count, int64 *ids);
extern void intake_key_row_add(IntakeTable *keys, const IntakeEventKey *key, int64 event_id);

#endif
