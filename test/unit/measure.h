/*
 * measure.h
 *		What the allocator of the tests counts.
 */
#ifndef MEASURE_H
#define MEASURE_H

#include <stddef.h>

extern size_t memory_peak; /* bytes held at once, at most, since somebody set it to 0 */

#endif
