/* Goal:   a view that is kept as bytes comes back as it was; bytes that are damaged or forged are refused or do no harm.
 * Method: views of random documents under every type of index, several runs each: encoded, decoded, encoded again, compared.
 *         Every byte changed in turn; then bytes changed and the checksums made to fit, and what is accepted is asked
 *         everything (ASan watches). Each allocation failing in turn. */
#include <stdlib.h>

#include "base/crc32c.h"
#include "base/epoch.h"
#include "field/field_internal.h"
#include "support/test.h"
#include "text/text.h"

#define POINTS 150u
#define S(text_) ((oct_slice){(text_), sizeof(text_) - 1})

static const oct_field_type types[] = {OCT_FIELD_KEYWORD, OCT_FIELD_INTEGER, OCT_FIELD_FLOAT,    OCT_FIELD_GEO,
                                       OCT_FIELD_TEXT,    OCT_FIELD_BOOL,    OCT_FIELD_DATETIME, OCT_FIELD_UUID};

typedef struct documents {
    char     texts[POINTS][200];
    test_rng rng;
} documents;

static oct_status
document_of(const void *context, uint32_t point, oct_slice *out, oct_error *error)
{
    const documents *self = context;

    (void)error;
    *out = slice_of(self->texts[point]);
    return OCT_OK;
}

static void
write_document(documents *self, uint32_t point)
{
    static const char *const values[] = {
        "\"red\"", "\"green and blue\"", "7", "-3", "2.5", "true", "null", "[]", "[1,\"red\",null]", "{\"lon\":7.1,\"lat\":50.7}",
        "[{\"lon\":-7.1,\"lat\":50.7},{\"lon\":0,\"lat\":0}]", "\"2024-05-06T07:08:09Z\"", "false",
        "\"550e8400-e29b-41d4-a716-446655440000\"", "\"blue and green and red and blue\"", "[5,6,7,8]"};
    const uint64_t some = test_below(&self->rng, 10);

    if (some == 0)
        self->texts[point][0] = '\0'; /* dead */
    else if (some < 4)
        (void)snprintf(self->texts[point], sizeof self->texts[point], "{\"f\":\"value %d of some\"}", (int)test_below(&self->rng, 40));
    else if (some < 6)
        (void)snprintf(self->texts[point], sizeof self->texts[point], "{\"f\":%d}", (int)test_below(&self->rng, 40));
    else
        (void)snprintf(self->texts[point], sizeof self->texts[point], "{\"f\":%s}",
                       values[test_below(&self->rng, countof(values))]);
}

typedef struct kept {
    documents      documents;
    text_analyzer *words;
    field_index   *index;
    field_view    *view;
    buffer         bytes;
} kept;

static void
kept_new(kept *self, oct_field_type type, uint64_t seed)
{
    oct_field_index config;
    oct_text_config text;

    *self = (kept){.documents.rng = test_rng_seed(seed)};
    oct_field_index_init(&config);
    config.field = S("f");
    config.type = type;
    if (type == OCT_FIELD_TEXT) {
        config.phrase_matching = seed % 2 == 0;
        oct_text_config_init(&text);
        CHECK_OK(text_analyzer_new(&text, &self->words, NULL));
    }
    CHECK_OK(field_index_new(&config, self->words, &self->index, NULL));
    for (uint32_t run = 0; run < 4; run++) {
        uint32_t     points[POINTS], count = 0;
        field_view  *longer = NULL;
        field_change change = {
            .version = 10 + run, .mark = 99, .point_count = POINTS, .document = document_of, .context = &self->documents};

        for (uint32_t point = 0; point < POINTS; point++) {
            if (run > 0 && test_below(&self->documents.rng, 4u << run) > 0)
                continue;
            write_document(&self->documents, point);
            points[count++] = point;
        }
        change.points = run == 0 ? NULL : points;
        change.count = run == 0 ? POINTS : count;
        CHECK_OK(field_view_extend(self->index, self->view, &change, &longer, NULL));
        field_view_release(self->view);
        self->view = longer;
    }
    CHECK_OK(field_view_encode(self->view, S("a key"), &self->bytes, NULL));
}

static void
kept_clear(kept *self)
{
    field_view_release(self->view);
    field_index_release(self->index);
    text_analyzer_free(self->words);
    buffer_clear(&self->bytes);
}

/* Everything that can be read of a view is. */
static void
read_view(const field_view *view)
{
    uint64_t     *bits = calloc(field_view_point_count(view) / 64 + 1, sizeof *bits);
    arena         memory = {0};
    field_cursor *cursor = NULL;
    field_value   value;

    field_view_indexed(view, bits);
    if (field_cursor_new(view, false, &memory, &cursor, NULL) == OCT_OK) {
        for (int i = 0; i < 1000 && field_cursor_next(cursor, &value); i++)
            (void)field_cursor_count(cursor, bits, field_view_point_count(view));
    }
    for (uint32_t run = 0; run < view->run_count; run++) {
        const field_run *at = view->runs[run];

        for (uint32_t entry = 0; at->has_positions && entry < at->entry_count; entry++)
            CHECK(field_positions_at(&at->positions, entry) != NULL);
    }
    arena_clear(&memory);
    free(bits);
}

TEST(kept_views_come_back)
{
    uint64_t runs = 0;

    for (size_t t = 0; t < countof(types); t++) {
        for (uint64_t seed = 1; seed < 7 && !test_has_failed(); seed++) {
            kept        self;
            field_view *back = NULL;
            buffer      again = {0};

            kept_new(&self, types[t], seed);
            CHECK_OK(field_view_decode(self.index, S("a key"), (oct_slice){self.bytes.data, self.bytes.size}, &back, NULL));
            CHECK(back != NULL && field_view_version(back) == 13 && field_view_point_count(back) == POINTS);
            if (back != NULL) {
                runs += back->run_count;
                CHECK_OK(field_view_encode(back, S("a key"), &again, NULL));
                CHECK(again.size == self.bytes.size && memcmp(again.data, self.bytes.data, again.size) == 0);
                read_view(back);
            }
            field_view_release(back);
            CHECK_STATUS(field_view_decode(self.index, S("b key"), (oct_slice){self.bytes.data, self.bytes.size}, &back, NULL),
                         OCT_NOT_FOUND);
            CHECK(back == NULL);
            buffer_clear(&again);
            kept_clear(&self);
        }
    }
    CHECK_MSG(runs > 60, "%llu runs", (unsigned long long)runs);
}

/* The checksums of changed bytes, as who forges them would. */
static void
make_sums_fit(char *bytes, size_t size)
{
    put_u32(bytes + 12, crc32c(0, bytes + 48, size - 48));
    put_u32(bytes + 44, crc32c(0, bytes, 44));
}

TEST(damaged_or_forged_views_do_no_harm)
{
    uint64_t accepted = 0, refused = 0;

    for (size_t t = 0; t < countof(types); t++) {
        kept        self;
        field_view *back = NULL;
        test_rng    rng = test_rng_seed(77 + t);

        kept_new(&self, types[t], 1 + t);
        for (size_t at = 0; at < self.bytes.size && !test_has_failed(); at++) {
            self.bytes.data[at] ^= (char)(1 << at % 8);
            CHECK_STATUS(field_view_decode(self.index, S("a key"), (oct_slice){self.bytes.data, self.bytes.size}, &back, NULL),
                         OCT_CORRUPT);
            self.bytes.data[at] ^= (char)(1 << at % 8);
            if (at % 3 == 0) {
                CHECK_STATUS(field_view_decode(self.index, S("a key"), (oct_slice){self.bytes.data, at}, &back, NULL), OCT_CORRUPT);
            }
        }
        for (int i = 0; i < 3000; i++) {
            char *forged = malloc(self.bytes.size); /* at the end of its memory: ASan sees a byte read beyond */

            memcpy(forged, self.bytes.data, self.bytes.size);
            for (uint64_t n = 1 + test_below(&rng, 3); n > 0; n--) {
                const size_t at = test_below(&rng, 4) == 0 ? 8 + test_below(&rng, 140) : 8 + test_below(&rng, self.bytes.size - 8);

                forged[at] = (char)(test_below(&rng, 2) == 0 ? forged[at] + 1 : (char)test_below(&rng, 256));
            }
            make_sums_fit(forged, self.bytes.size);
            if (field_view_decode(self.index, S("a key"), (oct_slice){forged, self.bytes.size}, &back, NULL) == OCT_OK) {
                read_view(back);
                field_view_release(back);
                accepted++;
            } else {
                refused++;
            }
            free(forged);
        }
        kept_clear(&self);
    }
    CHECK_MSG(accepted > 100 && refused > 1000, "%llu accepted, %llu refused", (unsigned long long)accepted,
              (unsigned long long)refused);
}

TEST(kept_views_without_memory_are_not_damaged)
{
    for (size_t t = 0; t < countof(types); t++) {
        kept        self;
        field_view *back = NULL;
        oct_status  status = OCT_NOMEM;

        kept_new(&self, types[t], 2);
        for (uint64_t n = 0; status == OCT_NOMEM && n < 10000; n++) {
            oct_alloc_fail_after(n, false);
            status = field_view_decode(self.index, S("a key"), (oct_slice){self.bytes.data, self.bytes.size}, &back, NULL);
            oct_alloc_fail_after(UINT64_MAX, false);
            CHECK(status == OCT_OK || (status == OCT_NOMEM && back == NULL));
        }
        CHECK_OK(status);
        field_view_release(back);
        kept_clear(&self);
    }
}
