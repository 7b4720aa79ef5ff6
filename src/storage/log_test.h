/* log_test.h - what log_test.c and log_crash_test.c share: records whose content follows from their
 * sequence, so that a reader knows what to expect of each. */
#ifndef OCT_LOG_TEST_H
#define OCT_LOG_TEST_H

#include <stdlib.h>

#include "storage/log_internal.h"
#include "support/os_fault.h"
#include "support/test.h"

#define BODY_ROOM 70000u

/* Repetitions of what is about crashes and bytes, not about threads: fewer under TSan, which is slow. */
#ifdef __SANITIZE_THREAD__
#define REPETITIONS(count) ((count) / 8)
#else
#define REPETITIONS(count) (count)
#endif

/* A history is a seed and how large its bodies may be. Most are short, a few are near `largest`. After a
 * crash a sequence may be given again: then `attempts` tells the bodies apart. */
typedef struct history {
    uint64_t  seed;
    uint32_t  largest;  /* < BODY_ROOM */
    uint32_t *attempts; /* by sequence: how often it was appended; NULL: once */
} history;

static inline size_t
history_body(const history *self, uint64_t sequence, char out[BODY_ROOM])
{
    const uint64_t attempt = self->attempts == NULL ? 0 : self->attempts[sequence];
    test_rng       rng = test_rng_seed((self->seed * 1000003 + sequence) * 1009 + attempt);
    const size_t   size = test_below(&rng, 4) > 0 ? test_below(&rng, size_min(self->largest, 100) + 1)
                                                  : test_below(&rng, self->largest + 1);

    for (size_t i = 0; i < size; i++)
        out[i] = (char)test_u64(&rng);
    return size;
}

static inline uint64_t
history_shard(uint64_t sequence)
{
    return mix64(sequence) % 5;
}

/* Append record `last + 1`, its body in three parts. */
static inline oct_status
history_append(const history *self, write_log *to, oct_error *error)
{
    static _Thread_local char body[BODY_ROOM];
    const uint64_t            expected = log_last_sequence(to) + 1;
    uint64_t                  sequence;
    oct_status                status;
    size_t                    size;

    if (self->attempts != NULL)
        self->attempts[expected]++;
    size = history_body(self, expected, body);
    {
        const oct_slice parts[] = {
            {body, size / 3}, {body + size / 3, size / 2 - size / 3}, {body + size / 2, size - size / 2}};

        status = log_append(to, history_shard(expected), parts, countof(parts), &sequence, error);
    }
    CHECK_INT(sequence, status == OCT_OK ? expected : 0);
    return status;
}

/* Checks what a log hands out when it is opened: the history's records, from `next` on, none left out. */
typedef struct reading {
    const history *of;
    uint64_t       next;
} reading;

static inline oct_status
reading_visit(void *context, const log_record *record, oct_error *error)
{
    static _Thread_local char body[BODY_ROOM];
    reading                  *self = context;
    const size_t              size = history_body(self->of, record->sequence, body);

    (void)error;
    CHECK_INT(record->sequence, self->next);
    CHECK_INT(record->shard, history_shard(record->sequence));
    CHECK_INT(record->body.size, size);
    CHECK_MSG(record->body.size == size && memcmp(record->body.data, body, size) == 0, "record %llu",
              (unsigned long long)record->sequence);
    CHECK_INT((uintptr_t)record->body.data % 8, 0);
    self->next++;
    return OCT_OK;
}

/* Open and check all records after `after`; *out is NULL on failure. */
static inline oct_status
history_open(const history *self, const log_options *options, uint64_t after, write_log **out,
             oct_error *error)
{
    reading          read = {self, after + 1};
    const oct_status status = log_open(options, after, reading_visit, &read, out, error);

    if (status == OCT_OK)
        CHECK_INT(log_last_sequence(*out), read.next - 1);
    return status;
}

#endif
