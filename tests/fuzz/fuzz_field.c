/* A file of a payload index whose checksums hold but whose content is anything: it is refused, or can be asked everything. The
 * first byte says of which type the index is and whether it has phrases. */
#include <stdlib.h>

#include "base/arena.h"
#include "base/crc32c.h"
#include "field/field.h"
#include "fuzz/fuzz.h"
#include "text/text.h"

#define HEADER_BYTES 48u
#define POINTS_MAX   (1u << 20) /* bits that are asked for */

static void
ask(const field_view *view)
{
    const uint32_t point_count = field_view_point_count(view);
    uint64_t      *bits = calloc((size_t)point_count / 64 + 1, sizeof *bits);
    arena          memory = {0};
    field_cursor  *cursor = NULL;
    field_value    value;
    buffer         points = {0};

    OCT_MUST(bits != NULL);
    field_view_indexed(view, bits);
    if (field_cursor_new(view, false, &memory, &cursor, NULL) == OCT_OK) {
        for (int i = 0; i < 100 && field_cursor_next(cursor, &value); i++) {
            (void)field_cursor_count(cursor, bits, point_count);
            (void)field_cursor_points(cursor, bits, point_count, 10, &points, NULL);
        }
    }
    buffer_clear(&points);
    arena_clear(&memory);
    free(bits);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input      in = {data, size};
    const uint8_t   kind = fuzz_byte(&in);
    oct_field_index config;
    oct_text_config text;
    text_analyzer  *words = NULL;
    field_index    *index = NULL;
    field_view     *view = NULL;
    char           *bytes = oct_copy_text((const char *)in.data, in.size);

    OCT_MUST(bytes != NULL);
    oct_field_index_init(&config);
    config.field = (oct_slice){"f", 1};
    config.type = OCT_FIELD_KEYWORD + kind % 8;
    config.phrase_matching = kind / 8 % 2;
    oct_text_config_init(&text);
    if (config.type == OCT_FIELD_TEXT)
        OCT_MUST(text_analyzer_new(&text, &words, NULL) == OCT_OK);
    OCT_MUST(field_index_new(&config, words, &index, NULL) == OCT_OK);
    if (in.size >= HEADER_BYTES) {
        memcpy(bytes, "OCTFIELD", 8);
        put_u32(bytes + 8, 1);
        put_u32(bytes + 12, crc32c(0, bytes + HEADER_BYTES, in.size - HEADER_BYTES));
        put_u64(bytes + 16, in.size - HEADER_BYTES);
        put_u32(bytes + 40, 0); /* no key */
        put_u32(bytes + 44, crc32c(0, bytes, 44));
    }
    if (field_view_decode(index, (oct_slice){"", 0}, (oct_slice){bytes, in.size}, &view, NULL) == OCT_OK) {
        if (field_view_point_count(view) <= POINTS_MAX)
            ask(view);
        field_view_release(view);
    }
    oct_free(bytes);
    field_index_release(index);
    text_analyzer_free(words);
    return 0;
}
