/* fuzz.h - what the fuzz targets share. A target is one function from bytes to no harm: it may not crash, leak, hang
 * or leave the engine in a state in which a correct call fails. README.md says how to run them. */
#ifndef OCT_FUZZ_H
#define OCT_FUZZ_H

#include "base/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Takes bytes from the front of an input. Past its end there are zeros. */
typedef struct fuzz_input {
    const uint8_t *data;
    size_t         size;
} fuzz_input;

static inline uint8_t
fuzz_byte(fuzz_input *self)
{
    if (self->size == 0)
        return 0;
    self->size--;
    return *self->data++;
}

/* Up to the next `separator` or the end, in memory of its own, so that a read beyond it is seen. oct_free. */
static inline char *
fuzz_part(fuzz_input *self, char separator, size_t *size)
{
    const uint8_t *end = self->size == 0 ? NULL : memchr(self->data, separator, self->size);
    char          *part;

    *size = end == NULL ? self->size : (size_t)(end - self->data);
    part = oct_copy_text((const char *)self->data, *size);
    OCT_MUST(part != NULL);
    self->data += *size;
    self->size -= *size;
    (void)fuzz_byte(self);
    return part;
}

#endif
