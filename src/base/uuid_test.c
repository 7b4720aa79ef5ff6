/* UUIDs in their four spellings. */
#include "base/uuid.h"

#include "support/test.h"

/* Goal:   every spelling of a UUID is read, in either case, and nothing else is. */
TEST(uuids_are_read_in_every_spelling)
{
    static const char *const good[] = {
        "f47ac10b-58cc-4372-a567-0e02b2c3d479", "F47AC10B58CC4372A5670E02B2C3D479",
        "urn:uuid:f47ac10b-58cc-4372-a567-0e02b2c3d479", "{f47ac10b-58cc-4372-A567-0e02b2c3d479}"};
    static const char *const bad[] = {"",
                                      "f47ac10b-58cc-4372-a567-0e02b2c3d47",
                                      "f47ac10b-58cc-4372-a567-0e02b2c3d4790",
                                      "f47ac10b+58cc-4372-a567-0e02b2c3d479",
                                      "g47ac10b-58cc-4372-a567-0e02b2c3d479",
                                      "urn:uuid-f47ac10b-58cc-4372-a567-0e02b2c3d479",
                                      "F47AC10B58CC4372A5670E02B2C3D47-",
                                      "[f47ac10b-58cc-4372-a567-0e02b2c3d479]"};
    oct_id                   id;

    for (size_t i = 0; i < countof(good); i++) {
        id = oct_id_number(0);
        CHECK_MSG(uuid_parse(slice_of(good[i]), &id), "%s", good[i]);
        CHECK(id.is_uuid == 1 && id.high == 0xF47AC10B58CC4372u && id.low == 0xA5670E02B2C3D479u);
    }
    for (size_t i = 0; i < countof(bad); i++)
        CHECK_MSG(!uuid_parse(slice_of(bad[i]), &id), "%s", bad[i]);
}
