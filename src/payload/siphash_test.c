/* Goal:   ids fall into the slices that Qdrant puts them in.
 * Method: values of another implementation, that of qdrant-client, whose authors compared it with a running Qdrant. */
#include "payload/siphash.h"

#include "support/test.h"

TEST(siphash_agrees_with_other_implementations)
{
    static const struct {
        size_t   size;
        uint64_t hash;
    } cases[] = {{0, 0x1e924b9d737700d7},  {1, 0x8b5a0baa49fbc58d}, {7, 0xb3d67eaf2c11480b},
                 {8, 0xc72b1c24fc2f7938},  {9, 0x610e7ab6ada60b22}, {15, 0xd0567cd44e891363},
                 {16, 0xc902632ed88f897f}, {63, 0x8825b5ec8cfb55c6}};
    unsigned char bytes[64];

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)i;
    for (size_t i = 0; i < countof(cases); i++)
        CHECK_MSG(siphash(bytes, cases[i].size) == cases[i].hash, "%zu bytes", cases[i].size);
}

TEST(ids_hash_by_their_bytes)
{
    const oct_id number = oct_id_number(12345), last = oct_id_number(UINT64_MAX);
    const oct_id uuid = {0x550e8400e29b41d4, 0xa716446655440000, 1, 0};

    CHECK(siphash_id(&number) == 0xd6b73668a5ae682a);
    CHECK_INT(siphash_id(&last) % 1000, 430);
    CHECK_INT(siphash_id(&uuid) % 1000, 868);
}
