/* The write-ahead log of one database: appending, group commit, files.
 *
 * WHAT     A write is acknowledged when its record is here and synced; everything else is rebuilt from it.
 *          The bytes stand in log_internal.h and docs/format/log.md, reading in log_read.c.
 * PATH     of a record:
 *
 *              appender              log_append: sequence, room on the disk, copy into the queue
 *                 |                       queue: [chunk: file 7, 3 records] [chunk: file 8, 1 record]
 *              log thread            takes the whole queue, one write for each chunk, ONE sync, wakes all
 *                 |
 *              appender              log_wait returns
 *
 *          While the log thread waits for the disk the queue fills again, so the busier the log, the more
 *          records share a sync, and no timer is needed.
 * ROOM     The disk's promise (os_reserve) is asked for before a record gets its sequence. So a full disk
 *          is told to the one who appends, while nothing has happened yet, and the write that follows
 *          does not fail for want of space.
 * SPARE    Two files of zeros (spare.h) hold back room for a full disk: one for records that make room (log_append_freeing),
 *          one for checkpoints (log_lend). Whoever adds must find both whole, or makes them whole first: so writing
 *          stops while there is room left for deletions, and resumes by itself when there is room again.
 * FILES    The appender whose record does not fit makes the next file and reserves its room; the log
 *          thread begins it when it comes to it:
 *
 *              made -> begun    [begin_file: the file before is synced and closed; then the header is
 *                               written and synced, and the folder]
 *              begun -> closed  [finish_file]
 *              closed -> gone   [log_truncate]
 *
 *          Nothing is written into a file that is not begun. log_read.c relies on that order.
 * STOP     After a failed write or sync nobody knows what is on the disk, and asking again may get a
 *          wrong answer. The log stops: the queue is dropped, appends and waits say OCT_STOPPED with the
 *          first cause, until the database is opened again and the log is read from the disk.
 * THREADS  `lock` guards everything but what is set at open. It is held during os_reserve and the making of a
 *          file - the only disk work under it - because the order of records must be the order of
 *          their room; it is not held while anything is written or synced. `truncate_lock` is taken first.
 * TESTS    log_test.c (model, torn tails, flips), log_crash_test.c (crashes, faults).
 */
#include "storage/log_internal.h"

#include <pthread.h>
#include <time.h>

#include "base/crc32c.h"
#include "storage/spare.h"

#define SPARE_APPENDS    "spare.deletions" /* in the log's folder */
#define SPARE_CHECKPOINT "spare.checkpoint"
#define LOOK_BYTES_MIN   65536u      /* added between two looks at the room of the disk */
#define LOOK_BYTES_MAX   (16u << 20)
#define LOOK_SHARE       64u /* within these, such a share of what is stored */
#define STEP_SHARE       4u  /* the room kept back grows when it is short by such a share: each time costs a call of the system, ... */
#define TIGHT_STEP_SHARE 16u /* ... which is worth more on a tight disk */

/* A chunk takes no more records when it has reached this: larger ones cost copying as they grow, and the
 * room in the queue is given back later. Chosen freely, well above what a sync costs in writing time. */
#define CHUNK_BYTES (4u << 20)

typedef struct chunk { /* records that follow each other in one file */
    struct chunk *next;
    log_file     *file;
    uint64_t      offset; /* of data[0] in the file */
    uint64_t      last_sequence;
    buffer        data; /* empty: only begin the file */
} chunk;

struct write_log {
    os       *system; /* down to `thread`: set at open */
    char     *path;
    oct_sync  sync;
    uint64_t  interval_ns;
    uint64_t  segment_bytes;
    uint64_t  queue_bytes_max;
    uint64_t  torn_bytes;
    bool      read_only;
    bool      was_empty;
    bool      has_thread;
    pthread_t thread;

    pthread_mutex_t truncate_lock; /* one log_truncate at a time; taken before `lock` */
    pthread_mutex_t lock;
    pthread_cond_t  work; /* for the log thread: there is something to do */
    pthread_cond_t  done; /* for waiters: more is written or durable, a file was begun, or all stopped */
    pthread_cond_t  room; /* for appenders: the queue is shorter */
    pthread_cond_t  returned; /* for those who were refused: `returns` grew */
    spare           for_appends, for_checkpoint; /* not used in memory and by readers */
    bool            is_lent; /* a checkpoint writes into the room of for_checkpoint */
    uint64_t        returns; /* how often such a checkpoint ended */
    uint64_t        stored_bytes; /* beside the log, says the owner */
    bool            is_tight;     /* there was little room on the disk at the last look ... */
    uint64_t        look_in;      /* ... and the next is due when so many bytes were added */
    uint64_t        last_sequence;
    uint64_t        written_sequence;
    uint64_t        durable_sequence;
    uint64_t        sync_wanted;    /* by log_sync: make this one durable */
    uint64_t        unsynced_since; /* when the oldest unsynced record was written */
    uint64_t        next_number;
    log_file       *files;       /* oldest first */
    log_file       *current;     /* the youngest; NULL: the next append makes a file */
    chunk          *queue;       /* oldest first */
    chunk          *filling;     /* the last of them; NULL: the queue is empty */
    uint64_t        queue_bytes; /* also what the log thread is writing */
    bool            closing;
    bool            stopped;
    oct_error       cause;

    log_file *active; /* the log thread's: what it writes to */
    bool      is_new; /* the log thread's: there is no file yet, and the folder may be as new */
};

static void
lock(write_log *self)
{
    OCT_MUST(pthread_mutex_lock(&self->lock) == 0);
}

static void
unlock(write_log *self)
{
    OCT_MUST(pthread_mutex_unlock(&self->lock) == 0);
}

static oct_status
fail_stopped(const write_log *self, oct_error *error)
{
    return oct_fail(error, OCT_STOPPED,
                    "writing stopped, because the log could not be written: %.600s. Close the "
                    "database, see to the disk, and open it again",
                    self->cause.text);
}

static void
free_chunks(chunk *list)
{
    while (list != NULL) {
        chunk *next = list->next;

        buffer_clear(&list->data);
        oct_free(list);
        list = next;
    }
}

/* --- appending: with the lock held ----------------------------------------------------------- */

/* Reserve `ahead` bytes behind `offset`, or less on a nearly full disk, but not less than `least`. With `from` (NULL: nothing is
 * to be had there), room that was kept back may be used. *ahead is what was reserved. */
static oct_status
reserve_ahead(os_file *file, uint64_t offset, uint64_t least, uint64_t *ahead, spare *from, oct_error *error)
{
    oct_status status = os_reserve(file, offset, *ahead, error);

    if (status == OCT_FULL && least < *ahead)
        status = os_reserve(file, offset, least, error);
    else
        least = *ahead;
    if (status != OCT_FULL || from == NULL || !spare_release(from)) {
        *ahead = least;
        return status;
    }
    /* Take as much of it as can be had: the next such record shall find room, too. */
    for (*ahead = from->wanted > least ? from->wanted : least;; *ahead = *ahead / 2 > least ? *ahead / 2 : least) {
        status = os_reserve(file, offset, *ahead, error);
        if (status != OCT_FULL || *ahead == least)
            return status;
    }
}

/* A new current file with room for `bytes` of records. Nothing has changed if it fails. `from`: see reserve_ahead. */
static oct_status
make_file(write_log *self, uint64_t bytes, spare *from, oct_error *error)
{
    const uint64_t least = LOG_HEADER_BYTES + bytes;
    log_file      *file = oct_calloc(1, sizeof *file), **end = &self->files;
    char           path[OS_PATH_MAX];
    oct_status     status;

    if (file == NULL)
        return oct_fail_memory(error, sizeof *file);
    file->number = self->next_number;
    file->first_sequence = self->last_sequence + 1;
    file->last_sequence = self->last_sequence;
    file->end = LOG_HEADER_BYTES;
    file->reserved = least > LOG_RESERVE_BYTES || self->is_lent ? least : LOG_RESERVE_BYTES; /* lent room is for checkpoints */
    os_random(self->system, &file->salt, sizeof file->salt);
    status = log_file_path(path, self->path, file->number, error);
    if (status == OCT_OK) /* a left-over of a failed attempt may be there */
        status = os_open(self->system, path, OS_CREATE | OS_TRUNCATE, &file->file, error);
    if (status != OCT_OK)
        goto fail;
    status = reserve_ahead(file->file, 0, least, &file->reserved, from, error);
    if (status != OCT_OK) {
        (void)os_remove(self->system, path, NULL);
        goto fail;
    }
    while (*end != NULL)
        end = &(*end)->next;
    *end = file;
    self->current = file;
    self->next_number++;
    return OCT_OK;
fail:
    log_files_free(file);
    return status;
}

static uint64_t
clamp(uint64_t value, uint64_t least, uint64_t most)
{
    return value < least ? least : value > most ? most : value;
}

/* Make sure that the current file has room for a record, or make the next one. `from`: see reserve_ahead. */
static oct_status
take_room(write_log *self, uint64_t bytes, spare *from, oct_error *error)
{
    log_file  *file = self->current;
    uint64_t   ahead;
    oct_status status = OCT_OK;

    if (file == NULL || (file->end > LOG_HEADER_BYTES && file->end + bytes > self->segment_bytes))
        return make_file(self, bytes, from, error);
    if (file->file == NULL) { /* the first append since the log was opened */
        char path[OS_PATH_MAX];

        status = log_file_path(path, self->path, file->number, error);
        if (status == OCT_OK)
            status = os_open(self->system, path, OS_WRITE, &file->file, error);
        if (status != OCT_OK)
            return status;
    }
    if (file->end + bytes <= file->reserved)
        return OCT_OK;

    /* As much again as there is, within bounds; on a nearly full disk just what is needed. */
    ahead = clamp(file->end, LOG_RESERVE_BYTES, LOG_RESERVE_BYTES_MAX);
    if (file->end + ahead > self->segment_bytes) /* nothing will be written there */
        ahead = self->segment_bytes > file->end ? self->segment_bytes - file->end : 0;
    ahead = ahead < bytes ? bytes : ahead;
    status = reserve_ahead(file->file, file->end, bytes, &ahead, from, error);
    if (status == OCT_OK)
        file->reserved = file->end + ahead;
    return status;
}

/* The chunk that the next `bytes` of the current file go to, with memory for them. */
static oct_status
take_chunk(write_log *self, size_t bytes, chunk **out, oct_error *error)
{
    chunk *last = self->filling;

    *out = NULL;
    if (last != NULL && last->file == self->current && last->data.size + bytes <= CHUNK_BYTES) {
        if (!buffer_reserve(&last->data, bytes)) {
            last->data.failed = false; /* what it holds is whole; only this record found no memory */
            return oct_fail_memory(error, bytes);
        }
        *out = last;
        return OCT_OK;
    }
    last = oct_calloc(1, sizeof *last);
    if (last == NULL || !buffer_reserve(&last->data, bytes)) {
        oct_free(last);
        return oct_fail_memory(error, bytes);
    }
    last->file = self->current;
    last->offset = self->current->end;
    last->last_sequence = self->last_sequence;
    if (self->filling == NULL)
        self->queue = last;
    else
        self->filling->next = last;
    self->filling = last;
    *out = last;
    return OCT_OK;
}

/* Give the record its sequence and copy it into the queue. Cannot fail. */
static void
put_record(write_log *self, chunk *to, uint64_t shard, const oct_slice *parts, size_t part_count,
           uint32_t body_crc, size_t length)
{
    static const char zeros[LOG_ALIGNMENT];
    const uint64_t    bytes = log_record_bytes(length);
    char              head[LOG_RECORD_BYTES];
    log_record_header header = {
        .length = (uint32_t)length,
        .sequence = self->last_sequence + 1,
        .shard = shard,
        .durable = self->durable_sequence,
    };

    header.crc = log_record_crc(body_crc, &header, to->file->salt);
    log_record_encode(head, &header);
    buffer_add(&to->data, head, sizeof head);
    for (size_t i = 0; i < part_count; i++)
        buffer_add(&to->data, parts[i].data, parts[i].size);
    buffer_add(&to->data, zeros, (size_t)(bytes - LOG_RECORD_BYTES - length));
    OCT_MUST(!to->data.failed && to->offset + to->data.size == to->file->end + bytes);
    to->last_sequence = header.sequence;
    to->file->last_sequence = header.sequence;
    to->file->end += bytes;
    self->queue_bytes += bytes;
    self->last_sequence = header.sequence;
}

/* Size of a body in parts. */
static oct_status
measure(const oct_slice *parts, size_t part_count, size_t *length, oct_error *error)
{
    uint64_t total = 0;

    *length = 0;
    for (size_t i = 0; i < part_count; i++) {
        if (parts[i].size > LOG_BODY_MAX - total)
            return oct_fail(error, OCT_RANGE,
                            "a record of more than %u bytes does not fit into the log; write fewer "
                            "points at once",
                            LOG_BODY_MAX);
        total += parts[i].size;
    }
    *length = (size_t)total;
    return OCT_OK;
}

/* Record bytes in the files that are kept. */
static uint64_t
file_bytes(const write_log *self)
{
    uint64_t bytes = 0;

    for (const log_file *file = self->files; file != NULL; file = file->next)
        bytes += file->end - LOG_HEADER_BYTES;
    return bytes;
}

/* Who adds leaves the room that is kept back alone, and makes it whole if it is not. */
static uint64_t
checkpoint_share(const write_log *self)
{
    const uint64_t stored = self->stored_bytes + file_bytes(self);

    return clamp(self->is_tight ? stored / LOG_TIGHT_PARTS * LOG_TIGHT_PART : stored / LOG_SPARE_SHARE, LOG_SPARE_BYTES,
                 LOG_SPARE_BYTES_MAX);
}

/* Is the disk one that may get full? With the lock held, by who adds `bytes`. */
static void
look_for_room(write_log *self, uint64_t bytes)
{
    uint64_t stored, room;

    if (bytes < self->look_in) {
        self->look_in -= bytes;
        return;
    }
    stored = self->stored_bytes + file_bytes(self) + bytes;
    room = os_room(self->system, self->path);
    room += room == UINT64_MAX ? 0 : self->for_appends.held + self->for_checkpoint.held;
    self->is_tight = room / LOG_TIGHT_FACTOR < stored;
    self->look_in = clamp(stored / LOOK_SHARE, LOOK_BYTES_MIN, LOOK_BYTES_MAX);
    if (self->is_tight)
        self->for_appends.wanted = clamp(stored / LOG_TIGHT_APPENDS, self->for_appends.wanted, LOG_APPENDS_MAX);
}

static oct_status
hold_spares(write_log *self, uint64_t bytes, oct_error *error)
{
    uint64_t   share;
    oct_status status;

    look_for_room(self, bytes);
    share = checkpoint_share(self);
    /* Only checkpoints find that it can shrink. */
    if (share - share / (self->is_tight ? TIGHT_STEP_SHARE : STEP_SHARE) >= self->for_checkpoint.wanted)
        self->for_checkpoint.wanted = share;
    /* What a checkpoint is writing into stays its own: a writer who tries again and again must not take it back. */
    status = self->is_lent ? OCT_FULL : spare_hold(&self->for_appends, error);
    if (status == OCT_OK)
        status = spare_hold(&self->for_checkpoint, error);
    if (status != OCT_FULL)
        return status;
    return oct_fail(error, OCT_FULL,
                    "the disk that holds %s is full: what is left of it is kept for deletions. Free some space on it, or delete "
                    "points or collections; writing resumes by itself", self->path);
}

static oct_status
append(write_log *self, uint64_t shard, const oct_slice *parts, size_t part_count, bool frees, uint64_t *sequence,
       oct_error *error)
{
    const bool is_kept = self->has_thread;
    size_t     length;
    uint64_t   bytes;
    uint32_t   crc = 0;
    chunk     *to;
    oct_status status = measure(parts, part_count, &length, error);

    *sequence = 0;
    if (status != OCT_OK)
        return status;
    if (self->read_only)
        return oct_fail(error, OCT_FORBIDDEN,
                        "the database was opened for reading only; open it without read_only");
    bytes = log_record_bytes(length);
    for (size_t i = 0; i < part_count && is_kept; i++)
        crc = crc32c(crc, parts[i].data, parts[i].size); /* before the lock: the long part */

    lock(self);
    if (!is_kept) {
        *sequence = ++self->last_sequence;
        unlock(self);
        return OCT_OK;
    }
    while (!self->stopped && self->queue_bytes > 0 && self->queue_bytes + bytes > self->queue_bytes_max)
        OCT_MUST(pthread_cond_wait(&self->room, &self->lock) == 0);
    if (self->stopped)
        status = fail_stopped(self, error);
    if (status == OCT_OK && !frees)
        status = hold_spares(self, bytes, error);
    if (status == OCT_OK)
        status = take_room(self, bytes, frees ? &self->for_appends : NULL, error);
    if (status == OCT_OK)
        status = take_chunk(self, (size_t)bytes, &to, error);
    if (status == OCT_OK) {
        put_record(self, to, shard, parts, part_count, crc, length);
        *sequence = self->last_sequence;
        OCT_MUST(pthread_cond_signal(&self->work) == 0);
    }
    unlock(self);
    return status;
}

oct_status
log_append(write_log *self, uint64_t shard, const oct_slice *parts, size_t part_count, uint64_t *sequence,
           oct_error *error)
{
    return append(self, shard, parts, part_count, false, sequence, error);
}

oct_status
log_append_freeing(write_log *self, uint64_t shard, const oct_slice *parts, size_t part_count, uint64_t *sequence,
                   oct_error *error)
{
    return append(self, shard, parts, part_count, true, sequence, error);
}

bool
log_lend(write_log *self)
{
    bool lent;

    if (!self->has_thread)
        return false;
    lock(self);
    lent = spare_release(&self->for_checkpoint);
    self->is_lent = self->is_lent || lent;
    unlock(self);
    return lent;
}

void
log_take_back(write_log *self)
{
    lock(self);
    self->returns += self->is_lent;
    self->is_lent = false;
    OCT_MUST(pthread_cond_broadcast(&self->returned) == 0);
    unlock(self);
}

uint64_t
log_returns(write_log *self)
{
    uint64_t returns;

    lock(self);
    returns = self->returns;
    unlock(self);
    return returns;
}

bool
log_wait_return(write_log *self, uint64_t returns)
{
    const uint64_t until = os_clock_ns(self->system) + LOG_RETURN_WAIT_MS * 1000000ull;
    bool           returned;

    lock(self);
    while (self->is_lent && self->returns == returns && !self->stopped && os_clock_ns(self->system) < until) {
        const struct timespec at = {(time_t)(until / 1000000000u), (long)(until % 1000000000u)};

        (void)pthread_cond_timedwait(&self->returned, &self->lock, &at);
    }
    returned = self->returns != returns;
    unlock(self);
    return returned;
}

void
log_keep_spare(write_log *self, uint64_t stored_bytes)
{
    lock(self);
    self->stored_bytes = stored_bytes;
    self->look_in = 0;
    if (self->has_thread && checkpoint_share(self) <= self->for_checkpoint.wanted / 2)
        spare_shrink(&self->for_checkpoint, checkpoint_share(self));
    unlock(self);
}

/* --- the log thread -------------------------------------------------------------------------- */

/* Sync and close what was written to, so that the next file may begin. */
static oct_status
finish_file(write_log *self, oct_error *error)
{
    log_file  *file = self->active;
    os_file   *opened;
    uint64_t   end;
    oct_status status;

    if (file == NULL)
        return OCT_OK;
    lock(self);
    end = file->end; /* no appender comes back to it */
    unlock(self);
    (void)os_truncate(file->file, end, NULL); /* give back the room that is left; not worth an error */
    status = os_sync(file->file, error);
    if (status != OCT_OK)
        return status;
    lock(self);
    opened = file->file;
    file->file = NULL;
    unlock(self);
    os_close(opened);
    self->active = NULL;
    return OCT_OK;
}

/* The log's own folder gets a name that lasts. */
static oct_status
sync_parent(const write_log *self, oct_error *error)
{
    char  parent[OS_PATH_MAX];
    char *slash;

    /* Shorter than OS_PATH_MAX: the path of a file was made from it. */
    memcpy(parent, self->path, strlen(self->path) + 1);
    slash = strrchr(parent, '/');
    if (slash != NULL && slash != parent)
        *slash = '\0';
    return os_sync_dir(self->system, slash == NULL ? "." : slash == parent ? "/" : parent, error);
}

/* Header, sync, name: after that, records may follow. */
static oct_status
begin_file(write_log *self, log_file *file, oct_error *error)
{
    char       header[LOG_HEADER_BYTES];
    oct_status status = OCT_OK;

    /* First of all: a file that is begun shows that this was done. */
    if (self->is_new)
        status = sync_parent(self, error);
    if (status != OCT_OK)
        return status;
    self->is_new = false;
    log_header_encode(header, file->salt, file->first_sequence);
    status = os_write(file->file, 0, header, sizeof header, error);
    if (status == OCT_OK)
        status = os_sync(file->file, error);
    if (status == OCT_OK)
        status = os_sync_dir(self->system, self->path, error);
    if (status != OCT_OK)
        return status;
    lock(self);
    file->is_begun = true;
    OCT_MUST(pthread_cond_broadcast(&self->done) == 0);
    unlock(self);
    return OCT_OK;
}

/* Write what was taken from the queue, giving back the room in it chunk by chunk. */
static oct_status
write_chunks(write_log *self, chunk *list, oct_error *error)
{
    oct_status status = OCT_OK;

    while (list != NULL && status == OCT_OK) {
        chunk *next = list->next;
        bool   is_begun;

        if (list->file != self->active) {
            status = finish_file(self, error);
            lock(self);
            is_begun = list->file->is_begun;
            unlock(self);
            if (status == OCT_OK && !is_begun)
                status = begin_file(self, list->file, error);
            if (status != OCT_OK)
                break;
            self->active = list->file;
        }
        status = os_write(list->file->file, list->offset, list->data.data, list->data.size, error);
        if (status != OCT_OK)
            break;
        lock(self);
        if (self->written_sequence == self->durable_sequence)
            self->unsynced_since = os_clock_ns(self->system);
        self->written_sequence = list->last_sequence;
        self->queue_bytes -= list->data.size;
        OCT_MUST(pthread_cond_broadcast(&self->room) == 0);
        if (self->sync != OCT_SYNC_ALWAYS)
            OCT_MUST(pthread_cond_broadcast(&self->done) == 0);
        unlock(self);
        list->next = NULL;
        free_chunks(list);
        list = next;
    }
    free_chunks(list);
    return status;
}

static bool
is_sync_due(const write_log *self)
{
    if (self->written_sequence == self->durable_sequence)
        return false;
    return self->closing || self->sync_wanted > self->durable_sequence ||
           (self->sync == OCT_SYNC_INTERVAL &&
            os_clock_ns(self->system) - self->unsynced_since >= self->interval_ns);
}

/* Wait until there is something to write or to sync, or the log is being closed. */
static void
wait_for_work(write_log *self)
{
    while (self->queue == NULL && !self->closing && !is_sync_due(self)) {
        if (self->sync == OCT_SYNC_INTERVAL && self->written_sequence != self->durable_sequence) {
            const uint64_t        until = self->unsynced_since + self->interval_ns;
            const struct timespec at = {(time_t)(until / 1000000000u), (long)(until % 1000000000u)};

            /* Early or late: the loop looks again. */
            (void)pthread_cond_timedwait(&self->work, &self->lock, &at);
        } else {
            OCT_MUST(pthread_cond_wait(&self->work, &self->lock) == 0);
        }
    }
}

static void
stop(write_log *self, const oct_error *cause)
{
    free_chunks(self->queue);
    self->queue = self->filling = NULL;
    self->queue_bytes = 0;
    self->cause = *cause;
    self->stopped = true;
    OCT_MUST(pthread_cond_broadcast(&self->done) == 0);
    OCT_MUST(pthread_cond_broadcast(&self->room) == 0);
}

static void *
run(void *context)
{
    write_log *self = context;
    oct_error  error;
    oct_status status = OCT_OK;

    lock(self);
    while (status == OCT_OK) {
        chunk   *taken;
        uint64_t written;

        wait_for_work(self);
        taken = self->queue;
        if (taken == NULL && !is_sync_due(self))
            break; /* closing, and all is done */
        self->queue = self->filling = NULL;
        unlock(self);
        status = write_chunks(self, taken, &error);
        lock(self);
        if (status == OCT_OK && self->written_sequence != self->durable_sequence &&
            (self->sync == OCT_SYNC_ALWAYS || is_sync_due(self))) {
            written = self->written_sequence;
            unlock(self);
            status = os_sync(self->active->file, &error);
            lock(self);
            if (status == OCT_OK) {
                self->durable_sequence = written;
                OCT_MUST(pthread_cond_broadcast(&self->done) == 0);
            }
        }
    }
    if (status != OCT_OK)
        stop(self, &error);
    unlock(self);
    return NULL;
}

/* --- waiting --------------------------------------------------------------------------------- */

oct_status
log_wait(write_log *self, uint64_t sequence, oct_error *error)
{
    const uint64_t *reached =
        self->sync == OCT_SYNC_ALWAYS ? &self->durable_sequence : &self->written_sequence;
    oct_status status = OCT_OK;

    if (!self->has_thread)
        return OCT_OK;
    lock(self);
    if (sequence > self->last_sequence) {
        status = oct_fail(error, OCT_INVALID, "record %llu was never appended; the last is %llu",
                          (unsigned long long)sequence, (unsigned long long)self->last_sequence);
    } else {
        while (*reached < sequence && !self->stopped)
            OCT_MUST(pthread_cond_wait(&self->done, &self->lock) == 0);
        if (*reached < sequence)
            status = fail_stopped(self, error);
    }
    unlock(self);
    return status;
}

oct_status
log_sync(write_log *self, oct_error *error)
{
    oct_status status = OCT_OK;
    uint64_t   wanted;

    if (!self->has_thread)
        return OCT_OK;
    lock(self);
    wanted = self->last_sequence;
    if (wanted > self->sync_wanted)
        self->sync_wanted = wanted;
    OCT_MUST(pthread_cond_signal(&self->work) == 0);
    while (self->durable_sequence < wanted && !self->stopped)
        OCT_MUST(pthread_cond_wait(&self->done, &self->lock) == 0);
    if (self->durable_sequence < wanted)
        status = fail_stopped(self, error);
    unlock(self);
    return status;
}

/* --- dropping files -------------------------------------------------------------------------- */

/* Remove closed files from the front whose records are all covered. Only here do files leave the list, and
 * `truncate_lock` is held, so the first one stays where it is while its name is being removed. */
static oct_status
remove_covered(write_log *self, uint64_t sequence, bool *removed, oct_error *error)
{
    char       path[OS_PATH_MAX];
    oct_status status = OCT_OK;

    while (status == OCT_OK) {
        log_file *first;
        bool      is_covered;

        lock(self);
        first = self->files;
        is_covered = first != NULL && first != self->current && first->is_begun && first->file == NULL &&
                     first->last_sequence <= sequence;
        unlock(self);
        if (!is_covered)
            break;
        status = log_file_path(path, self->path, first->number, error);
        if (status == OCT_OK)
            status = os_remove(self->system, path, error);
        if (status != OCT_OK)
            break;
        lock(self);
        self->files = first->next;
        unlock(self);
        first->next = NULL;
        log_files_free(first);
        *removed = true;
    }
    return status;
}

/* If the current file is covered and large, begin another, so that it can be removed. Under truncate_lock. */
static oct_status
retire_current(write_log *self, uint64_t sequence, oct_error *error)
{
    log_file  *file;
    chunk     *only;
    oct_status status = OCT_OK;

    lock(self);
    file = self->current;
    if (self->stopped || file == NULL || file->last_sequence > sequence || file->end <= LOG_IDLE_BYTES)
        goto out;
    status = make_file(self, 0, NULL, error);
    /* Only what a file needs to begin: the rest of the room is for the checkpoint that asked for it. */
    if (status == OCT_FULL && spare_release(&self->for_checkpoint)) {
        self->is_lent = true;
        status = make_file(self, 0, NULL, error);
    }
    if (status == OCT_OK) {
        /* An empty chunk makes the log thread close the old file and begin the new one. Without memory for
         * it the next record's does the same. */
        status = take_chunk(self, 0, &only, error);
        if (status != OCT_OK)
            goto out;
        file = self->current;
        OCT_MUST(pthread_cond_signal(&self->work) == 0);
        while (!file->is_begun && !self->stopped)
            OCT_MUST(pthread_cond_wait(&self->done, &self->lock) == 0);
        if (!file->is_begun)
            status = fail_stopped(self, error);
    }
out:
    unlock(self);
    return status;
}

oct_status
log_rotate(write_log *self, oct_error *error)
{
    oct_status status;

    if (!self->has_thread)
        return OCT_OK;
    OCT_MUST(pthread_mutex_lock(&self->truncate_lock) == 0);
    status = retire_current(self, UINT64_MAX, error);
    OCT_MUST(pthread_mutex_unlock(&self->truncate_lock) == 0);
    return status;
}

oct_status
log_truncate(write_log *self, uint64_t sequence, oct_error *error)
{
    bool       removed = false;
    oct_status status;

    if (!self->has_thread)
        return OCT_OK;
    OCT_MUST(pthread_mutex_lock(&self->truncate_lock) == 0);
    /* First what frees space: the new file may need it. */
    status = remove_covered(self, sequence, &removed, error);
    if (status == OCT_OK)
        status = retire_current(self, sequence, error);
    if (status == OCT_OK)
        status = remove_covered(self, sequence, &removed, error);
    if (status == OCT_OK && removed)
        status = os_sync_dir(self->system, self->path, error);
    OCT_MUST(pthread_mutex_unlock(&self->truncate_lock) == 0);
    return status;
}

/* --- what there is --------------------------------------------------------------------------- */

uint64_t
log_last_sequence(write_log *self)
{
    uint64_t sequence;

    lock(self);
    sequence = self->last_sequence;
    unlock(self);
    return sequence;
}

uint64_t
log_bytes(write_log *self)
{
    uint64_t bytes;

    lock(self);
    bytes = file_bytes(self);
    unlock(self);
    return bytes;
}

uint64_t
log_torn_bytes(write_log *self)
{
    return self->torn_bytes;
}

bool
log_was_empty(const write_log *self)
{
    return self->was_empty;
}

bool
log_stopped(write_log *self)
{
    bool stopped;

    lock(self);
    stopped = self->stopped;
    unlock(self);
    return stopped;
}

/* --- open and close -------------------------------------------------------------------------- */

static void
init_locks(write_log *self)
{
    pthread_condattr_t clock;

    OCT_MUST(pthread_condattr_init(&clock) == 0);
    OCT_MUST(pthread_condattr_setclock(&clock, CLOCK_MONOTONIC) == 0); /* that of os_clock_ns */
    OCT_MUST(pthread_mutex_init(&self->truncate_lock, NULL) == 0);
    OCT_MUST(pthread_mutex_init(&self->lock, NULL) == 0);
    OCT_MUST(pthread_cond_init(&self->work, &clock) == 0);
    OCT_MUST(pthread_cond_init(&self->done, NULL) == 0);
    OCT_MUST(pthread_cond_init(&self->room, NULL) == 0);
    OCT_MUST(pthread_cond_init(&self->returned, &clock) == 0);
    OCT_MUST(pthread_condattr_destroy(&clock) == 0);
}

static void
free_log(write_log *self)
{
    free_chunks(self->queue);
    log_files_free(self->files);
    spare_clear(&self->for_appends);
    spare_clear(&self->for_checkpoint);
    OCT_MUST(pthread_mutex_destroy(&self->truncate_lock) == 0);
    OCT_MUST(pthread_mutex_destroy(&self->lock) == 0);
    OCT_MUST(pthread_cond_destroy(&self->work) == 0);
    OCT_MUST(pthread_cond_destroy(&self->done) == 0);
    OCT_MUST(pthread_cond_destroy(&self->room) == 0);
    OCT_MUST(pthread_cond_destroy(&self->returned) == 0);
    oct_free(self->path);
    oct_free(self);
}

/* Take over what is on the disk. */
static oct_status
recover(write_log *self, uint64_t after_sequence, log_visit visit, void *context, oct_error *error)
{
    log_recovery recovery = {
        .system = self->system,
        .path = self->path,
        .after_sequence = after_sequence,
        .read_only = self->read_only,
        .visit = visit,
        .context = context,
    };
    const oct_status status = log_recover(&recovery, error);

    self->files = recovery.files;
    self->current = recovery.last;
    self->next_number = recovery.next_number;
    self->last_sequence = recovery.last_sequence;
    self->torn_bytes = recovery.torn_bytes;
    self->is_new = self->was_empty = recovery.files == NULL;
    return status;
}

oct_status
log_open(const log_options *options, uint64_t after_sequence, log_visit visit, void *context, write_log **out,
         oct_error *error)
{
    write_log *self = oct_calloc(1, sizeof *self);
    oct_status status = OCT_OK;
    uint32_t   interval_ms;
    int        result;

    *out = NULL;
    if (self == NULL)
        return oct_fail_memory(error, sizeof *self);
    init_locks(self);
    self->system = options->system;
    self->sync = options->sync;
    interval_ms = options->sync_interval_ms == 0 ? LOG_INTERVAL_MS : options->sync_interval_ms;
    self->interval_ns = 1000000u * (uint64_t)interval_ms;
    self->segment_bytes = options->segment_bytes == 0 ? LOG_SEGMENT_BYTES : options->segment_bytes;
    self->queue_bytes_max = options->queue_bytes_max == 0 ? LOG_QUEUE_BYTES_MAX : options->queue_bytes_max;
    self->read_only = options->read_only;
    self->last_sequence = after_sequence;
    if (!self->system->is_volatile) {
        self->path = oct_copy_text(options->path, strlen(options->path));
        status = self->path == NULL ? oct_fail_memory(error, strlen(options->path) + 1)
                                    : recover(self, after_sequence, visit, context, error);
    }
    if (status == OCT_OK && !self->system->is_volatile && !self->read_only)
        status = spare_init(&self->for_appends, self->system, self->path, SPARE_APPENDS, LOG_SPARE_BYTES, error);
    if (status == OCT_OK && !self->system->is_volatile && !self->read_only)
        status = spare_init(&self->for_checkpoint, self->system, self->path, SPARE_CHECKPOINT, LOG_SPARE_BYTES, error);
    if (status != OCT_OK)
        goto fail;
    self->written_sequence = self->durable_sequence = self->last_sequence;
    if (!self->system->is_volatile && !self->read_only) {
        result = pthread_create(&self->thread, NULL, run, self);
        if (result != 0) {
            status = oct_fail(error, OCT_NOMEM, "cannot start the log's thread: error %d", result);
            goto fail;
        }
        self->has_thread = true;
    }
    *out = self;
    return OCT_OK;
fail:
    free_log(self);
    return status;
}

oct_status
log_close(write_log *self, oct_error *error)
{
    oct_status status = OCT_OK;

    if (self == NULL)
        return OCT_OK;
    if (self->has_thread) {
        lock(self);
        self->closing = true;
        OCT_MUST(pthread_cond_signal(&self->work) == 0);
        unlock(self);
        OCT_MUST(pthread_join(self->thread, NULL) == 0);
        if (self->stopped)
            status = fail_stopped(self, error);
    }
    free_log(self);
    return status;
}
