/* See text_index.h. */
#include "text/text_index.h"

#include <stdlib.h>

#include "base/epoch.h"
#include "base/rows.h"

#define NUMBER_BYTES_MAX 5u  /* of a difference of 33 bits with sign, seven a byte */
#define LIST_BYTES_MIN   8u  /* most tokens are rare */
#define SLOTS_MIN        64u /* of the dictionary */
#define STALE_POINTS_MIN 1024u
#define STALE_SHARE      4u /* one in so many unsure: finding them costs more than their part of a build */

/* The points of a token. Bytes below `size` never change. */
typedef struct posting_list {
    size_t           capacity;
    uint32_t         last; /* the writer's: the point put last */
    _Atomic size_t   size; /* written after the bytes (release) */
    _Atomic uint32_t count;
    unsigned char    bytes[];
} posting_list;

typedef struct term {
    uint64_t                hash;
    _Atomic(posting_list *) list;
    uint32_t                size;
    char                    text[];
} term;

typedef struct dictionary {
    size_t          mask;
    _Atomic(term *) slots[]; /* by hash, with holes; never emptied */
} dictionary;

struct text_index {
    text_analyzer        *analyzer;
    _Atomic(dictionary *) words;
    _Atomic uint64_t      term_count, bytes, points, unsure_count;
    rows                  seen;   /* bits of points that were put, ever */
    rows                  unsure; /* bits of points whose lists tell more than they have */
    rows                  filled; /* the writer's: bits of points that have a string */

    /* The writer's. */
    text_run *run;
    buffer    letters; /* tokens of the point under way, one behind the other */
    buffer    list;    /* pending, sorted */
};

typedef struct pending {
    uint64_t hash;
    size_t   start, size; /* in `letters` */
    term    *where;
} pending;

/* --- bits of points --------------------------------------------------------------------------- */

static bool
bit_is_set(const rows *bits, uint32_t point)
{
    if (point / 64 >= atomic_load_explicit(&bits->capacity, memory_order_acquire))
        return false;
    return atomic_load_explicit((_Atomic uint64_t *)rows_at(bits, point / 64), memory_order_acquire) >> point % 64 & 1;
}

static void
set_bit(rows *bits, uint32_t point, bool value)
{
    _Atomic uint64_t *word = rows_at(bits, point / 64);
    const uint64_t    bit = 1ull << point % 64;

    if (value)
        atomic_fetch_or_explicit(word, bit, memory_order_release);
    else
        atomic_fetch_and_explicit(word, ~bit, memory_order_release);
}

static oct_status
reserve_bits(text_index *self, uint32_t point, oct_error *error)
{
    const uint64_t words = (uint64_t)point / 64 + 1;
    oct_status     status = rows_reserve(&self->seen, words, error);

    if (status == OCT_OK)
        status = rows_reserve(&self->unsure, words, error);
    return status == OCT_OK ? rows_reserve(&self->filled, words, error) : status;
}

/* --- making ------------------------------------------------------------------------------------- */

static dictionary *
dictionary_new(size_t slots)
{
    dictionary *self = oct_calloc(1, sizeof *self + slots * sizeof self->slots[0]);

    if (self != NULL)
        self->mask = slots - 1;
    return self;
}

oct_status
text_index_new(const oct_text_config *config, text_index **out, oct_error *error)
{
    text_index *self = oct_calloc(1, sizeof *self);
    dictionary *words = dictionary_new(SLOTS_MIN);
    oct_status  status = self == NULL || words == NULL ? oct_fail_memory(error, sizeof *self) : OCT_OK;

    *out = NULL;
    if (status == OCT_OK)
        status = text_analyzer_new(config, &self->analyzer, error);
    if (status == OCT_OK)
        status = text_run_new(self->analyzer, &self->run, error);
    if (status != OCT_OK) {
        oct_free(words);
        if (self != NULL)
            text_analyzer_free(self->analyzer);
        oct_free(self);
        return status;
    }
    atomic_store(&self->words, words);
    rows_init(&self->seen, sizeof(uint64_t), 16);
    rows_init(&self->unsure, sizeof(uint64_t), 16);
    rows_init(&self->filled, sizeof(uint64_t), 16);
    *out = self;
    return OCT_OK;
}

void
text_index_free(text_index *self)
{
    dictionary *words;

    if (self == NULL)
        return;
    words = atomic_load(&self->words);
    for (size_t i = 0; i <= words->mask; i++) {
        term *each = atomic_load(&words->slots[i]);

        if (each != NULL)
            oct_free(atomic_load(&each->list));
        oct_free(each);
    }
    oct_free(words);
    rows_clear(&self->seen);
    rows_clear(&self->unsure);
    rows_clear(&self->filled);
    text_run_free(self->run);
    text_analyzer_free(self->analyzer);
    buffer_clear(&self->letters);
    buffer_clear(&self->list);
    oct_free(self);
}

text_analyzer *
text_index_analyzer(text_index *self)
{
    return self->analyzer;
}

/* --- the dictionary ----------------------------------------------------------------------------- */

static term *
find_term(const text_index *self, uint64_t hash, oct_slice text)
{
    const dictionary *words = atomic_load_explicit(&self->words, memory_order_seq_cst);
    term             *each;

    for (size_t i = hash & words->mask; (each = atomic_load_explicit(&words->slots[i], memory_order_acquire)) != NULL;
         i = (i + 1) & words->mask)
        if (each->hash == hash && each->size == text.size && memcmp(each->text, text.data, text.size) == 0)
            return each;
    return NULL;
}

static void
put_term(dictionary *words, term *new)
{
    size_t i = new->hash &words->mask;

    while (atomic_load_explicit(&words->slots[i], memory_order_relaxed) != NULL)
        i = (i + 1) & words->mask;
    atomic_store_explicit(&words->slots[i], new, memory_order_release);
}

/* Keep at least half of the slots free. */
static oct_status
grow_dictionary(text_index *self, oct_error *error)
{
    dictionary *old = atomic_load_explicit(&self->words, memory_order_relaxed), *new;

    if (2 * (atomic_load_explicit(&self->term_count, memory_order_relaxed) + 1) <= old->mask)
        return OCT_OK;
    new = dictionary_new(2 * (old->mask + 1));
    if (new == NULL)
        return oct_fail_memory(error, 2 * (old->mask + 1) * sizeof old->slots[0]);
    for (size_t i = 0; i <= old->mask; i++) {
        term *each = atomic_load_explicit(&old->slots[i], memory_order_relaxed);

        if (each != NULL)
            put_term(new, each);
    }
    atomic_fetch_add_explicit(&self->bytes, (old->mask + 1) * sizeof old->slots[0], memory_order_relaxed);
    atomic_store_explicit(&self->words, new, memory_order_seq_cst);
    epoch_retire(old, oct_free);
    return OCT_OK;
}

/* A term that is in no point yet. Finding it does no harm, should the put that made it fail. */
static oct_status
add_term(text_index *self, uint64_t hash, oct_slice text, term **out, oct_error *error)
{
    const size_t  bytes = sizeof(term) + text.size;
    oct_status    status = grow_dictionary(self, error);
    term         *new = status == OCT_OK ? oct_calloc(1, bytes) : NULL;
    posting_list *list = new == NULL ? NULL : oct_calloc(1, sizeof *list + LIST_BYTES_MIN);

    if (status != OCT_OK)
        return status;
    if (list == NULL) {
        oct_free(new);
        return oct_fail_memory(error, bytes);
    }
    list->capacity = LIST_BYTES_MIN;
    new->hash = hash;
    new->size = (uint32_t)text.size;
    memcpy(new->text, text.data, text.size);
    atomic_store_explicit(&new->list, list, memory_order_relaxed);
    put_term(atomic_load_explicit(&self->words, memory_order_relaxed), new);
    atomic_fetch_add_explicit(&self->term_count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&self->bytes, bytes + sizeof *list + LIST_BYTES_MIN, memory_order_relaxed);
    *out = new;
    return OCT_OK;
}

/* Room for one more point. */
static oct_status
reserve_list(text_index *self, term *where, oct_error *error)
{
    posting_list *old = atomic_load_explicit(&where->list, memory_order_relaxed), *new;
    const size_t  size = atomic_load_explicit(&old->size, memory_order_relaxed);

    if (size + NUMBER_BYTES_MAX <= old->capacity)
        return OCT_OK;
    new = oct_alloc(sizeof *new + 2 * old->capacity);
    if (new == NULL)
        return oct_fail_memory(error, sizeof *new + 2 * old->capacity);
    new->capacity = 2 * old->capacity;
    new->last = old->last;
    atomic_init(&new->size, size);
    atomic_init(&new->count, atomic_load_explicit(&old->count, memory_order_relaxed));
    memcpy(new->bytes, old->bytes, size);
    atomic_fetch_add_explicit(&self->bytes, old->capacity, memory_order_relaxed);
    atomic_store_explicit(&where->list, new, memory_order_seq_cst);
    epoch_retire(old, oct_free);
    return OCT_OK;
}

static void
append_point(term *where, uint32_t point)
{
    posting_list *list = atomic_load_explicit(&where->list, memory_order_relaxed);
    const int64_t difference = (int64_t)point - list->last;
    uint64_t      rest = (uint64_t)difference << 1 ^ (uint64_t)(difference >> 63);
    size_t        size = atomic_load_explicit(&list->size, memory_order_relaxed);

    for (; rest >= 0x80; rest >>= 7)
        list->bytes[size++] = (unsigned char)(rest | 0x80);
    list->bytes[size++] = (unsigned char)rest;
    list->last = point;
    atomic_store_explicit(&list->size, size, memory_order_release);
    atomic_fetch_add_explicit(&list->count, 1, memory_order_relaxed);
}

/* --- the writer ------------------------------------------------------------------------------------ */

static oct_status
keep_token(void *context, oct_slice token, uint32_t position, oct_error *error)
{
    text_index   *self = context;
    const pending one = {hash_bytes(token.data, token.size), self->letters.size, token.size, NULL};

    (void)position;
    buffer_add(&self->letters, token.data, token.size);
    buffer_add(&self->list, &one, sizeof one);
    return self->letters.failed || self->list.failed ? oct_fail_memory(error, token.size) : OCT_OK;
}

static int
compare_pending(const void *left, const void *right, void *letters)
{
    const pending *a = left, *b = right;

    if (a->hash != b->hash)
        return a->hash < b->hash ? -1 : 1;
    return slice_compare((oct_slice){(const char *)letters + a->start, a->size},
                         (oct_slice){(const char *)letters + b->start, b->size});
}

/* Find or make the terms of all pending tokens, each once, with room for a point. */
static oct_status
prepare(text_index *self, size_t *count, oct_error *error)
{
    pending   *list = (pending *)(void *)self->list.data;
    size_t     given = self->list.size / sizeof *list, used = 0;
    oct_status status = OCT_OK;

    if (given > 0)
        qsort_r(list, given, sizeof *list, compare_pending, self->letters.data);
    for (size_t i = 0; i < given && status == OCT_OK; i++) {
        const oct_slice text = {self->letters.data + list[i].start, list[i].size};

        if (used > 0 && compare_pending(&list[used - 1], &list[i], self->letters.data) == 0)
            continue;
        list[used] = list[i];
        list[used].where = find_term(self, list[i].hash, text);
        if (list[used].where == NULL)
            status = add_term(self, list[i].hash, text, &list[used].where, error);
        if (status == OCT_OK)
            status = reserve_list(self, list[used].where, error);
        used++;
    }
    *count = used;
    return status;
}

oct_status
text_index_put(text_index *self, uint32_t point, const oct_slice *texts, size_t count, oct_error *error)
{
    uint32_t   position = 0;
    size_t     terms = 0;
    pending   *list;
    oct_status status = reserve_bits(self, point, error);

    self->letters.size = self->list.size = 0;
    self->letters.failed = self->list.failed = false;
    for (size_t i = 0; i < count && status == OCT_OK; i++)
        status = text_analyze(self->run, texts[i], TEXT_DOCUMENT, &position, keep_token, self, error);
    if (status == OCT_OK)
        status = prepare(self, &terms, error);
    if (status != OCT_OK)
        return status;

    /* From here on nothing fails. Unsure first: whoever sees a new token of a changed point shall ask. */
    if (bit_is_set(&self->seen, point) && !bit_is_set(&self->unsure, point)) {
        set_bit(&self->unsure, point, true);
        atomic_fetch_add_explicit(&self->unsure_count, 1, memory_order_relaxed);
    }
    set_bit(&self->seen, point, true);
    if (bit_is_set(&self->filled, point) != (count > 0)) {
        set_bit(&self->filled, point, count > 0);
        if (count > 0)
            atomic_fetch_add_explicit(&self->points, 1, memory_order_relaxed);
        else
            atomic_fetch_sub_explicit(&self->points, 1, memory_order_relaxed);
    }
    list = (pending *)(void *)self->list.data;
    for (size_t i = 0; i < terms; i++)
        append_point(list[i].where, point);
    return OCT_OK;
}

oct_status
text_index_remove(text_index *self, uint32_t point, oct_error *error)
{
    return bit_is_set(&self->seen, point) ? text_index_put(self, point, NULL, 0, error) : OCT_OK;
}

/* --- readers ------------------------------------------------------------------------------------------ */

static const posting_list *
list_of(const text_index *self, oct_slice token)
{
    const term *found = find_term(self, hash_bytes(token.data, token.size), token);

    return found == NULL ? NULL : atomic_load_explicit(&found->list, memory_order_seq_cst);
}

static void
mark_points(const posting_list *list, uint64_t *bits, uint32_t point_count)
{
    const size_t         size = atomic_load_explicit(&list->size, memory_order_acquire);
    const unsigned char *at = list->bytes, *end = at + size;
    int64_t              point = 0;

    while (at < end) {
        uint64_t number = *at & 0x7F;

        for (unsigned shift = 7; *at++ & 0x80; shift += 7)
            number |= (uint64_t)(*at & 0x7F) << shift;
        point += (int64_t)(number >> 1) ^ -(int64_t)(number & 1);
        if (point < point_count)
            bits[point / 64] |= 1ull << point % 64;
    }
}

static int
compare_lists(const void *a, const void *b)
{
    const size_t x = atomic_load_explicit(&(*(posting_list *const *)a)->size, memory_order_relaxed);
    const size_t y = atomic_load_explicit(&(*(posting_list *const *)b)->size, memory_order_relaxed);

    return (x > y) - (x < y);
}

/* The points that have all tokens, or one; false: a token that all need is unknown. */
static bool
combine(const text_match *match, const posting_list **lists, size_t count, uint64_t *found, uint64_t *scratch,
        uint32_t point_count)
{
    const size_t words = ((size_t)point_count + 63) / 64;

    if (match->kind != TEXT_MATCH_ANY && count < match->count)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || match->kind == TEXT_MATCH_ANY) {
            mark_points(lists[i], found, point_count);
            continue;
        }
        memset(scratch, 0, words * sizeof *scratch);
        mark_points(lists[i], scratch, point_count);
        for (size_t w = 0; w < words; w++)
            found[w] &= scratch[w];
    }
    return count > 0;
}

oct_status
text_index_find(const text_index *self, const text_match *match, uint64_t *bits, uint64_t *unsure, uint32_t point_count,
                oct_error *error)
{
    const size_t         words = ((size_t)point_count + 63) / 64;
    const posting_list **lists = oct_alloc((match->count + 1) * sizeof(const posting_list *));
    uint64_t            *found = oct_calloc(2 * words + 1, sizeof *found);
    size_t               count = 0;

    if (lists == NULL || found == NULL) {
        oct_free(lists);
        oct_free(found);
        return oct_fail_memory(error, 2 * words * sizeof *found);
    }
    for (size_t i = 0; i < match->count; i++) {
        const posting_list *list = list_of(self, match->tokens[i]);

        if (list != NULL)
            lists[count++] = list;
    }
    if (count > 1)
        qsort(lists, count, sizeof(const posting_list *), compare_lists);
    if (combine(match, lists, count, found, found + words, point_count))
        for (size_t w = 0; w < words; w++) {
            const bool     has_unsure = w < atomic_load_explicit(&self->unsure.capacity, memory_order_acquire);
            const uint64_t changed =
                has_unsure ? atomic_load_explicit((_Atomic uint64_t *)rows_at(&self->unsure, (uint32_t)w), memory_order_acquire)
                           : 0;

            bits[w] |= found[w];
            if (unsure != NULL)
                unsure[w] |= match->kind == TEXT_MATCH_PHRASE ? found[w] : found[w] & changed;
        }
    oct_free(lists);
    oct_free(found);
    return OCT_OK;
}

uint64_t
text_index_estimate(const text_index *self, const text_match *match)
{
    uint64_t least = UINT64_MAX, sum = 0;

    for (size_t i = 0; i < match->count; i++) {
        const posting_list *list = list_of(self, match->tokens[i]);
        const uint64_t      count = list == NULL ? 0 : atomic_load_explicit(&list->count, memory_order_relaxed);

        least = count < least ? count : least;
        sum += count;
    }
    if (match->count == 0)
        return 0;
    return match->kind == TEXT_MATCH_ANY ? sum : least;
}

uint64_t
text_index_points(const text_index *self)
{
    return atomic_load_explicit(&self->points, memory_order_relaxed);
}

uint64_t
text_index_terms(const text_index *self)
{
    return atomic_load_explicit(&self->term_count, memory_order_relaxed);
}

uint64_t
text_index_bytes(const text_index *self)
{
    return atomic_load_explicit(&self->bytes, memory_order_relaxed) + rows_bytes(&self->seen) +
           rows_bytes(&self->unsure) + rows_bytes(&self->filled) + sizeof *self;
}

bool
text_index_is_stale(const text_index *self)
{
    const uint64_t unsure = atomic_load_explicit(&self->unsure_count, memory_order_relaxed);

    return unsure >= STALE_POINTS_MIN && unsure * STALE_SHARE >= text_index_points(self);
}
