/* See values.h. */
#include "payload/values.h"

#include "payload/scan.h"

#define CAPACITY_FIRST 8u

void
value_list_clear(value_list *self)
{
    oct_free(self->items);
    *self = (value_list){0};
}

static oct_status
add(value_list *self, oct_slice value, oct_error *error)
{
    if (self->count == self->capacity) {
        const size_t more = self->capacity == 0 ? CAPACITY_FIRST : self->capacity * 2;
        oct_slice   *grown = oct_realloc(self->items, more * sizeof *grown);

        if (grown == NULL)
            return oct_fail_memory(error, more * sizeof *grown);
        self->items = grown;
        self->capacity = more;
    }
    self->items[self->count++] = value;
    return OCT_OK;
}

/* Every element of an array, unless `whole`; with `steps` left, what they lead to from there. The recursion is as deep as the
 * path. */
static oct_status
walk(const path_step *steps, size_t count, oct_slice value, bool whole, value_list *out, oct_error *error)
{
    const path_step *step = steps;
    const bool       ends = count == 0;
    oct_status       status = OCT_OK;
    oct_slice        key, item;
    uint64_t         index = 0;
    scan             items;

    if (ends && (whole || !scan_is_array(value)))
        return add(out, value, error);
    if (!ends && step->kind == PATH_KEY) {
        if (!scan_is_object(value))
            return OCT_OK;
        items = scan_open(value);
        while (scan_member(&items, &key, &item)) {
            if (slice_equal(key, step->key))
                return walk(steps + 1, count - 1, item, whole, out, error);
        }
    } else {
        if (!scan_is_array(value))
            return OCT_OK;
        items = scan_open(value);
        while (status == OCT_OK && scan_element(&items, &item)) {
            if (ends)
                status = add(out, item, error);
            else if (step->kind == PATH_ALL || step->index == index)
                status = walk(steps + 1, count - 1, item, whole, out, error);
            index++;
        }
    }
    return status == OCT_OK && items.failed ? scan_fail(value, error) : status;
}

oct_status
values_at(const path *where, oct_slice document, value_list *out, oct_error *error)
{
    out->count = 0;
    return walk(where->steps, where->count, document, false, out, error);
}

oct_status
values_whole_at(const path *where, oct_slice document, value_list *out, oct_error *error)
{
    out->count = 0;
    return walk(where->steps, where->count, document, true, out, error);
}
