/* A chain of backups, the newest of which comes from anywhere: it is restored, or refused by name and nothing is left.
 *
 * A base and two increments on it are made once, of a small database with files and a log. The first byte says what the rest
 * is, and which of the two increments it takes the place of:
 *      0  a list of pieces, as the decoder gets it: what it takes is encoded to what it decodes to again
 *      1  the file, as it is
 *      2  the entries of one whose checksums hold: a name, '\n', two bytes with the size of the content, lowest first, and the
 *         content; behind the head and the format file of a real one, or alone
 *      3  changes of a real one (apply_change), whose checksum holds again; the list may be told the new hashes, so that what
 *         lies behind them is reached
 * What is restored is opened and checked, and another increment is made on it: what is taken for a backup is good for that, too.
 */
#include <stdlib.h>

#include "collection/backup.h"
#include "collection/collection.h"
#include "fuzz/fuzz.h"
#include "support/os_fault.h"

#define DATABASE_PATH "/data/db"
#define RESTORED_PATH "/data/restored"
#define FOLDER        "/backups"
#define NEXT_PATH     FOLDER "/next.backup"
#define LINKS         3u  /* a whole one and two increments */
#define ENTRIES_MAX   64u /* of an archive: real ones have fewer, and a change adds at most one */
#define CHANGES_MAX   24u
#define DIM           4u
#define POINTS        40u

typedef struct entry {
    char  *name;
    buffer content;
} entry;

typedef struct entries {
    entry  items[ENTRIES_MAX];
    size_t count;
} entries;

static const char *const paths[LINKS] = {FOLDER "/0.backup", FOLDER "/1.backup", FOLDER "/2.backup"};
static buffer            files[LINKS]; /* as they are */
static entries           parts[LINKS];

/* --- made once -------------------------------------------------------------------------------------------- */

static oct_status
keep_entry(void *context, archive_reader *from, const char *name, uint64_t size, oct_error *error)
{
    entries   *to = context;
    entry     *item = &to->items[to->count++];
    size_t     got;
    oct_status status;

    OCT_MUST(to->count <= ENTRIES_MAX);
    *item = (entry){.name = oct_copy_text(name, strlen(name))};
    OCT_MUST(item->name != NULL && buffer_reserve(&item->content, (size_t)size + 1));
    status = archive_next(from, item->content.data, (size_t)size, &got, error);
    item->content.size = got;
    return status;
}

static void
upsert(oct_collection *to, uint64_t first, uint64_t count)
{
    for (uint64_t id = first; id < first + count; id++) {
        const float     values[DIM] = {(float)id, 1, (float)(id % 7), 3};
        const oct_slice payload = slice_of("{\"a\":\"something that is stored\"}");

        OCT_MUST(oct_upsert_rows(to, &id, values, 1, DIM, DIM, &payload, NULL, NULL) == OCT_OK);
    }
}

static void
back_up(os *disk, oct_database *database, uint32_t link)
{
    os_file *file;
    uint64_t size;

    OCT_MUST(log_sync(database->log, NULL) == OCT_OK);
    OCT_MUST(backup_write(disk, DATABASE_PATH, paths[link], link == 0 ? NULL : paths[link - 1], NULL, NULL) == OCT_OK);
    OCT_MUST(os_open(disk, paths[link], 0, &file, NULL) == OCT_OK && os_size(file, &size, NULL) == OCT_OK);
    OCT_MUST(buffer_reserve(&files[link], (size_t)size + 1));
    OCT_MUST(os_read_all(file, 0, files[link].data, (size_t)size, NULL) == OCT_OK);
    files[link].size = (size_t)size;
    OCT_MUST(archive_read(file, 0, size, keep_entry, &parts[link], NULL, NULL) == OCT_OK);
    os_close(file);
}

static void
prepare(void)
{
    os                   *disk = os_fault_new();
    oct_collection_config config;
    oct_vector_config     vector;
    oct_database         *database = NULL;
    oct_collection       *open = NULL;

    OCT_MUST(os_make_dir(disk, "/data", NULL) == OCT_OK && os_make_dir(disk, FOLDER, NULL) == OCT_OK);
    OCT_MUST(database_open_scratch(disk, DATABASE_PATH, &database, NULL) == OCT_OK);
    oct_collection_config_init(&config);
    oct_vector_config_init(&vector);
    vector.size = DIM;
    vector.distance = OCT_EUCLID;
    config.vectors = &vector;
    config.vector_count = config.single_vector = 1;
    OCT_MUST(oct_collection_create(database, slice_of("c"), &config, NULL) == OCT_OK);
    OCT_MUST(oct_collection_open(database, slice_of("c"), &open, NULL) == OCT_OK);
    upsert(open, 1, POINTS);
    OCT_MUST(database_checkpoint(database, false, NULL) == OCT_OK);
    upsert(open, 100, 3); /* these are in the log */
    back_up(disk, database, 0);
    upsert(open, 200, 3);
    back_up(disk, database, 1);
    OCT_MUST(database_checkpoint(database, false, NULL) == OCT_OK); /* and now in files */
    upsert(open, 300, 3);
    back_up(disk, database, 2);
    oct_collection_close(open);
    OCT_MUST(oct_close(database, NULL) == OCT_OK);
    os_free(disk);
}

/* --- the newest link --------------------------------------------------------------------------------------- */

static void
write_raw(os *disk, const char *path, const void *data, size_t size)
{
    os_file *file;

    OCT_MUST(os_open(disk, path, OS_CREATE | OS_TRUNCATE, &file, NULL) == OCT_OK);
    OCT_MUST(os_write(file, 0, data, size, NULL) == OCT_OK);
    os_close(file);
}

static void
add_entry(archive_writer *to, const char *name, const void *data, size_t size)
{
    /* A name that cannot be one is refused before anything is written. */
    const oct_status status = archive_add(to, name, (oct_slice){size == 0 ? "" : data, size}, NULL);

    OCT_MUST(status == OCT_OK || status == OCT_INVALID);
}

static void
write_entries(os *disk, const char *path, const entries *real, fuzz_input input, bool with_head)
{
    archive_writer *to;
    uint64_t        size;

    OCT_MUST(archive_create(disk, path, &to, NULL) == OCT_OK);
    for (size_t i = 0; i < real->count && with_head; i++) {
        if (strcmp(real->items[i].name, SNAPSHOT_HEAD) == 0 || strcmp(real->items[i].name, DATABASE_FORMAT_FILE) == 0)
            add_entry(to, real->items[i].name, real->items[i].content.data, real->items[i].content.size);
    }
    for (size_t i = 0; i < ENTRIES_MAX && input.size > 0; i++) {
        size_t       bytes;
        char        *name = fuzz_part(&input, '\n', &bytes);
        const size_t low = fuzz_byte(&input), given = low + 256 * (size_t)fuzz_byte(&input);
        const size_t content = size_min(given, input.size);

        if (memchr(name, '\0', bytes) == NULL)
            add_entry(to, name, input.data, content);
        input.data += content;
        input.size -= content;
        oct_free(name);
    }
    OCT_MUST(archive_finish(to, &size, NULL, NULL) == OCT_OK);
}

static size_t
take_u16(fuzz_input *input)
{
    const size_t low = fuzz_byte(input);

    return low + 256 * (size_t)fuzz_byte(input);
}

static void
apply_change(entries *made, fuzz_input *input)
{
    const size_t i = fuzz_byte(input) % made->count, what = fuzz_byte(input) % 8u;
    entry       *item = &made->items[i], taken = *item;
    const size_t size = item->content.size, at = size == 0 || what > 2 ? 0 : take_u16(input) % size;
    char         word[8];
    size_t       bytes, other;

    switch (what) {
    case 0: /* a byte */
        if (size > 0)
            item->content.data[at] = (char)fuzz_byte(input);
        return;
    case 1: /* a number, in its place */
        for (size_t b = 0; b < sizeof word; b++)
            word[b] = (char)fuzz_byte(input);
        if (at / 8 * 8 + sizeof word <= size)
            memcpy(item->content.data + at / 8 * 8, word, sizeof word);
        return;
    case 2: /* cut */
        item->content.size = at;
        return;
    case 3: /* gone */
        if (made->count > 1) {
            oct_free(taken.name);
            buffer_clear(&taken.content);
            memmove(item, item + 1, (--made->count - i) * sizeof *item);
        }
        return;
    case 4: /* elsewhere */
        other = fuzz_byte(input) % made->count;
        *item = made->items[other];
        made->items[other] = taken;
        return;
    case 5: /* called otherwise */
        oct_free(taken.name);
        item->name = fuzz_part(input, '\n', &bytes);
        return;
    case 6: /* longer */
        for (bytes = take_u16(input) % 4096; bytes > 0; bytes--)
            buffer_add(&item->content, "\x5a", 1);
        return;
    default: /* twice */
        if (made->count < ENTRIES_MAX) {
            entry *twin = &made->items[made->count++];

            *twin = (entry){.name = oct_copy_text(taken.name, strlen(taken.name))};
            buffer_add(&twin->content, taken.content.data, taken.content.size);
        }
    }
}

/* Let the list have the hashes that the pieces have now, as far as it knows them. */
static void
hash_again(entries *made)
{
    pieces list = {0};
    entry *item = made->items;

    while (item < made->items + made->count && strcmp(item->name, PIECES_ENTRY) != 0)
        item++;
    if (item == made->items + made->count ||
        pieces_decode((oct_slice){item->content.data, item->content.size}, &list, NULL) != OCT_OK)
        return;
    for (size_t i = 0; i < made->count; i++) {
        const buffer     *content = &made->items[i].content;
        char             *name = made->items[i].name, *slash = strrchr(name, '/');
        const piece_file *file = NULL;
        uint64_t          piece = 0;

        if (slash != NULL) {
            piece = strtoull(slash + 1, NULL, 10);
            *slash = '\0';
            file = pieces_find(&list, name);
            *slash = '/';
        }
        for (size_t at = 0; file != NULL && piece < pieces_of_file(file) && at < content->size; piece++) {
            const size_t some = size_min(piece_size(file, (size_t)piece), content->size - at);

            list.hashes[file->first + piece] = piece_hash_of(content->data + at, some);
            at += some;
        }
    }
    item->content.size = 0;
    pieces_encode(&list, &item->content);
    pieces_clear(&list);
}

static void
write_changed(os *disk, const char *path, const entries *real, fuzz_input input, bool hashed)
{
    entries         made = {.count = real->count};
    archive_writer *to;
    uint64_t        size;

    for (size_t i = 0; i < real->count; i++) {
        made.items[i].name = oct_copy_text(real->items[i].name, strlen(real->items[i].name));
        buffer_add(&made.items[i].content, real->items[i].content.data, real->items[i].content.size);
        OCT_MUST(made.items[i].name != NULL && !made.items[i].content.failed);
    }
    for (size_t i = 0; i < CHANGES_MAX && input.size > 0; i++)
        apply_change(&made, &input);
    if (hashed)
        hash_again(&made);
    OCT_MUST(archive_create(disk, path, &to, NULL) == OCT_OK);
    for (size_t i = 0; i < made.count; i++) {
        add_entry(to, made.items[i].name, made.items[i].content.data, made.items[i].content.size);
        oct_free(made.items[i].name);
        buffer_clear(&made.items[i].content);
    }
    OCT_MUST(archive_finish(to, &size, NULL, NULL) == OCT_OK);
}

/* --- what must hold ------------------------------------------------------------------------------------------ */

/* What a list says is what its encoding says. */
static void
decode_twice(fuzz_input input)
{
    pieces    first = {0}, second = {0};
    buffer    once = {0}, twice = {0};
    oct_error error = {0};
    /* In memory of its own, so that a read beyond it is seen. */
    char *content = oct_copy_text((const char *)input.data, input.size);

    OCT_MUST(content != NULL);
    if (pieces_decode((oct_slice){content, input.size}, &first, &error) != OCT_OK) {
        OCT_MUST(error.text[0] != '\0' && first.files == NULL);
    } else {
        (void)pieces_bytes(&first, true);
        pieces_encode(&first, &once);
        OCT_MUST(!once.failed && pieces_decode((oct_slice){once.data, once.size}, &second, &error) == OCT_OK);
        pieces_encode(&second, &twice);
        OCT_MUST(once.size == twice.size && memcmp(once.data, twice.data, once.size) == 0);
        for (size_t i = 0; i < first.file_count; i++)
            OCT_MUST(pieces_find(&first, first.files[i].name) == &first.files[i]);
        for (size_t i = 0; i < first.group_count; i++)
            OCT_MUST(pieces_find_group(&first, first.groups[i].first) == &first.groups[i]);
    }
    pieces_clear(&first);
    pieces_clear(&second);
    buffer_clear(&once);
    buffer_clear(&twice);
    oct_free(content);
}

/* Open what was restored; *closed: it was opened, and closed without an error, so that it is a database. */
static void
use(os *disk, bool *closed)
{
    const oct_open_options options = {.path = RESTORED_PATH, .threads = 1};
    oct_database          *database = NULL;
    oct_collection        *open = NULL;
    oct_records           *page = NULL;
    oct_error              error = {0};
    const oct_select       select = {.with_payload = true, .with_vector = true};

    *closed = false;
    if (database_open_on(disk, &options, &database, &error) != OCT_OK) {
        OCT_MUST(error.text[0] != '\0');
        return;
    }
    if (oct_collection_open(database, slice_of("c"), &open, NULL) == OCT_OK) {
        (void)oct_scroll(open, NULL, 100, &select, &page, NULL);
        (void)oct_collection_check(open, NULL);
        oct_records_free(page);
        oct_collection_close(open);
    }
    *closed = oct_close(database, NULL) == OCT_OK;
}

static void
restore(os *disk, const char *path)
{
    oct_backup_info info;
    oct_error       error = {0};
    char          **names = NULL;
    size_t          count = 0;
    bool            closed;
    oct_status      verified = backup_verify(disk, path, NULL, &info, &error);

    OCT_MUST(verified == OCT_OK || error.text[0] != '\0');
    error.text[0] = '\0';
    if (backup_restore(disk, path, NULL, RESTORED_PATH, &error) != OCT_OK) {
        OCT_MUST(error.text[0] != '\0');
        OCT_MUST(os_list(disk, RESTORED_PATH, &names, &count, NULL) != OCT_OK || count == 0);
        oct_free(names);
        return;
    }
    OCT_MUST(verified == OCT_OK);
    use(disk, &closed);
    if (!closed || backup_write(disk, RESTORED_PATH, NEXT_PATH, path, &info, &error) != OCT_OK)
        return;
    snapshot_remove_tree(disk, RESTORED_PATH);
    OCT_MUST(backup_verify(disk, NEXT_PATH, NULL, &info, &error) == OCT_OK);
    error.text[0] = '\0';
    OCT_MUST(backup_restore(disk, NEXT_PATH, NULL, RESTORED_PATH, &error) == OCT_OK || error.text[0] != '\0');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input     input = {data, size};
    const uint8_t  first = fuzz_byte(&input);
    const uint32_t link = 1 + first / 4 % 2;
    const bool     more = first / 8 % 2 == 1;
    os            *disk;

    if (first % 4 == 0) {
        decode_twice(input);
        return 0;
    }
    if (files[0].size == 0)
        prepare();
    disk = os_fault_new();
    OCT_MUST(os_make_dir(disk, "/data", NULL) == OCT_OK && os_make_dir(disk, FOLDER, NULL) == OCT_OK);
    for (uint32_t i = 0; i < link; i++)
        write_raw(disk, paths[i], files[i].data, files[i].size);
    if (first % 4 == 1)
        write_raw(disk, paths[link], input.data, input.size);
    else if (first % 4 == 2)
        write_entries(disk, paths[link], &parts[link], input, more);
    else
        write_changed(disk, paths[link], &parts[link], input, more);
    restore(disk, paths[link]);
    os_free(disk);
    return 0;
}
