/* scan.h - walking over a compact document without parsing it.
 *
 * Values are slices of the document's text. A container is walked item by item; skipping an item costs one
 * pass over its bytes and no memory. The text is trusted to be in the form of document.h for its *meaning*,
 * but not for its *bounds*: damaged bytes end a walk with `failed`, never outside the slice.
 */
#ifndef OCT_PAYLOAD_SCAN_H
#define OCT_PAYLOAD_SCAN_H

#include "base/base.h"

typedef struct scan {
    const char *at;
    const char *end;       /* its closing bracket */
    bool        has_items; /* one was read: a comma comes before the next */
    bool        failed;    /* the text is not a container in compact form */
} scan;

static inline bool
scan_is_object(oct_slice value)
{
    return value.size >= 2 && value.data[0] == '{';
}

static inline bool
scan_is_array(oct_slice value)
{
    return value.size >= 2 && value.data[0] == '[';
}

/* Start at the first item of an object or array. */
scan scan_open(oct_slice container);
/* The next member of an object: the key is what stands between its quotes. False at the end or at damage. */
bool scan_member(scan *self, oct_slice *key, oct_slice *value);
/* The next element of an array. */
bool scan_element(scan *self, oct_slice *value);
/* What a failed walk means. */
oct_status scan_fail(oct_slice container, oct_error *error);

/* Containers within containers, the outermost counted, of any text: brackets outside of strings. */
size_t scan_depth(oct_slice text);

#endif
