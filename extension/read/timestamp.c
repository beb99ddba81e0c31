/*
 * timestamp.c
 *		The times that senders sign, read and written. Pure: no clock, no locale, no time zone but
 *		what is written.
 *
 * A signature covers bytes, and where the time stands among them is told by its form alone. So each
 * unit has one form, of which no beginning is a time, too, but for the digits of a fraction: a time
 * that was signed cannot be cut shorter or longer, to say another one.
 */
#include <stdio.h>

#include "read/timestamp.h"
#include "read/word.h"

bool
intake_timestamp_unit(const char *name, IntakeTimeUnit *unit)
{
	static const char *const names[] = {"s", "ms", "iso8601", "iso8601-local", "http-date"};
	int found = 0;

	if (!intake_word_find(name, names, 5, &found))
		return false;
	*unit = (IntakeTimeUnit) found;
	return true;
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

/* The parts of a date and a time of day, as they are written. */
typedef struct Moment
{
	int64_t year;
	int64_t month;
	int64_t day;
	int64_t hour;
	int64_t minute;
	int64_t second;
} Moment;

static const char weekdays[] = "MonTueWedThuFriSatSun";
static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

/* HH:MM:SS */
static bool
take_clock(IntakeSlice *text, Moment *m)
{
	return take_digits(text, 2, &m->hour) && take_literal(text, ":") &&
		   take_digits(text, 2, &m->minute) && take_literal(text, ":") &&
		   take_digits(text, 2, &m->second);
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

/* The date of a day, given in days since 1970-01-01, from the year 1 on. */
static void
date_from_days(int64_t days, Moment *m)
{
	int64_t era;
	int64_t day_of_era;
	int64_t year_of_era;
	int64_t day_of_year;
	int64_t month;

	days += 719468;
	era = days / 146097;
	day_of_era = days - era * 146097;
	year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	month = (5 * day_of_year + 2) / 153;
	m->day = day_of_year - (153 * month + 2) / 5 + 1;
	m->month = month + (month < 10 ? 3 : -9);
	m->year = year_of_era + era * 400 + (m->month <= 2);
}

/* The day of the week, 1 for Monday, of a day in days since 1970-01-01, which was a Thursday. */
static int64_t
weekday_of(int64_t days)
{
	return (days % 7 + 7 + 3) % 7 + 1;
}

/* A moment of a day in UTC, as microseconds since the Unix epoch. */
static bool
combine(const Moment *m, int64_t *microseconds)
{
	static const int8_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = m->year % 4 == 0 && (m->year % 100 != 0 || m->year % 400 == 0);

	if (m->year < 1 || m->month < 1 || m->month > 12 || m->day < 1 ||
		m->day > lengths[m->month - 1] + (leap && m->month == 2) || m->hour > 23 ||
		m->minute > 59 || m->second > 60)
		return false;
	*microseconds =
		((days_from_date(m->year, m->month, m->day) * 24 + m->hour) * 60 + m->minute) * 60 +
		m->second;
	*microseconds *= 1000000;
	return true;
}

/* Exactly COUNT digits. */
static bool
read_number(IntakeSlice text, int count, int64_t factor, int64_t *microseconds)
{
	if (!take_digits(&text, count, microseconds) || text.len != 0)
		return false;
	*microseconds *= factor;
	return true;
}

/* A fraction of a second, of 1 to 12 digits, as microseconds; it may be missing. */
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

/* Z, +HH:MM, or +HHMM, in minutes. */
static bool
take_offset(IntakeSlice *text, int64_t *minutes)
{
	int64_t hour;
	int64_t minute;
	int sign;

	*minutes = 0;
	if (take_literal(text, "Z"))
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

/* ISO 8601; LOCAL: without a zone, which then is UTC. */
static bool
read_iso8601(IntakeSlice text, bool local, int64_t *microseconds)
{
	Moment m = {0};
	int64_t fraction;
	int64_t offset = 0;

	if (!take_digits(&text, 4, &m.year) || !take_literal(&text, "-") ||
		!take_digits(&text, 2, &m.month) || !take_literal(&text, "-") ||
		!take_digits(&text, 2, &m.day) || !take_literal(&text, "T") || !take_clock(&text, &m) ||
		!take_fraction(&text, &fraction) || (!local && !take_offset(&text, &offset)) ||
		text.len != 0 || !combine(&m, microseconds))
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

/* IMF-fixdate of RFC 9110: Sun, 06 Nov 1994 08:49:37 GMT; the weekday must be that of the date. */
static bool
read_http_date(IntakeSlice text, int64_t *microseconds)
{
	int64_t weekday;
	Moment m = {0};

	return take_name(&text, weekdays, 7, &weekday) && take_literal(&text, ", ") &&
		   take_digits(&text, 2, &m.day) && take_literal(&text, " ") &&
		   take_name(&text, months, 12, &m.month) && take_literal(&text, " ") &&
		   take_digits(&text, 4, &m.year) && take_literal(&text, " ") && take_clock(&text, &m) &&
		   take_literal(&text, " GMT") && text.len == 0 && combine(&m, microseconds) &&
		   weekday == weekday_of(days_from_date(m.year, m.month, m.day));
}

/* The time that TEXT says, since the Unix epoch. Returns false where it says none. */
bool
intake_timestamp_read(IntakeTimeUnit unit, IntakeSlice text, int64_t *microseconds)
{
	switch (unit)
	{
		case INTAKE_SECONDS:
			return read_number(text, 10, 1000000, microseconds);
		case INTAKE_MILLISECONDS:
			return read_number(text, 13, 1000, microseconds);
		case INTAKE_ISO8601:
			return read_iso8601(text, false, microseconds);
		case INTAKE_ISO8601_LOCAL:
			return read_iso8601(text, true, microseconds);
		default:
			return read_http_date(text, microseconds);
	}
}

/* ---- writing ---- */

static int
write_date(IntakeTimeUnit unit, int64_t seconds, char *out)
{
	int64_t days = seconds / 86400;
	int clock = (int) (seconds % 86400);
	Moment m = {0};

	date_from_days(days, &m);
	if (unit == INTAKE_HTTP_DATE)
		return snprintf(out, INTAKE_TIMESTAMP_TEXT, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT",
						weekdays + 3 * (weekday_of(days) - 1), (int) m.day,
						months + 3 * (m.month - 1), (int) m.year, clock / 3600, clock / 60 % 60,
						clock % 60);
	return snprintf(out, INTAKE_TIMESTAMP_TEXT, "%04d-%02d-%02dT%02d:%02d:%02d%s", (int) m.year,
					(int) m.month, (int) m.day, clock / 3600, clock / 60 % 60, clock % 60,
					unit == INTAKE_ISO8601 ? "Z" : "");
}

/*
 * Writes a time, to the second (milliseconds: to those), as a sender would; OUT has
 * INTAKE_TIMESTAMP_TEXT bytes. Returns the length; 0 for a time before 1970 or behind the year
 * 2286, which has no place in the digits of a Unix time.
 */
int
intake_timestamp_write(IntakeTimeUnit unit, int64_t microseconds, char *out)
{
	long long seconds = microseconds / 1000000;

	if (microseconds < 0 || seconds > 9999999999)
		return 0;
	if (unit == INTAKE_SECONDS)
		return snprintf(out, INTAKE_TIMESTAMP_TEXT, "%010lld", seconds);
	if (unit == INTAKE_MILLISECONDS)
		return snprintf(out, INTAKE_TIMESTAMP_TEXT, "%013lld", (long long) microseconds / 1000);
	return write_date(unit, seconds, out);
}
