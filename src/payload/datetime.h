/* datetime.h - dates as payloads hold them, to microseconds.
 *
 * FORMS    date [("T" | space) hour ":" minute [":" second ["." digits] [zone]]]
 *          zone: "Z", " UTC", or a sign, two digits of hours and, with or without a colon, two of minutes; no zone is
 *          UTC. Spaces may come before the date and before the zone; T and Z may be small letters.
 * MEANING  Digits beyond microseconds are dropped. The second 60 of a leap second is the first of the next minute.
 */
#ifndef OCT_PAYLOAD_DATETIME_H
#define OCT_PAYLOAD_DATETIME_H

#include "base/base.h"

/* Microseconds since 1970-01-01T00:00:00Z, negative before. False: no such date. */
bool datetime_parse(oct_slice text, int64_t *out);

#endif
