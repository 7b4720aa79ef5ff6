/* See database_test.h. */
#include "collection/database_test.h"

#include <inttypes.h>

#include "base/json.h"
#include "kernel/kernel.h"
#include "octant_snapshot.h"
#include "payload/document.h"

typedef struct world_vector {
    const char  *name;
    uint32_t     dim;
    oct_distance distance;
    oct_vector_kind kind;
} world_vector;

enum { SECOND = 1, WORDS = 2, PARTS = 3 }; /* places in kind 1 */

static const world_vector vectors_of[2][WORLD_VECTORS] = {
    {{"", 6, OCT_COSINE, OCT_DENSE}},
    {{"text", 70, OCT_EUCLID, OCT_DENSE},
     {"image", 4, OCT_DOT, OCT_DENSE},
     {"words", 0, OCT_DOT, OCT_SPARSE},
     {"parts", 3, OCT_DOT, OCT_MULTI}},
};

/* Fields that are indexed, and what is asked of them: how many points have the city Bonn, a number 2, an x above 2, the
 * word jack. */
static const struct {
    const char    *name;
    oct_field_type type;
} fields[WORLD_FIELDS] = {
    {"city", OCT_FIELD_KEYWORD}, {"n", OCT_FIELD_INTEGER}, {"x", OCT_FIELD_FLOAT}, {"long", OCT_FIELD_TEXT}};

static const char *const documents[] = {
    "",
    "{}",
    "{\"a\":1}",
    "{\"city\":\"Bonn\",\"n\":[1,2,3]}",
    "{\"a\":{\"b\":{\"c\":null}},\"x\":2.5}",
    "{\"long\":\"all work and no play makes jack a dull boy, all work and no play\"}"};

static bool
has_name(const world_collection *of, size_t v)
{
    if (of->kind == 0)
        return v == 0;
    return v == SECOND ? of->second_dim > 0 : v == WORDS ? of->has_sparse : true;
}

static size_t
name_count(const world_collection *of)
{
    size_t count = 0;

    for (size_t v = 0; v < WORLD_VECTORS; v++)
        count += has_name(of, v);
    return count;
}

static size_t
dim_of(const world_collection *of, size_t v)
{
    return of->kind == 1 && v == SECOND ? of->second_dim : vectors_of[of->kind][v].dim;
}

static void
configure_vector(oct_vector_config *out, uint32_t kind, size_t v)
{
    oct_vector_config_init(out);
    out->name = slice_of(vectors_of[kind][v].name);
    if (vectors_of[kind][v].kind == OCT_SPARSE) {
        out->sparse = 1;
        return;
    }
    out->size = vectors_of[kind][v].dim;
    out->distance = vectors_of[kind][v].distance;
    if (vectors_of[kind][v].kind == OCT_MULTI)
        out->multivector = 1;
}

oct_slice
world_name(uint32_t index)
{
    static const char *const names[WORLD_COLLECTIONS] = {"alpha", "beta", "gamma \xc3\xa9t\xc3\xa9", "delta"};

    return slice_of(names[index]);
}

oct_slice
world_alias(uint32_t index)
{
    static const char *const names[WORLD_ALIASES] = {"today", "aaa", "zzz"};

    return slice_of(names[index]);
}

/* Only the first half are numbers, for oct_upsert_rows. */
oct_id
world_id(uint32_t index)
{
    return index < WORLD_IDS / 2 ? oct_id_number(1000 - 7 * index) : (oct_id){mix64(index), index, 1, 0};
}

world *
world_new(void)
{
    world *self = calloc(1, sizeof *self);

    OCT_MUST(self != NULL);
    for (size_t i = 0; i < WORLD_ALIASES; i++)
        self->aliases[i] = -1;
    return self;
}

world *
world_copy(const world *from)
{
    world *self = malloc(sizeof *self);

    OCT_MUST(self != NULL);
    memcpy(self, from, sizeof *self);
    return self;
}

os *
world_disk(void)
{
    os *disk = os_fault_new();

    OCT_MUST(os_make_dir(disk, "/data", NULL) == OCT_OK && os_sync_dir(disk, "/", NULL) == OCT_OK);
    return disk;
}

oct_database *
world_open(os *disk, oct_error *error)
{
    const oct_open_options options = {.path = WORLD_PATH, .threads = 2};
    oct_database          *database = NULL;
    oct_status             status;

    shard_write_lists_after(1); /* however short sparse lists are here */
    status = database_open_on(disk, &options, &database, error);
    CHECK_INT(status == OCT_OK, database != NULL);
    return database;
}

/* --- operations ------------------------------------------------------------------------------------------ */

typedef struct step {
    world        *after;
    test_rng     *rng;
    oct_database *database;
    bool          waits;
    oct_error    *error;
} step;

/* A collection that exists, if there is one. */
static world_collection *
pick(const step *self, uint32_t *index)
{
    *index = (uint32_t)test_below(self->rng, WORLD_COLLECTIONS);
    for (uint32_t i = 0; i < WORLD_COLLECTIONS && !self->after->collections[*index].exists; i++)
        *index = (*index + 1) % WORLD_COLLECTIONS;
    return &self->after->collections[*index];
}

static oct_status
create(const step *self)
{
    const uint32_t        index = (uint32_t)test_below(self->rng, WORLD_COLLECTIONS);
    world_collection     *to = &self->after->collections[index];
    const uint32_t        kind = (uint32_t)test_below(self->rng, 2);
    oct_vector_config     vectors[WORLD_VECTORS];
    oct_collection_config config;
    oct_status            status;

    oct_collection_config_init(&config);
    config.vector_count = kind == 0 ? 1 : WORLD_VECTORS;
    for (size_t v = 0; v < config.vector_count; v++)
        configure_vector(&vectors[v], kind, v);
    config.vectors = vectors;
    config.single_vector = kind == 0;
    config.hnsw.m = 4;
    config.hnsw.ef_construct = 16;
    config.optimizer.indexing_threshold =
        test_below(self->rng, 4) == 0 ? 10000 : 1; /* a graph after some 17 rows */
    config.optimizer.vacuum_min_vector_number = 100;
    config.optimizer.deleted_threshold = 0.2;
    status = oct_collection_create(self->database, world_name(index), &config, self->error);
    if (to->exists)
        return status == OCT_EXISTS ? OCT_OK : status == OCT_OK ? OCT_INTERNAL : status;
    memset(to, 0, sizeof *to);
    to->exists = true;
    to->kind = kind;
    to->life = ++self->after->lives;
    to->m = 4;
    to->second_dim = vectors_of[1][SECOND].dim;
    to->has_sparse = true;
    return status;
}

static oct_status
drop(const step *self)
{
    const uint32_t    index = (uint32_t)test_below(self->rng, WORLD_COLLECTIONS);
    world_collection *from = &self->after->collections[index];
    bool              existed = !from->exists;
    const oct_status status = oct_collection_delete(self->database, world_name(index), &existed, self->error);

    if (status == OCT_OK && existed != from->exists)
        return oct_fail(self->error, OCT_INTERNAL, "deleting says that there was %s",
                        existed ? "one" : "none");
    from->exists = false;
    if (self->after->saved_index == index)
        self->after->saved_name[0] = '\0';
    for (size_t i = 0; i < WORLD_ALIASES; i++) {
        if (self->after->aliases[i] == (int)index)
            self->after->aliases[i] = -1;
    }
    return status;
}

static oct_status
change_aliases(const step *self)
{
    oct_alias_change changes[3];
    const size_t     count = 1 + test_below(self->rng, 3);
    int              aliases[WORLD_ALIASES];
    bool             valid = true;
    oct_status       status;

    memcpy(aliases, self->after->aliases, sizeof aliases);
    for (size_t i = 0; i < count; i++) {
        const uint32_t which = (uint32_t)test_below(self->rng, WORLD_ALIASES);
        const uint32_t other = (uint32_t)test_below(self->rng, WORLD_ALIASES);
        uint32_t       index;

        (void)pick(self, &index);
        changes[i] = (oct_alias_change){(oct_alias_action)test_below(self->rng, 3), world_alias(which),
                                        world_name(index)};
        switch (changes[i].action) {
        case OCT_ALIAS_CREATE:
            valid = valid && self->after->collections[index].exists;
            if (valid)
                aliases[which] = (int)index;
            break;
        case OCT_ALIAS_DELETE:
            aliases[which] = -1;
            break;
        case OCT_ALIAS_RENAME:
            changes[i].collection = world_alias(other);
            valid = valid && aliases[which] >= 0;
            if (valid && which != other) {
                aliases[other] = aliases[which];
                aliases[which] = -1;
            }
            break;
        }
    }
    status = oct_alias_update(self->database, changes, count, self->error);
    if (!valid)
        return status == OCT_NOT_FOUND ? OCT_OK : status == OCT_OK ? OCT_INTERNAL : status;
    memcpy(self->after->aliases, aliases, sizeof aliases);
    return status;
}

static oct_status
configure(const step *self)
{
    uint32_t              index;
    world_collection     *to = pick(self, &index);
    oct_collection_config changes;

    if (!to->exists)
        return OCT_OK;
    oct_collection_config_init(&changes);
    to->m = 2 + (int64_t)test_below(self->rng, 6);
    changes.hnsw.m = to->m;
    if (test_below(self->rng, 3) == 0)
        changes.optimizer.deleted_threshold = test_below(self->rng, 2) == 0 ? 0.1 : 0.6;
    (void)snprintf(to->metadata, sizeof to->metadata, "{\"n\":%" PRIu64 "}", test_below(self->rng, 1000));
    changes.metadata = slice_of(to->metadata);
    return oct_collection_update(self->database, world_name(index), &changes, self->error);
}

/* The second name of a collection, or its sparse one, goes, or comes back, the former with another size: nobody has a vector of
 * it then. */
static oct_status
rename_vector(const step *self)
{
    uint32_t              index;
    world_collection     *to = pick(self, &index);
    const size_t          v = test_below(self->rng, 3) == 0 ? WORDS : SECOND;
    oct_vector_config     vector;
    oct_collection_config additions;

    if (!to->exists || to->kind != 1)
        return OCT_OK;
    for (size_t i = 0; i < WORLD_IDS; i++)
        to->points[i].has[v] = false;
    if (has_name(to, v)) {
        if (v == SECOND)
            to->second_dim = 0;
        else
            to->has_sparse = false;
        return oct_collection_remove_vector(self->database, world_name(index), slice_of(vectors_of[1][v].name), self->error);
    }
    configure_vector(&vector, 1, v);
    if (v == SECOND)
        vector.size = to->second_dim = 3 + (uint32_t)test_below(self->rng, 20);
    else
        to->has_sparse = true;
    oct_collection_config_init(&additions);
    additions.vectors = &vector;
    additions.vector_count = 1;
    return oct_collection_add_vectors(self->database, world_name(index), &additions, self->error);
}

static oct_status
change_index(const step *self, oct_collection *open, world_collection *to)
{
    const oct_write_options options = {.wait = self->waits};
    const size_t            f = test_below(self->rng, WORLD_FIELDS);
    oct_field_index         index;

    to->indexed ^= 1u << f;
    if ((to->indexed >> f & 1) == 0)
        return oct_field_index_delete(open, slice_of(fields[f].name), &options, NULL, self->error);
    oct_field_index_init(&index);
    index.field = slice_of(fields[f].name);
    index.type = fields[f].type;
    return oct_field_index_create(open, &index, &options, NULL, self->error);
}

static oct_status
make_snapshot(const step *self, uint32_t index)
{
    const oct_snapshot_place place = {OCT_SNAPSHOT_COLLECTION, world_name(index), 0};
    oct_snapshots           *made = NULL;
    const oct_status         status = oct_snapshot_create(self->database, &place, true, &made, self->error);

    if (status == OCT_OK) {
        self->after->saved = self->after->collections[index];
        self->after->saved_index = index;
        (void)snprintf(self->after->saved_name, sizeof self->after->saved_name, SLICE_FMT, SLICE_ARG(made->items[0].name));
    }
    oct_snapshots_free(made);
    return status;
}

static oct_status
recover_snapshot(const step *self)
{
    const uint32_t           index = self->after->saved_index;
    const oct_snapshot_place place = {OCT_SNAPSHOT_COLLECTION, world_name(index), 0};
    oct_file                *file = NULL;
    oct_status               status;

    if (self->after->saved_name[0] == '\0')
        return OCT_OK;
    status = oct_snapshot_open(self->database, &place, slice_of(self->after->saved_name), &file, self->error);
    if (status == OCT_OK)
        status = oct_snapshot_recover(self->database, &place, file, 0, oct_file_size(file), true, self->error);
    self->after->collections[index] = self->after->saved;
    self->after->collections[index].life = ++self->after->lives;
    return status;
}

/* A vector for a slot: its values, and of a sparse one its indices. */
static size_t
fill_vector(const step *self, const world_collection *to, size_t v, float *values, uint32_t *indices, oct_vector *out)
{
    const world_vector *slot = &vectors_of[to->kind][v];
    size_t              count = dim_of(to, v);

    *out = (oct_vector){.name = slice_of(slot->name), .kind = slot->kind, .values = values};
    if (slot->kind == OCT_SPARSE) {
        count = test_below(self->rng, WORLD_ENTRIES + 1);
        for (size_t i = 0; i < count; i++) {
            indices[i] = (uint32_t)test_below(self->rng, 12) + (i == 0 ? 0 : indices[i - 1] + 1);
            values[i] = (float)test_below(self->rng, 9) - 3;
        }
        out->indices = indices;
    } else {
        if (slot->kind == OCT_MULTI)
            out->row_count = 1 + test_below(self->rng, 3);
        count *= out->row_count > 0 ? out->row_count : 1;
        test_fill(self->rng, values, count);
    }
    out->value_count = count;
    return count;
}

/* Vectors of a point. */
static size_t
make_vectors(const step *self, const world_collection *to, oct_vector *out, float values[WORLD_VECTORS][WORLD_DIM_MAX],
             uint32_t *indices)
{
    size_t count = 0;

    for (size_t v = 0; v < WORLD_VECTORS; v++) {
        if (has_name(to, v) && test_below(self->rng, 5) > 0)
            (void)fill_vector(self, to, v, values[v], indices, &out[count++]);
    }
    return count;
}

static void
store_vectors(world_point *to, uint32_t kind, const oct_vector *vectors, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t v = 0;

        while (!slice_is(vectors[i].name, vectors_of[kind][v].name))
            v++;
        to->has[v] = true;
        to->counts[v] = (uint32_t)vectors[i].value_count;
        if (vectors_of[kind][v].distance == OCT_COSINE)
            kernel_normalize(vectors[i].values, to->vectors[v], vectors[i].value_count);
        else
            memcpy(to->vectors[v], vectors[i].values, vectors[i].value_count * sizeof(float));
        if (vectors[i].kind == OCT_SPARSE)
            memcpy(to->indices, vectors[i].indices, vectors[i].value_count * sizeof to->indices[0]);
    }
}

#define STEP_POINTS 12u

static oct_status
write_points(const step *self, oct_collection *open, world_collection *to, bool only_vectors)
{
    const oct_write_options options = {.wait = self->waits};
    oct_point               points[STEP_POINTS];
    oct_vector              vectors[STEP_POINTS][WORLD_VECTORS];
    float                   values[STEP_POINTS][WORLD_VECTORS][WORLD_DIM_MAX];
    uint32_t                entries[STEP_POINTS][WORLD_ENTRIES];
    uint32_t                indices[STEP_POINTS];
    const size_t            count = test_below(self->rng, STEP_POINTS);
    bool                    missing = false;
    oct_status              status;

    for (size_t i = 0; i < count; i++) {
        indices[i] = (uint32_t)test_below(self->rng, WORLD_IDS);
        for (int tries = 0; tries < 20 && only_vectors && !to->points[indices[i]].live; tries++)
            indices[i] = (uint32_t)test_below(self->rng, WORLD_IDS);
        missing = missing || (only_vectors && !to->points[indices[i]].live);
        points[i] = (oct_point){.id = world_id(indices[i]), .vectors = vectors[i]};
        points[i].vector_count = make_vectors(self, to, vectors[i], values[i], entries[i]);
        points[i].payload = slice_of(documents[test_below(self->rng, countof(documents))]);
    }
    status = only_vectors ? oct_update_vectors(open, points, count, &options, NULL, self->error)
                          : oct_upsert(open, points, count, &options, NULL, self->error);
    if (missing)
        return status == OCT_NOT_FOUND ? OCT_OK : status == OCT_OK ? OCT_INTERNAL : status;
    for (size_t i = 0; i < count; i++) {
        world_point *point = &to->points[indices[i]];

        if (!only_vectors) {
            memset(point, 0, sizeof *point);
            point->live = true;
            (void)snprintf(point->payload, sizeof point->payload, "%s", points[i].payload.data);
        }
        store_vectors(point, to->kind, vectors[i], points[i].vector_count);
    }
    return status;
}

static oct_status
write_rows(const step *self, oct_collection *open, world_collection *to)
{
    const oct_write_options options = {.wait = self->waits};
    const size_t dim = 6, stride = 6 + test_below(self->rng, 3), count = test_below(self->rng, STEP_POINTS);
    uint64_t     ids[STEP_POINTS];
    uint32_t     indices[STEP_POINTS];
    float        values[STEP_POINTS * 8];
    oct_slice    payloads[STEP_POINTS];
    const bool   has_payloads = test_below(self->rng, 2) == 0;
    oct_status   status;

    test_fill(self->rng, values, countof(values));
    for (size_t i = 0; i < count; i++) {
        indices[i] = (uint32_t)test_below(self->rng, WORLD_IDS / 2);
        ids[i] = world_id(indices[i]).low;
        payloads[i] = slice_of(documents[test_below(self->rng, countof(documents))]);
    }
    status = oct_upsert_rows(open, ids, values, count, dim, stride, has_payloads ? payloads : NULL, &options,
                             self->error);
    if (to->kind != 0)
        return status == OCT_INVALID || count == 0 ? OCT_OK : status == OCT_OK ? OCT_INTERNAL : status;
    for (size_t i = 0; i < count; i++) {
        world_point     *point = &to->points[indices[i]];
        const oct_vector vector = {.name = {"", 0}, .values = values + i * stride, .value_count = dim};

        memset(point, 0, sizeof *point);
        point->live = true;
        if (has_payloads)
            (void)snprintf(point->payload, sizeof point->payload, "%s", payloads[i].data);
        store_vectors(point, 0, &vector, 1);
    }
    return status;
}

/* Ids for an operation; *missing if one is not there. */
static size_t
pick_ids(const step *self, const world_collection *of, bool prefer_live, oct_id *ids, uint32_t *indices,
         bool *missing)
{
    const size_t count = test_below(self->rng, 6);

    *missing = false;
    for (size_t i = 0; i < count; i++) {
        indices[i] = (uint32_t)test_below(self->rng, WORLD_IDS);
        for (int tries = 0; tries < 20 && prefer_live && !of->points[indices[i]].live; tries++)
            indices[i] = (uint32_t)test_below(self->rng, WORLD_IDS);
        *missing = *missing || !of->points[indices[i]].live;
        ids[i] = world_id(indices[i]);
    }
    return count;
}

static oct_status
delete_some(const step *self, oct_collection *open, world_collection *to, bool only_vectors)
{
    const oct_write_options options = {.wait = self->waits};
    size_t                  v = test_below(self->rng, WORLD_VECTORS);
    oct_slice               name;
    oct_id                  ids[6];
    uint32_t                indices[6];
    bool                    missing;
    const size_t            count = pick_ids(self, to, false, ids, indices, &missing);

    if (!has_name(to, v))
        v = 0;
    name = slice_of(vectors_of[to->kind][v].name);
    for (size_t i = 0; i < count; i++) {
        if (only_vectors)
            to->points[indices[i]].has[v] = false;
        else
            to->points[indices[i]].live = false;
    }
    return only_vectors ? oct_delete_vectors(open, ids, count, &name, 1, &options, NULL, self->error)
                        : oct_delete(open, ids, count, &options, NULL, self->error);
}

static oct_status
change_payload(const step *self, oct_collection *open, world_collection *to)
{
    const oct_write_options options = {.wait = self->waits};
    const oct_slice         keys[] = {slice_of("city"), slice_of("a.b.c")};
    oct_payload_change      change = {.action = (oct_payload_action)test_below(self->rng, 4)};
    oct_id                  ids[6];
    uint32_t                indices[6];
    bool                    missing;
    const size_t            count = pick_ids(self, to, true, ids, indices, &missing);
    oct_status              status;

    if (change.action <= OCT_PAYLOAD_OVERWRITE)
        change.payload = slice_of(documents[1 + test_below(self->rng, countof(documents) - 1)]);
    if (change.action == OCT_PAYLOAD_SET && test_below(self->rng, 3) == 0)
        change.key = slice_of("a.b");
    if (change.action == OCT_PAYLOAD_DELETE) {
        change.keys = keys;
        change.key_count = 1 + test_below(self->rng, 2);
    }
    status = oct_change_payload(open, ids, count, &change, &options, NULL, self->error);
    oct_alloc_fail_after(UINT64_MAX, false); /* what follows is the model's, not to be failed */
    if (missing)
        return status == OCT_NOT_FOUND ? OCT_OK : status == OCT_OK ? OCT_INTERNAL : status;
    for (size_t i = 0; i < count; i++) {
        world_point *point = &to->points[indices[i]];
        buffer       out = {0};

        oct_status changed = document_change(
            point->payload[0] == '\0' ? slice_of("{}") : slice_of(point->payload), &change, &out, NULL);

        if (changed == OCT_OK && !out.failed && out.size < sizeof point->payload) {
            memcpy(point->payload, out.data, out.size);
            point->payload[out.size] = '\0';
        }
        buffer_clear(&out);
    }
    return status;
}

/* What must be refused, and changes nothing. */
static oct_status
do_wrong(const step *self, oct_collection *open, const world_collection *to)
{
    const float      values[WORLD_DIM_MAX] = {1, 2, NAN, 4, 5, 6, 7, 8};
    const oct_vector too_long = {
        .name = slice_of(vectors_of[to->kind][0].name), .values = values, .value_count = 7};
    const size_t     last = to->kind == 1 && has_name(to, SECOND) ? SECOND : 0;
    const oct_vector no_number = {
        .name = slice_of(vectors_of[to->kind][last].name), .values = values, .value_count = dim_of(to, last)};
    const oct_vector unknown = {.name = {"nobody", 6}, .values = values, .value_count = 2};
    oct_point        points[2] = {{.id = world_id(0)}, {.id = world_id(1)}};
    oct_collection  *none = NULL;
    oct_status       status;

    points[1].vector_count = 1;
    points[1].vectors = &too_long;
    if ((status = oct_upsert(open, points, 2, NULL, NULL, self->error)) != OCT_DIM)
        return status == OCT_OK ? OCT_INTERNAL : status;
    points[1].vectors = &no_number;
    if ((status = oct_upsert(open, points, 2, NULL, NULL, self->error)) != OCT_INVALID)
        return status == OCT_OK ? OCT_INTERNAL : status;
    points[1].vectors = &unknown;
    if ((status = oct_upsert(open, points, 2, NULL, NULL, self->error)) != OCT_INVALID)
        return status == OCT_OK ? OCT_INTERNAL : status;
    points[1].vector_count = 0;
    points[1].payload = slice_of("[1]");
    if ((status = oct_upsert(open, points, 2, NULL, NULL, self->error)) != OCT_INVALID)
        return status == OCT_OK ? OCT_INTERNAL : status;
    status = oct_collection_open(self->database, slice_of("nobody"), &none, self->error);
    return status == OCT_NOT_FOUND && none == NULL ? OCT_OK : OCT_INTERNAL;
}

oct_status
world_step(world *after, test_rng *rng, oct_database *database, world_op op, bool waits, oct_error *error)
{
    const step        self = {after, rng, database, waits, error};
    oct_collection   *open = NULL;
    uint32_t          index = 0;
    oct_status        status = OCT_OK;
    world_collection *to;

    switch (op) {
    case WORLD_CREATE:
        return create(&self);
    case WORLD_DROP:
        return drop(&self);
    case WORLD_ALIAS:
        return change_aliases(&self);
    case WORLD_CONFIGURE:
        return configure(&self);
    case WORLD_RENAME:
        return rename_vector(&self);
    case WORLD_RECOVER:
        return recover_snapshot(&self);
    case WORLD_CHECKPOINT:
        return oct_checkpoint(database, error);
    default:
        break;
    }
    to = pick(&self, &index);
    if (!to->exists)
        return OCT_OK;
    status = oct_collection_open(database, world_name(index), &open, error);
    if (status != OCT_OK)
        return status;
    switch (op) {
    case WORLD_UPSERT:
        status = write_points(&self, open, to, false);
        break;
    case WORLD_UPSERT_ROWS:
        status = write_rows(&self, open, to);
        break;
    case WORLD_UPDATE_VECTORS:
        status = write_points(&self, open, to, true);
        break;
    case WORLD_DELETE_VECTORS:
        status = delete_some(&self, open, to, true);
        break;
    case WORLD_DELETE:
        status = delete_some(&self, open, to, false);
        break;
    case WORLD_CHANGE_PAYLOAD:
        status = change_payload(&self, open, to);
        break;
    case WORLD_INDEX:
        status = change_index(&self, open, to);
        break;
    case WORLD_SNAPSHOT:
        status = make_snapshot(&self, index);
        break;
    case WORLD_OPTIMIZE:
        status = oct_collection_optimize(open, error);
        break;
    case WORLD_WRONG:
        status = do_wrong(&self, open, to);
        break;
    default:
        break;
    }
    oct_collection_close(open);
    return status;
}

world_op
world_pick(test_rng *rng, bool checkpoints)
{
    static const world_op often[] = {
        WORLD_UPSERT,         WORLD_UPSERT,         WORLD_UPSERT, WORLD_UPSERT_ROWS,    WORLD_UPSERT_ROWS,
        WORLD_UPDATE_VECTORS, WORLD_DELETE_VECTORS, WORLD_DELETE, WORLD_CHANGE_PAYLOAD, WORLD_CHANGE_PAYLOAD};

    switch (test_below(rng, 12)) {
    case 0:
        return WORLD_CREATE;
    case 1:
        return checkpoints ? WORLD_CHECKPOINT : WORLD_UPSERT;
    case 2:
        switch (test_below(rng, 11)) {
        case 0:
            return WORLD_DROP;
        case 1:
        case 2:
            return WORLD_ALIAS;
        case 3:
            return WORLD_CONFIGURE;
        case 4:
            return WORLD_OPTIMIZE;
        case 5:
            return WORLD_WRONG;
        case 8:
            return WORLD_RENAME;
        case 9:
        case 10:
            return WORLD_INDEX;
        default:
            return WORLD_CREATE;
        }
    default:
        return often[test_below(rng, countof(often))];
    }
}

world_op
world_pick_any(test_rng *rng)
{
    const uint64_t dice = test_below(rng, 60);

    return dice < 2 ? WORLD_SNAPSHOT : dice < 4 ? WORLD_RECOVER : world_pick(rng, true);
}

bool
world_op_waits(world_op op)
{
    return op <= WORLD_INDEX || op == WORLD_RECOVER || op == WORLD_CHECKPOINT;
}

/* --- comparing ---------------------------------------------------------------------------------------------- */

static oct_status fail_compare(oct_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static oct_status
fail_compare(oct_error *error, const char *format, ...)
{
    va_list    args;
    oct_status status;

    va_start(args, format);
    status = oct_failv(error, OCT_INTERNAL, format, args);
    va_end(args);
    return status;
}

static oct_status
compare_names(const world *self, oct_database *database, oct_error *error)
{
    oct_names *names = NULL, *aliases = NULL;
    size_t     expected = 0, expected_aliases = 0;
    oct_status status = oct_collection_list(database, &names, error);

    if (status == OCT_OK)
        status = oct_alias_list(database, (oct_slice){"", 0}, &aliases, error);
    for (uint32_t i = 0; i < WORLD_COLLECTIONS && status == OCT_OK; i++) {
        bool found = false;

        expected += self->collections[i].exists;
        for (size_t n = 0; n < names->count; n++)
            found = found || slice_equal(names->items[n], world_name(i));
        if (found != self->collections[i].exists)
            status = fail_compare(error, "collection %u is %s", i, found ? "there" : "missing");
    }
    for (uint32_t i = 0; i < WORLD_ALIASES && status == OCT_OK; i++) {
        int found = -1;

        expected_aliases += self->aliases[i] >= 0;
        for (size_t n = 0; n < aliases->count; n++) {
            for (uint32_t c = 0; c < WORLD_COLLECTIONS && slice_equal(aliases->items[n], world_alias(i));
                 c++) {
                if (slice_equal(aliases->targets[n], world_name(c)))
                    found = (int)c;
            }
        }
        if (found != self->aliases[i])
            status = fail_compare(error, "alias %u leads to %d, expected %d", i, found, self->aliases[i]);
    }
    if (status == OCT_OK && (names->count != expected || aliases->count != expected_aliases))
        status = fail_compare(error, "%zu collections, %zu aliases", names->count, aliases->count);
    oct_names_free(names);
    oct_names_free(aliases);
    return status;
}

static oct_status
compare_record(const world_collection *right, uint32_t index, const oct_record *got, oct_error *error)
{
    const world_point *point = &right->points[index];
    const char        *payload = point->payload[0] == '\0' ? "{}" : point->payload;
    size_t             expected = 0;

    if (!point->live)
        return fail_compare(error, "id %u is still there", index);
    if (!slice_is(got->payload, payload))
        return fail_compare(error, "id %u has the payload " SLICE_FMT ", expected %s", index,
                            SLICE_ARG(got->payload), payload);
    for (size_t v = 0; v < WORLD_VECTORS; v++) {
        const oct_vector *found = NULL;

        if (!has_name(right, v))
            continue;

        for (size_t i = 0; i < got->vector_count; i++) {
            if (slice_is(got->vectors[i].name, vectors_of[right->kind][v].name))
                found = &got->vectors[i];
        }
        expected += point->has[v];
        if ((found != NULL) != point->has[v] ||
            (found != NULL &&
             (found->value_count != point->counts[v] ||
              memcmp(found->values, point->vectors[v], found->value_count * sizeof(float)) != 0 ||
              (found->kind == OCT_SPARSE &&
               memcmp(found->indices, point->indices, found->value_count * sizeof point->indices[0]) != 0))))
            return fail_compare(error, "vector %zu of id %u is not what it should be", v, index);
    }
    if (got->vector_count != expected)
        return fail_compare(error, "id %u has %zu vectors, expected %zu", index, got->vector_count, expected);
    return OCT_OK;
}

/* All points, by scrolling in pages. */
static oct_status
compare_points(const world_collection *right, oct_collection *open, oct_error *error)
{
    const oct_select select = {.with_payload = true, .with_vector = true};
    oct_records     *page = NULL;
    oct_id           from = {0};
    bool             seen[WORLD_IDS] = {false}, more = true, first = true;
    uint64_t         count = 0;
    oct_status       status = oct_count(open, &count, error);

    for (uint32_t i = 0; i < WORLD_IDS; i++)
        count -= right->points[i].live;
    if (status == OCT_OK && count != 0)
        status = fail_compare(error, "the count is off by %lld", (long long)count);
    while (status == OCT_OK && more) {
        status = oct_scroll(open, first ? NULL : &from, 5, &select, &page, error);
        first = false;
        for (size_t i = 0; status == OCT_OK && i < page->count; i++) {
            uint32_t index = 0;

            for (; index < WORLD_IDS; index++) {
                const oct_id id = world_id(index);

                if (id_equal(&id, &page->items[i].id))
                    break;
            }
            if (index == WORLD_IDS || seen[index])
                status = fail_compare(error, "an id comes twice, or is nobody's");
            else if (i > 0 && id_compare(&page->items[i - 1].id, &page->items[i].id) >= 0)
                status = fail_compare(error, "a page is not in order");
            else
                status = compare_record(right, index, &page->items[i], error);
            if (status == OCT_OK)
                seen[index] = true;
        }
        if (status == OCT_OK) {
            more = page->has_next;
            from = page->next;
        }
        oct_records_free(page);
        page = NULL;
    }
    for (uint32_t i = 0; i < WORLD_IDS && status == OCT_OK; i++) {
        if (right->points[i].live && !seen[i])
            status = fail_compare(error, "id %u is missing", i);
    }
    return status;
}

/* What two vectors of a slot have in common, as the engine says it is: a sparse pair without a common index has no score. */
static bool
score_of(const world_vector *slot, const world_point *a, const world_point *b, size_t v, double *out)
{
    bool any = false;

    *out = 0;
    for (uint32_t i = 0; slot->kind == OCT_SPARSE && i < a->counts[v]; i++) {
        for (uint32_t j = 0; j < b->counts[v]; j++) {
            if (a->indices[i] == b->indices[j]) {
                *out += (double)a->vectors[v][i] * (double)b->vectors[v][j];
                any = true;
            }
        }
    }
    /* Of each row of `a` the product with the best row of `b`. */
    for (uint32_t i = 0; slot->kind == OCT_MULTI && i < a->counts[v]; i += slot->dim) {
        double best = -INFINITY;

        for (uint32_t j = 0; j < b->counts[v]; j += slot->dim)
            best = fmax(best, (double)kernel()->dot_f32(a->vectors[v] + i, b->vectors[v] + j, slot->dim));
        *out += best;
        any = true;
    }
    return any;
}

/* Sparse vectors and multivectors: how many are found for a stored one, and the best score. */
static oct_status
compare_scores(const world_collection *right, size_t v, oct_collection *open, oct_error *error)
{
    const world_vector *slot = &vectors_of[right->kind][v];
    oct_status          status = OCT_OK;

    for (uint32_t i = 0; i < WORLD_IDS && status == OCT_OK; i += 3) {
        const world_point *point = &right->points[i];
        oct_query_request  request = {
             .query = {.kind = OCT_QUERY_NEAREST, .using_vector = slice_of(slot->name), .limit = WORLD_IDS + 5}};
        oct_records *hits = NULL;
        size_t       count = 0;
        double       best = -INFINITY, score;

        if (!point->live || !point->has[v] || point->counts[v] == 0)
            continue;
        for (uint32_t k = 0; k < WORLD_IDS; k++) {
            if (right->points[k].live && right->points[k].has[v] && score_of(slot, point, &right->points[k], v, &score)) {
                best = fmax(best, score);
                count++;
            }
        }
        request.query.as.nearest.target.vector = (oct_vector){.kind = slot->kind,
                                                              .values = point->vectors[v],
                                                              .value_count = point->counts[v],
                                                              .indices = point->indices,
                                                              .row_count = slot->dim == 0 ? 0 : point->counts[v] / slot->dim};
        status = oct_query_points(open, &request, &hits, error);
        if (status == OCT_OK && hits->count != count)
            status = fail_compare(error, "%zu hits for %s of id %u, expected %zu", hits->count, slot->name, i, count);
        if (status == OCT_OK && count > 0 && fabs((double)hits->items[0].score - best) > 1e-4)
            status = fail_compare(error, "the best score for %s of id %u is %g, expected %g", slot->name, i,
                                  (double)hits->items[0].score, best);
        oct_records_free(hits);
    }
    return status;
}

/* Is it so of the document, that the question of this field asks? */
static bool
document_answers(const char *text, size_t f)
{
    json_document document;
    yyjson_val   *value, *item;
    size_t        index, max;
    bool          yes = false;

    if (json_parse(slice_of(text), &document, NULL) == OCT_OK) {
        value = yyjson_obj_get(document.root, fields[f].name);
        if (f == 0)
            yes = yyjson_equals_str(value, "Bonn");
        if (f == 1 && yyjson_is_arr(value)) {
            yyjson_arr_foreach(value, index, max, item)
                yes = yes || (yyjson_is_int(item) && yyjson_get_int(item) == 2);
        }
        if (f == 2)
            yes = yyjson_is_real(value) && yyjson_get_real(value) > 2;
        if (f == 3)
            yes = yyjson_is_str(value) && strstr(yyjson_get_str(value), "jack") != NULL;
    }
    json_document_clear(&document);
    return yes;
}

/* Filters, with an index or without. */
static oct_status
compare_filters(const world_collection *right, oct_collection *open, oct_error *error)
{
    const oct_value           bonn = {.text = slice_of("Bonn")}, two = {.kind = OCT_VALUE_INTEGER, .integer = 2};
    const oct_match           is_bonn = {.values = &bonn, .value_count = 1}, is_two = {.values = &two, .value_count = 1};
    const oct_match           has_jack = {.kind = OCT_MATCH_TEXT, .text = slice_of("jack")};
    const oct_range           above = {.bounds = OCT_GT, .gt = 2};
    const oct_field_condition asked[WORLD_FIELDS] = {{.match = &is_bonn}, {.match = &is_two}, {.range = &above}, {.match = &has_jack}};
    oct_status                status = OCT_OK;

    for (size_t f = 0; f < WORLD_FIELDS && status == OCT_OK; f++) {
        const oct_condition condition = {.key = slice_of(fields[f].name), .field = &asked[f]};
        const oct_filter    filter = {.must = &condition, .must_count = 1};
        uint64_t            count = 0, expected = 0;

        for (uint32_t i = 0; i < WORLD_IDS; i++) {
            const world_point *point = &right->points[i];

            expected += point->live && document_answers(point->payload[0] == '\0' ? "{}" : point->payload, f);
        }
        status = oct_count_where(open, &filter, &count, error);
        if (status == OCT_OK && count != expected)
            status = fail_compare(error, "%llu points pass the question for %s, expected %llu", (unsigned long long)count,
                                  fields[f].name, (unsigned long long)expected);
    }
    return status;
}

/* The last snapshot is there. */
static oct_status
compare_snapshot(const world *self, oct_database *database, oct_error *error)
{
    const oct_snapshot_place place = {OCT_SNAPSHOT_COLLECTION, world_name(self->saved_index), 0};
    oct_snapshots           *list = NULL;
    bool                     found = false;
    oct_status               status;

    if (self->saved_name[0] == '\0')
        return OCT_OK;
    status = oct_snapshot_list(database, &place, &list, error);
    for (size_t i = 0; status == OCT_OK && i < list->count; i++)
        found = found || slice_is(list->items[i].name, self->saved_name);
    oct_snapshots_free(list);
    return status == OCT_OK && !found ? fail_compare(error, "snapshot %s is missing", self->saved_name) : status;
}

/* Each stored vector is looked for exactly: whoever comes first has that very vector, or one as good. */
static oct_status
compare_searches(const world_collection *right, oct_collection *open, oct_error *error)
{
    oct_status status = OCT_OK;

    for (size_t v = 0; v < WORLD_VECTORS; v++) {
        const world_vector *kind = &vectors_of[right->kind][v];
        const size_t        dim = dim_of(right, v);
        size_t              with_vector = 0;

        if (!has_name(right, v))
            continue;
        if (kind->kind != OCT_DENSE) {
            if (status == OCT_OK)
                status = compare_scores(right, v, open, error);
            continue;
        }
        for (uint32_t i = 0; i < WORLD_IDS; i++)
            with_vector += right->points[i].live && right->points[i].has[v];
        for (uint32_t i = 0; i < WORLD_IDS && status == OCT_OK; i += 2) {
            oct_search_request request = {.vector_name = slice_of(kind->name),
                                          .query = right->points[i].vectors[v],
                                          .dim = dim,
                                          .limit = WORLD_IDS + 5,
                                          .exact = i % 2 == 0};
            oct_records       *hits = NULL;
            float              best = -INFINITY;

            if (!right->points[i].live || !right->points[i].has[v])
                continue;
            if (i % 3 == 1) /* the best alone: what is worse is not looked at again */
                request.limit = 1;
            status = oct_search(open, &request, &hits, error);
            if (status != OCT_OK)
                break;
            if (hits->count != size_min(with_vector, request.limit))
                status = fail_compare(error, "%zu hits, %zu have vector %zu", hits->count, with_vector, v);
            for (uint32_t k = 0; k < WORLD_IDS && kind->distance == OCT_DOT; k++) {
                if (right->points[k].live && right->points[k].has[v])
                    best =
                        fmaxf(best, kernel()->dot_f32(right->points[k].vectors[v], request.query, dim));
            }
            if (status == OCT_OK && kind->distance == OCT_EUCLID && hits->items[0].score != 0)
                status = fail_compare(error, "id %u is not at distance 0 from its own vector %zu", i, v);
            if (status == OCT_OK && kind->distance == OCT_COSINE && !(hits->items[0].score > 0.9999f))
                status = fail_compare(error, "id %u is not like its own vector %zu", i, v);
            if (status == OCT_OK && kind->distance == OCT_DOT && hits->items[0].score != best)
                status = fail_compare(error, "the best product is %g, expected %g",
                                      (double)hits->items[0].score, (double)best);
            oct_records_free(hits);
        }
    }
    return status;
}

static oct_status
compare_info(const world_collection *right, oct_collection *open, oct_error *error)
{
    oct_collection_info *info = NULL;
    oct_status           status = oct_collection_describe(open, &info, error);

    if (status != OCT_OK)
        return status;
    if (info->config.vector_count != name_count(right) || info->config.hnsw.m != right->m)
        status = fail_compare(error, "%zu vectors, m %lld, expected m %lld", info->config.vector_count,
                              (long long)info->config.hnsw.m, (long long)right->m);
    else if (info->config.field_index_count != (size_t)__builtin_popcount(right->indexed))
        status = fail_compare(error, "%zu fields are indexed, expected %d", info->config.field_index_count,
                              __builtin_popcount(right->indexed));
    else if (!slice_is(info->config.metadata, right->metadata) &&
             !(info->config.metadata.size == 0 && right->metadata[0] == '\0'))
        status = fail_compare(error, "metadata is " SLICE_FMT ", expected %s",
                              SLICE_ARG(info->config.metadata), right->metadata);
    oct_collection_info_free(info);
    return status;
}

oct_status
world_compare(const world *self, oct_database *database, bool searching, oct_error *error)
{
    oct_status status = compare_names(self, database, error);

    if (status == OCT_OK)
        status = compare_snapshot(self, database, error);
    for (uint32_t i = 0; i < WORLD_COLLECTIONS && status == OCT_OK; i++) {
        oct_collection *open = NULL;

        if (!self->collections[i].exists)
            continue;
        status = oct_collection_open(database, world_name(i), &open, error);
        if (status == OCT_OK)
            status = compare_info(&self->collections[i], open, error);
        if (status == OCT_OK)
            status = compare_points(&self->collections[i], open, error);
        if (status == OCT_OK && searching)
            status = compare_searches(&self->collections[i], open, error);
        if (status == OCT_OK && searching)
            status = compare_filters(&self->collections[i], open, error);
        oct_collection_close(open);
    }
    return status;
}

oct_status
world_verify(const world *self, oct_database *database, oct_error *error)
{
    oct_status status = OCT_OK;

    for (uint32_t i = 0; i < WORLD_COLLECTIONS && status == OCT_OK; i++) {
        oct_collection *open = NULL;

        if (!self->collections[i].exists)
            continue;
        status = oct_collection_open(database, world_name(i), &open, error);
        if (status == OCT_OK)
            status = oct_collection_check(open, error);
        oct_collection_close(open);
    }
    return status;
}

uint64_t
world_checksum(const world *self, oct_database *database)
{
    uint64_t hash = 0;

    for (uint32_t i = 0; i < WORLD_COLLECTIONS; i++) {
        oct_collection *open = NULL;
        uint64_t        checksum = 0;

        if (!self->collections[i].exists)
            continue;
        CHECK_OK(oct_collection_open(database, world_name(i), &open, NULL));
        CHECK_OK(oct_collection_wait_indexed(open, 0, NULL));
        CHECK_OK(oct_collection_graph_checksum(open, &checksum, NULL));
        oct_collection_close(open);
        hash = mix64(hash ^ checksum);
    }
    return hash;
}
