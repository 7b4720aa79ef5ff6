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
