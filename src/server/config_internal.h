/* config_internal.h - the table of keys, shared by config.c and config_yaml.c. */
#ifndef OCT_SERVER_CONFIG_INTERNAL_H
#define OCT_SERVER_CONFIG_INTERNAL_H

#include "octant_api.h"
#include "server/config.h"

typedef enum config_kind {
    CONFIG_TEXT,
    CONFIG_SECRET, /* empty or null: not set */
    CONFIG_NUMBER,
    CONFIG_NUMBER_OR_NULL,
    CONFIG_BYTES, /* a number, or one with KiB, MiB, GiB or TiB */
    CONFIG_BOOL,
    CONFIG_SECONDS, /* a decimal number, kept as milliseconds; null: -1 */
    CONFIG_LEVEL,
    CONFIG_SYNC,
    CONFIG_DEFAULT,   /* of new collections */
    CONFIG_NOT_TRUE,  /* true is refused: ignoring it would be unsafe */
    CONFIG_WARN_TRUE, /* true is ignored, with a word */
    CONFIG_IGNORED,
    CONFIG_IGNORED_TREE /* the key and everything below it */
} config_kind;

typedef struct config_key {
    const char *name; /* dotted */
    config_kind kind;
    size_t      offset; /* in server_config */
    int64_t     min, max;
} config_key;

extern const config_key config_keys[];
extern const size_t     config_key_count;

const config_key *config_key_find(oct_slice name);
bool              config_key_is_section(oct_slice name); /* some key begins with it and a dot */
oct_status config_key_set(server_config *self, const config_key *key, const char *value, const char *source,
                          oct_error *error);
void       config_key_unset(server_config    *self,
                            const config_key *key); /* null or empty; others keep their value */

#endif
