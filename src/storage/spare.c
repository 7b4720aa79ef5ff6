/* Room kept back: see spare.h. */
#include "storage/spare.h"

#include <stdio.h>

oct_status
spare_init(spare *self, os *system, const char *folder, const char *name, uint64_t wanted, oct_error *error)
{
    char       path[OS_PATH_MAX];
    os_file   *file = NULL;
    oct_status status = os_path_join(path, folder, name, error);

    *self = (spare){.system = system, .wanted = wanted};
    if (status != OCT_OK)
        return status;
    self->path = oct_copy_text(path, strlen(path));
    if (self->path == NULL)
        return oct_fail_memory(error, strlen(path) + 1);
    /* A file that cannot be looked at holds nothing: the first to need it finds out why. */
    if (os_open(system, path, 0, &file, NULL) == OCT_OK && os_size(file, &self->held, NULL) != OCT_OK)
        self->held = 0;
    os_close(file);
    if (self->wanted < self->held)
        self->wanted = self->held;
    return OCT_OK;
}

void
spare_clear(spare *self)
{
    oct_free(self->path);
    *self = (spare){.system = NULL};
}

oct_status
spare_hold(spare *self, oct_error *error)
{
    os_file   *file;
    oct_status status;

    if (spare_is_held(self))
        return OCT_OK;
    status = os_open(self->system, self->path, OS_CREATE, &file, error);
    if (status != OCT_OK)
        return status;
    status = os_reserve(file, 0, self->wanted, error);
    os_close(file);
    if (status == OCT_OK)
        self->held = self->wanted;
    else if (self->held == 0)
        (void)os_remove(self->system, self->path, NULL);
    return status;
}

void
spare_shrink(spare *self, uint64_t wanted)
{
    os_file *file = NULL;

    if (self->held > wanted && os_open(self->system, self->path, OS_WRITE, &file, NULL) == OCT_OK &&
        os_truncate(file, wanted, NULL) == OCT_OK)
        self->held = wanted;
    os_close(file);
    if (self->held <= wanted)
        self->wanted = wanted;
}

bool
spare_release(spare *self)
{
    if (self->held == 0 || os_remove(self->system, self->path, NULL) != OCT_OK)
        return false;
    self->held = 0;
    return true;
}
