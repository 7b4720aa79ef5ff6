/* See select.h. */
#include "collection/select.h"

#include <stdlib.h>

#include "base/deadline.h"
#include "base/epoch.h"
#include "collection/fields.h"
#include "collection/records.h"
#include "collection/shard_keys.h"

#define WORDS_A_CHUNK    256u /* 16,384 points: some milliseconds of work, so that threads end together */
#define STOP_WORDS       8u   /* between two looks at the clock: 512 points */
#define DOCUMENT_NS      400u /* what reading a document costs, before it is known */
#define SPLIT_CHUNKS_MIN 4u   /* less is not worth waking threads for */
#define IDS_SHARE_MAX    16u  /* a list of ids is followed if it has fewer than this part of the points */
#define CACHE_SLOTS      32u  /* filters remembered of one collection */
#define CACHE_BYTES_MAX  ((size_t)16 << 20) /* and their size: 128 million points' bits */
#define UPDATE_MAX       1024u /* touches of points since an answer was given, for it to be brought up to date */
#define SORT_COST        16u                /* of one point, in steps of a walk by id */

/* What a filter gave, once: never changed but for `used`. */
typedef struct select_entry {
    uint64_t         hash; /* of the key */
    oct_slice        key;
    uint64_t         version;
    uint64_t         touched; /* how often points had been, before */
    uint32_t         point_count, count;
    size_t           bytes; /* of the entry */
    _Atomic uint64_t used;  /* the cache's clock when it last served */
    uint64_t         bits[];
} select_entry;

struct select_cache {
    _Atomic(select_entry *) slots[CACHE_SLOTS]; /* readers pinned; old ones are retired */
    _Atomic uint64_t        clock;
    pthread_mutex_t         lock; /* of those who put in; guards the next line */
    size_t                  bytes;
};

/* --- one point ----------------------------------------------------------------------------------------- */

typedef struct subject {
    const oct_collection *collection;
    uint32_t              point;
} subject;

static oct_status
subject_document(const void *context, oct_slice *out, oct_error *error)
{
    const subject *self = context;

    return record_document(self->collection, self->point, out, error);
}

static bool
subject_has_vector(const void *context, uint32_t number)
{
    const subject *self = context;

    return shard_has_vector(self->collection->shard, number, self->point);
}

oct_status
select_test(oct_collection *self, const filter *wanted, uint32_t point, bool *out, oct_error *error)
{
    const subject      about = {self, point};
    const filter_point asked = {points_id(shard_points(self->shard), point), subject_document,
                                subject_has_vector, &about};

    *out = true;
    return wanted == NULL ? OCT_OK : filter_matches(wanted, &asked, out, error);
}

/* The number of a shard key, spelled as filters spell them. */
static uint32_t
shard_number(const config_box *box, oct_slice name)
{
    const size_t              prefix = strlen(FILTER_SHARD_TEXT);
    oct_shard_key             key = {.text = {name.data + prefix, name.size - prefix}};
    const oct_shard_key_info *found;

    if (memcmp(name.data, FILTER_SHARD_NUMBER, prefix) == 0) {
        key.is_number = true;
        for (size_t i = 0; i < key.text.size; i++)
            key.number = key.number * 10 + (uint64_t)(key.text.data[i] - '0');
    }
    found = config_find_shard_key(&box->config, &key);
    return found == NULL ? FILTER_NO_VECTOR : found->number;
}

uint32_t
select_vector_number(const void *context, oct_slice name)
{
    const config_box *box = context;

    if (name.size > 0 && name.data[0] == FILTER_SHARD_TEXT[0])
        return shard_number(box, name);
    for (size_t v = 0; v < box->config.vector_count; v++) {
        if (slice_equal(box->config.vectors[v].name, name))
            return box->numbers[v];
    }
    return FILTER_NO_VECTOR;
}

filter_text_field
select_text_field(const void *context, const path *where)
{
    const field_index *index = fields_find(context, where);
    filter_text_field  out = {0};

    if (index == NULL || field_index_words(index) == NULL)
        return out;
    out.analyzer = field_index_words(index);
    out.has_phrases = field_index_config(index)->phrase_matching == 1;
    /* Analyzers stay where they are while the collection lives, and are aligned. */
    out.identity = (uint64_t)(uintptr_t)out.analyzer + out.has_phrases;
    return out;
}

oct_status
select_compile(const oct_collection *self, const oct_filter *given, arena *memory, const filter **out,
               oct_error *error)
{
    oct_status status;

    *out = NULL;
    if (given == NULL)
        return OCT_OK;
    epoch_pin();
    status = filter_compile_indexed(given, select_vector_number, select_text_field, collection_box(self), memory, out, error);
    epoch_unpin();
    if (status == OCT_OK && filter_is_open(*out))
        *out = NULL;
    return status;
}

/* --- all points ------------------------------------------------------------------------------------------- */

/* Asking many points, by chunks, on several threads. */
typedef struct survey {
    oct_collection *collection;
    const filter   *wanted;
    select_entry   *into;
    uint64_t        since; /* only points that an operation after this one touched; 0: all */
    const uint64_t *among; /* only these, and the bits of the entry count for the others; NULL: all */
    atomic_bool     stopped;
    pthread_mutex_t lock; /* guards the next two */
    oct_status      status;
    oct_error       error;
} survey;

static void
survey_fail(survey *self, oct_status status, const oct_error *error)
{
    (void)pthread_mutex_lock(&self->lock);
    if (self->status == OCT_OK) {
        self->status = status;
        self->error = *error;
    }
    (void)pthread_mutex_unlock(&self->lock);
    atomic_store(&self->stopped, true);
}

/* Those of the 64 points from `first` on that were touched after `since`. */
static uint64_t
changed_since(const point_set *all, uint32_t first, uint32_t count, uint64_t since)
{
    const rows *versions = &all->versions;
    uint64_t    changed = 0;

    /* But for the first words, 64 points lie in one segment, one behind the other. */
    if (rows_segment_of(versions, first) == rows_segment_of(versions, first + count - 1)) {
        const _Atomic uint64_t *version = points_version(all, first);

        for (uint32_t i = 0; i < count; i++)
            changed |= (uint64_t)(atomic_load_explicit(&version[i], memory_order_relaxed) > since) << i;
        return changed;
    }
    for (uint32_t i = 0; i < count; i++)
        changed |=
            (uint64_t)(atomic_load_explicit(points_version(all, first + i), memory_order_relaxed) > since)
            << i;
    return changed;
}

static void
survey_chunk(void *context, size_t chunk, uint32_t worker)
{
    survey          *self = context;
    const point_set *all = shard_points(self->collection->shard);
    const uint32_t   point_count = self->into->point_count;
    oct_error        error;

    (void)worker;
    for (uint32_t word = (uint32_t)chunk * WORDS_A_CHUNK; word < (chunk + 1) * WORDS_A_CHUNK; word++) {
        const uint32_t first = word * 64;
        uint64_t       asked, live, found = 0;
        uint32_t       count;

        if (first >= point_count || atomic_load_explicit(&self->stopped, memory_order_relaxed))
            return;
        if (word % STOP_WORDS == 0 && deadline_check(&error) != OCT_OK) {
            survey_fail(self, OCT_TIMEOUT, &error);
            return;
        }
        count = point_count - first < 64 ? point_count - first : 64;
        if (self->among != NULL)
            asked = self->among[word];
        else if (self->since > 0 && !points_block_is_recent(all, first / POINTS_A_BLOCK, self->since))
            asked = 0;
        else
            asked = self->since > 0 ? changed_since(all, first, count, self->since) : UINT64_MAX;
        asked &= UINT64_MAX >> (64 - count);
        if (asked == 0)
            continue;
        live = atomic_load_explicit((_Atomic uint64_t *)rows_at(&all->live, word), memory_order_acquire);
        for (uint64_t rest = asked & live; rest != 0; rest &= rest - 1) {
            const unsigned   bit = (unsigned)__builtin_ctzll(rest);
            bool             passes;
            const oct_status status =
                select_test(self->collection, self->wanted, first + bit, &passes, &error);

            if (status != OCT_OK) {
                survey_fail(self, status, &error);
                return;
            }
            found |= (uint64_t)passes << bit;
        }
        self->into->bits[word] = (self->into->bits[word] & ~asked) | found;
    }
}

/* `asked`: how many documents there are to read, at most. */
static oct_status
survey_all(survey *self, uint64_t asked, oct_error *error)
{
    const size_t chunks = ((size_t)self->into->point_count + WORDS_A_CHUNK * 64 - 1) / (WORDS_A_CHUNK * 64);

    /* Of points that changed since, there are few. */
    const oct_status status = deadline_expect(self->since > 0 ? 0 : asked * DOCUMENT_NS, error);

    if (status != OCT_OK)
        return status;
    (void)pthread_mutex_init(&self->lock, NULL);
    workers_split(self->collection->database->pool, chunks, chunks < SPLIT_CHUNKS_MIN ? 1 : 0, survey_chunk,
                  self);
    (void)pthread_mutex_destroy(&self->lock);
    if (self->status != OCT_OK && error != NULL)
        *error = self->error;
    return self->status;
}

/* What indexes are sure of, and of the points that they leave open those whose documents say so. */
static oct_status
survey_between(survey *self, const filter_bounds *bounds, arena *memory, oct_error *error)
{
    const point_set *all = shard_points(self->collection->shard);
    const uint32_t   point_count = self->into->point_count;
    const size_t     words = ((size_t)point_count + 63) / 64;
    uint64_t        *open = arena_array(memory, words + 1, sizeof *open);
    uint64_t         asked = 0;

    if (open == NULL)
        return oct_fail_memory(error, words * sizeof *open);
    for (size_t word = 0; word < words; word++) {
        const _Atomic uint64_t *at = rows_at(&all->live, (uint32_t)word);
        uint64_t                live = atomic_load_explicit(at, memory_order_acquire);

        if (word == words - 1 && point_count % 64 != 0)
            live &= ((uint64_t)1 << (point_count % 64)) - 1;
        self->into->bits[word] = bounds->lower[word] & live;
        open[word] = bounds->upper[word] & ~bounds->lower[word] & live;
        asked += (uint64_t)__builtin_popcountll(open[word]);
    }
    self->among = open;
    return asked == 0 ? OCT_OK : survey_all(self, asked, error);
}

/* The points with these ids. */
static oct_status
survey_ids(survey *self, const oct_id *ids, size_t count, oct_error *error)
{
    oct_status status = OCT_OK;

    for (size_t i = 0; i < count && status == OCT_OK; i++) {
        size_t   at = 0;
        uint32_t point;

        while (status == OCT_OK && (point = shard_keys_next(self->collection, collection_box(self->collection), &ids[i],
                                                            NULL, 0, &at)) != POINT_NONE) {
            bool passes = false;

            if (point >= self->into->point_count)
                continue;
            status = select_test(self->collection, self->wanted, point, &passes, error);
            self->into->bits[point / 64] |= (uint64_t)passes << (point % 64);
        }
    }
    return status;
}

/* An answer of this version, from `old` (another for the same filter, or NULL) where that is quicker. */
static oct_status
make_entry(oct_collection *self, const filter *wanted, const select_entry *old, uint64_t version,
           select_entry **out, oct_error *error)
{
    const point_set *all = shard_points(self->shard);
    const uint64_t   touched = atomic_load_explicit(&all->touched, memory_order_relaxed);
    uint32_t         point_count = atomic_load_explicit(&all->count, memory_order_acquire);
    const oct_slice  key = filter_key(wanted);
    survey           work = {.collection = self, .wanted = wanted};
    size_t           id_count, words, bytes;
    const oct_id    *ids = filter_ids(wanted, &id_count);
    const bool       by_ids = ids != NULL && id_count < point_count / IDS_SHARE_MAX;
    arena            memory = {0};
    filter_bounds    bounds = {0};
    select_entry    *made;
    oct_status       status = OCT_OK;

    *out = NULL;
    /* What was touched since is few documents; what an index says of all points is quicker only when they are many. */
    if (!by_ids && (old == NULL || old->version == 0 || touched - old->touched > UPDATE_MAX))
        status = fields_get_bounds(self, wanted, &memory, &point_count, &bounds, error);
    words = ((size_t)point_count + 63) / 64;
    bytes = sizeof(select_entry) + words * sizeof(uint64_t) + key.size;
    made = status == OCT_OK ? oct_calloc(1, bytes) : NULL;
    if (made == NULL) {
        arena_clear(&memory);
        return status != OCT_OK ? status : oct_fail_memory(error, bytes);
    }
    work.into = made;
    made->hash = hash_bytes(key.data, key.size);
    made->key = (oct_slice){(char *)&made->bits[words], key.size};
    memcpy(&made->bits[words], key.data, key.size);
    made->version = version;
    made->touched = touched;
    made->point_count = point_count;
    made->bytes = bytes;
    if (by_ids) {
        status = survey_ids(&work, ids, id_count, error);
    } else if (bounds.known) {
        status = survey_between(&work, &bounds, &memory, error);
    } else {
        if (old != NULL && old->version > 0) {
            memcpy(made->bits, old->bits,
                   size_min(((size_t)old->point_count + 63) / 64, words) * sizeof(uint64_t));
            work.since = old->version;
        }
        status = survey_all(&work, point_count, error);
    }
    arena_clear(&memory);
    if (status != OCT_OK) {
        oct_free(made);
        return status;
    }
    for (size_t i = 0; i < words; i++)
        made->count += (uint32_t)__builtin_popcountll(made->bits[i]);
    *out = made;
    return OCT_OK;
}

/* --- remembering ----------------------------------------------------------------------------------------------- */

void
select_cache_free(select_cache *cache)
{
    if (cache == NULL)
        return;
    for (size_t i = 0; i < CACHE_SLOTS; i++)
        oct_free(atomic_load(&cache->slots[i]));
    (void)pthread_mutex_destroy(&cache->lock);
    oct_free(cache);
}

/* Made by the first filter. NULL: no memory for it. */
static select_cache *
cache_of(oct_collection *self)
{
    select_cache *cache = atomic_load(&self->selections), *made;

    if (cache != NULL)
        return cache;
    made = oct_calloc(1, sizeof *made);
    if (made == NULL)
        return NULL;
    (void)pthread_mutex_init(&made->lock, NULL);
    if (atomic_compare_exchange_strong(&self->selections, &cache, made))
        return made;
    select_cache_free(made);
    return cache;
}

static bool
entry_is_for(const select_entry *entry, uint64_t hash, oct_slice key)
{
    return entry != NULL && entry->hash == hash && slice_equal(entry->key, key);
}

static select_entry *
cache_find(select_cache *cache, oct_slice key)
{
    const uint64_t hash = hash_bytes(key.data, key.size);

    for (size_t i = 0; i < CACHE_SLOTS; i++) {
        select_entry *entry = atomic_load(&cache->slots[i]);

        if (entry_is_for(entry, hash, key)) {
            atomic_store_explicit(&entry->used,
                                  atomic_fetch_add_explicit(&cache->clock, 1, memory_order_relaxed) + 1,
                                  memory_order_relaxed);
            return entry;
        }
    }
    return NULL;
}

/* Empty a slot, or fill it. With the lock. */
static void
cache_set(select_cache *cache, size_t slot, select_entry *entry)
{
    select_entry *old = atomic_exchange(&cache->slots[slot], entry);

    cache->bytes += entry == NULL ? 0 : entry->bytes;
    if (old != NULL) {
        cache->bytes -= old->bytes;
        epoch_retire(old, oct_free);
    }
}

/* The slot of the same filter, else an empty one, else the one that was not used for longest. With the lock. */
static size_t
cache_choose(const select_cache *cache, const select_entry *entry)
{
    uint64_t oldest = UINT64_MAX;
    size_t   chosen = 0;

    for (size_t i = 0; i < CACHE_SLOTS; i++) {
        const select_entry *there = atomic_load(&cache->slots[i]);
        const uint64_t used = there == NULL ? 0 : atomic_load_explicit(&there->used, memory_order_relaxed);

        if (entry_is_for(there, entry->hash, entry->key))
            return i;
        if (used < oldest) {
            oldest = used;
            chosen = i;
        }
    }
    return chosen;
}

/* Take the entry in: true. False: it is too large, or others are at it, or they have put in a newer one. */
static bool
cache_put(select_cache *cache, select_entry *entry)
{
    const select_entry *there;
    size_t              slot;

    if (entry->bytes > CACHE_BYTES_MAX || pthread_mutex_trylock(&cache->lock) != 0)
        return false;
    slot = cache_choose(cache, entry);
    there = atomic_load(&cache->slots[slot]);
    if (entry_is_for(there, entry->hash, entry->key) && there->version >= entry->version) {
        (void)pthread_mutex_unlock(&cache->lock);
        return false;
    }
    atomic_store_explicit(&entry->used, atomic_fetch_add_explicit(&cache->clock, 1, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    cache_set(cache, slot, entry);
    while (cache->bytes > CACHE_BYTES_MAX) {
        size_t   oldest = CACHE_SLOTS;
        uint64_t used_least = UINT64_MAX;

        for (size_t i = 0; i < CACHE_SLOTS; i++) {
            const select_entry *other = atomic_load(&cache->slots[i]);

            if (other == NULL || other == entry || atomic_load(&other->used) >= used_least)
                continue;
            used_least = atomic_load(&other->used);
            oldest = i;
        }
        OCT_MUST(oldest < CACHE_SLOTS); /* the entry alone fits */
        cache_set(cache, oldest, NULL);
    }
    (void)pthread_mutex_unlock(&cache->lock);
    return true;
}

/* --- selections --------------------------------------------------------------------------------------------------- */

oct_status
select_points(oct_collection *self, const filter *wanted, selection *out, oct_error *error)
{
    /* Before anything is looked at: the answer is of this version at least. */
    const uint64_t version = shard_version(self->shard);
    select_cache  *cache;
    select_entry  *entry;
    oct_status     status = OCT_OK;

    *out = (selection){0};
    if (wanted == NULL) {
        out->count = atomic_load(&shard_points(self->shard)->live_count);
        return OCT_OK;
    }
    cache = cache_of(self);
    entry = cache == NULL ? NULL : cache_find(cache, filter_key(wanted));
    if (entry == NULL || entry->version < version) {
        status = make_entry(self, wanted, entry, version, &entry, error);
        if (status == OCT_OK && (cache == NULL || !cache_put(cache, entry)))
            out->owned = entry;
    }
    if (status == OCT_OK) {
        out->bits = entry->bits;
        out->point_count = entry->point_count;
        out->count = entry->count;
    }
    return status;
}

void
selection_clear(selection *self)
{
    oct_free(self->owned);
    *self = (selection){0};
}

oct_status
select_given(oct_collection *self, const oct_filter *given, selection *out, oct_error *error)
{
    arena         memory = {0};
    const filter *wanted;
    oct_status    status;

    *out = (selection){0};
    status = select_compile(self, given, &memory, &wanted, error);
    if (status == OCT_OK)
        status = select_points(self, wanted, out, error);
    arena_clear(&memory);
    return status;
}

/* --- by id ------------------------------------------------------------------------------------------------------------ */

static int
compare_points(const void *a, const void *b, void *context)
{
    const point_set *all = context;

    return id_compare(points_id(all, *(const uint32_t *)a), points_id(all, *(const uint32_t *)b));
}

/* Sort all of the selected points from `from` on, and take the first. */
static oct_status
sorted_page(point_set *all, const selection *these, const oct_id *from, size_t limit, uint32_t *out,
            size_t *count, oct_error *error)
{
    uint32_t *found = oct_alloc((size_t)these->count * sizeof *found);
    size_t    found_count = 0;

    *count = 0;
    if (found == NULL)
        return oct_fail_memory(error, (size_t)these->count * sizeof *found);
    for (uint32_t word = 0; word * 64 < these->point_count; word++) {
        for (uint64_t rest = these->bits[word]; rest != 0; rest &= rest - 1) {
            const uint32_t point = word * 64 + (uint32_t)__builtin_ctzll(rest);

            if (points_is_live(all, point) && (from == NULL || id_compare(points_id(all, point), from) >= 0))
                found[found_count++] = point;
        }
    }
    qsort_r(found, found_count, sizeof *found, compare_points, all);
    *count = size_min(found_count, limit);
    memcpy(out, found, *count * sizeof *out);
    oct_free(found);
    return OCT_OK;
}

oct_status
select_page(oct_collection *self, const selection *these, const oct_id *from, size_t limit, uint32_t *out,
            size_t *count, oct_error *error)
{
    point_set       *all = shard_points(self->shard);
    const point_bits only = {these->bits, these->point_count};
    const uint64_t   live = atomic_load(&all->live_count);
    uint64_t         walk, sort;

    if (these->bits == NULL)
        return points_page(all, from, limit, out, count, error);
    /* Steps to go by id until `limit` are found, against steps to find all that are selected. */
    walk = (uint64_t)limit * (live / size_max(these->count, 1) + 1);
    sort = these->point_count / 64 + (uint64_t)these->count * SORT_COST;
    if (sort < walk)
        return sorted_page(all, these, from, limit, out, count, error);
    return points_page_of(all, &only, from, limit, out, count, error);
}
