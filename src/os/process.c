/* See process.h. Linux; elsewhere what it does not know stays 0. */
#include "os/process.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

/* The number behind `name` in a file of lines "Name:  123 kB". */
static uint64_t
number_in(const char *path, const char *name)
{
    FILE     *file = fopen(path, "r");
    char      line[256];
    uint64_t  number = 0;
    long long value;

    if (file == NULL)
        return 0;
    while (number == 0 && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, name, strlen(name)) == 0 && sscanf(line + strlen(name), "%lld", &value) == 1 && value > 0)
            number = (uint64_t)value;
    (void)fclose(file);
    return number;
}

static uint64_t
count_lines(const char *path)
{
    FILE    *file = fopen(path, "r");
    uint64_t count = 0;
    int      c;

    if (file == NULL)
        return 0;
    while ((c = getc(file)) != EOF)
        count += c == '\n';
    (void)fclose(file);
    return count;
}

static uint64_t
count_entries(const char *path)
{
    DIR     *folder = opendir(path);
    uint64_t count = 0;

    if (folder == NULL)
        return 0;
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;)
        count += entry->d_name[0] != '.';
    (void)closedir(folder);
    return count > 0 ? count - 1 : 0; /* the folder itself was open */
}

uint64_t
process_private_bytes(void)
{
    return number_in("/proc/self/status", "RssAnon:") * 1024;
}

void
process_trim(void)
{
#if defined(__GLIBC__)
    (void)malloc_trim(0);
#endif
}

void
process_describe(process_stats *out)
{
    struct rlimit files;
    struct rusage usage;

    *out = (process_stats){.resident_bytes = number_in("/proc/self/status", "VmRSS:") * 1024,
                           .threads = number_in("/proc/self/status", "Threads:"),
                           .open_files = count_entries("/proc/self/fd"),
                           .maps = count_lines("/proc/self/maps"),
                           .maps_max = number_in("/proc/sys/vm/max_map_count", ""),
                           .machine_ram_bytes = number_in("/proc/meminfo", "MemTotal:") * 1024};
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur != RLIM_INFINITY)
        out->open_files_max = files.rlim_cur;
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        out->minor_faults = (uint64_t)usage.ru_minflt;
        out->major_faults = (uint64_t)usage.ru_majflt;
    }
    if (sysconf(_SC_NPROCESSORS_ONLN) > 0)
        out->cpus = (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
#if defined(__GLIBC__)
    {
        const struct mallinfo2 heap = mallinfo2();

        out->allocated_bytes = heap.uordblks + heap.hblkhd;
        out->active_bytes = heap.arena + heap.hblkhd;
        out->retained_bytes = heap.fordblks;
    }
#endif
}

const char *
process_container(void)
{
    if (getenv("KUBERNETES_SERVICE_HOST") != NULL)
        return "kubernetes";
    if (access("/.dockerenv", F_OK) == 0)
        return "docker";
    return access("/run/.containerenv", F_OK) == 0 ? "other" : "none";
}

bool
process_disk(const char *path, uint64_t *used, uint64_t *total)
{
    struct statvfs found;

    if (path == NULL || statvfs(path, &found) != 0 || found.f_blocks == 0)
        return false;
    *total = (uint64_t)found.f_blocks * found.f_frsize;
    *used = *total - (uint64_t)found.f_bavail * found.f_frsize;
    return true;
}
