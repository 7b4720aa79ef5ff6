/* Deadlines of a thread.
 *
 * Goal:   the limit of a request and the one of its caller hold side by side; who helps has both; a flag stops at once.
 * Method: limits far in the future or long past, so that the clock of the machine decides nothing; flags.
 */
#include "base/deadline.h"

#include "base/workers.h"
#include "support/test.h"

TEST(no_limit_never_passes_and_a_past_one_has)
{
    oct_error error = {OCT_OK, ""};

    deadline_leave();
    CHECK(!deadline_has_passed());
    CHECK_STATUS(deadline_check(&error), OCT_OK);
    deadline_begin(3600u * 1000);
    CHECK(!deadline_has_passed());
    deadline_enter(1, NULL); /* the first nanosecond after the start of the machine */
    CHECK(deadline_has_passed());
    CHECK_STATUS(deadline_check(&error), OCT_TIMEOUT);
    CHECK_MSG(strstr(error.text, "deadline of the call") != NULL, "%s", error.text);
    deadline_leave();
    CHECK(!deadline_has_passed());
}

TEST(a_limit_of_the_request_leaves_that_of_the_caller_alone)
{
    _Atomic bool left = false;
    oct_error    error = {OCT_OK, ""};

    deadline_enter(1, &left);
    deadline_begin(3600u * 1000);
    CHECK(deadline_has_passed());
    deadline_begin(0);
    CHECK(deadline_has_passed());
    deadline_enter(0, &left);
    deadline_begin(3600u * 1000);
    CHECK(!deadline_has_passed());
    atomic_store(&left, true);
    CHECK(deadline_has_passed());
    CHECK_STATUS(deadline_check(&error), OCT_TIMEOUT);
    CHECK_MSG(strstr(error.text, "has left") != NULL, "%s", error.text);
    deadline_leave();
}

typedef struct seen {
    _Atomic bool     left;
    _Atomic uint32_t with, without;
} seen;

/* Whoever takes the first item raises the flag; items begun after that must see it, on any thread. */
static void
look(void *context, size_t item, uint32_t worker)
{
    seen *self = context;

    (void)worker;
    (void)item;
    if (deadline_has_passed())
        atomic_fetch_add(&self->with, 1);
    else
        atomic_fetch_add(&self->without, 1);
    atomic_store(&self->left, true);
}

TEST(helpers_of_a_split_stop_with_the_thread_they_help)
{
    enum { THREADS = 3, ITEMS = 200 };
    seen     self = {.left = false};
    workers *pool;

    CHECK_INT(workers_new(THREADS, &pool, NULL), OCT_OK);
    deadline_enter(0, &self.left);
    workers_split(pool, ITEMS, 0, look, &self);
    deadline_leave();
    /* At most one item a thread had begun before the flag was up. */
    CHECK_MSG(atomic_load(&self.without) >= 1 && atomic_load(&self.without) <= THREADS + 1, "%u items did not see it",
          atomic_load(&self.without));
    CHECK_INT(atomic_load(&self.with) + atomic_load(&self.without), ITEMS);
    workers_free(pool);
}

TEST(a_try_ends_when_more_is_expected_than_it_may_take)
{
    const uint64_t hour_ns = UINT64_C(3600) * 1000000000u;
    deadline_trial trial = {0};
    oct_error      error = {OCT_OK, ""};

    deadline_enter(0, NULL);
    deadline_try(&trial, hour_ns);
    CHECK_STATUS(deadline_expect(hour_ns / 2, &error), OCT_OK);
    CHECK(!deadline_has_passed() && !deadline_is_put_off());
    CHECK_STATUS(deadline_expect(hour_ns * 2, &error), OCT_TIMEOUT);
    CHECK(deadline_is_put_off());
    CHECK_STATUS(deadline_check(&error), OCT_TIMEOUT); /* whatever comes after is in vain */
    deadline_try(&trial, 1);
    CHECK(deadline_has_passed() && deadline_is_put_off());
    deadline_try(&trial, 0); /* the last one takes as long as it takes */
    CHECK_STATUS(deadline_expect(UINT64_MAX, &error), OCT_OK);
    CHECK(!deadline_is_put_off());
    deadline_leave();
    CHECK_STATUS(deadline_expect(UINT64_MAX, &error), OCT_OK); /* who waits for nobody's sake */
}

TEST(what_a_try_paid_the_next_need_not_pay)
{
    deadline_trial trial = {0};

    CHECK_INT(deadline_owed(3), 3);
    deadline_pay(3); /* no try: nothing to remember */
    deadline_enter(0, NULL);
    deadline_try(&trial, 1);
    CHECK_INT(deadline_owed(3), 3);
    deadline_pay(3);
    CHECK_INT(deadline_owed(2), 2); /* within one try everything is paid */
    deadline_try(&trial, 1);
    CHECK_INT(deadline_owed(2), 0);
    deadline_pay(2);
    CHECK_INT(deadline_owed(4), 3);
    deadline_pay(4);
    deadline_try(&trial, 0);
    CHECK_INT(deadline_owed(10), 4);
    deadline_pay(10);
    CHECK_INT(trial.paid, 10);
    deadline_leave();
}

typedef struct helped {
    _Atomic uint32_t put_off;
} helped;

static void
expect_much(void *context, size_t item, uint32_t worker)
{
    helped *self = context;

    (void)worker;
    if (item == 0 && deadline_expect(UINT64_MAX, NULL) == OCT_TIMEOUT)
        atomic_fetch_add(&self->put_off, 1);
}

TEST(a_helper_that_expects_too_much_ends_the_try_for_all)
{
    deadline_trial trial = {0};
    helped         self = {.put_off = 0};
    workers       *pool;

    CHECK_INT(workers_new(2, &pool, NULL), OCT_OK);
    deadline_enter(0, NULL);
    deadline_try(&trial, UINT64_C(3600) * 1000000000u);
    workers_split(pool, 50, 0, expect_much, &self);
    CHECK_INT(atomic_load(&self.put_off), 1);
    CHECK(deadline_is_put_off());
    deadline_leave();
    workers_free(pool);
}
