/* Payload documents, changes of them and the paths in both: lines PATH, DOCUMENT, DOCUMENT after a byte that chooses. */
#include "fuzz/fuzz.h"
#include "payload/datetime.h"
#include "payload/document.h"
#include "payload/path.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input         input = {data, size};
    const uint8_t      choice = fuzz_byte(&input);
    oct_slice          parts[3];
    char              *owned[3];
    buffer             compact = {0}, again = {0}, changed = {0};
    arena              memory = {0};
    path               parsed;
    int64_t            microseconds;
    oct_payload_change change = {.action = (oct_payload_action)(choice % 4u)};

    for (size_t i = 0; i < 3; i++) {
        owned[i] = fuzz_part(&input, '\n', &parts[i].size);
        parts[i].data = owned[i];
    }
    (void)datetime_parse(parts[0], &microseconds);
    (void)path_parse(parts[0], &memory, &parsed, NULL);
    if (document_check(parts[1], &compact, NULL) == OCT_OK) {
        const oct_slice  document = {compact.data, compact.size};
        const oct_select select = {.with_payload = true, .include = parts, .include_count = choice / 16u % 2u,
                                   .exclude = parts, .exclude_count = choice / 32u % 2u};

        /* compacting is idempotent */
        OCT_MUST(document_check(document, &again, NULL) == OCT_OK);
        OCT_MUST(again.size == compact.size && memcmp(again.data, compact.data, again.size) == 0);
        again.size = 0;
        change.payload = parts[2];
        change.key = choice & 8u ? parts[0] : (oct_slice){0};
        change.keys = parts;
        change.key_count = 1;
        if (document_change(document, &change, &changed, NULL) == OCT_OK) {
            /* what a change makes is a document */
            OCT_MUST(document_check((oct_slice){changed.data, changed.size}, &again, NULL) == OCT_OK);
        }
        changed.size = 0;
        (void)document_select(document, &select, &changed, NULL);
    }
    buffer_clear(&compact);
    buffer_clear(&again);
    buffer_clear(&changed);
    arena_clear(&memory);
    for (size_t i = 0; i < 3; i++)
        oct_free(owned[i]);
    return 0;
}
