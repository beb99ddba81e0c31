/*
 * path.h
 *		Which source the path of a request names.
 */
#ifndef SHIM_PATH_H
#define SHIM_PATH_H

#include <stdbool.h>
#include <stddef.h>

extern bool shim_path_source(char *path, size_t length, const char **source, size_t *source_length);

#endif
