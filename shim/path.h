/*
 * path.h
 *		Which source, or which token of a callback, the path of a request names.
 */
#ifndef SHIM_PATH_H
#define SHIM_PATH_H

#include <stdbool.h>
#include <stddef.h>

extern bool shim_path_source(char *path, size_t length, const char **source, size_t *source_length);
extern bool shim_path_token(char *path, size_t length, const char **token, size_t *token_length);

#endif
