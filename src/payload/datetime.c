/* See datetime.h. */
#include "payload/datetime.h"

#define SECONDS_A_DAY   86400
#define MICROS_A_SECOND 1000000
#define FRACTION_DIGITS 6
#define ZONE_HOURS_MAX  23

typedef struct reader {
    const char *at, *end;
} reader;

static bool
take(reader *self, char wanted)
{
    if (self->at == self->end || *self->at != wanted)
        return false;
    self->at++;
    return true;
}

static bool
take_either(reader *self, char one, char other)
{
    return take(self, one) || take(self, other);
}

/* From `digits_min` to `digits_max` digits, a value from `min` to `max`. */
static bool
take_number(reader *self, int digits_min, int digits_max, int min, int max, int *out)
{
    int value = 0, digits = 0;

    while (digits < digits_max && self->at < self->end && *self->at >= '0' && *self->at <= '9') {
        value = value * 10 + (*self->at++ - '0');
        digits++;
    }
    *out = value;
    return digits >= digits_min && value >= min && value <= max;
}

/* "." and digits, as many as there are; none if there is no point. */
static bool
take_fraction(reader *self, int64_t *micros)
{
    int digits = 0;

    *micros = 0;
    if (!take(self, '.'))
        return true;
    for (; self->at < self->end && *self->at >= '0' && *self->at <= '9'; self->at++, digits++)
        *micros = digits < FRACTION_DIGITS ? *micros * 10 + (*self->at - '0') : *micros;
    for (int i = digits; i < FRACTION_DIGITS; i++)
        *micros *= 10;
    return digits > 0;
}

/* How far local time is ahead of UTC. Nothing: 0. */
static bool
take_zone(reader *self, int64_t *seconds)
{
    int  hours, minutes = 0;
    bool ahead;

    *seconds = 0;
    if (self->at == self->end)
        return true;
    while (take(self, ' '))
        ;
    if (take_either(self, 'Z', 'z'))
        return true;
    if (self->end - self->at == 3 && memcmp(self->at, "UTC", 3) == 0) {
        self->at = self->end;
        return true;
    }
    ahead = take(self, '+');
    if (!ahead && !take(self, '-'))
        return false;
    if (!take_number(self, 2, 2, 0, ZONE_HOURS_MAX, &hours))
        return false;
    if (self->at < self->end) {
        (void)take(self, ':');
        if (!take_number(self, 2, 2, 0, 59, &minutes))
            return false;
    }
    *seconds = (int64_t)(hours * 60 + minutes) * (ahead ? 60 : -60);
    return true;
}

static int
days_of_month(int year, int month)
{
    static const unsigned char days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool                 is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    return days[month - 1] + (month == 2 && is_leap);
}

/* Days since 1970-01-01. Years begin in March, so that the leap day comes last; 146097 days are 400 years. */
static int64_t
days_since_1970(int year, int month, int day)
{
    const int64_t shifted = month > 2 ? year : year - 1;
    const int64_t era = (shifted >= 0 ? shifted : shifted - 399) / 400;
    const int64_t year_of_era = shifted - era * 400;
    const int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

bool
datetime_parse(oct_slice text, int64_t *out)
{
    reader  in = {text.data, text.data + text.size};
    int     year, month, day, hour = 0, minute = 0, second = 0;
    int64_t micros = 0, zone = 0, seconds;

    while (take(&in, ' '))
        ;
    if (!take_number(&in, 4, 4, 0, 9999, &year) || !take(&in, '-') ||
        !take_number(&in, 1, 2, 1, 12, &month) || !take(&in, '-') ||
        !take_number(&in, 1, 2, 1, days_of_month(year, month), &day))
        return false;
    if (in.at < in.end) {
        if (!take_either(&in, 'T', 't')) {
            if (!take(&in, ' '))
                return false;
            while (take(&in, ' '))
                ;
        }
        if (!take_number(&in, 1, 2, 0, 23, &hour) || !take(&in, ':') ||
            !take_number(&in, 1, 2, 0, 59, &minute))
            return false;
        if (in.at < in.end && (!take(&in, ':') || !take_number(&in, 1, 2, 0, 60, &second) ||
                               !take_fraction(&in, &micros) || !take_zone(&in, &zone)))
            return false;
    }
    if (in.at != in.end)
        return false;
    seconds = days_since_1970(year, month, day) * SECONDS_A_DAY + hour * 3600 + minute * 60 + second - zone;
    *out = seconds * MICROS_A_SECOND + micros;
    return true;
}
