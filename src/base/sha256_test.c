/* Is it SHA-256? */
#include "base/sha256.h"
#include "support/test.h"

/* Goal:   the sums of FIPS 180-4's examples, and of a million "a".
 * Method: the published values (NIST, "Examples with Intermediate Values"). */
TEST(sha256_gives_the_published_sums)
{
    static const struct {
        const char *text, *sum;
    } cases[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    char   out[SHA256_TEXT_BYTES], block[1000];
    sha256 sum;

    for (size_t i = 0; i < countof(cases); i++) {
        sha256_init(&sum);
        sha256_add(&sum, cases[i].text, strlen(cases[i].text));
        sha256_text(&sum, out);
        CHECK_TEXT(out, cases[i].sum);
    }
    memset(block, 'a', sizeof block);
    sha256_init(&sum);
    for (size_t i = 0; i < 1000; i++)
        sha256_add(&sum, block, sizeof block);
    sha256_text(&sum, out);
    CHECK_TEXT(out, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/* Goal:   the sum does not depend on how the bytes are cut.
 * Method: 0 to 300 bytes, whole and in pieces of random size. Seed 31. */
TEST(sha256_in_pieces_is_the_same)
{
    test_rng rng = test_rng_seed(31);
    char     data[300], whole[SHA256_TEXT_BYTES], parts[SHA256_TEXT_BYTES];

    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (char)test_u64(&rng);
    for (size_t size = 0; size <= sizeof data; size++) {
        sha256 sum;

        sha256_init(&sum);
        sha256_add(&sum, data, size);
        sha256_text(&sum, whole);
        sha256_init(&sum);
        for (size_t at = 0; at < size;) {
            const size_t some = size_min(size - at, (size_t)test_below(&rng, 150));

            sha256_add(&sum, data + at, some);
            at += some;
        }
        sha256_text(&sum, parts);
        CHECK_TEXT(parts, whole);
    }
}
