/* process.h - what the kernel knows of this process and this machine, for telemetry, metrics and quotas. */
#ifndef OCT_PROCESS_H
#define OCT_PROCESS_H

#include "base/base.h"

typedef struct process_stats { /* 0: not known here */
    uint64_t resident_bytes, allocated_bytes, active_bytes, retained_bytes;
    uint64_t threads, open_files, open_files_max, maps, maps_max, minor_faults, major_faults;
    uint64_t machine_ram_bytes, cpus;
} process_stats;

void process_describe(process_stats *out);

/* What this process runs in, by the marks that container runtimes leave: "docker", "kubernetes", "other" or "none". */
const char *process_container(void);

/* Private memory in use now: what the kernel cannot get back. 0: not known here. Quick enough for every few milliseconds. */
uint64_t process_private_bytes(void);
/* Give what the allocator keeps of freed memory back to the system, where it can. */
void process_trim(void);

/* Bytes of the file system that holds `path`. False: not known. */
bool process_disk(const char *path, uint64_t *used, uint64_t *total);

#endif
