/* os.h over anonymous memory: the database at ":memory:", and a quick disk for tests.
 *
 * WHAT     A list of nodes, each a file or a folder under its whole path; folders hold nothing but their
 *          name. A file's bytes are one growing block. A removed file lives on until its last handle is
 *          closed, as on a disk. The roots "/" and "." are always there.
 * COST     A node is found by walking the list. A volatile database keeps no log and no columns, so there
 *          are a handful of files; a disk this is not.
 * THREADS  One lock around everything.
 */
#include "os/os_internal.h"

#include <pthread.h>

#include "base/pages.h"

typedef struct node {
    struct node *next;
    char        *path; /* as canonical() writes it */
    bool         is_dir;
    bool         is_named;  /* in the list; false: removed, some handle is open */
    bool         is_locked; /* held by os_lock */
    uint32_t     open_count;
    char        *data;
    size_t       size;
    size_t       capacity;
} node;

typedef struct memory_os {
    os              base;
    pthread_mutex_t lock; /* guards the list and all that hangs on it */
    node           *nodes;
} memory_os;

typedef struct memory_file {
    os_file base;
    node   *node;
    bool    can_write;
    bool    holds_lock;
    char    path[];
} memory_file;

static memory_os *
system_of(os *self)
{
    return (memory_os *)(void *)self;
}

/* One '/' between parts and none at the end. False if it is too long. */
static bool
canonical(char out[OS_PATH_MAX], const char *path)
{
    size_t size = 0;

    for (; *path != '\0'; path++) {
        if (*path == '/' && size > 0 && out[size - 1] == '/')
            continue;
        if (size + 1 >= OS_PATH_MAX)
            return false;
        out[size++] = *path;
    }
    if (size > 1 && out[size - 1] == '/')
        size--;
    out[size] = '\0';
    return true;
}

static node *
find(memory_os *self, const char *path)
{
    node *at = self->nodes;

    while (at != NULL && strcmp(at->path, path) != 0)
        at = at->next;
    return at;
}

static bool
is_dir(memory_os *self, const char *path)
{
    const node *at;

    if (path[0] == '\0' || strcmp(path, "/") == 0 || strcmp(path, ".") == 0)
        return true;
    at = find(self, path);
    return at != NULL && at->is_dir;
}

/* `path` is canonical. */
static bool
parent_is_dir(memory_os *self, const char *path)
{
    char        parent[OS_PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t      size;

    if (slash == NULL)
        return true;
    size = (size_t)(slash - path);
    memcpy(parent, path, size);
    parent[size] = '\0';
    return is_dir(self, parent);
}

static oct_status
add_node(memory_os *self, const char *path, bool dir, node **out, oct_error *error)
{
    node *made = oct_calloc(1, sizeof *made);
    char *copy = oct_copy_text(path, strlen(path));

    if (made == NULL || copy == NULL) {
        oct_free(made);
        oct_free(copy);
        return oct_fail_memory(error, sizeof *made + strlen(path));
    }
    made->path = copy;
    made->is_dir = dir;
    made->is_named = true;
    made->next = self->nodes;
    self->nodes = made;
    *out = made;
    return OCT_OK;
}

static void
free_if_unused(node *at)
{
    if (at->is_named || at->open_count > 0)
        return;
    oct_free(at->data);
    oct_free(at->path);
    oct_free(at);
}

static void
remove_node(memory_os *self, node *gone)
{
    node **link = &self->nodes;

    while (*link != gone)
        link = &(*link)->next;
    *link = gone->next;
    gone->is_named = false;
    free_if_unused(gone);
}

/* A size for the file; new bytes are zero. */
static oct_status
resize(node *at, uint64_t size, oct_error *error)
{
    if (size > SIZE_MAX / 2)
        return oct_fail(error, OCT_FULL, "%s: no room for %llu bytes", at->path, (unsigned long long)size);
    if (size > at->capacity) {
        const size_t capacity = size_max((size_t)size, at->capacity + at->capacity / 2);
        char        *data = oct_realloc(at->data, capacity);

        if (data == NULL)
            return oct_fail_memory(error, capacity);
        at->data = data;
        at->capacity = capacity;
    }
    if (size > at->size)
        memset(at->data + at->size, 0, (size_t)size - at->size);
    at->size = (size_t)size;
    return OCT_OK;
}

static oct_status
fail_path(oct_error *error, oct_status status, const char *what, const char *path, const char *why)
{
    return oct_fail(error, status, "cannot %s %.500s: %s", what, path, why);
}

static oct_status
open_locked(memory_os *self, const char *path, unsigned flags, node **out, oct_error *error)
{
    node      *at = find(self, path);
    oct_status status = OCT_OK;

    if (at == NULL && ((flags & OS_CREATE) == 0 || !parent_is_dir(self, path)))
        return fail_path(error, OCT_NOT_FOUND, "open", path, "no such file or folder");
    if (at != NULL && (flags & OS_CREATE) != 0 && (flags & OS_EXCLUSIVE) != 0)
        return fail_path(error, OCT_EXISTS, "open", path, "it exists");
    if (at != NULL && at->is_dir)
        return fail_path(error, OCT_IO, "open", path, "it is a folder");
    if (at == NULL)
        status = add_node(self, path, false, &at, error);
    else if ((flags & OS_TRUNCATE) != 0)
        at->size = 0;
    *out = at;
    return status;
}

static oct_status
memory_open(os *base, const char *path, unsigned flags, os_file **out, oct_error *error)
{
    memory_os   *self = system_of(base);
    const size_t size = strlen(path) + 1;
    char         full[OS_PATH_MAX];
    memory_file *file;
    oct_status   status;

    if (!canonical(full, path))
        return fail_path(error, OCT_IO, "open", path, "the path is too long");
    file = oct_calloc(1, sizeof *file + size);
    if (file == NULL)
        return oct_fail_memory(error, sizeof *file + size);
    memcpy(file->path, path, size);
    file->base = (os_file){base->ops, base, file->path};
    file->can_write = (flags & OS_WRITE) != 0;
    (void)pthread_mutex_lock(&self->lock);
    status = open_locked(self, full, flags, &file->node, error);
    if (status == OCT_OK)
        file->node->open_count++;
    (void)pthread_mutex_unlock(&self->lock);
    if (status != OCT_OK) {
        oct_free(file);
        return status;
    }
    *out = &file->base;
    return OCT_OK;
}

/* The file behind a handle, with the system's lock held. */
static memory_file *
enter(os_file *base)
{
    (void)pthread_mutex_lock(&system_of(base->system)->lock);
    return (memory_file *)(void *)base;
}

static void
leave(os_file *base)
{
    (void)pthread_mutex_unlock(&system_of(base->system)->lock);
}

static void
memory_close(os_file *base)
{
    memory_os   *self = system_of(base->system);
    memory_file *file = enter(base);

    if (file->holds_lock)
        file->node->is_locked = false;
    file->node->open_count--;
    free_if_unused(file->node);
    oct_free(file);
    (void)pthread_mutex_unlock(&self->lock);
}

static oct_status
memory_read(os_file *base, uint64_t offset, void *data, size_t size, size_t *got, oct_error *error)
{
    const node *at = enter(base)->node;

    (void)error;
    if (offset < at->size)
        *got = size_min(size, at->size - (size_t)offset);
    if (*got > 0)
        memcpy(data, at->data + offset, *got);
    leave(base);
    return OCT_OK;
}

/* Fails for a handle that was opened for reading. */
static oct_status
check_writable(const memory_file *file, oct_error *error)
{
    return file->can_write ? OCT_OK
                           : fail_path(error, OCT_IO, "write", file->path, "it was opened for reading only");
}

static oct_status
memory_write(os_file *base, uint64_t offset, const void *data, size_t size, oct_error *error)
{
    memory_file *file = enter(base);
    oct_status   status = check_writable(file, error);

    if (status == OCT_OK && offset > UINT64_MAX - size)
        status = fail_path(error, OCT_IO, "write", file->path, "the offset is too large");
    if (status == OCT_OK && offset + size > file->node->size)
        status = resize(file->node, offset + size, error);
    if (status == OCT_OK)
        memcpy(file->node->data + offset, data, size);
    leave(base);
    return status;
}

static oct_status
memory_sync(os_file *base, oct_error *error)
{
    (void)base, (void)error;
    return OCT_OK;
}

static oct_status
memory_size(os_file *base, uint64_t *out, oct_error *error)
{
    (void)error;
    *out = enter(base)->node->size;
    leave(base);
    return OCT_OK;
}

static oct_status
memory_truncate(os_file *base, uint64_t size, oct_error *error)
{
    memory_file *file = enter(base);
    oct_status   status = check_writable(file, error);

    if (status == OCT_OK)
        status = resize(file->node, size, error);
    leave(base);
    return status;
}

static oct_status
memory_reserve(os_file *base, uint64_t offset, uint64_t size, oct_error *error)
{
    memory_file *file = enter(base);
    oct_status   status = check_writable(file, error);

    if (status == OCT_OK && offset > UINT64_MAX - size)
        status = fail_path(error, OCT_FULL, "reserve space in", file->path, "the offset is too large");
    if (status == OCT_OK && offset + size > file->node->size)
        status = resize(file->node, offset + size, error);
    leave(base);
    return status;
}

static oct_status
memory_map(os_file *base, uint64_t offset, size_t size, void *at, void **out, oct_error *error)
{
    memory_file *file = enter(base);
    const node  *from = file->node;
    char        *memory = NULL;
    size_t       count;
    oct_status   status = os_check_map(file->path, from->size, offset, size, error);

    if (status == OCT_OK) {
        memory = at != NULL ? at : pages_map(size);
        if (memory == NULL)
            status = oct_fail_memory(error, size);
    }
    if (status == OCT_OK) {
        count = offset < from->size ? size_min(size, from->size - (size_t)offset) : 0;
        if (count > 0)
            memcpy(memory, from->data + offset, count);
        memset(memory + count, 0, size - count);
        *out = memory;
    }
    leave(base);
    return status;
}

static void
memory_unmap(os *self, void *memory, size_t size)
{
    (void)self;
    pages_unmap(memory, size);
}

static oct_status
rename_locked(memory_os *self, const char *from, const char *to, oct_error *error)
{
    node *moved = find(self, from), *old = find(self, to);
    char *copy;

    if (moved == NULL || !parent_is_dir(self, to))
        return fail_path(error, OCT_NOT_FOUND, "rename", from, "no such file or folder");
    if (moved->is_dir || (old != NULL && old->is_dir))
        return fail_path(error, OCT_IO, "rename", from, "only files are renamed, not folders");
    if (moved == old)
        return OCT_OK;
    copy = oct_copy_text(to, strlen(to));
    if (copy == NULL)
        return oct_fail_memory(error, strlen(to));
    if (old != NULL)
        remove_node(self, old);
    oct_free(moved->path);
    moved->path = copy;
    return OCT_OK;
}

static oct_status
memory_rename(os *base, const char *from, const char *to, oct_error *error)
{
    memory_os *self = system_of(base);
    char       full_from[OS_PATH_MAX], full_to[OS_PATH_MAX];
    oct_status status;

    if (!canonical(full_from, from) || !canonical(full_to, to))
        return fail_path(error, OCT_IO, "rename", from, "a path is too long");
    (void)pthread_mutex_lock(&self->lock);
    status = rename_locked(self, full_from, full_to, error);
    (void)pthread_mutex_unlock(&self->lock);
    return status;
}

/* The next node whose path begins with "folder/", after `at` (NULL: the first). */
static node *
next_inside(memory_os *self, const char *folder, const node *at)
{
    const size_t size = strcmp(folder, "/") == 0 ? 0 : strlen(folder);
    node        *next = at == NULL ? self->nodes : at->next;

    while (next != NULL && (strncmp(next->path, folder, size) != 0 || next->path[size] != '/'))
        next = next->next;
    return next;
}

static oct_status
remove_any(os *base, const char *path, bool dir, oct_error *error)
{
    memory_os *self = system_of(base);
    char       full[OS_PATH_MAX];
    oct_status status = OCT_OK;
    node      *at;

    if (!canonical(full, path))
        return fail_path(error, OCT_IO, "remove", path, "the path is too long");
    (void)pthread_mutex_lock(&self->lock);
    at = find(self, full);
    if (at != NULL && at->is_dir != dir)
        status = fail_path(error, OCT_IO, "remove", path, dir ? "it is a file" : "it is a folder");
    else if (at != NULL && dir && next_inside(self, full, NULL) != NULL)
        status = fail_path(error, OCT_IO, "remove", path, "it is not empty");
    else if (at != NULL)
        remove_node(self, at);
    (void)pthread_mutex_unlock(&self->lock);
    return status;
}

static oct_status
memory_remove(os *self, const char *path, oct_error *error)
{
    return remove_any(self, path, false, error);
}

static oct_status
memory_remove_dir(os *self, const char *path, oct_error *error)
{
    return remove_any(self, path, true, error);
}

static oct_status
make_one_dir(memory_os *self, const char *path, oct_error *error)
{
    node *at;

    if (is_dir(self, path))
        return OCT_OK;
    if (find(self, path) != NULL)
        return fail_path(error, OCT_EXISTS, "make the folder", path, "a file of that name is in the way");
    return add_node(self, path, true, &at, error);
}

static oct_status
memory_make_dir(os *base, const char *path, oct_error *error)
{
    memory_os *self = system_of(base);
    char       full[OS_PATH_MAX];
    oct_status status = OCT_OK;

    if (!canonical(full, path))
        return fail_path(error, OCT_IO, "make the folder", path, "the path is too long");
    (void)pthread_mutex_lock(&self->lock);
    for (char *slash = full; status == OCT_OK && (slash = strchr(slash + 1, '/')) != NULL;) {
        *slash = '\0';
        status = make_one_dir(self, full, error);
        *slash = '/';
    }
    if (status == OCT_OK)
        status = make_one_dir(self, full, error);
    (void)pthread_mutex_unlock(&self->lock);
    return status;
}

static oct_status
memory_list(os *base, const char *path, char ***names, size_t *count, oct_error *error)
{
    memory_os *self = system_of(base);
    char       full[OS_PATH_MAX];
    buffer     texts = {0};
    size_t     skip;
    oct_status status;

    if (!canonical(full, path))
        return fail_path(error, OCT_IO, "list", path, "the path is too long");
    skip = strcmp(full, "/") == 0 ? 1 : strlen(full) + 1;
    (void)pthread_mutex_lock(&self->lock);
    if (is_dir(self, full)) {
        for (const node *at = next_inside(self, full, NULL); at != NULL; at = next_inside(self, full, at)) {
            if (strchr(at->path + skip, '/') != NULL)
                continue; /* deeper down */
            buffer_add(&texts, at->path + skip, strlen(at->path + skip) + 1);
            (*count)++;
        }
        status = os_names_from(&texts, *count, names, error);
    } else {
        status = fail_path(error, OCT_NOT_FOUND, "list", path, "no such folder");
    }
    (void)pthread_mutex_unlock(&self->lock);
    if (status != OCT_OK)
        *count = 0;
    buffer_clear(&texts);
    return status;
}

static oct_status
memory_sync_dir(os *base, const char *path, oct_error *error)
{
    memory_os *self = system_of(base);
    char       full[OS_PATH_MAX];
    bool       found;

    (void)pthread_mutex_lock(&self->lock);
    found = canonical(full, path) && is_dir(self, full);
    (void)pthread_mutex_unlock(&self->lock);
    return found ? OCT_OK : fail_path(error, OCT_NOT_FOUND, "sync the folder", path, "no such folder");
}

static oct_status
memory_lock(os *base, const char *path, os_file **out, oct_error *error)
{
    oct_status   status = os_open(base, path, OS_CREATE, out, error);
    memory_file *file;

    if (status != OCT_OK)
        return status;
    file = enter(*out);
    file->holds_lock = !file->node->is_locked;
    file->node->is_locked = true;
    leave(*out);
    if (file->holds_lock)
        return OCT_OK;
    os_close(*out);
    *out = NULL;
    return oct_fail(error, OCT_LOCKED,
                    "%s is locked: this process has the database open already; use that handle, or "
                    "close it first",
                    path);
}

static uint64_t
memory_clock_ns(os *self)
{
    (void)self;
    return os_clock_ns(os_posix());
}

static void
memory_random(os *self, void *data, size_t size)
{
    (void)self;
    os_random(os_posix(), data, size);
}

static void
memory_destroy(os *base)
{
    memory_os *self = system_of(base);

    while (self->nodes != NULL) {
        OCT_MUST(self->nodes->open_count == 0); /* a handle would point into what is freed here */
        remove_node(self, self->nodes);
    }
    (void)pthread_mutex_destroy(&self->lock);
    oct_free(self);
}

static uint64_t
memory_room(os *self, const char *path)
{
    (void)self;
    (void)path;
    return UINT64_MAX;
}

oct_status
os_memory_new(os **out, oct_error *error)
{
    static const os_ops ops = {
        memory_open,     memory_close,    memory_read,     memory_write,      memory_sync,
        memory_size,     memory_truncate, memory_reserve,  memory_map,        memory_unmap,
        memory_rename,   memory_remove,   memory_make_dir, memory_remove_dir, memory_list,
        memory_sync_dir, memory_lock,     memory_clock_ns, memory_random,     memory_room,
        memory_destroy,
    };
    memory_os *self = oct_calloc(1, sizeof *self);

    *out = NULL;
    if (self == NULL)
        return oct_fail_memory(error, sizeof *self);
    self->base = (os){&ops, true};
    (void)pthread_mutex_init(&self->lock, NULL);
    *out = &self->base;
    return OCT_OK;
}
