/* quota.h - how much of the machine's memory and disk this database may be at before it takes no more in.
 *
 * WHAT     A limit is a share of the whole machine or file system, in percent, as Qdrant's quotas are. Beyond it writes that
 *          add (not deletions, not reads) answer OCT_FULL, until use has fallen by the release margin.
 * KEPT     In quota.json beside the data, replaced whole; in memory only, for a database in memory.
 * COST     The kernel is asked once a second at most, and only when a quota is on.
 */
#ifndef OCT_COLLECTION_QUOTA_H
#define OCT_COLLECTION_QUOTA_H

#include <pthread.h>

#include "base/base.h"
#include "os/os.h"

typedef struct quota {
    pthread_mutex_t  lock; /* guards the next lines */
    oct_quota_config config;
    oct_quota_usage  usage;
    uint64_t         asked_ns; /* when usage was read; 0: never */
    atomic_bool      enabled;  /* config.enabled, to be looked at without the lock */
} quota;

void quota_init(quota *self);
void quota_clear(quota *self);
/* From the database's folder; what is not there is the default. OCT_CORRUPT names the file. */
oct_status quota_load(quota *self, os *system, const char *folder, oct_error *error);
oct_status quota_set(quota *self, os *system, const char *folder, const oct_quota_config *config, oct_error *error);
void       quota_get(quota *self, const char *folder, oct_quota_config *config, oct_quota_usage *usage);
/* Of the machine's memory, what this process takes, a second ago at most; -1: not known. */
int64_t quota_memory_percent(quota *self, const char *folder);
/* OCT_FULL if one is exceeded. */
oct_status quota_check(quota *self, const char *folder, oct_error *error);

#endif
