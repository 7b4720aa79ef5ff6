/* request_class.h - what kind of work a request is, from its method and path alone.
 *
 * The server must know three things before the api layer has seen the request: may it run on the event loop
 * (a search runs to completion on the thread that read it, anything that waits for the disk or walks much
 * data goes to the pool), does it change anything (a read-only key may not), and is it open to those without
 * a key. What the table does not know is taken for the worst: a long write.
 */
#ifndef OCT_REQUEST_CLASS_H
#define OCT_REQUEST_CLASS_H

#include "base/base.h"

typedef struct request_class {
    bool is_long;  /* belongs on a worker thread */
    bool is_write; /* changes data or settings */
    bool is_open;  /* needs no key: health checks, the front page, the web UI */
} request_class;

/* `method` in upper case; `target` with or without a query string. */
request_class request_class_of(oct_slice method, oct_slice target);

/* A snapshot's upload, whose body may have any size. */
bool request_is_upload(oct_slice method, oct_slice target);

#endif
