/* What is slow goes to a worker.
 *
 * Goal:   a kind of request is slow from its first slow run to its next quick one; others are not touched.
 * Method: times are given, not measured.
 */
#include "server/pace.h"

#include "support/test.h"

TEST(a_kind_is_slow_until_it_was_quick_again)
{
    static pace    self;
    const uint32_t a = pace_key(slice_of("/points/query"), slice_of("a")), b = pace_key(slice_of("/points/query"), slice_of("b"));

    CHECK(a != b && a != 0);
    CHECK(!pace_is_slow(&self, a));
    pace_note(&self, a, PACE_SLOW_NS - 1);
    CHECK(!pace_is_slow(&self, a));
    pace_note(&self, a, PACE_SLOW_NS);
    CHECK(pace_is_slow(&self, a));
    CHECK(!pace_is_slow(&self, b));
    pace_note(&self, a, PACE_QUICK_NS); /* in between: as it was */
    CHECK(pace_is_slow(&self, a));
    pace_forgive(&self, b, PACE_SLOW_NS); /* what a worker takes its time for is no reason to keep off the loop */
    CHECK(!pace_is_slow(&self, b));
    pace_note(&self, b, 0);
    CHECK(pace_is_slow(&self, a));
    pace_forgive(&self, a, PACE_QUICK_NS - 1);
    CHECK(!pace_is_slow(&self, a));
}
