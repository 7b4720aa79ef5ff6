/* A test of a field, answered for all points of a view at once. See field.h.
 *
 * Runs are taken from the oldest on. Each first takes back what was said of the points it owns, then says it anew; so no run
 * needs to know which of its entries still hold. Within a run an answer is one of four:
 *     NOTHING     the type does not know: none surely, all possibly
 *     NARROWED    none surely, the points hit possibly, and the odd ones
 *     BUT_ODD     the points hit surely, but of the odd ones nothing is sure
 *     EXACT       the points hit, and no other: what makes a point odd cannot pass such a test
 */
#include <stdlib.h>

#include "field/field_internal.h"
#include "payload/value.h"

typedef enum answer { NOTHING, NARROWED, BUT_ODD, EXACT } answer;

#define IN_BOUNDS(range, x)                                                                                  \
    ((((range)->bounds & OCT_GT) == 0 || (x) > (range)->gt) &&                                               \
     (((range)->bounds & OCT_GTE) == 0 || (x) >= (range)->gte) &&                                            \
     (((range)->bounds & OCT_LT) == 0 || (x) < (range)->lt) &&                                               \
     (((range)->bounds & OCT_LTE) == 0 || (x) <= (range)->lte))

/* Where what a test hits goes. */
typedef struct target {
    uint64_t *lower; /* NULL: nowhere */
    uint64_t *upper;
} target;

static void
hit_keys(const field_run *run, uint32_t first, uint32_t end, const target *to)
{
    if (first >= end)
        return;
    for (uint32_t i = run->starts[first]; i < run->starts[end]; i++) {
        if (to->lower != NULL)
            bit_set(to->lower, run->points[i]);
        bit_set(to->upper, run->points[i]);
    }
}

/* --- texts ------------------------------------------------------------------------------------------- */

/* A value is what stands between quotes with them: tests look at whole values. Keys have none, so each is copied once. */
static bool
hit_passing_texts(const field_run *run, const field_test *test, const target *to)
{
    buffer quoted = {0};

    for (uint32_t key = 0; key < run->key_count; key++) {
        const oct_slice text = run_text(run, key);

        quoted.size = 0;
        buffer_add_byte(&quoted, '"');
        buffer_add(&quoted, text.data, text.size);
        buffer_add_byte(&quoted, '"');
        if (quoted.failed) {
            buffer_clear(&quoted);
            return false;
        }
        if (condition_passes(test, (oct_slice){quoted.data, quoted.size}))
            hit_keys(run, key, key + 1, to);
    }
    buffer_clear(&quoted);
    return true;
}

static void
hit_listed_texts(const field_run *run, const value_set *set, const target *to)
{
    bool     is_there;
    uint32_t past = 0; /* strings are sorted, and so are keys */

    for (size_t i = 0; i < set->string_count; i++) {
        const uint32_t key = run_find_text(run, set->strings[i], &is_there);

        if (set->except)
            hit_keys(run, past, key, to);
        else if (is_there)
            hit_keys(run, key, key + 1, to);
        past = key + is_there;
    }
    if (set->except)
        hit_keys(run, past, run->key_count, to);
}

static void
hit_prefix(const field_run *run, oct_slice prefix, const target *to)
{
    bool     is_there;
    uint32_t end = run_find_text(run, prefix, &is_there);
    uint32_t first = end, high = run->key_count;

    /* Keys that begin so stand together. */
    while (end < high) {
        const uint32_t middle = end + (high - end) / 2;

        if (spelled_starts(run_text(run, middle), prefix))
            end = middle + 1;
        else
            high = middle;
    }
    hit_keys(run, first, end, to);
}

/* --- tokens ------------------------------------------------------------------------------------------ */

/* The first place from `at` on whose point is not smaller. */
static uint32_t
gallop_to(const uint32_t *points, uint32_t count, uint32_t at, uint32_t point)
{
    uint32_t step = 1, high;

    while (at + step < count && points[at + step] < point)
        step *= 2;
    high = at + step < count ? at + step + 1 : count;
    while (at < high) {
        const uint32_t middle = at + (high - at) / 2;

        if (points[middle] < point)
            at = middle + 1;
        else
            high = middle;
    }
    return at;
}

/* Of `list`, ascending, those that `points` has too; both are short or one is searched by halves. */
static uint32_t
keep_common(uint32_t *list, uint32_t count, const uint32_t *points, uint32_t point_count)
{
    uint32_t used = 0, at = 0;

    for (uint32_t i = 0; i < count && at < point_count; i++) {
        at = gallop_to(points, point_count, at, list[i]);
        if (at < point_count && points[at] == list[i])
            list[used++] = list[i];
    }
    return used;
}

/* Of `list`, whose points have all tokens, those where they stand as in the phrase. `at` becomes the entries of the tokens,
 * which are found by going on from the last ones. False: no memory. */
static bool
keep_phrase(const field_run *run, const field_phrase *phrase, const uint32_t *keys, uint32_t *at, size_t token_count,
            uint32_t *list, uint32_t *count)
{
    buffer   memory = {0};
    uint32_t used = 0;
    bool     failed = false;

    for (size_t i = 0; i < token_count; i++)
        at[i] = run->starts[keys[i]];
    for (uint32_t i = 0; i < *count && !failed; i++) {
        for (size_t t = 0; t < token_count; t++)
            at[t] = gallop_to(run->points, run->starts[keys[t] + 1], at[t], list[i]);
        if (field_phrase_stands(phrase, &run->positions, at, &memory, &failed))
            list[used++] = list[i];
    }
    *count = used;
    buffer_clear(&memory);
    return !failed;
}

/* A run has all tokens of the points it owns, so what they have in common is found within it. With `phrase` they have to
 * stand so, too. */
static answer
hit_all_tokens(const field_run *run, const text_match *words, const field_phrase *phrase, const target *to)
{
    uint32_t  shortest = 0, count, *list;
    uint32_t *keys = oct_alloc(2 * words->count * sizeof *keys); /* and as many entries */
    bool      is_done;

    if (keys == NULL)
        return NOTHING;
    for (size_t i = 0; i < words->count; i++) {
        bool is_there;

        keys[i] = run_find_text(run, words->tokens[i], &is_there);
        if (!is_there) {
            oct_free(keys);
            return EXACT; /* no point of the run has it */
        }
        if (run->starts[keys[i] + 1] - run->starts[keys[i]] < run->starts[keys[shortest] + 1] - run->starts[keys[shortest]])
            shortest = (uint32_t)i;
    }
    count = run->starts[keys[shortest] + 1] - run->starts[keys[shortest]];
    list = oct_alloc(size_max(count, 1) * sizeof *list);
    is_done = list != NULL;
    if (is_done)
        memcpy(list, run->points + run->starts[keys[shortest]], count * sizeof *list);
    for (size_t i = 0; is_done && i < words->count; i++)
        if (i != shortest)
            count = keep_common(list, count, run->points + run->starts[keys[i]],
                                run->starts[keys[i] + 1] - run->starts[keys[i]]);
    if (is_done && phrase != NULL)
        is_done = keep_phrase(run, phrase, keys, keys + words->count, words->count, list, &count);
    for (uint32_t i = 0; is_done && i < count; i++) {
        if (to->lower != NULL)
            bit_set(to->lower, list[i]);
        bit_set(to->upper, list[i]);
    }
    oct_free(keys);
    oct_free(list);
    return is_done ? EXACT : NOTHING;
}

/* Phrases stand in the positions of a run; those that do not (positions.c) are for documents, which are asked where all of
 * the words are. */
static answer
hit_phrase(const field_run *run, const text_match *words, const target *to)
{
    const target possible = {NULL, to->upper};
    field_phrase phrase;

    if (words->length == 1)
        return hit_all_tokens(run, words, NULL, to);
    if (!run->has_positions || !field_phrase_plan(words, &phrase))
        return hit_all_tokens(run, words, NULL, &possible);
    return hit_all_tokens(run, words, &phrase, to);
}

/* What is odd is no string, and no test of words is true of it: the answer is exact. A test that was made for another
 * index's words is not known here. */
static answer
hit_tokens(const field_view *self, const field_run *run, const text_match *words, const target *to)
{
    if (self->words == NULL || words->analyzer != self->words)
        return NOTHING;
    if (words->count == 0)
        return EXACT;
    if (words->kind == TEXT_MATCH_PHRASE)
        return hit_phrase(run, words, to);
    if (words->kind == TEXT_MATCH_ALL)
        return hit_all_tokens(run, words, NULL, to);
    for (size_t i = 0; i < words->count; i++) {
        bool           is_there;
        const uint32_t key = run_find_text(run, words->tokens[i], &is_there);

        if (is_there)
            hit_keys(run, key, key + 1, to);
    }
    return EXACT;
}

/* Of the strings of a text index only tokens are known. */
static answer
hit_other_tests(const field_test *test)
{
    return test->kind == TEST_VALUES || test->kind == TEST_PREFIX || test->kind == TEST_CONTAINS ||
                   test->kind == TEST_DATETIME
               ? NOTHING
               : BUT_ODD;
}

/* --- spelled strings --------------------------------------------------------------------------------- */

static answer
hit_texts(const field_run *run, const field_test *test, bool all_strings, const target *to)
{
    const value_set *set = &test->as.values;
    /* A UUID in an unusual spelling is a string that is not indexed as such. */
    const answer of_strings = all_strings ? EXACT : BUT_ODD;

    switch (test->kind) {
    case TEST_VALUES:
        hit_listed_texts(run, set, to);
        return set->except || set->integer_count > 0 || set->has_true || set->has_false ? BUT_ODD : of_strings;
    case TEST_PREFIX:
        hit_prefix(run, test->as.strings.items[0], to);
        return of_strings;
    case TEST_CONTAINS:
    case TEST_DATETIME:
        return hit_passing_texts(run, test, to) ? of_strings : NOTHING;
    default: /* of what is no string */
        return BUT_ODD;
    }
}

/* --- numbers ------------------------------------------------------------------------------------------- */

/* First key from `low` on for which `below` does not hold; it holds for those before and for none behind. */
#define FIRST_NOT(run, low, below)                                                                           \
    uint32_t high_ = (run)->key_count;                                                                       \
    while ((low) < high_) {                                                                                  \
        const uint32_t middle = (low) + (high_ - (low)) / 2;                                                 \
        if (below)                                                                                           \
            (low) = middle + 1;                                                                              \
        else                                                                                                 \
            high_ = middle;                                                                                  \
    }

static double
number_at(const field_run *run, oct_field_type type, uint32_t key)
{
    return type == OCT_FIELD_FLOAT ? double_of_key(run->keys[key]) : (double)integer_of_key(run->keys[key]);
}

static uint32_t
find_range_start(const field_run *run, oct_field_type type, const oct_range *range)
{
    const oct_range lower = {range->bounds & (uint32_t)(OCT_GT | OCT_GTE), range->gt, range->gte, 0, 0};
    uint32_t        low = 0;

    FIRST_NOT(run, low, !IN_BOUNDS(&lower, number_at(run, type, middle)))
    return low;
}

static uint32_t
find_range_end(const field_run *run, oct_field_type type, const oct_range *range)
{
    const oct_range upper = {range->bounds & (uint32_t)(OCT_LT | OCT_LTE), 0, 0, range->lt, range->lte};
    uint32_t        low = 0;

    FIRST_NOT(run, low, IN_BOUNDS(&upper, number_at(run, type, middle)))
    return low;
}

static void
hit_dates(const field_run *run, const oct_datetime_range *range, const target *to)
{
    const oct_datetime_range lower = {range->bounds & (uint32_t)(OCT_GT | OCT_GTE), range->gt, range->gte, 0, 0};
    const oct_datetime_range upper = {range->bounds & (uint32_t)(OCT_LT | OCT_LTE), 0, 0, range->lt, range->lte};
    uint32_t                 first = 0, end = 0;

    {
        FIRST_NOT(run, first, !IN_BOUNDS(&lower, integer_of_key(run->keys[middle])))
    }
    {
        FIRST_NOT(run, end, IN_BOUNDS(&upper, integer_of_key(run->keys[middle])))
    }
    hit_keys(run, first, end, to);
}

static void
hit_number(const field_run *run, uint64_t number, const target *to)
{
    const uint32_t key = run_find_number(run, number);

    if (key < run->key_count && run->keys[key] == number)
        hit_keys(run, key, key + 1, to);
}

/* Numbers in `listed`, sorted: those, or all others. */
static void
hit_listed_integers(const field_run *run, const int64_t *listed, size_t count, bool except, const target *to)
{
    uint32_t past = 0;

    for (size_t i = 0; i < count; i++) {
        const uint64_t number = key_of_integer(listed[i]);
        const uint32_t key = run_find_number(run, number);
        const bool     is_there = key < run->key_count && run->keys[key] == number;

        if (except)
            hit_keys(run, past, key, to);
        else if (is_there)
            hit_keys(run, key, key + 1, to);
        past = key + is_there;
    }
    if (except)
        hit_keys(run, past, run->key_count, to);
}

static answer
hit_numbers(const field_run *run, oct_field_type type, const field_test *test, const target *to)
{
    const value_set *set = &test->as.values;
    const target     possible = {NULL, to->upper};

    if (type == OCT_FIELD_DATETIME) {
        if (test->kind == TEST_DATETIME)
            hit_dates(run, &test->as.datetime, to);
        /* Dates are strings; which ones, only documents know. */
        return test->kind == TEST_DATETIME ? EXACT
               : test->kind == TEST_VALUES || test->kind == TEST_CONTAINS || test->kind == TEST_PREFIX ? NOTHING
                                                                                                      : BUT_ODD;
    }
    switch (test->kind) {
    case TEST_VALUES:
        if (type == OCT_FIELD_BOOL) {
            if (set->has_false != set->except)
                hit_number(run, key_of_integer(0), to);
            if (set->has_true != set->except)
                hit_number(run, key_of_integer(1), to);
            return BUT_ODD;
        }
        if (type == OCT_FIELD_INTEGER) {
            hit_listed_integers(run, set->integers, set->integer_count, set->except, to);
            return BUT_ODD;
        }
        if (set->except)
            return NOTHING;
        for (size_t i = 0; i < set->integer_count; i++) /* 5 or 5.0? */
            hit_number(run, key_of_double((double)set->integers[i]), &possible);
        return NARROWED;
    case TEST_RANGE:
        if (type == OCT_FIELD_BOOL)
            return BUT_ODD;
        hit_keys(run, find_range_start(run, type, &test->as.range), find_range_end(run, type, &test->as.range), to);
        return type == OCT_FIELD_FLOAT ? EXACT : BUT_ODD;
    default: /* of what is no number and no boolean */
        return BUT_ODD;
    }
}

/* --- places ------------------------------------------------------------------------------------------- */

static answer
hit_places(const field_run *run, const field_test *test, const target *to)
{
    if (test->kind == TEST_RADIUS || test->kind == TEST_BOX || test->kind == TEST_POLYGON) {
        field_run_places(run, test, to->lower, to->upper);
        return BUT_ODD;
    }
    /* An object is in no list of values. */
    return test->kind == TEST_VALUES && test->as.values.except ? NOTHING : BUT_ODD;
}

/* --- whole values -------------------------------------------------------------------------------------- */

/* Values are counted as arrays have them; of points with one value or none that is 1 or 0. */
/* 0 and 1 as variables: a macro that compares with constants is told so by the compiler. */
static bool
counts(const oct_values_count *range, uint64_t count)
{
    return IN_BOUNDS(range, count);
}

static answer
hit_count(const field_run *run, const oct_values_count *range, const target *to, uint32_t point_count)
{
    uint64_t *both[2] = {to->lower, to->upper};

    for (size_t i = 0; i < 2; i++) {
        if (counts(range, 0)) {
            if (run->owns_all)
                memset(both[i], 0xFF, ((size_t)point_count + 63) / 64 * sizeof *both[i]);
            else
                field_list_set(&run->owned, both[i]);
            field_list_unset(&run->filled, both[i]);
        }
        if (counts(range, 1))
            field_list_set(&run->filled, both[i]);
    }
    field_list_unset(&run->many, to->lower);
    field_list_set(&run->many, to->upper);
    return EXACT;
}

static answer
ask_run(const field_view *self, const field_run *run, const field_test *test, const target *to)
{
    switch (test->kind) {
    case TEST_FILLED:
        field_list_set(&run->filled, to->lower);
        field_list_set(&run->filled, to->upper);
        return EXACT;
    case TEST_NULL:
        field_list_set(&run->null, to->lower);
        field_list_set(&run->null, to->upper);
        return EXACT;
    case TEST_COUNT:
        return hit_count(run, &test->as.count, to, self->point_count);
    case TEST_NESTED:
        return NOTHING;
    case TEST_TOKENS:
        return hit_tokens(self, run, test->as.words, to);
    default:
        break;
    }
    switch (run->order) {
    case FIELD_BY_TEXT:
        if (self->type == OCT_FIELD_TEXT)
            return hit_other_tests(test);
        return hit_texts(run, test, self->type == OCT_FIELD_KEYWORD, to);
    case FIELD_BY_NUMBER:
        return hit_numbers(run, self->type, test, to);
    case FIELD_BY_PLACE:
        break;
    }
    return hit_places(run, test, to);
}

bool
field_view_test(const field_view *self, const field_test *test, uint64_t *lower, uint64_t *upper)
{
    const target to = {lower, upper};

    for (uint32_t i = 0; i < self->run_count; i++) {
        const field_run *run = self->runs[i];
        answer           said;

        field_list_unset(&run->owned, lower);
        field_list_unset(&run->owned, upper);
        said = ask_run(self, run, test, &to);
        if (said == NOTHING)
            return false;
        if (said != EXACT) {
            field_list_unset(&run->odd, lower);
            field_list_set(&run->odd, upper);
        }
    }
    return self->run_count > 0;
}
