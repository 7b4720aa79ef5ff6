/* edit.c - changing a document: set, overwrite, delete, clear. See document.h.
 *
 * SET      merges the members of one object into another: a null removes the member, anything else replaces
 *          it whole or is added at the end. With a path the other object is the one at the path's end. On
 *          the way there a missing member is made and a value of the wrong kind is replaced: by an object
 *          where a key must follow, by an empty array where `[3]` or `[]` must follow (which then has no
 *          element to go on with). `[]` goes on in every element, `[3]` in one, if it exists.
 * DELETE   removes the members at the ends of all paths at once. A path that ends in `[]` empties the array;
 *          one that ends in `[3]` does nothing, because an element taken out would move the others.
 * COST     One pass over the document, and one lookup for each member of an object that is on a path or
 *          merged into. Nothing grows with the product of the two sizes.
 */
#include "payload/document.h"

#include <stdlib.h>

#include "payload/scan.h"
#include "payload/tree.h"

typedef struct set_member {
    oct_slice key;
    oct_slice value;
    bool      is_null; /* removes */
} set_member;

struct document_edit {
    oct_payload_action action;
    oct_slice          payload; /* set, overwrite: compact */
    path               path;    /* set; count 0: the document itself */
    const set_member  *members; /* set: of `payload`, in its order */
    const uint32_t    *by_key;  /* numbers of the members, sorted by key */
    size_t             member_count;
    const uint32_t    *added; /* numbers of those that are not null */
    size_t             added_count;
    path_tree          deleted; /* delete */
};

/* --- planning ----------------------------------------------------------------------------------- */

static oct_status
plan_payload(document_edit *self, oct_slice payload, arena *memory, oct_error *error)
{
    buffer     compact = {0};
    oct_status status = document_check(payload, &compact, error);
    char      *text;

    if (status == OCT_OK) {
        text = arena_text(memory, compact.data, compact.size);
        self->payload = (oct_slice){text, compact.size};
        if (text == NULL)
            status = oct_fail_memory(error, compact.size);
    }
    buffer_clear(&compact);
    return status;
}

/* The index of the member with this key, or member_count. */
static size_t
find_member(const document_edit *self, oct_slice key)
{
    size_t low = 0, high = self->member_count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int    order = slice_compare(key, self->members[self->by_key[middle]].key);

        if (order == 0)
            return self->by_key[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return self->member_count;
}

typedef struct key_number {
    oct_slice key;
    uint32_t  number;
} key_number;

static int
compare_keys(const void *left, const void *right)
{
    return slice_compare(((const key_number *)left)->key, ((const key_number *)right)->key);
}

static oct_status
plan_members(document_edit *self, arena *memory, oct_error *error)
{
    scan        items = scan_open(self->payload);
    oct_slice   key, value;
    size_t      count = 0;
    set_member *members;
    uint32_t   *by_key, *added;
    key_number *sorted;

    while (scan_member(&items, &key, &value))
        count++;
    OCT_MUST(!items.failed && count <= UINT32_MAX);
    members = arena_array(memory, count + 1, sizeof *members); /* never of size 0 */
    by_key = arena_array(memory, count + 1, sizeof *by_key);
    added = arena_array(memory, count + 1, sizeof *added);
    sorted = arena_array(memory, count + 1, sizeof *sorted);
    if (members == NULL || by_key == NULL || added == NULL || sorted == NULL)
        return oct_fail_memory(error, count * sizeof *members);
    items = scan_open(self->payload);
    for (uint32_t i = 0; scan_member(&items, &key, &value); i++) {
        members[i] = (set_member){key, value, slice_is(value, "null")};
        sorted[i] = (key_number){key, i};
        if (!members[i].is_null)
            added[self->added_count++] = i;
    }
    qsort(sorted, count, sizeof *sorted, compare_keys);
    for (size_t i = 0; i < count; i++)
        by_key[i] = sorted[i].number;
    self->members = members;
    self->by_key = by_key;
    self->added = added;
    self->member_count = count;
    return OCT_OK;
}

static oct_status
plan_deleted(document_edit *self, const oct_slice *keys, size_t count, arena *memory, oct_error *error)
{
    path      *paths = arena_array(memory, count + 1, sizeof *paths);
    size_t     kept = 0;
    oct_status status = OCT_OK;

    if (paths == NULL)
        return oct_fail_memory(error, count * sizeof *paths);
    for (size_t i = 0; status == OCT_OK && i < count; i++) {
        status = path_parse(keys[i], memory, &paths[kept], error);
        if (status == OCT_OK && paths[kept].steps[paths[kept].count - 1].kind != PATH_INDEX)
            kept++;
    }
    return status != OCT_OK ? status : path_tree_build(paths, kept, memory, &self->deleted, error);
}

oct_status
document_edit_plan(const oct_payload_change *change, arena *memory, const document_edit **out,
                   oct_error *error)
{
    document_edit *self = arena_alloc(memory, sizeof *self);
    oct_status     status = OCT_OK;

    *out = NULL;
    if (self == NULL)
        return oct_fail_memory(error, sizeof *self);
    self->action = change->action;
    switch (change->action) {
    case OCT_PAYLOAD_SET:
        if (change->key.size > 0)
            status = path_parse(change->key, memory, &self->path, error);
        if (status == OCT_OK)
            status = plan_payload(self, change->payload, memory, error);
        if (status == OCT_OK)
            status = plan_members(self, memory, error);
        break;
    case OCT_PAYLOAD_OVERWRITE:
        status = plan_payload(self, change->payload, memory, error);
        break;
    case OCT_PAYLOAD_DELETE:
        status = plan_deleted(self, change->keys, change->key_count, memory, error);
        break;
    case OCT_PAYLOAD_CLEAR:
        break;
    default:
        status = oct_fail(error, OCT_INVALID, "%d is not an action on payloads", (int)change->action);
        break;
    }
    if (status == OCT_OK)
        *out = self;
    return status;
}

/* --- applying ----------------------------------------------------------------------------------- */

/* One application. `out` may hold other things before the document. */
typedef struct editor {
    const document_edit *edit;
    buffer              *out;
    size_t               start; /* of the document in `out` */
    uint32_t            *seen;  /* set: number of the merge that last met the member */
    uint32_t             merges;
    const path_tree    **nodes; /* delete: a stack; see drop_below */
    size_t               node_count;
    size_t               node_capacity;
    oct_error           *error;
} editor;

/* Called as the document grows, so that a small change cannot make a huge one. */
static oct_status
check_room(const editor *self)
{
    if (self->out->failed)
        return oct_fail_memory(self->error, self->out->size);
    if (self->out->size - self->start > OCT_PAYLOAD_BYTES_MAX)
        return oct_fail(self->error, OCT_RANGE, "the changed payload has more than the %u bytes allowed",
                        OCT_PAYLOAD_BYTES_MAX);
    return OCT_OK;
}

static void
add_comma(editor *self, bool *is_first)
{
    if (!*is_first)
        buffer_add_byte(self->out, ',');
    *is_first = false;
}

static void
add_key(editor *self, bool *is_first, oct_slice key)
{
    add_comma(self, is_first);
    buffer_add_byte(self->out, '"');
    buffer_add(self->out, key.data, key.size);
    buffer_add(self->out, "\":", 2);
}

static void
add_value(editor *self, oct_slice value)
{
    buffer_add(self->out, value.data, value.size);
}

/* Append `object` (anything else, or nothing, counts as {}) with the members set. */
static oct_status
merge(editor *self, oct_slice object)
{
    const document_edit *edit = self->edit;
    const uint32_t       merge_number = ++self->merges;
    bool                 is_first = true;
    oct_slice            key, value;

    buffer_add_byte(self->out, '{');
    if (scan_is_object(object)) {
        scan items = scan_open(object);

        while (scan_member(&items, &key, &value)) {
            const size_t found = find_member(edit, key);

            if (found < edit->member_count) {
                self->seen[found] = merge_number;
                if (edit->members[found].is_null)
                    continue;
                value = edit->members[found].value;
            }
            add_key(self, &is_first, key);
            add_value(self, value);
        }
        if (items.failed)
            return scan_fail(object, self->error);
    }
    for (size_t i = 0; i < edit->added_count; i++) {
        const set_member *added = &edit->members[edit->added[i]];

        if (self->seen[edit->added[i]] != merge_number) {
            add_key(self, &is_first, added->key);
            add_value(self, added->value);
        }
    }
    buffer_add_byte(self->out, '}');
    return check_room(self);
}

/* Append `value` (size 0: nothing there yet) with the change made at the end of the path, of which `depth`
 * steps are done. */
static oct_status
set_below(editor *self, size_t depth, oct_slice value)
{
    const path      *way = &self->edit->path;
    const path_step *step;
    oct_status       status = OCT_OK;
    bool             is_first = true, is_done = false;
    oct_slice        key, item;
    scan             items;

    if (depth == way->count)
        return merge(self, value);
    step = &way->steps[depth];
    if (step->kind == PATH_KEY) {
        if (!scan_is_object(value))
            value = slice_of("{}");
        items = scan_open(value);
        buffer_add_byte(self->out, '{');
        while (status == OCT_OK && scan_member(&items, &key, &item)) {
            add_key(self, &is_first, key);
            if (slice_equal(key, step->key)) {
                is_done = true;
                status = set_below(self, depth + 1, item);
            } else {
                add_value(self, item);
            }
        }
        if (status == OCT_OK && !is_done && !items.failed) {
            add_key(self, &is_first, step->key);
            status = set_below(self, depth + 1, (oct_slice){NULL, 0});
        }
        buffer_add_byte(self->out, '}');
    } else {
        if (!scan_is_array(value))
            value = slice_of("[]");
        items = scan_open(value);
        buffer_add_byte(self->out, '[');
        for (uint64_t i = 0; status == OCT_OK && scan_element(&items, &item); i++) {
            add_comma(self, &is_first);
            if (step->kind == PATH_ALL || step->index == i)
                status = set_below(self, depth + 1, item);
            else
                add_value(self, item);
        }
        buffer_add_byte(self->out, ']');
    }
    if (status == OCT_OK && items.failed)
        return scan_fail(value, self->error);
    return status != OCT_OK ? status : check_room(self);
}

static oct_status
push_node(editor *self, const path_tree *node)
{
    if (self->node_count == self->node_capacity) {
        const size_t      capacity = size_max(16, 2 * self->node_capacity);
        const path_tree **nodes = oct_realloc(self->nodes, capacity * sizeof *nodes);

        if (nodes == NULL)
            return oct_fail_memory(self->error, capacity * sizeof *nodes);
        self->nodes = nodes;
        self->node_capacity = capacity;
    }
    self->nodes[self->node_count++] = node;
    return OCT_OK;
}

/* Push the child behind a step, if there is one. It may be the end of a path: *is_end. */
static oct_status
push_child(editor *self, const path_tree *child, bool *is_end)
{
    if (child == NULL)
        return OCT_OK;
    *is_end = *is_end || child->is_whole;
    return push_node(self, child);
}

/* Append `value` without what the nodes on the stack from `first` on drop. Each of them is a place in the
 * tree that fits; there can be several, since both `[]` and `[0]` fit an array's first element. */
static oct_status
drop_below(editor *self, size_t first, oct_slice value)
{
    const size_t last = self->node_count;
    oct_status   status = OCT_OK;
    bool         is_first = true, is_end = false;
    oct_slice    key, item;
    scan         items;

    if (first == last || (!scan_is_object(value) && !scan_is_array(value))) {
        add_value(self, value);
        return OCT_OK;
    }
    items = scan_open(value);
    if (scan_is_object(value)) {
        buffer_add_byte(self->out, '{');
        while (status == OCT_OK && scan_member(&items, &key, &item)) {
            is_end = false;
            for (size_t i = first; status == OCT_OK && i < last; i++)
                status = push_child(self, path_tree_key(self->nodes[i], key), &is_end);
            if (status == OCT_OK && !is_end) {
                add_key(self, &is_first, key);
                status = drop_below(self, last, item);
            }
            self->node_count = last;
        }
        buffer_add_byte(self->out, '}');
    } else {
        for (size_t i = first; i < last; i++) {
            const path_tree *all = path_tree_all(self->nodes[i]);

            is_end = is_end || (all != NULL && all->is_whole);
        }
        buffer_add_byte(self->out, '[');
        for (uint64_t at = 0; !is_end && status == OCT_OK && scan_element(&items, &item); at++) {
            add_comma(self, &is_first);
            for (size_t i = first; status == OCT_OK && i < last; i++) {
                bool ignored = false; /* paths that end in an index were left out of the tree */

                status = push_child(self, path_tree_all(self->nodes[i]), &ignored);
                if (status == OCT_OK)
                    status = push_child(self, path_tree_index(self->nodes[i], at), &ignored);
            }
            if (status == OCT_OK)
                status = drop_below(self, last, item);
            self->node_count = last;
        }
        buffer_add_byte(self->out, ']');
    }
    return status == OCT_OK && items.failed ? scan_fail(value, self->error) : status;
}

oct_status
document_edit_apply(const document_edit *edit, oct_slice document, buffer *out, oct_error *error)
{
    editor     self = {.edit = edit, .out = out, .start = out->size, .error = error};
    oct_status status = OCT_OK;
    size_t     depth;

    switch (edit->action) {
    case OCT_PAYLOAD_SET:
        self.seen = oct_calloc(edit->member_count, sizeof *self.seen);
        status = self.seen == NULL ? oct_fail_memory(error, edit->member_count * sizeof *self.seen)
                                   : set_below(&self, 0, document);
        break;
    case OCT_PAYLOAD_OVERWRITE:
        add_value(&self, edit->payload);
        break;
    case OCT_PAYLOAD_DELETE:
        status = push_node(&self, &edit->deleted);
        if (status == OCT_OK)
            status = drop_below(&self, 0, document);
        break;
    case OCT_PAYLOAD_CLEAR:
        buffer_add(out, "{}", 2);
        break;
    }
    if (status == OCT_OK)
        status = check_room(&self);
    if (status == OCT_OK && edit->path.count > 0) { /* only there can it get deeper */
        depth = scan_depth((oct_slice){out->data + self.start, out->size - self.start});
        if (depth > OCT_PAYLOAD_DEPTH_MAX)
            status = oct_fail(error, OCT_RANGE,
                              "the changed payload is nested %zu deep: at most %u levels are allowed", depth,
                              OCT_PAYLOAD_DEPTH_MAX);
    }
    oct_free(self.seen);
    oct_free(self.nodes);
    return status;
}

oct_status
document_change(oct_slice document, const oct_payload_change *change, buffer *out, oct_error *error)
{
    arena                memory = {0};
    const document_edit *edit;
    oct_status           status = document_edit_plan(change, &memory, &edit, error);

    if (status == OCT_OK)
        status = document_edit_apply(edit, document, out, error);
    arena_clear(&memory);
    return status;
}
