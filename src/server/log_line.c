/* See log_line.h. */
#include <errno.h>
#include <stdio.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "server/log_line.h"

static _Atomic int limit = LOG_LEVEL_INFO;
static _Atomic int output = STDERR_FILENO;

bool
log_level_read(const char *text, log_level *out)
{
    static const struct {
        const char *name;
        log_level   level;
    } names[] = {
        {"off", LOG_LEVEL_OFF},      {"error", LOG_LEVEL_ERROR}, {"warn", LOG_LEVEL_WARN},
        {"warning", LOG_LEVEL_WARN}, {"info", LOG_LEVEL_INFO},   {"debug", LOG_LEVEL_DEBUG},
        {"trace", LOG_LEVEL_DEBUG},
    };

    for (size_t i = 0; i < countof(names); i++) {
        if (strcasecmp(text, names[i].name) == 0) {
            *out = names[i].level;
            return true;
        }
    }
    return false;
}

const char *
log_level_name(log_level level)
{
    static const char *const names[] = {"OFF", "ERROR", "WARN", "INFO", "DEBUG"};

    return names[level];
}

void
log_line_limit(log_level level)
{
    atomic_store(&limit, (int)level);
}

bool
log_line_is_on(log_level level)
{
    return (int)level <= atomic_load_explicit(&limit, memory_order_relaxed);
}

void
log_line_to(int descriptor)
{
    atomic_store(&output, descriptor < 0 ? STDERR_FILENO : descriptor);
}

void
log_line(log_level level, const char *format, ...)
{
    static const char *const names[] = {"OFF  ", "ERROR", "WARN ", "INFO ", "DEBUG"};
    char                     line[LOG_LINE_BYTES_MAX];
    struct timespec          now;
    struct tm                date;
    va_list                  args;
    size_t                   size;
    int                      length;

    if (!log_line_is_on(level))
        return;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &date);
    size = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &date);
    length =
        snprintf(line + size, sizeof line - size, ".%03dZ %s ", (int)(now.tv_nsec / 1000000), names[level]);
    size += (size_t)length;
    va_start(args, format);
    length = vsnprintf(line + size, sizeof line - size, format, args);
    va_end(args);
    if (length > 0)
        size = size_min(size + (size_t)length, sizeof line - 1);
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7F)
            line[i] = '?';
    }
    line[size++] = '\n';
    for (size_t at = 0; at < size;) {
        const ssize_t done = write(atomic_load(&output), line + at, size - at);

        if (done < 0 && errno != EINTR)
            return; /* nobody listens: a log that cannot be written must not stop the server */
        at += done > 0 ? (size_t)done : 0;
    }
}
