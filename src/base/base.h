/* base.h - what every other folder stands on: failing with a sentence, memory, growing buffers.
 *
 * OWNS     nothing global. Knows nothing of vectors, files or requests.
 * ERRORS   A function that can fail returns oct_status and fills an `oct_error *` (may be NULL) where
 *          the facts are known, by oct_fail. Callers pass it up unchanged.
 * MEMORY   Allocation goes through oct_alloc and its kin (`make tidy` looks for others), so that a test
 *          can make every allocation fail in turn (oct_alloc_fail_after).
 * READ     base.h first, then arena.h (memory of one request), rows.h (arrays that grow but never
 *          move), epoch.h (when old memory may go), bitmap.h, crc32c.h.
 */
#ifndef OCT_BASE_H
#define OCT_BASE_H

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "octant.h"

/* Fill `error` (may be NULL) and return `status`, so that `return oct_fail(...)` reads as one step. */
oct_status oct_fail(oct_error *error, oct_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
oct_status oct_failv(oct_error *error, oct_status status, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));
oct_status oct_fail_memory(oct_error *error, size_t bytes); /* OCT_NOMEM, naming how much */

/* Our own bug, near anything that writes: stop before it does harm. Stays on in release builds. */
#define OCT_MUST(condition) ((condition) ? (void)0 : oct_must_failed(#condition, __FILE__, __LINE__))
_Noreturn void oct_must_failed(const char *condition, const char *file, int line);

/* --- memory -------------------------------------------------------------------------------- */

void *oct_alloc(size_t bytes);                 /* NULL when out of memory; oct_alloc(0) is not NULL */
void *oct_calloc(size_t count, size_t size);   /* zeroed; checks count * size */
void *oct_realloc(void *memory, size_t bytes); /* on failure the old block stays */
void *oct_alloc_aligned(size_t alignment, size_t bytes); /* released with oct_free too */
char *oct_copy_text(const char *text, size_t size);      /* NUL-terminated copy */
void  oct_free(void *memory);

/* Tests: let `count` allocations succeed, then fail one (`sticky` false) or all that follow. Any
 * thread's allocations count. UINT64_MAX switches it off. */
void oct_alloc_fail_after(uint64_t count, bool sticky);

static inline bool
size_mul_ok(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

/* --- slices -------------------------------------------------------------------------------- */

static inline oct_slice
slice_of(const char *text)
{
    oct_slice slice = {text, strlen(text)};
    return slice;
}

static inline bool
slice_equal(oct_slice a, oct_slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline bool
slice_is(oct_slice a, const char *text)
{
    return slice_equal(a, slice_of(text));
}

/* By bytes, a prefix before what it begins. */
int slice_compare(oct_slice a, oct_slice b);

#define SLICE_FMT      "%.*s"
#define SLICE_ARG(s)   (int)((s).size), (s).data
#define countof(array) (sizeof(array) / sizeof((array)[0]))

static inline size_t
size_min(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline size_t
size_max(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* --- a growing run of bytes ---------------------------------------------------------------- */

/* Zero is an empty buffer. After a failed append `failed` stays set, appends do nothing, and the caller
 * asks once at the end: writers of text need not check every line. */
typedef struct buffer {
    char  *data;
    size_t size;
    size_t capacity;
    bool   failed;
} buffer;

void buffer_clear(buffer *self);                 /* releases the memory */
bool buffer_reserve(buffer *self, size_t extra); /* room for `extra` more bytes */
void buffer_add(buffer *self, const void *data, size_t size);
void buffer_add_text(buffer *self, const char *text);
void buffer_format(buffer *self, const char *format, ...) __attribute__((format(printf, 2, 3)));

static inline void
buffer_add_byte(buffer *self, char byte)
{
    if (self->size < self->capacity || buffer_reserve(self, 1))
        self->data[self->size++] = byte;
}

/* --- little-endian numbers in files --------------------------------------------------------- */

static inline void
put_u32(void *at, uint32_t value)
{
    memcpy(at, &value, sizeof value);
}

static inline void
put_u64(void *at, uint64_t value)
{
    memcpy(at, &value, sizeof value);
}

static inline uint32_t
get_u32(const void *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static inline uint64_t
get_u64(const void *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files are little-endian, and so must the CPU be");

/* A well-mixed 64-bit number from another (splitmix64; Steele, Lea, Flood 2014). */
static inline uint64_t
mix64(uint64_t x)
{
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

uint64_t hash_bytes(const void *data, size_t size);

#endif /* OCT_BASE_H */
