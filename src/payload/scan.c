/* See scan.h. */
#include "payload/scan.h"

/* The closing quote of the string whose first character is at `at`; `end` if there is none. */
static const char *
end_of_string(const char *at, const char *end)
{
    for (; at < end && *at != '"'; at++) {
        if (*at == '\\' && ++at == end)
            return end;
    }
    return at;
}

/* One past the value that starts at `at`; NULL if there is none whole. */
static const char *
skip_value(const char *at, const char *end)
{
    const char *start = at;
    size_t      depth = 0;

    if (at < end && *at == '"') {
        at = end_of_string(at + 1, end);
        return at < end ? at + 1 : NULL;
    }
    if (at == end || (*at != '[' && *at != '{')) {
        while (at < end && *at != ',')
            at++;
        return at > start ? at : NULL;
    }
    for (; at < end; at++) {
        if (*at == '"') {
            at = end_of_string(at + 1, end);
            if (at == end)
                break;
        } else if (*at == '[' || *at == '{') {
            depth++;
        } else if ((*at == ']' || *at == '}') && --depth == 0) {
            return at + 1;
        }
    }
    return NULL;
}

scan
scan_open(oct_slice container)
{
    const bool is_object = scan_is_object(container);
    scan       self = {container.data, container.data, false, true};

    if (is_object || scan_is_array(container)) {
        self.at = container.data + 1;
        self.end = container.data + container.size - 1;
        self.failed = *self.end != (is_object ? '}' : ']');
    }
    return self;
}

/* Step over the comma before an item. False if no item follows. */
static bool
start_item(scan *self)
{
    if (self->failed || self->at == self->end)
        return false;
    if (self->has_items) {
        if (*self->at != ',')
            self->failed = true;
        else
            self->at++;
    }
    self->has_items = true;
    return !self->failed;
}

static bool
read_value(scan *self, oct_slice *value)
{
    const char *stop = skip_value(self->at, self->end);

    if (stop == NULL) {
        self->failed = true;
        return false;
    }
    *value = (oct_slice){self->at, (size_t)(stop - self->at)};
    self->at = stop;
    return true;
}

bool
scan_member(scan *self, oct_slice *key, oct_slice *value)
{
    const char *stop;

    if (!start_item(self))
        return false;
    stop = self->at < self->end && *self->at == '"' ? end_of_string(self->at + 1, self->end) : self->end;
    if (self->end - stop < 2 || stop[1] != ':') {
        self->failed = true;
        return false;
    }
    *key = (oct_slice){self->at + 1, (size_t)(stop - self->at - 1)};
    self->at = stop + 2;
    return read_value(self, value);
}

bool
scan_element(scan *self, oct_slice *value)
{
    return start_item(self) && read_value(self, value);
}

oct_status
scan_fail(oct_slice container, oct_error *error)
{
    return oct_fail(error, OCT_CORRUPT, "a stored payload is damaged: \"%.*s%s\" is not compact JSON",
                    (int)size_min(container.size, 100), container.data, container.size > 100 ? "..." : "");
}

size_t
scan_depth(oct_slice text)
{
    const char *end = text.data + text.size;
    size_t      depth = 0, deepest = 0;

    for (const char *at = text.data; at < end; at++) {
        if (*at == '"') {
            at = end_of_string(at + 1, end);
            if (at == end)
                break;
        } else if (*at == '[' || *at == '{') {
            deepest = size_max(deepest, ++depth);
        } else if (*at == ']' || *at == '}') {
            depth -= depth > 0;
        }
    }
    return deepest;
}
