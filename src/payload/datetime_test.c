/* Goal:   the dates of datetime.h are read, to the microsecond, and nothing else is.
 * Method: a table of both kinds; random times written by the C library and read again, with random zones,
 *         seed 5; every day of a span that has each kind of leap year; every cut and every changed byte of a date. */
#include "payload/datetime.h"

#include <stdlib.h>
#include <time.h>

#include "support/test.h"

TEST(dates_are_read_in_all_their_forms)
{
    static const struct {
        const char *text;
        int64_t     micros;
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01", 0},
        {"1970-01-01 00:00", 0},
        {"1970-01-01T00:00", 0},
        {"1970-01-01T00:00:00.000001Z", 1},
        {"1970-01-01T00:00:00.1", 100000},
        {"1970-01-01 00:00:00.123456789", 123456},
        {"1969-12-31T23:59:59.999999Z", -1},
        {"1970-01-01T01:00:00+01:00", 0},
        {"1970-01-01T01:00:00+0100", 0},
        {"1970-01-01T01:00:00+01", 0},
        {"1969-12-31 20:30:00-03:30", 0},
        {"1969-12-31 20:30:00.5 -03:30", 500000},
        {"1970-01-01t00:00:00z", 0},
        {"1970-01-01 00:00:00 UTC", 0},
        {"  1970-01-01", 0},
        {"1970-1-1", 0},
        {"1970-01-01 0:0:0", 0},
        {"1972-06-30T23:59:60Z", INT64_C(78796800000000)},
        {"2000-02-29", INT64_C(951782400000000)},
        {"2024-05-06T07:08:09.5+01:00", INT64_C(1714975689500000)},
        {"0001-01-01", INT64_C(-62135596800000000)},
        {"9999-12-31T23:59:59.999999Z", INT64_C(253402300799999999)},
    };
    static const char *const refused[] = {
        "",
        " ",
        "1970",
        "1970-01",
        "1970-01-",
        "70-01-01",
        "01970-01-01",
        "1970-13-01",
        "1970-00-01",
        "1970-01-32",
        "1970-01-00",
        "1900-02-29",
        "2023-02-29",
        "1970-04-31",
        "1970-01-01T",
        "1970-01-01 ",
        "1970-01-01T24:00",
        "1970-01-01T00",
        "1970-01-01T00:60",
        "1970-01-01T00:00:61",
        "1970-01-01T00:00:00.",
        "1970-01-01T00:00Z",
        "1970-01-01Z",
        "1970-01-01T00:00:00+24:00",
        "1970-01-01T00:00:00+01:60",
        "1970-01-01T00:00:00+1",
        "1970-01-01T00:00:00 ",
        "1970-01-01T00:00:00Z ",
        "1970-01-01T00:00:00ZZ",
        "1970-01-01x00:00",
        "1970/01/01",
        "1970-01-01T00:00:00UT",
        "1970-01-01T00:00:00+01:0",
        "-1970-01-01",
        "+1970-01-01",
        "1970-001-01",
        "tomorrow",
        "1970-01-01T00:00:00.5.5",
        "1970-01-01T00:00:00+",
        "1970-01-01T00:00:00+01:00:00",
    };

    for (size_t i = 0; i < countof(cases); i++) {
        int64_t micros = 7;

        CHECK_MSG(datetime_parse(slice_of(cases[i].text), &micros), "%s", cases[i].text);
        CHECK_MSG(micros == cases[i].micros, "%s is %lld, expected %lld", cases[i].text, (long long)micros,
                  (long long)cases[i].micros);
    }
    for (size_t i = 0; i < countof(refused); i++) {
        int64_t micros;

        CHECK_MSG(!datetime_parse(slice_of(refused[i]), &micros), "\"%s\"", refused[i]);
    }
}

TEST(random_times_come_back)
{
    test_rng rng = test_rng_seed(5);

    for (uint64_t round = 0; round < test_scaled(20000); round++) {
        /* From the year 1 to the year 9998, so that no zone leads out of the four digits. */
        const int64_t seconds = (int64_t)test_below(&rng, 315500000000) - 62135000000;
        const int64_t micros = (int64_t)test_below(&rng, 1000000);
        const int     zone = (int)test_below(&rng, 2 * 23 * 60 + 1) - 23 * 60;
        const time_t  local = (time_t)(seconds + zone * 60);
        struct tm     parts;
        char          text[128];
        int64_t       got = 0;

        CHECK(gmtime_r(&local, &parts) != NULL);
        (void)snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%06lld%c%02d:%02d",
                       parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min,
                       parts.tm_sec, (long long)micros, zone < 0 ? '-' : '+', abs(zone) / 60, abs(zone) % 60);
        CHECK_MSG(datetime_parse(slice_of(text), &got) && got == seconds * 1000000 + micros, "%s gives %lld",
                  text, (long long)got);
    }
}

TEST(days_follow_each_other)
{
    int64_t before = 0;
    size_t  days = 0;

    for (int year = 1890; year <= 2110; year++) {
        for (int month = 1; month <= 12; month++) {
            for (int day = 1; day <= 31; day++) {
                char    text[64];
                int64_t micros;

                (void)snprintf(text, sizeof text, "%04d-%02d-%02d", year, month, day);
                if (!datetime_parse(slice_of(text), &micros))
                    continue;
                if (days++ > 0)
                    CHECK_MSG(micros - before == INT64_C(86400000000), "%s", text);
                before = micros;
            }
        }
    }
    /* 221 years; 2000 has a leap day, 1900 and 2100 have none. */
    CHECK_INT(days, 221 * 365 + 53);
}

TEST(no_cut_and_no_byte_of_a_date_leads_astray)
{
    static const char whole[] = "2024-05-06T07:08:09.123456+01:30";
    char              text[sizeof whole];
    int64_t           micros;

    for (size_t size = 0; size < sizeof whole; size++) {
        char *exact = oct_copy_text(whole, size);

        (void)datetime_parse((oct_slice){exact, size}, &micros); /* ASan watches the end */
        oct_free(exact);
    }
    for (size_t at = 0; at + 1 < sizeof whole; at++) {
        for (int byte = 0; byte < 256; byte++) {
            memcpy(text, whole, sizeof text);
            text[at] = (char)byte;
            (void)datetime_parse((oct_slice){text, sizeof whole - 1}, &micros);
        }
    }
}
