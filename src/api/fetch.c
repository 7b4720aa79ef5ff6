/* The bytes behind a URL, by libcurl, which is loaded when it is first needed.
 *
 * WHY      Only the recovery of a snapshot from elsewhere needs HTTP and TLS as a client. A library that is embedded must not
 *          bring them along for that, nor must the server fail to start without them: docs/decisions/0013-fetch.md.
 * ABI      The few functions and numbers used are declared here. libcurl promises not to change them
 *          ("symbols-in-versions" and its ABI policy: version 4 of the library since 2006).
 * THREADS  Any. The library is loaded once and stays.
 */
#include "api/api.h"

#include <dlfcn.h>
#include <pthread.h>

#define CURL_GLOBAL_ALL_BITS    3L
#define CURL_OPT_URL            10002
#define CURL_OPT_WRITE_FUNCTION 20011
#define CURL_OPT_WRITE_DATA     10001
#define CURL_OPT_HEADERS        10023
#define CURL_OPT_FAIL_ON_ERROR  45
#define CURL_OPT_FOLLOW         52
#define CURL_OPT_MAX_REDIRECTS  68
#define CURL_OPT_CONNECT_MS     156
#define CURL_OPT_NO_SIGNAL      99
#define CURL_OPT_LOW_LIMIT      19
#define CURL_OPT_LOW_TIME       20
#define CURL_OPT_PROTOCOLS      181
#define CURL_OPT_REDIRECTS_TO   182
#define CURL_OPT_ERROR_BUFFER   10010
#define CURL_HTTP_AND_HTTPS     3L
#define CURL_ERROR_BYTES        256u

#define CONNECT_MS    10000L
#define STALL_SECONDS 30L /* without a kilobyte a second it is given up */
#define REDIRECTS_MAX 5L

typedef struct curl_functions {
    int (*global_init)(long flags);
    void *(*easy_init)(void);
    int (*easy_setopt)(void *handle, int option, ...);
    int (*easy_perform)(void *handle);
    void (*easy_cleanup)(void *handle);
    const char *(*easy_strerror)(int code);
    void *(*slist_append)(void *list, const char *text);
    void (*slist_free_all)(void *list);
} curl_functions;

static pthread_once_t loaded_once = PTHREAD_ONCE_INIT;
static curl_functions curl;
static bool           is_loaded;

static void
load(void)
{
    static const char *const names[] = {"libcurl.so.4", "libcurl-gnutls.so.4"};
    static const struct {
        const char *name;
        void       *at;
    } symbols[] = {
        {"curl_global_init", &curl.global_init},     {"curl_easy_init", &curl.easy_init},
        {"curl_easy_setopt", &curl.easy_setopt},     {"curl_easy_perform", &curl.easy_perform},
        {"curl_easy_cleanup", &curl.easy_cleanup},   {"curl_easy_strerror", &curl.easy_strerror},
        {"curl_slist_append", &curl.slist_append},   {"curl_slist_free_all", &curl.slist_free_all},
    };
    void *library = NULL;

    for (size_t i = 0; i < countof(names) && library == NULL; i++)
        library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        return;
    for (size_t i = 0; i < countof(symbols); i++) {
        void *found = dlsym(library, symbols[i].name);

        if (found == NULL)
            return;
        memcpy(symbols[i].at, &found, sizeof found); /* C knows no cast from data to function */
    }
    is_loaded = curl.global_init(CURL_GLOBAL_ALL_BITS) == 0;
}

typedef struct fetching {
    oct_file  *to;
    oct_error *error;
    oct_status status;
} fetching;

static size_t
take(char *data, size_t size, size_t count, void *context)
{
    fetching *self = context;

    self->status = oct_file_write(self->to, data, size * count, self->error);
    return self->status == OCT_OK ? size * count : 0;
}

oct_status
fetch_url(oct_slice url, oct_slice key, struct oct_file *to, oct_error *error)
{
    fetching   work = {to, error, OCT_OK};
    char       why[CURL_ERROR_BYTES] = "";
    char      *text = NULL, *header = NULL;
    void      *handle = NULL, *headers = NULL;
    int        result;
    oct_status status = OCT_OK;

    (void)pthread_once(&loaded_once, load);
    if (!is_loaded)
        return oct_fail(error, OCT_UNSUPPORTED,
                        "recovering from a URL needs libcurl (libcurl.so.4), which is not on this machine: install it, or "
                        "fetch the snapshot and upload it");
    for (size_t i = 0; i < key.size; i++) {
        if ((unsigned char)key.data[i] < ' ')
            return oct_fail(error, OCT_BAD_REQUEST, "api_key must not hold control characters");
    }
    text = oct_copy_text(url.data, url.size);
    header = oct_alloc(key.size + sizeof "api-key: ");
    handle = curl.easy_init();
    if (text == NULL || header == NULL || handle == NULL) {
        status = oct_fail_memory(error, url.size);
        goto out;
    }
    memcpy(header, "api-key: ", 9);
    if (key.size > 0)
        memcpy(header + 9, key.data, key.size);
    header[9 + key.size] = '\0';
    if (key.size > 0) {
        headers = curl.slist_append(NULL, header);
        if (headers == NULL) {
            status = oct_fail_memory(error, key.size);
            goto out;
        }
    }
    (void)curl.easy_setopt(handle, CURL_OPT_URL, text);
    (void)curl.easy_setopt(handle, CURL_OPT_WRITE_FUNCTION, take);
    (void)curl.easy_setopt(handle, CURL_OPT_WRITE_DATA, &work);
    (void)curl.easy_setopt(handle, CURL_OPT_HEADERS, headers);
    (void)curl.easy_setopt(handle, CURL_OPT_FAIL_ON_ERROR, 1L);
    /* A key must not follow to wherever the source points. */
    (void)curl.easy_setopt(handle, CURL_OPT_FOLLOW, key.size > 0 ? 0L : 1L);
    (void)curl.easy_setopt(handle, CURL_OPT_MAX_REDIRECTS, REDIRECTS_MAX);
    (void)curl.easy_setopt(handle, CURL_OPT_CONNECT_MS, CONNECT_MS);
    (void)curl.easy_setopt(handle, CURL_OPT_NO_SIGNAL, 1L);
    (void)curl.easy_setopt(handle, CURL_OPT_LOW_LIMIT, 1024L);
    (void)curl.easy_setopt(handle, CURL_OPT_LOW_TIME, STALL_SECONDS);
    (void)curl.easy_setopt(handle, CURL_OPT_PROTOCOLS, CURL_HTTP_AND_HTTPS);
    (void)curl.easy_setopt(handle, CURL_OPT_REDIRECTS_TO, CURL_HTTP_AND_HTTPS);
    (void)curl.easy_setopt(handle, CURL_OPT_ERROR_BUFFER, why);
    result = curl.easy_perform(handle);
    if (work.status != OCT_OK)
        status = work.status; /* told already */
    else if (result != 0)
        status = oct_fail(error, OCT_BAD_REQUEST, "Failed to download snapshot from %.300s: %s", text,
                          why[0] != '\0' ? why : curl.easy_strerror(result));
out:
    if (handle != NULL)
        curl.easy_cleanup(handle);
    if (headers != NULL)
        curl.slist_free_all(headers);
    oct_free(header);
    oct_free(text);
    return status;
}
