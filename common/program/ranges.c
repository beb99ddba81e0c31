/*
 * ranges.c
 *		A list of IP ranges, as an option names them.
 */
#include <stdlib.h>
#include <sys/socket.h>

#include "common/program/ranges.h"

/*
 * Adds addresses and ranges with commas between them, "unix:" for whoever comes by a Unix socket.
 * Returns false when one is not valid.
 */
bool
intake_ranges_add(IntakeRanges *ranges, const char *list)
{
	IntakeSlice rest = intake_slice_trim(intake_slice_cstr(list));
	IntakeRange range;

	if (rest.len == 0)
		return true;
	while (rest.data != NULL)
	{
		IntakeSlice text = intake_slice_trim(intake_slice_cut(rest, ",", &rest));

		if (intake_slice_equal(text, intake_slice_cstr("unix:")))
		{
			ranges->unix_sockets = true;
			continue;
		}
		if (!intake_range_parse(text, &range))
			return false;
		ranges->ranges = realloc(ranges->ranges, (ranges->count + 1) * sizeof(range));
		if (ranges->ranges == NULL)
			abort();
		ranges->ranges[ranges->count++] = range;
	}
	return true;
}

/* Whether one of the ranges has an address. */
bool
intake_ranges_have(const IntakeRanges *ranges, const IntakeAddress *address)
{
	if (address->family == AF_UNIX)
		return ranges->unix_sockets;
	for (size_t i = 0; i < ranges->count; i++)
		if (intake_range_has(&ranges->ranges[i], address))
			return true;
	return false;
}
