/* Writes as record bodies: there and back, and everything that is not one. */
#include "shard/batch.h"

#include <stdlib.h>

#include "support/test.h"

#define POINTS_MAX 40u
#define COUNT_MAX  9u /* floats of a dense vector, rows of a multivector, entries of a sparse one */

/* Vectors of a random kind for the column's present points. */
static void
fill_column(test_rng *rng, batch_column *column, arena *hold)
{
    const uint64_t kind = test_below(rng, 3); /* dense, multi, sparse */
    uint32_t      *counts = arena_array(hold, column->present_count + 1, sizeof *counts), *indices;
    float         *values;
    size_t         total = 0;

    column->dim = kind == 2 ? 0 : 1 + (uint32_t)test_below(rng, COUNT_MAX);
    for (size_t i = 0; i < column->present_count; i++)
        counts[i] = kind == 1 ? column->dim * (1 + (uint32_t)test_below(rng, 4)) : (uint32_t)test_below(rng, COUNT_MAX);
    column->counts = kind == 0 ? NULL : counts;
    total = batch_value_count(column);
    values = arena_array(hold, total + 1, sizeof *values);
    indices = arena_array(hold, total + 1, sizeof *indices);
    test_fill(rng, values, total);
    for (size_t i = 0, at = 0; kind == 2 && i < column->present_count; at += counts[i++]) {
        for (uint32_t j = 0; j < counts[i]; j++)
            indices[at + j] = (uint32_t)test_below(rng, 100) + (j == 0 ? 0 : indices[at + j - 1] + 1);
    }
    column->indices = kind == 2 ? indices : NULL;
    column->values = values;
    if (kind < 2 && test_below(rng, 2) == 0) { /* packed: any bytes will do */
        column->datatype = test_below(rng, 2) == 0 ? OCT_FLOAT16 : OCT_UINT8;
        column->packed = (const char *)values;
        column->values = NULL;
    }
}

static const void *
content_of(const batch_column *column)
{
    return column->datatype == OCT_FLOAT32 ? (const void *)column->values : column->packed;
}

/* A random write of a kind, in memory of `hold`. */
static batch
make_batch(test_rng *rng, batch_op op, arena *hold)
{
    batch         made = {.op = op, .operation = test_u64(rng), .count = test_below(rng, POINTS_MAX)};
    oct_id       *ids = arena_array(hold, made.count + 1, sizeof *ids);
    batch_column *columns = arena_array(hold, 4, sizeof *columns);

    if (op == BATCH_COMPACT) {
        batch_graph *graphs = arena_array(hold, 4, sizeof *graphs);

        made.count = 0;
        made.graph_count = test_below(rng, 4);
        for (size_t i = 0; i < made.graph_count; i++)
            graphs[i] = (batch_graph){(uint32_t)test_below(rng, 1000), (uint32_t)test_below(rng, 100),
                                      (uint32_t)test_below(rng, 1000), (uint32_t)test_u64(rng), test_below(rng, 2) == 1};
        made.graphs = test_below(rng, 4) == 0 ? NULL : graphs; /* as the first version wrote it */
        if (made.graphs == NULL)
            made.graph_count = 0;
    }
    for (size_t i = 0; i < made.count; i++)
        ids[i] = (oct_id){test_u64(rng), test_u64(rng), (uint32_t)test_below(rng, 2), 0};
    made.ids = ids;
    made.columns = columns;
    if (op == BATCH_UPSERT || op == BATCH_UPDATE_VECTORS || op == BATCH_DELETE_VECTORS)
        made.column_count = test_below(rng, 4);
    for (size_t c = 0; c < made.column_count; c++) {
        uint8_t *present = arena_alloc(hold, made.count / 8 + 1);

        columns[c].number = (uint32_t)test_below(rng, 1000);
        if (op == BATCH_DELETE_VECTORS)
            continue;
        for (size_t i = 0; i < made.count; i++) {
            if (test_below(rng, 3) > 0) {
                present[i / 8] |= (uint8_t)(1u << (i % 8));
                columns[c].present_count++;
            }
        }
        columns[c].present = present;
        if (test_below(rng, 3) == 0) {
            columns[c].present = NULL;
            columns[c].present_count = made.count;
        }
        fill_column(rng, &columns[c], hold);
    }
    if (op == BATCH_UPSERT && test_below(rng, 3) > 0) {
        oct_slice *payloads = arena_array(hold, made.count + 1, sizeof *payloads);

        for (size_t i = 0; i < made.count; i++)
            payloads[i] = (oct_slice){"{\"a\":\"payload\",\"of\":[1,2,3]}", test_below(rng, 29)};
        made.payloads = payloads;
    }
    if (op == BATCH_CHANGE_PAYLOAD) {
        oct_slice *keys = arena_array(hold, 5, sizeof *keys);

        made.change.action = (oct_payload_action)test_below(rng, 4);
        made.change.payload = (oct_slice){"{\"color\":\"red\"}", test_below(rng, 16)};
        made.change.key = (oct_slice){"some.path[0]", test_below(rng, 13)};
        made.change.key_count = test_below(rng, 5);
        for (size_t i = 0; i < made.change.key_count; i++)
            keys[i] = (oct_slice){"another.path", test_below(rng, 13)};
        made.change.keys = keys;
    }
    return made;
}

/* The body of a record, on the heap, so that ASan sees a byte read beyond it. */
static oct_slice
encode(const batch *write)
{
    arena      memory = {0};
    oct_slice *parts;
    size_t     part_count, size = 0;
    char      *body;

    CHECK_OK(batch_encode(write, &memory, &parts, &part_count, NULL));
    for (size_t i = 0; i < part_count; i++)
        size += parts[i].size;
    body = malloc(size);
    OCT_MUST(body != NULL);
    size = 0;
    for (size_t i = 0; i < part_count; i++) {
        memcpy(body + size, parts[i].data, parts[i].size);
        size += parts[i].size;
    }
    arena_clear(&memory);
    return (oct_slice){body, size};
}

static void
check_equal(const batch *got, const batch *want)
{
    CHECK_INT(got->op, want->op);
    CHECK(got->operation == want->operation);
    CHECK_INT(got->count, want->count);
    CHECK_INT(got->column_count, want->column_count);
    for (size_t i = 0; i < want->count && i < got->count; i++)
        CHECK(memcmp(&got->ids[i], &want->ids[i], sizeof(oct_id)) == 0);
    for (size_t c = 0; c < want->column_count && c < got->column_count; c++) {
        const batch_column *a = &got->columns[c], *b = &want->columns[c];

        CHECK(a->number == b->number && a->dim == b->dim && a->present_count == b->present_count);
        for (size_t i = 0; i < want->count && want->op != BATCH_DELETE_VECTORS; i++)
            CHECK_INT(batch_has(a, i), batch_has(b, i));
        CHECK_INT(batch_is_sparse(a), batch_is_sparse(b));
        CHECK_INT(batch_value_count(a), batch_value_count(b));
        CHECK(b->counts == NULL || memcmp(a->counts, b->counts, b->present_count * sizeof *b->counts) == 0);
        CHECK(b->indices == NULL || memcmp(a->indices, b->indices, batch_value_count(b) * sizeof *b->indices) == 0);
        CHECK(want->op == BATCH_DELETE_VECTORS ||
              (a->datatype == b->datatype &&
               memcmp(content_of(a), content_of(b), batch_value_count(b) * batch_value_bytes(b)) == 0));
    }
    CHECK_INT(got->payloads != NULL, want->payloads != NULL && want->count > 0);
    for (size_t i = 0; got->payloads != NULL && i < want->count; i++)
        CHECK(slice_equal(got->payloads[i], want->payloads[i]));
    CHECK_INT(got->graphs != NULL, want->graphs != NULL);
    CHECK_INT(got->graph_count, want->graph_count);
    for (size_t i = 0; i < want->graph_count && i < got->graph_count; i++)
        CHECK(got->graphs[i].number == want->graphs[i].number && got->graphs[i].m == want->graphs[i].m &&
              got->graphs[i].ef_construct == want->graphs[i].ef_construct &&
              got->graphs[i].start_rows == want->graphs[i].start_rows && got->graphs[i].fine == want->graphs[i].fine);
    if (want->op != BATCH_CHANGE_PAYLOAD)
        return;
    CHECK_INT(got->change.action, want->change.action);
    CHECK(slice_equal(got->change.payload, want->change.payload) &&
          slice_equal(got->change.key, want->change.key));
    CHECK_INT(got->change.key_count, want->change.key_count);
    for (size_t i = 0; i < want->change.key_count && i < got->change.key_count; i++)
        CHECK(slice_equal(got->change.keys[i], want->change.keys[i]));
}

/* Everything a decoded batch points to is read, so that ASan sees what does not belong to it. */
static uint64_t
read_all(const batch *self)
{
    uint64_t sum = self->operation;

    for (size_t i = 0; i < self->count; i++)
        sum += self->ids[i].low;
    for (size_t c = 0; c < self->column_count; c++) {
        for (size_t i = 0; i < self->count; i++)
            sum += batch_has(&self->columns[c], i);
        sum += hash_bytes(content_of(&self->columns[c]),
                          batch_value_count(&self->columns[c]) * batch_value_bytes(&self->columns[c]));
        if (self->columns[c].indices != NULL)
            sum += hash_bytes((const char *)self->columns[c].indices,
                              batch_value_count(&self->columns[c]) * sizeof(uint32_t));
    }
    for (size_t i = 0; self->payloads != NULL && i < self->count; i++)
        sum += hash_bytes(self->payloads[i].data, self->payloads[i].size);
    for (size_t i = 0; self->graphs != NULL && i < self->graph_count; i++)
        sum += self->graphs[i].number + self->graphs[i].start_rows;
    sum += hash_bytes(self->change.payload.data, self->change.payload.size);
    sum += hash_bytes(self->change.key.data, self->change.key.size);
    for (size_t i = 0; i < self->change.key_count; i++)
        sum += hash_bytes(self->change.keys[i].data, self->change.keys[i].size);
    return sum;
}

/* Goal:   what is encoded is decoded the same.
 * Method: 600 random writes of all kinds. Seed 261. */
TEST(writes_survive_their_encoding)
{
    test_rng rng = test_rng_seed(261);

    for (int i = 0; i < 600; i++) {
        arena           hold = {0}, memory = {0};
        const batch     write = make_batch(&rng, (batch_op)(BATCH_UPSERT + i % 6), &hold);
        const oct_slice body = encode(&write);
        batch           got;

        CHECK_INT(batch_op_of(body), write.op);
        CHECK_OK(batch_decode(body, &memory, &got, NULL));
        check_equal(&got, &write);
        free((void *)(uintptr_t)body.data);
        arena_clear(&memory);
        arena_clear(&hold);
    }
}

/* Goal:   columns whose parts do not belong together are refused: multivectors that are not whole rows, sparse indices that
 *         do not ascend, flags of no kind.
 * Method: a good column of each kind, encoded with one word wrong. */
TEST(columns_of_no_kind_are_refused)
{
    static const oct_id   ids[2] = {{0, 1, 0, 0}, {0, 2, 0, 0}};
    static const float    values[6] = {1, 2, 3, 4, 5, 6};
    static const uint32_t rows[2] = {2, 4}, broken_rows[2] = {3, 3}, no_rows[2] = {6, 0};
    static const uint32_t entries[2] = {2, 4}, ascending[6] = {7, 9, 1, 2, 3, 4};
    static const uint32_t repeated[6] = {7, 7, 1, 2, 3, 4}, falling[6] = {7, 9, 1, 2, 4, 3};
    const struct {
        oct_status   want;
        batch_column column;
    } cases[] = {
        {OCT_OK, {.dim = 2, .counts = rows}},
        {OCT_CORRUPT, {.dim = 2, .counts = broken_rows}},
        {OCT_CORRUPT, {.dim = 2, .counts = no_rows}},
        {OCT_OK, {.counts = entries, .indices = ascending}},
        {OCT_OK, {.counts = no_rows, .indices = (const uint32_t[]){1, 2, 3, 4, 5, 6}}},
        {OCT_CORRUPT, {.counts = entries, .indices = repeated}},
        {OCT_CORRUPT, {.counts = entries, .indices = falling}},
        {OCT_OK, {.dim = 3}},
        {OCT_OK, {.dim = 3, .datatype = OCT_FLOAT16}},
        {OCT_OK, {.dim = 2, .counts = rows, .datatype = OCT_UINT8}},
        {OCT_CORRUPT, {.counts = entries, .indices = ascending, .datatype = OCT_UINT8}},
    };

    for (size_t i = 0; i < countof(cases); i++) {
        batch_column column = cases[i].column;
        batch        write = {.op = BATCH_UPSERT, .count = 2, .ids = ids, .column_count = 1, .columns = &column}, got;
        arena        memory = {0};
        oct_slice    body;
        oct_status   status;

        column.present_count = 2;
        column.values = values;
        column.packed = (const char *)values;
        body = encode(&write);
        status = batch_decode(body, &memory, &got, NULL);
        CHECK_MSG(status == cases[i].want, "case %zu: status %d, want %d", i, (int)status, (int)cases[i].want);
        free((void *)(uintptr_t)body.data);
        arena_clear(&memory);
    }
}

/* Goal:   a body that was cut is OCT_CORRUPT; one that is no write at all too.
 * Method: every truncation of random writes; bytes added; noise. Bodies lie at the end of their memory (ASan). Seed
 * 262. */
TEST(cut_bodies_are_no_writes)
{
    test_rng  rng = test_rng_seed(262);
    oct_error error;
    batch     got;

    for (int i = 0; i < 60; i++) {
        arena           hold = {0};
        const batch     write = make_batch(&rng, (batch_op)(BATCH_UPSERT + i % 6), &hold);
        const oct_slice body = encode(&write);

        for (size_t size = 0; size < body.size; size++) {
            arena memory = {0};
            char *cut = malloc(size + 1);

            OCT_MUST(cut != NULL);
            memcpy(cut, body.data, size);
            CHECK_STATUS(batch_decode((oct_slice){cut, size}, &memory, &got, &error), OCT_CORRUPT);
            (void)batch_op_of((oct_slice){cut, size});
            free(cut);
            arena_clear(&memory);
        }
        {
            arena memory = {0};
            char *more = calloc(1, body.size + 8);

            OCT_MUST(more != NULL);
            memcpy(more, body.data, body.size);
            CHECK_STATUS(batch_decode((oct_slice){more, body.size + 4}, &memory, &got, &error), OCT_CORRUPT);
            free(more);
            arena_clear(&memory);
        }
        free((void *)(uintptr_t)body.data);
        arena_clear(&hold);
    }
    for (uint64_t i = 0; i < test_scaled(20000); i++) {
        arena        memory = {0};
        uint64_t     noise[12];
        const size_t size = test_below(&rng, sizeof noise + 1);

        for (size_t k = 0; k < countof(noise); k++)
            noise[k] = test_below(&rng, 3) == 0 ? test_u64(&rng) : test_below(&rng, 9);
        if (batch_decode((oct_slice){(const char *)noise, size}, &memory, &got, &error) == OCT_OK)
            (void)read_all(&got);
        arena_clear(&memory);
    }
}

/* Goal:   a changed body is an error or another write that holds together: no crash, nothing outside is read, and no
 *         memory out of proportion is asked for.
 * Method: 40,000 bodies with one to four random bits flipped; what decodes is read whole. Seed 263. */
TEST(flipped_bits_do_no_harm)
{
    test_rng rng = test_rng_seed(263);
    uint64_t accepted = 0, refused = 0;

    for (uint64_t i = 0; i < test_scaled(400); i++) {
        arena           hold = {0};
        const batch     write = make_batch(&rng, (batch_op)(BATCH_UPSERT + i % 6), &hold);
        const oct_slice body = encode(&write);

        for (int k = 0; k < 100; k++) {
            arena     memory = {0};
            char     *changed = malloc(body.size);
            oct_error error;
            batch     got;

            OCT_MUST(changed != NULL);
            memcpy(changed, body.data, body.size);
            for (uint64_t flips = 1 + test_below(&rng, 4); flips > 0; flips--)
                changed[test_below(&rng, test_below(&rng, 2) == 0 ? body.size : size_min(body.size, 64))] ^=
                    (char)(1u << test_below(&rng, 8));
            if (batch_decode((oct_slice){changed, body.size}, &memory, &got, &error) == OCT_OK) {
                (void)read_all(&got);
                accepted++;
            } else {
                CHECK_INT(error.status, OCT_CORRUPT);
                refused++;
            }
            free(changed);
            arena_clear(&memory);
        }
        free((void *)(uintptr_t)body.data);
        arena_clear(&hold);
    }
    CHECK(accepted > 0 && refused > 0);
}

/* Goal:   no memory is OCT_NOMEM, which is not damage.
 * Method: each allocation of encoding and decoding fails in turn. */
TEST(decoding_without_memory_is_not_damage)
{
    test_rng rng = test_rng_seed(264);

    for (int i = 0; i < 60; i++) {
        arena           hold = {0};
        batch           write = make_batch(&rng, (batch_op)(BATCH_UPSERT + i % 6), &hold), got;
        const oct_slice body = encode(&write);
        oct_status      status = OCT_NOMEM;

        for (uint64_t n = 0; status != OCT_OK; n++) {
            arena memory = {0};

            oct_alloc_fail_after(n, false);
            status = batch_decode(body, &memory, &got, NULL);
            oct_alloc_fail_after(UINT64_MAX, false);
            CHECK(status == OCT_OK || status == OCT_NOMEM);
            if (status != OCT_OK && status != OCT_NOMEM)
                break;
            arena_clear(&memory);
        }
        status = OCT_NOMEM;
        for (uint64_t n = 0; status != OCT_OK; n++) {
            arena      memory = {0};
            oct_slice *parts;
            size_t     part_count;

            oct_alloc_fail_after(n, false);
            status = batch_encode(&write, &memory, &parts, &part_count, NULL);
            oct_alloc_fail_after(UINT64_MAX, false);
            CHECK(status == OCT_OK || status == OCT_NOMEM);
            arena_clear(&memory);
        }
        free((void *)(uintptr_t)body.data);
        arena_clear(&hold);
    }
}
