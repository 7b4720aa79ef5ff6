/* auth.h - who may do what: API keys. */
#ifndef OCT_AUTH_H
#define OCT_AUTH_H

#include "base/base.h"
#include "server/request_class.h"

/* Slices into the configuration; size 0: not set. With none set, everybody may do everything. */
typedef struct auth_keys {
    oct_slice full;
    oct_slice alternative; /* as good as `full`, so that keys can be changed without a gap */
    oct_slice read_only;
} auth_keys;

typedef enum auth_verdict {
    AUTH_ALLOWED,
    AUTH_MISSING,  /* 401: no key was given */
    AUTH_WRONG,    /* 401: it is none of ours */
    AUTH_FORBIDDEN /* 403: a read-only key tried to write */
} auth_verdict;

/* `api_key` and `authorization` are the headers' values (data NULL: absent); the first counts if both are
 * there. Takes the same time whatever the key, so that it cannot be found byte by byte. */
auth_verdict auth_decide(const auth_keys *keys, oct_slice api_key, oct_slice authorization,
                         request_class wanted);

#endif
