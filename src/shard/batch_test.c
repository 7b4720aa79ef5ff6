/* Writes as record bodies: there and back, and everything that is not one. */
#include "shard/batch.h"

#include <stdlib.h>

#include "support/test.h"

#define POINTS_MAX 40u

/* A random write of a kind, in memory of `hold`. */
static batch
make_batch(test_rng *rng, batch_op op, arena *hold)
{
    batch         made = {.op = op, .operation = test_u64(rng), .count = test_below(rng, POINTS_MAX)};
    oct_id       *ids = arena_array(hold, made.count + 1, sizeof *ids);
    batch_column *columns = arena_array(hold, 4, sizeof *columns);

    if (op == BATCH_COMPACT)
        made.count = 0;
    for (size_t i = 0; i < made.count; i++)
        ids[i] = (oct_id){test_u64(rng), test_u64(rng), (uint32_t)test_below(rng, 2), 0};
    made.ids = ids;
    made.columns = columns;
    if (op == BATCH_UPSERT || op == BATCH_UPDATE_VECTORS || op == BATCH_DELETE_VECTORS)
        made.column_count = test_below(rng, 4);
    for (size_t c = 0; c < made.column_count; c++) {
        uint8_t *present = arena_alloc(hold, made.count / 8 + 1);
        float   *values;

        columns[c].number = (uint32_t)test_below(rng, 1000);
        if (op == BATCH_DELETE_VECTORS)
            continue;
        columns[c].dim = 1 + (uint32_t)test_below(rng, 9);
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
        values = arena_array(hold, columns[c].present_count * columns[c].dim + 1, sizeof *values);
        test_fill(rng, values, columns[c].present_count * columns[c].dim);
        columns[c].values = values;
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
        CHECK(b->dim == 0 || memcmp(a->values, b->values, b->present_count * b->dim * sizeof(float)) == 0);
    }
    CHECK_INT(got->payloads != NULL, want->payloads != NULL && want->count > 0);
    for (size_t i = 0; got->payloads != NULL && i < want->count; i++)
        CHECK(slice_equal(got->payloads[i], want->payloads[i]));
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
        for (size_t i = 0; i < self->columns[c].present_count * self->columns[c].dim; i++)
            sum += ((const unsigned char *)self->columns[c].values)[i];
    }
    for (size_t i = 0; self->payloads != NULL && i < self->count; i++)
        sum += hash_bytes(self->payloads[i].data, self->payloads[i].size);
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
