/* The log against the simplest model: an array of records. Crashes and faults are in log_crash_test.c. */
#include "storage/log_test.h"

#include <pthread.h>
#include <unistd.h>

#include "base/crc32c.h"

#define FOLDER "/data/log"

static os *
disk_new(void)
{
    os *disk = os_fault_new();

    OCT_MUST(os_make_dir(disk, "/data", NULL) == OCT_OK);
    return disk;
}

static char *
file_text(os *disk, const char *path, size_t *size)
{
    os_file *file;
    uint64_t bytes;
    char    *text;

    OCT_MUST(os_open(disk, path, 0, &file, NULL) == OCT_OK && os_size(file, &bytes, NULL) == OCT_OK);
    text = malloc((size_t)bytes + 1);
    OCT_MUST(text != NULL && os_read_all(file, 0, text, (size_t)bytes, NULL) == OCT_OK);
    os_close(file);
    *size = (size_t)bytes;
    return text;
}

static void
set_file(os *disk, const char *path, const char *text, size_t size)
{
    os_file *file;

    OCT_MUST(os_open(disk, path, OS_CREATE | OS_TRUNCATE, &file, NULL) == OCT_OK);
    OCT_MUST(os_write(file, 0, text, size, NULL) == OCT_OK);
    os_close(file);
}

static size_t
file_count(os *disk)
{
    char **names;
    size_t count, logs = 0;

    OCT_MUST(os_list(disk, FOLDER, &names, &count, NULL) == OCT_OK);
    for (size_t i = 0; i < count; i++)
        logs += strstr(names[i], ".log") != NULL; /* and not the room kept back */
    oct_free(names);
    return logs;
}

static const char *
file_name(uint64_t number)
{
    static char path[OS_PATH_MAX];

    OCT_MUST(log_file_path(path, FOLDER, number, NULL) == OCT_OK);
    return path;
}

/* `count` records, each waited for, so that each says that the one before is durable. */
static void
fill(os *disk, const history *of, uint64_t segment_bytes, uint64_t count)
{
    const log_options options = {.system = disk, .path = FOLDER, .segment_bytes = segment_bytes};
    write_log        *log;

    OCT_MUST(history_open(of, &options, 0, &log, NULL) == OCT_OK);
    for (uint64_t i = 1; i <= count; i++) {
        OCT_MUST(history_append(of, log, NULL) == OCT_OK);
        OCT_MUST(log_wait(log, i, NULL) == OCT_OK);
    }
    OCT_MUST(log_close(log, NULL) == OCT_OK);
}

/* Goal:   the log is an array: what was appended is handed out again, in order, after any history.
 * Method: random appends, waits, syncs, truncations and reopenings with every policy, files of 20,000
 *         bytes (so that bodies may be larger than a file), 12 histories; seeds 1 to 12. */
TEST(log_is_an_array_of_records)
{
    for (uint64_t seed = 1; seed <= 12; seed++) {
        const history of = {seed, 50000, NULL};
        os           *disk = disk_new();
        test_rng      rng = test_rng_seed(seed);
        log_options options = {.system = disk, .path = FOLDER, .segment_bytes = 20000, .sync_interval_ms = 1};
        uint64_t    covered = 0, last = 0;
        write_log  *log = NULL;
        oct_error   error = {0};

        for (int step = 0; step < 300 && !test_has_failed(); step++) {
            if (log == NULL) {
                options.sync = (oct_sync)test_below(&rng, 3);
                CHECK_OK(history_open(&of, &options, covered, &log, &error));
                CHECK_INT(log_last_sequence(log), last);
                CHECK_INT(log_torn_bytes(log), 0);
            }
            switch (test_below(&rng, 12)) {
            case 0:
                CHECK_OK(log_close(log, &error));
                log = NULL;
                break;
            case 1:
                covered += test_below(&rng, last - covered + 1);
                CHECK_OK(log_truncate(log, covered, &error));
                break;
            case 2:
                CHECK_OK(log_sync(log, &error));
                break;
            case 3:
                CHECK_OK(log_wait(log, last == 0 ? 0 : 1 + test_below(&rng, last), &error));
                break;
            default:
                CHECK_OK(history_append(&of, log, &error));
                last++;
                CHECK_INT(log_last_sequence(log), last);
            }
        }
        CHECK_OK(log_close(log, &error));
        os_free(disk);
    }
}

/* Goal:   a real disk does as the faulty one. Method: two sessions over real files. */
TEST(log_works_on_real_files)
{
    const history     of = {77, 60000, NULL};
    char              path[OS_PATH_MAX];
    const log_options options = {.system = os_posix(), .path = path, .segment_bytes = 100000};
    write_log        *log;

    CHECK_OK(os_path_join(path, test_folder(), "log", NULL));
    for (uint64_t session = 0; session < 3; session++) {
        CHECK_OK(history_open(&of, &options, session * 30, &log, NULL));
        CHECK_INT(log_last_sequence(log), session * 50);
        for (int i = 0; i < 50; i++)
            CHECK_OK(history_append(&of, log, NULL));
        CHECK_OK(log_wait(log, log_last_sequence(log), NULL));
        CHECK_OK(log_truncate(log, session * 30, NULL));
        CHECK_OK(log_close(log, NULL));
    }
}

/* --- group commit ---------------------------------------------------------------------------- */

enum { WRITERS = 8, RECORDS_EACH = 100 };

static void *
append_and_wait(void *context)
{
    write_log *log = context;
    uint64_t   sequence = 0, before = 0;

    for (int i = 0; i < RECORDS_EACH; i++) {
        const oct_slice body = {"a record", 8};

        CHECK_OK(log_append(log, 1, &body, 1, &sequence, NULL));
        CHECK_MSG(sequence > before, "%llu after %llu", (unsigned long long)sequence,
                  (unsigned long long)before);
        before = sequence;
        CHECK_OK(log_wait(log, sequence, NULL));
    }
    return NULL;
}

static oct_status
visit_count(void *context, const log_record *record, oct_error *error)
{
    (void)error;
    CHECK_INT(record->sequence, ++*(uint64_t *)context);
    CHECK(slice_is(record->body, "a record"));
    return OCT_OK;
}

/* Goal:   writers that wait at the same time share a sync, and every record is there.
 * Method: 8 threads on a disk whose sync takes 500 us. */
TEST(waiting_writers_share_a_sync)
{
    os               *disk = disk_new();
    const log_options options = {.system = disk, .path = FOLDER};
    pthread_t         threads[WRITERS];
    write_log        *log;
    uint64_t          syncs, seen = 0;

    os_fault_slow_sync(disk, 500);
    CHECK_OK(log_open(&options, 0, visit_count, &seen, &log, NULL));
    for (size_t i = 0; i < WRITERS; i++)
        OCT_MUST(pthread_create(&threads[i], NULL, append_and_wait, log) == 0);
    for (size_t i = 0; i < WRITERS; i++)
        OCT_MUST(pthread_join(threads[i], NULL) == 0);
    CHECK_INT(log_last_sequence(log), WRITERS * RECORDS_EACH);
    syncs = os_fault_count(disk).syncs;
    CHECK_MSG(syncs < WRITERS * RECORDS_EACH / 2, "%llu syncs for %d records", (unsigned long long)syncs,
              WRITERS * RECORDS_EACH);
    CHECK_OK(log_close(log, NULL));
    CHECK_OK(log_open(&options, 0, visit_count, &seen, &log, NULL));
    CHECK_INT(seen, WRITERS * RECORDS_EACH);
    CHECK_OK(log_close(log, NULL));
    os_free(disk);
}

/* Appends beyond the bound of the queue wait for the disk and then go on. */
TEST(full_queue_makes_appenders_wait)
{
    const history     of = {5, 60000, NULL};
    os               *disk = disk_new();
    const log_options options = {
        .system = disk, .path = FOLDER, .queue_bytes_max = 100000, .sync = OCT_SYNC_ALWAYS};
    write_log *log;

    os_fault_slow_sync(disk, 1000);
    CHECK_OK(history_open(&of, &options, 0, &log, NULL));
    for (int i = 0; i < 100; i++) {
        CHECK_OK(history_append(&of, log, NULL));
        /* Everything but the queue is in the file: what waits is within the bound, or one record. */
        CHECK_MSG(log_bytes(log) <= os_fault_count(disk).bytes_written + 100000 + 64,
                  "%llu appended, %llu written", (unsigned long long)log_bytes(log),
                  (unsigned long long)os_fault_count(disk).bytes_written);
    }
    CHECK_OK(log_close(log, NULL));
    CHECK_OK(history_open(&of, &options, 0, &log, NULL));
    CHECK_INT(log_last_sequence(log), 100);
    CHECK_OK(log_close(log, NULL));
    os_free(disk);
}

TEST(policies_sync_when_they_say)
{
    const history of = {6, 100, NULL};
    os           *disk = disk_new();
    log_options   options = {.system = disk, .path = FOLDER, .sync = OCT_SYNC_NEVER};
    write_log    *log;
    uint64_t      before;

    /* never: not for a wait, but for log_sync, once */
    CHECK_OK(history_open(&of, &options, 0, &log, NULL));
    CHECK_OK(history_append(&of, log, NULL));
    CHECK_OK(log_wait(log, 1, NULL)); /* begins the file, which syncs its header */
    before = os_fault_count(disk).syncs;
    for (uint64_t i = 2; i <= 20; i++) {
        CHECK_OK(history_append(&of, log, NULL));
        CHECK_OK(log_wait(log, i, NULL));
    }
    CHECK_INT(os_fault_count(disk).syncs, before);
    CHECK_OK(log_sync(log, NULL));
    CHECK_OK(log_sync(log, NULL));
    CHECK_INT(os_fault_count(disk).syncs, before + 1);
    CHECK_OK(log_close(log, NULL));

    /* interval: a wait returns before, the sync comes by itself */
    options.sync = OCT_SYNC_INTERVAL;
    options.sync_interval_ms = 30;
    CHECK_OK(history_open(&of, &options, 0, &log, NULL));
    before = os_fault_count(disk).syncs;
    CHECK_OK(history_append(&of, log, NULL));
    CHECK_OK(log_wait(log, 21, NULL));
    for (int i = 0; i < 6000 && os_fault_count(disk).syncs == before; i++)
        (void)usleep(5000);
    CHECK_INT(os_fault_count(disk).syncs, before + 1);
    (void)usleep(100000);
    CHECK_INT(os_fault_count(disk).syncs, before + 1); /* nothing new, nothing to sync */
    CHECK_OK(log_close(log, NULL));

    /* always: one for each wait */
    options.sync = OCT_SYNC_ALWAYS;
    CHECK_OK(history_open(&of, &options, 0, &log, NULL));
    before = os_fault_count(disk).syncs;
    for (uint64_t i = 22; i <= 30; i++) {
        CHECK_OK(history_append(&of, log, NULL));
        CHECK_OK(log_wait(log, i, NULL));
    }
    CHECK_INT(os_fault_count(disk).syncs, before + 9);
    CHECK_STATUS(log_wait(log, 31, NULL), OCT_INVALID);
    CHECK_OK(log_close(log, NULL));
    os_free(disk);
}

/* --- torn tails and damage ------------------------------------------------------------------- */

/* Goal:   a log cut at any byte holds the records that are whole, and goes on from there.
 * Method: seven records; the file cut at each byte; behind the cut nothing, zeros (reserved room) or
 *         garbage. A cut header with garbage behind it may also be called damage. */
TEST(torn_tail_is_cut_at_every_byte)
{
    const history     of = {8, 90, NULL};
    os               *disk = disk_new();
    const log_options options = {.system = disk, .path = FOLDER};
    uint64_t          ends[8] = {LOG_HEADER_BYTES};
    size_t            size;
    char             *text, body[BODY_ROOM];

    fill(disk, &of, 0, 7);
    for (uint64_t i = 1; i <= 7; i++)
        ends[i] = ends[i - 1] + log_record_bytes(history_body(&of, i, body));
    text = file_text(disk, file_name(1), &size);
    CHECK(size >= LOG_RESERVE_BYTES && ends[7] < size);
    for (size_t cut = 0; cut <= ends[7]; cut++) {
        for (int behind = 0; behind < 3; behind++) {
            test_rng   rng = test_rng_seed(cut);
            char      *torn = calloc(1, ends[7] + 600);
            uint64_t   whole = 0;
            write_log *log;
            oct_error  error = {0};
            oct_status status;

            CHECK_OK(os_remove(disk, file_name(2), NULL)); /* of the round before */
            memcpy(torn, text, cut);
            for (size_t i = cut; behind == 2 && i < ends[7] + 500; i++)
                torn[i] = (char)test_u64(&rng);
            set_file(disk, file_name(1), torn, behind == 0 ? cut : ends[7] + 600);
            free(torn);
            while (whole < 7 && ends[whole + 1] <= cut)
                whole++;
            /* The padding of a record may be cut and yet be right, when it is zero. */
            status = history_open(&of, &options, 0, &log, &error);
            if (behind == 2 && cut < LOG_HEADER_BYTES) {
                CHECK_STATUS(status, OCT_CORRUPT);
                CHECK_MSG(strstr(error.text, "header") != NULL, "%s", error.text);
                continue;
            }
            CHECK_MSG(status == OCT_OK, "cut at %zu: %s", cut, error.text);
            if (status != OCT_OK)
                continue;
            CHECK_MSG(log_last_sequence(log) == whole ||
                          (log_last_sequence(log) == whole + 1 && ends[whole + 1] - cut < LOG_ALIGNMENT),
                      "cut at %zu: %llu records, %llu are whole", cut,
                      (unsigned long long)log_last_sequence(log), (unsigned long long)whole);
            CHECK(behind != 2 || log_torn_bytes(log) >= 400);
            CHECK(cut != ends[whole] || behind == 2 || log_torn_bytes(log) == 0);
            whole = log_last_sequence(log);
            for (int i = 0; i < 3; i++)
                CHECK_OK(history_append(&of, log, NULL));
            CHECK_OK(log_close(log, NULL));
            CHECK_OK(history_open(&of, &options, 0, &log, NULL));
            CHECK_INT(log_last_sequence(log), whole + 3);
            CHECK_INT(log_torn_bytes(log), 0);
            CHECK_OK(log_close(log, NULL));
        }
    }
    free(text);
    os_free(disk);
}

/* Goal:   a flipped byte is an error or makes no difference; it never costs records in silence, except the
 *         last one of all, which looks torn.
 * Method: each byte of a log of three files flipped, in each of its bits in turn. */
TEST(flipped_byte_is_named_or_harmless)
{
    const history     of = {9, 300, NULL};
    os               *disk = disk_new();
    const log_options options = {.system = disk, .path = FOLDER, .read_only = true};
    const uint64_t    count = 40;
    int               named = 0, harmless = 0, torn = 0;

    fill(disk, &of, 1500, count);
    CHECK(file_count(disk) >= 3);
    for (uint64_t number = 1; number <= file_count(disk); number++) {
        size_t size;
        char  *text = file_text(disk, file_name(number), &size);

        for (size_t at = 0; at < 1600 && at < size; at += REPETITIONS(8) == 8 ? 1 : 7) {
            write_log *log;
            oct_error  error = {0};
            oct_status status;
            const char was = text[at];

            text[at] = (char)(text[at] ^ (1 << at % 8));
            set_file(disk, file_name(number), text, size);
            status = history_open(&of, &options, 0, &log, &error);
            if (status == OCT_OK) {
                CHECK_MSG(log_last_sequence(log) >= count - 1, "byte %zu of file %llu cost %llu records", at,
                          (unsigned long long)number, (unsigned long long)(count - log_last_sequence(log)));
                harmless += log_last_sequence(log) == count;
                torn += log_last_sequence(log) == count - 1;
                CHECK_OK(log_close(log, NULL));
            } else {
                CHECK_MSG(status == OCT_CORRUPT || (status == OCT_UNSUPPORTED && at >= 8 && at < 12), "%s",
                          error.text);
                CHECK_MSG(strstr(error.text, file_name(number)) != NULL &&
                              strstr(error.text, "offset") != NULL,
                          "%s", error.text);
                named++;
            }
            text[at] = was;
            set_file(disk, file_name(number), text, size);
        }
        free(text);
    }
    CHECK_MSG(named > REPETITIONS(3000) && harmless > REPETITIONS(100) && torn > REPETITIONS(30),
              "%d named, %d harmless, %d torn", named, harmless, torn);
    os_free(disk);
}

/* Goal:   records written together before one sync may be lost in any part: that is no damage.
 * Method: of a batch of records that were never synced, each subset is overwritten with zeros. */
TEST(batch_lost_in_part_is_torn_not_damaged)
{
    enum { SAFE = 3, BATCH = 5 };
    const history     of = {10, 100, NULL};
    os               *disk = disk_new();
    const log_options options = {.system = disk, .path = FOLDER, .sync = OCT_SYNC_NEVER};
    uint64_t          ends[SAFE + BATCH + 1] = {LOG_HEADER_BYTES};
    char              body[BODY_ROOM], *text;
    size_t            size;
    write_log        *log;

    CHECK_OK(history_open(&of, &options, 0, &log, NULL));
    for (int i = 0; i < SAFE; i++)
        CHECK_OK(history_append(&of, log, NULL));
    CHECK_OK(log_sync(log, NULL));
    for (int i = 0; i < BATCH; i++)
        CHECK_OK(history_append(&of, log, NULL));
    CHECK_OK(log_close(log, NULL));
    for (uint64_t i = 1; i <= SAFE + BATCH; i++)
        ends[i] = ends[i - 1] + log_record_bytes(history_body(&of, i, body));
    text = file_text(disk, file_name(1), &size);
    for (unsigned lost = 1; lost < 1 << BATCH; lost++) {
        char  *torn = malloc(size);
        size_t first = BATCH;

        memcpy(torn, text, size);
        for (size_t i = BATCH; i-- > 0;) {
            if ((lost >> i & 1) == 0)
                continue;
            memset(torn + ends[SAFE + i], 0, (size_t)(ends[SAFE + i + 1] - ends[SAFE + i]));
            first = i;
        }
        set_file(disk, file_name(1), torn, size);
        CHECK_OK(history_open(&of, &options, 0, &log, NULL));
        CHECK_INT(log_last_sequence(log), SAFE + first);
        CHECK_OK(history_append(&of, log, NULL)); /* and it must not meet the left-overs */
        CHECK_OK(log_close(log, NULL));
        CHECK_OK(history_open(&of, &options, 0, &log, NULL));
        CHECK_INT(log_last_sequence(log), SAFE + first + 1);
        CHECK_OK(log_close(log, NULL));

        /* But if a safe one goes as well, the batch proves that it was safe. */
        if (first < BATCH - 1) {
            oct_error error = {0};

            memcpy(torn, text, size);
            torn[ends[SAFE - 1] + LOG_RECORD_BYTES - 1] ^= 1;
            memset(torn + ends[SAFE], 0, (size_t)(ends[SAFE + 1] - ends[SAFE]));
            set_file(disk, file_name(1), torn, size);
            CHECK_STATUS(history_open(&of, &options, 0, &log, &error), OCT_CORRUPT);
            CHECK_MSG(strstr(error.text, "record 3 at offset") != NULL, "%s", error.text);
        }
        free(torn);
    }
    free(text);
    os_free(disk);
}

static oct_status
visit_nothing(void *context, const log_record *record, oct_error *error)
{
    (void)context, (void)record, (void)error;
    return OCT_OK;
}

/* Goal:   a body may hold a perfect copy of a record of some log; behind a torn tail it proves nothing.
 * Method: such a body, once with a checksum that does not know the salt, torn in front. */
TEST(record_inside_a_body_is_not_believed)
{
    os               *disk = disk_new();
    const log_options options = {.system = disk, .path = FOLDER};
    char              body[LOG_RECORD_BYTES * 4] = {0};
    log_record_header fake = {.length = 0, .sequence = 3, .shard = 1, .durable = 2};
    const oct_slice   parts[] = {{body, sizeof body}};
    uint64_t          sequence;
    size_t            size;
    char             *text;
    write_log        *log;

    fake.crc = log_record_crc(0, &fake, 0);
    log_record_encode(body + LOG_RECORD_BYTES, &fake);
    CHECK_OK(log_open(&options, 0, visit_nothing, NULL, &log, NULL));
    for (int i = 0; i < 2; i++)
        CHECK_OK(log_append(log, 1, parts, 1, &sequence, NULL));
    CHECK_OK(log_close(log, NULL));
    text = file_text(disk, file_name(1), &size);
    text[LOG_HEADER_BYTES + log_record_bytes(sizeof body) + 4] ^= 1; /* the second record's checksum */
    set_file(disk, file_name(1), text, size);
    CHECK_OK(log_open(&options, 0, visit_nothing, NULL, &log, NULL));
    CHECK_INT(log_last_sequence(log), 1);
    CHECK_OK(log_close(log, NULL));

    /* The check itself: with the file's salt the same bytes are proof. */
    fake.crc = log_record_crc(0, &fake, get_u32(text + 12));
    log_record_encode(text + LOG_HEADER_BYTES + log_record_bytes(sizeof body) + 2 * LOG_RECORD_BYTES, &fake);
    set_file(disk, file_name(1), text, size);
    CHECK_STATUS(log_open(&options, 0, visit_nothing, NULL, &log, NULL), OCT_CORRUPT);
    free(text);
    os_free(disk);
}

/* Goal:   no bytes whatever make the reader crash or run away.
 * Method: 3,000 files of a good header and a body of random, random-looking or repeated bytes; seed 20. */
TEST(any_bytes_are_read_without_harm)
{
    os               *disk = disk_new();
    const log_options options = {.system = disk, .path = FOLDER, .read_only = true};
    test_rng          rng = test_rng_seed(20);

    OCT_MUST(os_make_dir(disk, FOLDER, NULL) == OCT_OK);
    for (int i = 0; i < 3000; i++) {
        char         bytes[2048] = {0};
        const size_t size = LOG_HEADER_BYTES + test_below(&rng, sizeof bytes - LOG_HEADER_BYTES);
        write_log   *log;

        log_header_encode(bytes, 5, 1);
        for (size_t at = LOG_HEADER_BYTES; at + LOG_RECORD_BYTES <= size;
             at += 8 * (1 + test_below(&rng, 20))) {
            /* Headers that are right or nearly so, over whatever is behind them. */
            const uint64_t    sequence = 1 + test_below(&rng, 4);
            log_record_header header = {.sequence = sequence, .durable = test_below(&rng, sequence)};

            header.length =
                test_below(&rng, 3) == 0 ? (uint32_t)test_u64(&rng) : (uint32_t)test_below(&rng, 200);
            if (test_below(&rng, 2) == 0 && header.length <= size - at - LOG_RECORD_BYTES)
                header.crc =
                    log_record_crc(crc32c(0, bytes + at + LOG_RECORD_BYTES, header.length), &header, 5);
            log_record_encode(bytes + at, &header);
        }
        set_file(disk, file_name(1), bytes, size);
        if (log_open(&options, 0, visit_nothing, NULL, &log, NULL) == OCT_OK)
            CHECK_OK(log_close(log, NULL));
    }
    os_free(disk);
}

TEST(missing_file_is_named)
{
    const history     of = {11, 300, NULL};
    os               *disk = disk_new();
    const log_options options = {.system = disk, .path = FOLDER, .segment_bytes = 1000};
    write_log        *log;
    uint64_t          files, first_of_3;
    size_t            size;

    fill(disk, &of, 1000, 40);
    files = file_count(disk);
    CHECK(files >= 5);
    {
        char *third = file_text(disk, file_name(3), &size);

        first_of_3 = get_u64(third + 16);
        free(third);
    }
    for (uint64_t gone = 1; gone < files; gone++) {
        oct_error error = {0};
        char     *text = file_text(disk, file_name(gone), &size);

        CHECK_OK(os_remove(disk, file_name(gone), NULL));
        CHECK_STATUS(history_open(&of, &options, 0, &log, &error), OCT_CORRUPT);
        CHECK_MSG(strstr(error.text, "missing") != NULL, "%s", error.text);
        set_file(disk, file_name(gone), text, size);
        free(text);
    }
    /* What the checkpoint holds may be missing, in any order: removals need not reach the disk in theirs. */
    CHECK_OK(os_remove(disk, file_name(2), NULL));
    CHECK_OK(history_open(&of, &options, first_of_3 - 1, &log, NULL));
    CHECK_INT(log_last_sequence(log), 40);
    CHECK_OK(log_close(log, NULL));
    CHECK_STATUS(history_open(&of, &options, first_of_3 - 2, &log, NULL), OCT_CORRUPT);
    os_free(disk);
}

/* With a lax policy a checkpoint may be durable before the log it covers. Sequences must not be used twice. */
TEST(log_behind_the_checkpoint_goes_on_after_it)
{
    const history     of = {12, 100, NULL};
    os               *disk = disk_new();
    const log_options options = {.system = disk, .path = FOLDER};
    reading           read = {&of, 101};
    write_log        *log;

    fill(disk, &of, 0, 10);
    CHECK_OK(log_open(&options, 100, reading_visit, &read, &log, NULL));
    CHECK_INT(log_last_sequence(log), 100);
    for (int i = 0; i < 5; i++)
        CHECK_OK(history_append(&of, log, NULL));
    CHECK_OK(log_close(log, NULL));
    CHECK_INT(read.next, 101);
    CHECK_OK(history_open(&of, &options, 100, &log, NULL));
    CHECK_INT(log_last_sequence(log), 105);
    CHECK_OK(log_truncate(log, 102, NULL));
    CHECK_INT(file_count(disk), 1);
    CHECK_OK(log_close(log, NULL));
    CHECK_OK(history_open(&of, &options, 102, &log, NULL));
    CHECK_OK(log_close(log, NULL));
    os_free(disk);
}

TEST(later_version_is_refused_not_damaged)
{
    const history     of = {13, 100, NULL};
    os               *disk = disk_new();
    const log_options options = {.system = disk, .path = FOLDER};
    oct_error         error = {0};
    size_t            size;
    char             *text;
    write_log        *log;

    fill(disk, &of, 0, 1);
    text = file_text(disk, file_name(1), &size);
    put_u32(text + 8, LOG_VERSION + 1);
    put_u32(text + 28, crc32c(0, text, 28));
    set_file(disk, file_name(1), text, size);
    CHECK_STATUS(history_open(&of, &options, 0, &log, &error), OCT_UNSUPPORTED);
    CHECK_MSG(strstr(error.text, "version 2") != NULL, "%s", error.text);
    free(text);
    os_free(disk);
}

static oct_status
visit_refuse(void *context, const log_record *record, oct_error *error)
{
    return record->sequence < *(uint64_t *)context ? OCT_OK : oct_fail(error, OCT_NOMEM, "enough");
}

TEST(reader_may_stop_the_opening)
{
    const history     of = {14, 100, NULL};
    os               *disk = disk_new();
    const log_options options = {.system = disk, .path = FOLDER};
    uint64_t          until = 3;
    write_log        *log;

    fill(disk, &of, 0, 5);
    CHECK_STATUS(log_open(&options, 0, visit_refuse, &until, &log, NULL), OCT_NOMEM);
    CHECK(log == NULL);
    CHECK_OK(log_open(&options, 3, visit_refuse, &(uint64_t){6}, &log, NULL));
    CHECK_OK(log_close(log, NULL));
    os_free(disk);
}

/* --- files come and go ----------------------------------------------------------------------- */

TEST(idle_log_shrinks_when_covered)
{
    const history     of = {15, 60000, NULL};
    os               *disk = disk_new();
    const log_options options = {.system = disk, .path = FOLDER};
    write_log        *log;

    CHECK_OK(history_open(&of, &options, 0, &log, NULL));
    while (log_bytes(log) <= LOG_IDLE_BYTES)
        CHECK_OK(history_append(&of, log, NULL));
    CHECK_OK(log_truncate(log, log_last_sequence(log) - 1, NULL));
    CHECK_INT(file_count(disk), 1);
    CHECK(log_bytes(log) > LOG_IDLE_BYTES); /* not all is covered */
    CHECK_OK(log_truncate(log, log_last_sequence(log), NULL));
    CHECK_INT(file_count(disk), 1);
    CHECK_INT(log_bytes(log), 0);
    CHECK_MSG(os_fault_bytes(disk) <= LOG_RESERVE_BYTES + 2 * LOG_SPARE_BYTES, "%llu bytes",
              (unsigned long long)os_fault_bytes(disk));
    CHECK_OK(history_append(&of, log, NULL));
    CHECK_OK(log_truncate(log, log_last_sequence(log), NULL)); /* small: stays */
    CHECK(log_bytes(log) > 0);
    {
        const uint64_t last = log_last_sequence(log);

        CHECK_OK(log_close(log, NULL));
        CHECK_OK(history_open(&of, &options, last - 1, &log, NULL));
        CHECK_INT(log_last_sequence(log), last);
        CHECK_OK(log_close(log, NULL));
    }
    os_free(disk);
}

TEST(small_log_takes_little_room_and_large_records_fit)
{
    const oct_slice   small = {"x", 1};
    os               *disk = disk_new();
    const log_options options = {.system = disk, .path = FOLDER, .segment_bytes = 1u << 20};
    oct_slice         large = {calloc(1, 5u << 20), 5u << 20};
    uint64_t          sequence;
    write_log        *log;

    CHECK_OK(log_open(&options, 0, visit_nothing, NULL, &log, NULL));
    CHECK_INT(file_count(disk), 0); /* nothing was written, nothing is there */
    CHECK_OK(log_append(log, 1, &small, 1, &sequence, NULL));
    CHECK_OK(log_wait(log, sequence, NULL));
    CHECK_INT(os_fault_bytes(disk), LOG_RESERVE_BYTES + 2 * LOG_SPARE_BYTES);
    CHECK_OK(log_append(log, 1, &large, 1, &sequence, NULL)); /* larger than a file may be */
    CHECK_OK(log_append(log, 1, &small, 1, &sequence, NULL));
    CHECK_OK(log_append(log, 1, NULL, 0, &sequence, NULL)); /* no body at all */
    CHECK_OK(log_close(log, NULL));
    CHECK_INT(file_count(disk), 3);
    CHECK_OK(log_open(&options, 0, visit_nothing, NULL, &log, NULL));
    CHECK_INT(log_last_sequence(log), 4);
    CHECK_OK(log_close(log, NULL));
    free((void *)(uintptr_t)large.data);
    os_free(disk);
}

TEST(record_above_the_limit_is_refused)
{
    static const char byte = 'x';
    os               *disk = disk_new();
    const log_options options = {.system = disk, .path = FOLDER};
    const oct_slice   parts[] = {{&byte, 1}, {&byte, LOG_BODY_MAX}}; /* refused before it is read */
    uint64_t          sequence;
    write_log        *log;

    CHECK_OK(log_open(&options, 0, visit_nothing, NULL, &log, NULL));
    CHECK_STATUS(log_append(log, 1, parts, 2, &sequence, NULL), OCT_RANGE);
    CHECK_INT(log_last_sequence(log), 0);
    CHECK_OK(log_close(log, NULL));
    os_free(disk);
}

/* Goal:   a full disk refuses the append and nothing else; with room again, writing goes on.
 * Method: disks of every size from nothing up; records of 10,000 bytes; then the limit is lifted. */
TEST(full_disk_refuses_the_append_and_nothing_else)
{
    for (uint64_t limit = 0; limit < 1400000; limit += 20011) {
        const history     of = {16, 20000, NULL};
        os               *disk = disk_new();
        const log_options options = {.system = disk, .path = FOLDER, .segment_bytes = 300000};
        oct_error         error = {0};
        oct_status        status = OCT_OK;
        uint64_t          last;
        write_log        *log;

        os_fault_limit(disk, limit);
        CHECK_OK(history_open(&of, &options, 0, &log, &error));
        while (status == OCT_OK) {
            status = history_append(&of, log, &error);
            if (status == OCT_OK && log_last_sequence(log) % 3 == 0)
                CHECK_OK(log_wait(log, log_last_sequence(log), &error));
        }
        CHECK_STATUS(status, OCT_FULL);
        last = log_last_sequence(log);
        CHECK_MSG(limit < 800000 || limit - log_bytes(log) < limit / 2 + LOG_SPARE_BYTES, "limit %llu, only %llu bytes used",
                  (unsigned long long)limit, (unsigned long long)log_bytes(log));
        CHECK_OK(log_sync(log, &error));
        CHECK(!log_stopped(log));
        os_fault_limit(disk, UINT64_MAX);
        CHECK_OK(history_append(&of, log, &error));
        CHECK_OK(log_close(log, &error));
        CHECK_OK(history_open(&of, &options, 0, &log, &error));
        CHECK_INT(log_last_sequence(log), last + 1);
        CHECK_OK(log_close(log, &error));
        os_free(disk);
    }
}

/* Goal:   a disk that refuses what adds still takes what makes room, and a checkpoint finds room of its own; when there is room
 *         again, writing goes on and the room is kept back anew.
 * Method: records of up to 20,000 bytes until the disk of 1.5 MB is full; then small ones that free, until they are refused,
 *         too; then the spare room of checkpoints is lent; then the limit is lifted. */
TEST(full_disk_takes_what_makes_room)
{
    static char       large[20000], small[40];
    const oct_slice   adds = {large, sizeof large}, frees = {small, sizeof small};
    os               *disk = disk_new();
    const log_options options = {.system = disk, .path = FOLDER, .segment_bytes = 300000};
    oct_error         error = {0};
    oct_status        status = OCT_OK;
    uint64_t          freed = 0, sequence, full;
    write_log        *log;

    os_fault_limit(disk, 1500000);
    CHECK_OK(log_open(&options, 0, visit_nothing, NULL, &log, &error));
    while (status == OCT_OK) {
        status = log_append(log, 1, &adds, 1, &sequence, &error);
        CHECK_OK(log_sync(log, &error)); /* a file that is finished gives back what it had reserved */
    }
    CHECK_STATUS(status, OCT_FULL);
    CHECK_MSG(strstr(error.text, "kept for deletions") != NULL || strstr(error.text, "is full") != NULL, "%s", error.text);
    while ((status = log_append_freeing(log, 1, &frees, 1, &sequence, &error)) == OCT_OK) {
        freed++;
        CHECK_OK(log_wait(log, sequence, &error));
        /* What adds is refused all the while: it would take the room from those that free. */
        CHECK_STATUS(log_append(log, 1, &adds, 1, &sequence, &error), OCT_FULL);
    }
    CHECK_STATUS(status, OCT_FULL);
    CHECK_MSG(freed > LOG_SPARE_BYTES / 2 / 80, "%llu", (unsigned long long)freed);
    full = os_fault_bytes(disk);
    CHECK(log_lend(log));
    CHECK(!log_lend(log)); /* that was all */
    CHECK_MSG(os_fault_bytes(disk) + LOG_SPARE_BYTES <= full, "%llu of %llu", (unsigned long long)os_fault_bytes(disk),
              (unsigned long long)full);
    CHECK_STATUS(log_append(log, 1, &adds, 1, &sequence, &error), OCT_FULL);
    CHECK(!log_stopped(log));
    os_fault_limit(disk, UINT64_MAX);
    CHECK_STATUS(log_append(log, 1, &adds, 1, &sequence, &error), OCT_FULL); /* the checkpoint writes into what it was lent */
    log_take_back(log);
    CHECK_OK(log_append(log, 1, &adds, 1, &sequence, &error));
    CHECK(log_lend(log));
    CHECK_OK(log_close(log, &error));
    os_free(disk);
}

/* Goal:   a checkpoint that begins a new file on a disk without a single byte left has nearly all of the room kept back for itself.
 * Method: 6 MB are filled, then the disk ends where it is; what is free after the rotation, and that the room is not another's
 *         until the checkpoint has ended. */
TEST(rotation_on_a_full_disk_leaves_the_room_to_the_checkpoint)
{
    static char       large[20000];
    const oct_slice   part = {large, sizeof large};
    os               *disk = disk_new();
    const log_options options = {.system = disk, .path = FOLDER};
    oct_error         error = {0};
    uint64_t          sequence, all;
    oct_status        status = OCT_OK;
    write_log        *log;

    os_fault_limit(disk, 6000000);
    CHECK_OK(log_open(&options, 0, visit_nothing, NULL, &log, &error));
    while (status == OCT_OK)
        status = log_append(log, 1, &part, 1, &sequence, &error);
    CHECK_STATUS(status, OCT_FULL);
    CHECK_OK(log_sync(log, &error));
    all = os_fault_bytes(disk);
    os_fault_limit(disk, all);
    CHECK_INT(os_room(disk, FOLDER), 0);
    CHECK_OK(log_rotate(log, &error));
    CHECK_MSG(os_room(disk, FOLDER) >= (all - log_bytes(log)) / 2, "%llu bytes of %llu are left, %llu are logged",
              (unsigned long long)os_room(disk, FOLDER), (unsigned long long)all, (unsigned long long)log_bytes(log));
    CHECK_STATUS(log_append(log, 1, &part, 1, &sequence, &error), OCT_FULL);
    CHECK_OK(log_append_freeing(log, 1, &part, 1, &sequence, &error));
    CHECK_OK(log_truncate(log, sequence - 1, &error));
    log_take_back(log);
    CHECK_OK(log_append(log, 1, &part, 1, &sequence, &error));
    CHECK_OK(log_close(log, &error));
    os_free(disk);
}

typedef struct refused {
    write_log *log;
    uint64_t   returns;
    bool       returned;
} refused;

static void *
wait_return(void *context)
{
    refused *self = context;

    self->returned = log_wait_return(self->log, self->returns);
    return NULL;
}

/* Goal:   who was refused while a checkpoint had the room kept back waits for its end, and who need not wait does not.
 * Method: waits with nothing lent; with the room lent, until another thread takes it back; after that. */
TEST(a_refused_writer_waits_for_the_room_to_return)
{
    static char       small[40];
    const oct_slice   part = {small, sizeof small};
    os               *disk = disk_new();
    const log_options options = {.system = disk, .path = FOLDER, .segment_bytes = 300000};
    oct_error         error = {0};
    refused           writer = {0};
    pthread_t         thread;
    uint64_t          sequence;

    CHECK_OK(log_open(&options, 0, visit_nothing, NULL, &writer.log, &error));
    log_keep_spare(writer.log, 1000000);
    CHECK_OK(log_append(writer.log, 1, &part, 1, &sequence, &error));
    CHECK_OK(log_sync(writer.log, &error));
    writer.returns = log_returns(writer.log);
    CHECK(!log_wait_return(writer.log, writer.returns)); /* nothing is lent: no use in waiting */
    log_take_back(writer.log);
    CHECK_INT(log_returns(writer.log), writer.returns); /* nothing came back */
    CHECK(log_lend(writer.log));
    OCT_MUST(pthread_create(&thread, NULL, wait_return, &writer) == 0);
    (void)usleep(20000);
    log_take_back(writer.log);
    OCT_MUST(pthread_join(thread, NULL) == 0);
    CHECK(writer.returned);
    CHECK_INT(log_returns(writer.log), writer.returns + 1);
    CHECK(log_wait_return(writer.log, writer.returns)); /* it ended before the wait began */
    CHECK_OK(log_close(writer.log, &error));
    os_free(disk);
}

/* Goal:   the room kept back for checkpoints follows what is stored, up and down, and comes back to the disk.
 * Method: one record each time; 64 MB are stored, then 60, then 1. */
TEST(spare_room_follows_what_is_stored)
{
    static char       small[40];
    const oct_slice   part = {small, sizeof small};
    os               *disk = disk_new();
    const log_options options = {.system = disk, .path = FOLDER, .segment_bytes = 300000};
    oct_error         error = {0};
    uint64_t          sequence, bytes, less;
    write_log        *log;

    CHECK_OK(log_open(&options, 0, visit_nothing, NULL, &log, &error));
    log_keep_spare(log, 64000000);
    CHECK_OK(log_append(log, 1, &part, 1, &sequence, &error));
    CHECK_OK(log_sync(log, &error));
    bytes = os_fault_bytes(disk);
    CHECK_MSG(bytes >= 8000000, "%llu", (unsigned long long)bytes);
    log_keep_spare(log, 60000000);
    CHECK_INT(os_fault_bytes(disk), bytes); /* not for so little */
    log_keep_spare(log, 1000000);
    less = os_fault_bytes(disk);
    CHECK_MSG(less < 1000000 && less >= 2 * LOG_SPARE_BYTES, "%llu", (unsigned long long)less);
    CHECK_OK(log_append(log, 1, &part, 1, &sequence, &error));
    CHECK_OK(log_sync(log, &error));
    CHECK_INT(os_fault_bytes(disk), less); /* still held */
    CHECK(log_lend(log));
    CHECK(os_fault_bytes(disk) + LOG_SPARE_BYTES <= less);
    CHECK_OK(log_close(log, &error));
    os_free(disk);
}

TEST(read_only_changes_nothing)
{
    const history of = {17, 100, NULL};
    os           *disk = disk_new();
    log_options   options = {.system = disk, .path = FOLDER, .read_only = true};
    uint64_t      sequence, writes;
    char         *text, *after;
    size_t        size, size_after;
    write_log    *log;

    CHECK_OK(history_open(&of, &options, 0, &log, NULL)); /* no folder */
    CHECK_OK(log_close(log, NULL));
    fill(disk, &of, 0, 5);
    text = file_text(disk, file_name(1), &size);
    memset(text + 32 + 2000, 'x', 100); /* a torn tail, to be left alone */
    set_file(disk, file_name(1), text, size);
    set_file(disk, file_name(2), "", 0); /* a file that was being made */
    writes = os_fault_count(disk).writes;
    CHECK_OK(history_open(&of, &options, 0, &log, NULL));
    CHECK_INT(log_last_sequence(log), 5);
    CHECK(log_torn_bytes(log) >= 100);
    CHECK_STATUS(log_append(log, 1, NULL, 0, &sequence, NULL), OCT_FORBIDDEN);
    CHECK_OK(log_wait(log, 5, NULL));
    CHECK_OK(log_sync(log, NULL));
    CHECK_OK(log_truncate(log, 5, NULL));
    CHECK_OK(log_close(log, NULL));
    after = file_text(disk, file_name(1), &size_after);
    CHECK(size_after == size && memcmp(text, after, size) == 0);
    CHECK_INT(file_count(disk), 2);
    CHECK_INT(os_fault_count(disk).writes, writes);

    options.read_only = false; /* the writer clears both away */
    CHECK_OK(history_open(&of, &options, 0, &log, NULL));
    CHECK_INT(file_count(disk), 1);
    CHECK_OK(log_close(log, NULL));
    free(text);
    free(after);
    os_free(disk);
}

/* A disk on which a writer goes on right after the first large read of a reader. */
static struct {
    const os_ops *below;
    os           *disk;
    const char   *text; /* what the file holds then; NULL: it has happened */
    size_t        size;
} meanwhile;

static oct_status
read_and_go_on(os_file *file, uint64_t offset, void *data, size_t size, size_t *got, oct_error *error)
{
    const oct_status status = meanwhile.below->read(file, offset, data, size, got, error);

    if (size > LOG_HEADER_BYTES && meanwhile.text != NULL) {
        set_file(meanwhile.disk, file_name(1), meanwhile.text, meanwhile.size);
        meanwhile.text = NULL;
    }
    return status;
}

/* Goal:   a record that came while the reader was reading, with a later one behind it, is no damage.
 * Method: the second record begins just inside the reader's first read (4 MiB) and ends behind it; it and the
 *         third are written between the first read and the next. */
TEST(record_written_while_reading_is_no_damage)
{
    os               *disk = disk_new();
    const log_options options = {.system = disk, .path = FOLDER, .read_only = true};
    const size_t      sizes[] = {(4u << 20) - 1000, 1200, 50};
    os_ops            ops = *disk->ops;
    const os_ops     *below = disk->ops;
    char             *body = calloc(1, 4u << 20), *text, *before;
    size_t            size;
    uint64_t          sequence;
    write_log        *log;

    {
        const log_options writing = {.system = disk, .path = FOLDER};

        CHECK_OK(log_open(&writing, 0, visit_nothing, NULL, &log, NULL));
        for (size_t i = 0; i < countof(sizes); i++) {
            const oct_slice part = {body, sizes[i]};

            CHECK_OK(log_append(log, 1, &part, 1, &sequence, NULL));
            CHECK_OK(log_wait(log, sequence, NULL));
        }
        CHECK_OK(log_close(log, NULL));
    }
    text = file_text(disk, file_name(1), &size);
    before = calloc(1, size);
    memcpy(before, text, LOG_HEADER_BYTES + (size_t)log_record_bytes(sizes[0]));
    for (int happens = 0; happens < 2; happens++) {
        set_file(disk, file_name(1), before, size);
        meanwhile.below = below;
        meanwhile.disk = disk;
        meanwhile.text = happens == 1 ? text : NULL;
        meanwhile.size = size;
        ops.read = read_and_go_on;
        disk->ops = &ops;
        CHECK_OK(log_open(&options, 0, visit_nothing, NULL, &log, NULL));
        CHECK_INT(log_last_sequence(log), 1);
        CHECK_OK(log_close(log, NULL));
        CHECK(meanwhile.text == NULL);
        disk->ops = below;
    }
    CHECK_OK(log_open(&options, 0, visit_nothing, NULL, &log, NULL)); /* the next one sees it all */
    CHECK_INT(log_last_sequence(log), 3);
    CHECK_OK(log_close(log, NULL));
    free(body);
    free(text);
    free(before);
    os_free(disk);
}

TEST(volatile_log_only_counts)
{
    os         *memory;
    log_options options = {.path = FOLDER};
    uint64_t    sequence;
    write_log  *log;
    char      **names;
    size_t      count;

    OCT_MUST(os_memory_new(&memory, NULL) == OCT_OK);
    options.system = memory;
    CHECK_OK(log_open(&options, 7, visit_nothing, NULL, &log, NULL));
    CHECK_OK(log_append(log, 1, NULL, 0, &sequence, NULL));
    CHECK_INT(sequence, 8);
    CHECK_OK(log_wait(log, 8, NULL));
    CHECK_OK(log_sync(log, NULL));
    CHECK_OK(log_truncate(log, 8, NULL));
    CHECK_INT(log_last_sequence(log), 8);
    CHECK_INT(log_bytes(log), 0);
    CHECK(!log_stopped(log));
    CHECK_OK(log_close(log, NULL));
    CHECK_OK(os_list(memory, "/", &names, &count, NULL));
    CHECK_INT(count, 0);
    oct_free(names);
    os_free(memory);
}
