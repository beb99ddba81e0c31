/*
 * failure.h
 *		In which word a transfer failed: the words are a contract with the database.
 */
#ifndef COURIER_FAILURE_H
#define COURIER_FAILURE_H

#include <curl/curl.h>
#include <stdbool.h>

extern bool courier_failure_is_cut(CURLcode code);
extern const char *courier_failure_word(CURLcode code, bool begun, bool late);

#endif
