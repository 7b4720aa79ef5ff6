/* See os_fault.h.
 *
 * What running code sees is kept by an os_memory inside; beside it stands a journal of what would be lost.
 *
 *     inode          a file's durable bytes, and the operations on it since its last sync
 *     names          the durable names, and the operations on names since the last sync of each folder
 *     live           the names as running code sees them: which inode is behind a path
 *
 * Inodes and names are freed with the disk: tests are short. Paths are compared as they are given.
 */
#include "support/os_fault.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct file_op { /* a write of `size` bytes, or (data NULL) a new size */
    struct file_op *next;
    uint64_t        offset;
    size_t          size;
    bool            is_write;
    char            data[];
} file_op;

typedef struct inode {
    struct inode *next;
    buffer        synced;
    file_op      *ops; /* oldest first */
    file_op     **ops_end;
    uint64_t      live_size;
} inode;

typedef struct name {
    struct name *next;
    inode       *file; /* NULL: a folder */
    char         path[OS_PATH_MAX];
} name;

typedef struct name_op { /* at[0] goes (if set), at[1] comes (if set), both at once */
    struct name_op *next;
    inode          *file;
    char            folder[OS_PATH_MAX]; /* whose sync makes it durable */
    char            at[2][OS_PATH_MAX];
} name_op;

typedef struct fault_os {
    os              base;
    os             *live; /* os_memory */
    pthread_mutex_t lock; /* guards what follows, and every use of `live` */
    inode          *inodes;
    name           *live_names, *durable_names;
    name_op        *name_ops; /* oldest first */
    name_op       **name_ops_end;
    os_fault_counts counts;
    uint64_t        fail_at; /* counts.calls at which to fail */
    bool            fail_sticky, has_failed;
    oct_status      fail_status;
    uint64_t        limit;
    uint32_t        sync_us;
    os_fault_watch  watch;
    void           *watch_context;
} fault_os;

typedef struct fault_file {
    os_file  base;
    os_file *live;
    inode   *node;
} fault_file;

static fault_os *
enter(os *base)
{
    fault_os *self = (fault_os *)(void *)base;

    OCT_MUST(pthread_mutex_lock(&self->lock) == 0);
    return self;
}

static oct_status
leave(fault_os *self, oct_status status)
{
    OCT_MUST(pthread_mutex_unlock(&self->lock) == 0);
    return status;
}

static fault_file *
file_of(os_file *file)
{
    return (fault_file *)(void *)file;
}

/* Count a call; does this one have to fail? */
static oct_status
begin(fault_os *self, const char *what, const char *path, oct_error *error)
{
    const uint64_t call = self->counts.calls++;

    if (call < self->fail_at || (call > self->fail_at && !self->fail_sticky))
        return OCT_OK;
    self->has_failed = true;
    return oct_fail(error, self->fail_status, "cannot %s %.300s: injected fault at call %llu", what, path,
                    (unsigned long long)call);
}

/* --- names --------------------------------------------------------------------------------- */

static void
parent_of(char out[OS_PATH_MAX], const char *path)
{
    const char  *slash = strrchr(path, '/');
    const size_t size = slash == NULL ? 0 : (size_t)(slash - path);

    memmove(out, path, size); /* the two may be one */
    out[size] = '\0';
}

static name *
name_find(name *list, const char *path)
{
    while (list != NULL && strcmp(list->path, path) != 0)
        list = list->next;
    return list;
}

static void
name_remove(name **list, const char *path)
{
    for (; *list != NULL; list = &(*list)->next) {
        if (strcmp((*list)->path, path) == 0) {
            name *gone = *list;

            *list = gone->next;
            free(gone);
            return;
        }
    }
}

/* The journal uses malloc: a test that makes oct_alloc fail means the engine's memory, not ours. */
static void
name_add(name **list, const char *path, inode *file)
{
    name *made = malloc(sizeof *made);

    OCT_MUST(made != NULL && strlen(path) < OS_PATH_MAX);
    name_remove(list, path);
    made->file = file;
    memcpy(made->path, path, strlen(path) + 1);
    made->next = *list;
    *list = made;
}

static void
name_apply(name **list, const name_op *op)
{
    if (op->at[0][0] != '\0')
        name_remove(list, op->at[0]);
    if (op->at[1][0] != '\0')
        name_add(list, op->at[1], op->file);
}

/* Note that `from` (or NULL) went and `to` (or NULL) came. */
static void
name_note(fault_os *self, const char *from, const char *to, inode *file)
{
    name_op *op = calloc(1, sizeof *op);

    OCT_MUST(op != NULL);
    op->file = file;
    if (from != NULL)
        memcpy(op->at[0], from, strlen(from) + 1);
    if (to != NULL)
        memcpy(op->at[1], to, strlen(to) + 1);
    parent_of(op->folder, to != NULL ? to : from);
    *self->name_ops_end = op;
    self->name_ops_end = &op->next;
    name_apply(&self->live_names, op);
}

/* --- bytes --------------------------------------------------------------------------------- */

static void
bytes_resize(buffer *bytes, uint64_t size)
{
    if (size > bytes->capacity) {
        bytes->capacity = size_max((size_t)size, bytes->capacity * 2);
        bytes->data = realloc(bytes->data, bytes->capacity);
        OCT_MUST(bytes->data != NULL);
    }
    if (size > bytes->size)
        memset(bytes->data + bytes->size, 0, (size_t)size - bytes->size);
    bytes->size = (size_t)size;
}

static void
bytes_write(buffer *bytes, uint64_t offset, const char *data, size_t size)
{
    if (offset + size > bytes->size)
        bytes_resize(bytes, offset + size);
    if (size > 0)
        memcpy(bytes->data + offset, data, size);
}

static void
file_note(inode *node, uint64_t offset, const void *data, size_t size)
{
    file_op *op = malloc(sizeof *op + (data == NULL ? 0 : size));

    OCT_MUST(op != NULL);
    op->next = NULL;
    op->offset = offset;
    op->size = data == NULL ? 0 : size;
    op->is_write = data != NULL;
    if (data != NULL)
        memcpy(op->data, data, size);
    *node->ops_end = op;
    node->ops_end = &op->next;
    node->live_size = data == NULL                      ? offset
                      : offset + size > node->live_size ? offset + size
                                                        : node->live_size;
}

static void
file_apply(buffer *bytes, const file_op *op)
{
    if (op->is_write)
        bytes_write(bytes, op->offset, op->data, op->size);
    else
        bytes_resize(bytes, op->offset);
}

static void
file_forget(inode *node)
{
    while (node->ops != NULL) {
        file_op *next = node->ops->next;

        free(node->ops);
        node->ops = next;
    }
    node->ops_end = &node->ops;
}

static inode *
inode_new(fault_os *self)
{
    inode *node = calloc(1, sizeof *node);

    OCT_MUST(node != NULL);
    node->ops_end = &node->ops;
    node->next = self->inodes;
    self->inodes = node;
    return node;
}

/* Only files that have a name take room. */
static uint64_t
live_bytes(const fault_os *self)
{
    uint64_t bytes = 0;

    for (const name *at = self->live_names; at != NULL; at = at->next)
        bytes += at->file == NULL ? 0 : at->file->live_size;
    return bytes;
}

static oct_status
check_room(const fault_os *self, const inode *node, uint64_t end, oct_error *error)
{
    if (self->limit != UINT64_MAX && end > node->live_size &&
        live_bytes(self) + (end - node->live_size) > self->limit)
        return oct_fail(error, OCT_FULL, "the disk of %llu bytes is full", (unsigned long long)self->limit);
    return OCT_OK;
}

/* --- the table of functions ---------------------------------------------------------------- */

static oct_status
fault_open(os *base, const char *path, unsigned flags, os_file **out, oct_error *error)
{
    fault_os   *self = enter(base);
    oct_status  status = begin(self, "open", path, error);
    fault_file *file = NULL;
    const name *known;

    if (status != OCT_OK)
        return leave(self, status);
    file = calloc(1, sizeof *file);
    OCT_MUST(file != NULL);
    status = os_open(self->live, path, flags, &file->live, error);
    if (status != OCT_OK) {
        free(file);
        return leave(self, status);
    }
    known = name_find(self->live_names, path);
    if (known == NULL) {
        file->node = inode_new(self);
        name_note(self, NULL, path, file->node);
    } else {
        file->node = known->file;
        if ((flags & OS_TRUNCATE) != 0)
            file_note(file->node, 0, NULL, 0);
    }
    file->base = (os_file){base->ops, base, file->live->path};
    *out = &file->base;
    return leave(self, OCT_OK);
}

static void
fault_close(os_file *base)
{
    fault_os   *self = enter(base->system);
    fault_file *file = file_of(base);

    os_close(file->live);
    free(file);
    (void)leave(self, OCT_OK);
}

static oct_status
fault_read(os_file *base, uint64_t offset, void *data, size_t size, size_t *got, oct_error *error)
{
    fault_os  *self = enter(base->system);
    oct_status status = begin(self, "read", base->path, error);

    if (status == OCT_OK)
        status = os_read(file_of(base)->live, offset, data, size, got, error);
    return leave(self, status);
}

static oct_status
fault_write(os_file *base, uint64_t offset, const void *data, size_t size, oct_error *error)
{
    fault_os   *self = enter(base->system);
    fault_file *file = file_of(base);
    oct_status  status = begin(self, "write", base->path, error);

    if (status == OCT_OK)
        status = check_room(self, file->node, offset + size, error);
    else
        size /= 2; /* what a failed write has done */
    if (size > 0 && check_room(self, file->node, offset + size, NULL) == OCT_OK) {
        const oct_status written = os_write(file->live, offset, data, size, status == OCT_OK ? error : NULL);

        if (written == OCT_OK)
            file_note(file->node, offset, data, size);
        else if (status == OCT_OK)
            status = written;
    }
    if (status == OCT_OK) {
        self->counts.writes++;
        self->counts.bytes_written += size;
    }
    return leave(self, status);
}

/* Without the lock. */
static void
tell_watch(os *base)
{
    const fault_os *self = (fault_os *)(void *)base;

    if (self->watch != NULL)
        self->watch(self->watch_context);
}

static fault_os *
enter_sync(os *base)
{
    tell_watch(base);
    return enter(base);
}

static oct_status
fault_sync(os_file *base, oct_error *error)
{
    fault_os      *self = enter_sync(base->system);
    inode         *node = file_of(base)->node;
    const uint32_t delay_us = self->sync_us;
    oct_status     status = begin(self, "sync", base->path, error);

    if (delay_us > 0 &&
        status == OCT_OK) { /* others go on meanwhile, and a crash finds the writes unsynced */
        (void)leave(self, OCT_OK);
        (void)usleep(delay_us);
        self = enter(base->system);
    }
    if (status == OCT_OK) {
        self->counts.syncs++;
        for (const file_op *op = node->ops; op != NULL; op = op->next)
            file_apply(&node->synced, op);
        file_forget(node);
    }
    return leave(self, status);
}

static oct_status
fault_size(os_file *base, uint64_t *out, oct_error *error)
{
    fault_os  *self = enter(base->system);
    oct_status status = begin(self, "find the size of", base->path, error);

    if (status == OCT_OK)
        status = os_size(file_of(base)->live, out, error);
    return leave(self, status);
}

static oct_status
fault_truncate(os_file *base, uint64_t size, oct_error *error)
{
    fault_os   *self = enter(base->system);
    fault_file *file = file_of(base);
    oct_status  status = begin(self, "set the size of", base->path, error);

    if (status == OCT_OK)
        status = check_room(self, file->node, size, error);
    if (status == OCT_OK)
        status = os_truncate(file->live, size, error);
    if (status == OCT_OK)
        file_note(file->node, size, NULL, 0);
    return leave(self, status);
}

static oct_status
fault_reserve(os_file *base, uint64_t offset, uint64_t size, oct_error *error)
{
    fault_os   *self = enter(base->system);
    fault_file *file = file_of(base);
    oct_status  status = begin(self, "reserve space in", base->path, error);

    if (status == OCT_OK)
        status = check_room(self, file->node, offset + size, error);
    if (status == OCT_OK)
        status = os_reserve(file->live, offset, size, error);
    if (status == OCT_OK && offset + size > file->node->live_size)
        file_note(file->node, offset + size, NULL, 0);
    return leave(self, status);
}

static oct_status
fault_map(os_file *base, uint64_t offset, size_t size, void *at, void **out, oct_error *error)
{
    fault_os  *self = enter(base->system);
    oct_status status = begin(self, "map", base->path, error);

    if (status == OCT_OK)
        status = os_map(file_of(base)->live, offset, size, at, out, error);
    return leave(self, status);
}

static void
fault_unmap(os *base, void *memory, size_t size)
{
    os_unmap(((fault_os *)(void *)base)->live, memory, size);
}

static oct_status
fault_rename(os *base, const char *from, const char *to, oct_error *error)
{
    fault_os  *self = enter(base);
    oct_status status = begin(self, "rename", from, error);

    if (status == OCT_OK)
        status = os_rename(self->live, from, to, error);
    if (status == OCT_OK && strcmp(from, to) != 0)
        name_note(self, from, to, name_find(self->live_names, from)->file);
    return leave(self, status);
}

static oct_status
fault_remove(os *base, const char *path, oct_error *error)
{
    fault_os  *self = enter(base);
    oct_status status = begin(self, "remove", path, error);

    if (status == OCT_OK)
        status = os_remove(self->live, path, error);
    if (status == OCT_OK && name_find(self->live_names, path) != NULL)
        name_note(self, path, NULL, NULL);
    return leave(self, status);
}

static oct_status
fault_make_dir(os *base, const char *path, oct_error *error)
{
    fault_os  *self = enter(base);
    char       part[OS_PATH_MAX];
    oct_status status = begin(self, "make the folder", path, error);

    if (status == OCT_OK)
        status = os_make_dir(self->live, path, error);
    for (size_t i = 1; status == OCT_OK && i <= strlen(path); i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (name_find(self->live_names, part) == NULL)
            name_note(self, NULL, part, NULL);
    }
    return leave(self, status);
}

static oct_status
fault_remove_dir(os *base, const char *path, oct_error *error)
{
    fault_os  *self = enter(base);
    oct_status status = begin(self, "remove the folder", path, error);

    if (status == OCT_OK)
        status = os_remove_dir(self->live, path, error);
    if (status == OCT_OK && name_find(self->live_names, path) != NULL)
        name_note(self, path, NULL, NULL);
    return leave(self, status);
}

static oct_status
fault_list(os *base, const char *path, char ***names, size_t *count, oct_error *error)
{
    fault_os  *self = enter(base);
    oct_status status = begin(self, "list", path, error);

    if (status == OCT_OK)
        status = os_list(self->live, path, names, count, error);
    return leave(self, status);
}

static oct_status
fault_sync_dir(os *base, const char *path, oct_error *error)
{
    fault_os  *self = enter_sync(base);
    oct_status status = begin(self, "sync the folder", path, error);

    if (status == OCT_OK)
        status = os_sync_dir(self->live, path, error);
    if (status == OCT_OK) {
        self->counts.dir_syncs++;
        for (name_op **link = &self->name_ops; *link != NULL;) {
            name_op *op = *link;

            if (strcmp(op->folder, strcmp(path, "/") == 0 ? "" : path) != 0) {
                link = &op->next;
                continue;
            }
            name_apply(&self->durable_names, op);
            *link = op->next;
            free(op);
        }
        self->name_ops_end = &self->name_ops;
        while (*self->name_ops_end != NULL)
            self->name_ops_end = &(*self->name_ops_end)->next;
    }
    return leave(self, status);
}

static oct_status
fault_lock(os *base, const char *path, os_file **out, oct_error *error)
{
    fault_os   *self = enter(base);
    oct_status  status = begin(self, "lock", path, error);
    fault_file *file;

    if (status != OCT_OK)
        return leave(self, status);
    file = calloc(1, sizeof *file);
    OCT_MUST(file != NULL);
    status = os_lock(self->live, path, &file->live, error);
    if (status == OCT_OK) {
        if (name_find(self->live_names, path) == NULL)
            name_note(self, NULL, path, inode_new(self));
        file->node = name_find(self->live_names, path)->file;
        file->base = (os_file){base->ops, base, file->live->path};
        *out = &file->base;
    } else {
        free(file);
    }
    return leave(self, status);
}

static uint64_t
fault_clock_ns(os *base)
{
    return os_clock_ns(((fault_os *)(void *)base)->live);
}

static void
fault_random(os *base, void *data, size_t size)
{
    os_random(((fault_os *)(void *)base)->live, data, size);
}

static void
names_free(name **list)
{
    while (*list != NULL) {
        name *next = (*list)->next;

        free(*list);
        *list = next;
    }
}

static void
fault_destroy(os *base)
{
    fault_os *self = (fault_os *)(void *)base;

    while (self->inodes != NULL) {
        inode *next = self->inodes->next;

        file_forget(self->inodes);
        free(self->inodes->synced.data);
        free(self->inodes);
        self->inodes = next;
    }
    while (self->name_ops != NULL) {
        name_op *next = self->name_ops->next;

        free(self->name_ops);
        self->name_ops = next;
    }
    names_free(&self->live_names);
    names_free(&self->durable_names);
    os_free(self->live);
    OCT_MUST(pthread_mutex_destroy(&self->lock) == 0);
    free(self);
}

static uint64_t
fault_room(os *base, const char *path)
{
    fault_os *self = enter(base);
    uint64_t  room = UINT64_MAX;

    (void)path;
    if (self->limit != UINT64_MAX)
        room = self->limit > live_bytes(self) ? self->limit - live_bytes(self) : 0;
    (void)leave(self, OCT_OK);
    return room;
}

os *
os_fault_new(void)
{
    static const os_ops ops = {
        fault_open,     fault_close,    fault_read,     fault_write,      fault_sync,
        fault_size,     fault_truncate, fault_reserve,  fault_map,        fault_unmap,
        fault_rename,   fault_remove,   fault_make_dir, fault_remove_dir, fault_list,
        fault_sync_dir, fault_lock,     fault_clock_ns, fault_random,     fault_room,
        fault_destroy,
    };
    fault_os *self = calloc(1, sizeof *self);

    OCT_MUST(self != NULL && os_memory_new(&self->live, NULL) == OCT_OK);
    OCT_MUST(pthread_mutex_init(&self->lock, NULL) == 0);
    self->base = (os){&ops, false};
    self->name_ops_end = &self->name_ops;
    self->fail_at = UINT64_MAX;
    self->limit = UINT64_MAX;
    return &self->base;
}

/* --- the crash ----------------------------------------------------------------------------- */

/* One unsynced operation meets the end of the power. */
static void
survive(buffer *bytes, const file_op *op, test_rng *rng)
{
    const uint64_t fate = test_below(rng, 8);
    uint64_t       prefix = UINT64_MAX, sector = 0;

    if (fate < 3)
        return; /* dropped */
    if (fate < 6 || !op->is_write) {
        file_apply(bytes, op);
        return;
    }
    /* Torn: the first sectors only, or any. */
    if (fate == 6)
        prefix = test_below(rng, op->size / OS_FAULT_SECTOR_BYTES + 2);
    for (uint64_t at = op->offset, end; at < op->offset + op->size; at = end, sector++) {
        end = (at / OS_FAULT_SECTOR_BYTES + 1) * OS_FAULT_SECTOR_BYTES;
        end = end > op->offset + op->size ? op->offset + op->size : end;
        if (prefix == UINT64_MAX ? test_below(rng, 2) == 0 : sector < prefix)
            bytes_write(bytes, at, op->data + (at - op->offset), (size_t)(end - at));
    }
}

/* Is every folder above `path` in the list? */
static bool
is_reachable(name *list, const char *path)
{
    char folder[OS_PATH_MAX];

    for (parent_of(folder, path); folder[0] != '\0' && strcmp(folder, ".") != 0; parent_of(folder, folder)) {
        const name *at = name_find(list, folder);

        if (at == NULL || at->file != NULL)
            return false;
    }
    return true;
}

static void
copy_file(os *to, const char *path, const inode *node, test_rng *rng)
{
    buffer   bytes = {0};
    os_file *file;

    bytes_write(&bytes, 0, node->synced.data == NULL ? "" : node->synced.data, node->synced.size);
    for (const file_op *op = node->ops; op != NULL; op = op->next)
        survive(&bytes, op, rng);
    OCT_MUST(os_open(to, path, OS_CREATE, &file, NULL) == OCT_OK);
    OCT_MUST(os_write(file, 0, bytes.data, bytes.size, NULL) == OCT_OK);
    OCT_MUST(os_sync(file, NULL) == OCT_OK);
    os_close(file);
    free(bytes.data);
}

os *
os_fault_crash(os *base, test_rng *rng)
{
    fault_os *self = enter(base);
    os       *made = os_fault_new();
    fault_os *image = (fault_os *)(void *)made;
    name     *names = NULL;
    name_op  *op;

    for (const name *at = self->durable_names; at != NULL; at = at->next)
        name_add(&names, at->path, at->file);
    for (op = self->name_ops; op != NULL; op = op->next) {
        if (test_below(rng, 2) == 0)
            name_apply(&names, op);
    }
    /* Folders first; os_make_dir makes those above too, which are there anyway. */
    for (const name *at = names; at != NULL; at = at->next) {
        if (at->file == NULL && is_reachable(names, at->path))
            OCT_MUST(os_make_dir(made, at->path, NULL) == OCT_OK);
    }
    for (const name *at = names; at != NULL; at = at->next) {
        if (at->file != NULL && is_reachable(names, at->path))
            copy_file(made, at->path, at->file, rng);
    }
    names_free(&names);

    /* What is on the new disk is there for good. */
    for (op = image->name_ops; op != NULL; op = image->name_ops) {
        name_apply(&image->durable_names, op);
        image->name_ops = op->next;
        free(op);
    }
    image->name_ops_end = &image->name_ops;
    image->counts = (os_fault_counts){0};
    (void)leave(self, OCT_OK);
    return made;
}

/* --- control ------------------------------------------------------------------------------- */

void
os_fault_fail_at(os *base, uint64_t n, oct_status status, bool sticky)
{
    fault_os *self = enter(base);

    self->fail_at = n == UINT64_MAX ? UINT64_MAX : self->counts.calls + n;
    self->fail_status = status;
    self->fail_sticky = sticky;
    self->has_failed = false;
    (void)leave(self, OCT_OK);
}

void
os_fault_on_sync(os *base, os_fault_watch watch, void *context)
{
    fault_os *self = enter(base);

    self->watch = watch;
    self->watch_context = context;
    (void)leave(self, OCT_OK);
}

bool
os_fault_has_failed(os *base)
{
    fault_os  *self = enter(base);
    const bool failed = self->has_failed;

    (void)leave(self, OCT_OK);
    return failed;
}

void
os_fault_limit(os *base, uint64_t bytes)
{
    fault_os *self = enter(base);

    self->limit = bytes;
    (void)leave(self, OCT_OK);
}

void
os_fault_slow_sync(os *base, uint32_t microseconds)
{
    fault_os *self = enter(base);

    self->sync_us = microseconds;
    (void)leave(self, OCT_OK);
}

uint64_t
os_fault_bytes(os *base)
{
    fault_os      *self = enter(base);
    const uint64_t bytes = live_bytes(self);

    (void)leave(self, OCT_OK);
    return bytes;
}

os_fault_counts
os_fault_count(os *base)
{
    fault_os             *self = enter(base);
    const os_fault_counts counts = self->counts;

    (void)leave(self, OCT_OK);
    return counts;
}
