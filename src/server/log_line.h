/* log_line.h - one line of text to stderr: time, level, what happened.
 *
 *     2026-11-23T08:16:00.123Z WARN  config.yaml:7: unknown key "service.hots", ignored
 *
 * A line is one write, so lines of several threads do not mix. Control characters in it are shown as '?':
 * what a client sends cannot forge a second line.
 */
#ifndef OCT_LOG_LINE_H
#define OCT_LOG_LINE_H

#include "base/base.h"

typedef enum log_level {
    LOG_LEVEL_OFF,
    LOG_LEVEL_ERROR,
    LOG_LEVEL_WARN,
    LOG_LEVEL_INFO,
    LOG_LEVEL_DEBUG
} log_level;

#define LOG_LINE_BYTES_MAX 2048u /* longer lines are cut */

/* "OFF", "ERROR", "WARN", "INFO", "DEBUG" or "TRACE" (which is DEBUG here), in either case. */
bool log_level_read(const char *text, log_level *out);
const char *log_level_name(log_level level); /* "INFO" */
void log_line_limit(log_level level); /* print this level and graver ones; INFO until set */
bool log_line_is_on(log_level level);
void log_line(log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Tests: where lines go instead of stderr; negative: to stderr again. */
void log_line_to(int descriptor);

#endif
