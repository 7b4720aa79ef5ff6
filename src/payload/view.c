/* view.c - which part of a document an answer shows. See document.h.
 *
 * INCLUDE  keeps what lies on a path: `a.b` keeps of `a` the member `b`. A value that is neither object nor
 *          array, met before the path ends, is kept, for it is all there is. Of an array only `[]` selects
 *          elements; any other step leaves it empty.
 * EXCLUDE  drops what lies at the end of a path; `a[]` empties an array; `a[0]` drops nothing.
 */
#include "payload/document.h"

#include "payload/scan.h"
#include "payload/tree.h"

struct document_view {
    bool      has_include;
    bool      has_exclude;
    path_tree include;
    path_tree exclude;
};

static oct_status
plan_tree(const oct_slice *texts, size_t count, arena *memory, path_tree *out, oct_error *error)
{
    path      *paths = arena_array(memory, count, sizeof *paths);
    oct_status status = paths == NULL ? oct_fail_memory(error, count * sizeof *paths) : OCT_OK;

    for (size_t i = 0; status == OCT_OK && i < count; i++)
        status = path_parse(texts[i], memory, &paths[i], error);
    return status != OCT_OK ? status : path_tree_build(paths, count, memory, out, error);
}

oct_status
document_view_plan(const oct_select *select, arena *memory, const document_view **out, oct_error *error)
{
    document_view *self = arena_alloc(memory, sizeof *self);
    oct_status     status = OCT_OK;

    *out = NULL;
    if (self == NULL)
        return oct_fail_memory(error, sizeof *self);
    self->has_include = select->include_count > 0;
    self->has_exclude = select->exclude_count > 0;
    if (self->has_include)
        status = plan_tree(select->include, select->include_count, memory, &self->include, error);
    if (status == OCT_OK && self->has_exclude)
        status = plan_tree(select->exclude, select->exclude_count, memory, &self->exclude, error);
    if (status == OCT_OK)
        *out = self;
    return status;
}

static void
add_member_start(buffer *out, bool *is_first, oct_slice key)
{
    buffer_add(out, *is_first ? "\"" : ",\"", *is_first ? 1 : 2);
    buffer_add(out, key.data, key.size);
    buffer_add(out, "\":", 2);
    *is_first = false;
}

/* Append what `node` selects of `value`. A whole node or none is the caller's to deal with; recursion is
 * as deep as the longest path. */
static oct_status
show(const path_tree *node, bool is_include, oct_slice value, buffer *out, oct_error *error)
{
    oct_status       status = OCT_OK;
    bool             is_first = true;
    oct_slice        key, item;
    const path_tree *child;
    scan             items;

    if (!scan_is_object(value) && !scan_is_array(value)) {
        buffer_add(out, value.data, value.size);
        return OCT_OK;
    }
    items = scan_open(value);
    if (scan_is_object(value)) {
        buffer_add_byte(out, '{');
        while (status == OCT_OK && scan_member(&items, &key, &item)) {
            child = path_tree_key(node, key);
            if (child == NULL ? is_include : child->is_whole && !is_include)
                continue;
            add_member_start(out, &is_first, key);
            if (child == NULL || child->is_whole)
                buffer_add(out, item.data, item.size);
            else
                status = show(child, is_include, item, out, error);
        }
        buffer_add_byte(out, '}');
    } else {
        child = path_tree_all(node);
        if (child == NULL ? !is_include : child->is_whole && is_include) {
            buffer_add(out, value.data, value.size);
            return OCT_OK;
        }
        buffer_add_byte(out, '[');
        while (child != NULL && !child->is_whole && status == OCT_OK && scan_element(&items, &item)) {
            if (!is_first)
                buffer_add_byte(out, ',');
            is_first = false;
            status = show(child, is_include, item, out, error);
        }
        buffer_add_byte(out, ']');
    }
    return status == OCT_OK && items.failed ? scan_fail(value, error) : status;
}

oct_status
document_view_apply(const document_view *view, oct_slice document, buffer *out, oct_error *error)
{
    oct_status status = OCT_OK;
    buffer     included = {0};

    if (view->has_include && view->has_exclude) {
        status = show(&view->include, true, document, &included, error);
        if (status == OCT_OK && included.failed)
            status = oct_fail_memory(error, document.size);
        if (status == OCT_OK)
            status = show(&view->exclude, false, (oct_slice){included.data, included.size}, out, error);
    } else if (view->has_include) {
        status = show(&view->include, true, document, out, error);
    } else if (view->has_exclude) {
        status = show(&view->exclude, false, document, out, error);
    } else {
        buffer_add(out, document.data, document.size);
    }
    if (status == OCT_OK && out->failed)
        status = oct_fail_memory(error, document.size);
    buffer_clear(&included);
    return status;
}

oct_status
document_select(oct_slice document, const oct_select *select, buffer *out, oct_error *error)
{
    arena                memory = {0};
    const document_view *view;
    oct_status           status = document_view_plan(select, &memory, &view, error);

    if (status == OCT_OK)
        status = document_view_apply(view, document, out, error);
    arena_clear(&memory);
    return status;
}
