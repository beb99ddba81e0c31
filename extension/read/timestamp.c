/*
 * timestamp.c
 *		Reading the times that senders sign. Pure: no clock, no time zone but what is written.
 */
#include "read/timestamp.h"

bool
intake_timestamp_unit(const char *name, IntakeTimeUnit *unit)
{
	static const char *const names[] = {"s", "ms", "iso8601", "http-date"};

	for (int i = 0; i < 4; i++)
		if (strcmp(name, names[i]) == 0)
		{
			*unit = (IntakeTimeUnit) i;
			return true;
		}
	return false;
}

/* Takes COUNT digits off *TEXT. */
static bool
take_digits(IntakeSlice *text, int count, int64_t *value)
{
	*value = 0;
	if (text->len < (size_t) count)
		return false;
	for (int i = 0; i < count; i++)
	{
		if (text->data[i] < '0' || text->data[i] > '9')
			return false;
		*value = *value * 10 + (text->data[i] - '0');
	}
	*text = intake_slice_after(*text, count);
	return true;
}

static bool
take_literal(IntakeSlice *text, const char *literal)
{
	IntakeSlice wanted = intake_slice_cstr(literal);

	if (!intake_slice_starts(*text, wanted))
		return false;
	*text = intake_slice_after(*text, wanted.len);
	return true;
}

/* Days from 1970-01-01 to a date of the Gregorian calendar. */
static int64_t
days_from_date(int64_t year, int64_t month, int64_t day)
{
	int64_t era;
	int64_t year_of_era;
	int64_t day_of_year;

	year -= month <= 2;
	era = year / 400;
	year_of_era = year - era * 400;
	day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
		   719468;
}

static bool
combine(int64_t year, int64_t month, int64_t day, int64_t hour, int64_t minute, int64_t second,
		int64_t *microseconds)
{
	static const int8_t lengths[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	if (year < 1 || month < 1 || month > 12 || day < 1 || day > lengths[month - 1] || hour > 23 ||
		minute > 59 || second > 60)
		return false;
	*microseconds =
		(((days_from_date(year, month, day) * 24 + hour) * 60 + minute) * 60 + second) * 1000000;
	return true;
}

static bool
read_number(IntakeSlice text, int64_t factor, int64_t *microseconds)
{
	if (text.len < 1 || text.len > 13 || !take_digits(&text, (int) text.len, microseconds))
		return false;
	*microseconds *= factor;
	return true;
}

/* A fraction of a second, any number of digits, as microseconds. */
static bool
take_fraction(IntakeSlice *text, int64_t *microseconds)
{
	int64_t unit = 100000;
	size_t n = 0;

	*microseconds = 0;
	if (!take_literal(text, "."))
		return true;
	while (n < text->len && text->data[n] >= '0' && text->data[n] <= '9')
	{
		*microseconds += (text->data[n++] - '0') * unit;
		unit /= 10;
	}
	*text = intake_slice_after(*text, n);
	return n > 0 && n <= 12;
}

/* Z, an offset, or nothing, which is UTC; in minutes. */
static bool
take_offset(IntakeSlice *text, int64_t *minutes)
{
	int64_t hour;
	int64_t minute;
	int sign;

	*minutes = 0;
	if (text->len == 0 || take_literal(text, "Z") || take_literal(text, "z"))
		return true;
	sign = take_literal(text, "+") ? 1 : take_literal(text, "-") ? -1 : 0;
	if (sign == 0 || !take_digits(text, 2, &hour))
		return false;
	(void) take_literal(text, ":");
	if (!take_digits(text, 2, &minute) || hour > 14 || minute > 59)
		return false;
	*minutes = sign * (hour * 60 + minute);
	return true;
}

static bool
read_iso8601(IntakeSlice text, int64_t *microseconds)
{
	int64_t year, month, day, hour, minute, second, fraction, offset;

	if (!take_digits(&text, 4, &year) || !take_literal(&text, "-") ||
		!take_digits(&text, 2, &month) || !take_literal(&text, "-") ||
		!take_digits(&text, 2, &day) ||
		!(take_literal(&text, "T") || take_literal(&text, "t") || take_literal(&text, " ")) ||
		!take_digits(&text, 2, &hour) || !take_literal(&text, ":") ||
		!take_digits(&text, 2, &minute) || !take_literal(&text, ":") ||
		!take_digits(&text, 2, &second) || !take_fraction(&text, &fraction) ||
		!take_offset(&text, &offset) || text.len != 0)
		return false;
	if (!combine(year, month, day, hour, minute, second, microseconds))
		return false;
	*microseconds += fraction - offset * 60 * 1000000;
	return true;
}

static bool
take_name(IntakeSlice *text, const char *names, int count, int64_t *number)
{
	for (int i = 0; i < count; i++)
		if (text->len >= 3 && memcmp(text->data, names + 3 * i, 3) == 0)
		{
			*number = i + 1;
			*text = intake_slice_after(*text, 3);
			return true;
		}
	return false;
}

/* IMF-fixdate of RFC 9110: Sun, 06 Nov 1994 08:49:37 GMT. */
static bool
read_http_date(IntakeSlice text, int64_t *microseconds)
{
	int64_t weekday, year, month, day, hour, minute, second;

	return take_name(&text, "MonTueWedThuFriSatSun", 7, &weekday) && take_literal(&text, ", ") &&
		   take_digits(&text, 2, &day) && take_literal(&text, " ") &&
		   take_name(&text, "JanFebMarAprMayJunJulAugSepOctNovDec", 12, &month) &&
		   take_literal(&text, " ") && take_digits(&text, 4, &year) && take_literal(&text, " ") &&
		   take_digits(&text, 2, &hour) && take_literal(&text, ":") &&
		   take_digits(&text, 2, &minute) && take_literal(&text, ":") &&
		   take_digits(&text, 2, &second) && take_literal(&text, " GMT") && text.len == 0 &&
		   combine(year, month, day, hour, minute, second, microseconds);
}

/* The time that TEXT says, since the Unix epoch. Returns false where it says none. */
bool
intake_timestamp_read(IntakeTimeUnit unit, IntakeSlice text, int64_t *microseconds)
{
	switch (unit)
	{
		case INTAKE_SECONDS:
			return text.len <= 12 && read_number(text, 1000000, microseconds);
		case INTAKE_MILLISECONDS:
			return read_number(text, 1000, microseconds);
		case INTAKE_ISO8601:
			return read_iso8601(text, microseconds);
		default:
			return read_http_date(text, microseconds);
	}
}
