/* stop_lists.h - the words that are too frequent to search for, by language. */
#ifndef OCT_TEXT_STOP_LISTS_H
#define OCT_TEXT_STOP_LISTS_H

#include "base/base.h"

typedef struct stop_list {
    const char *language;
    const char *short_name;
    size_t      count;
    const char *words; /* each ends in a line feed */
} stop_list;

extern const stop_list stop_lists[];
extern const size_t    stop_list_count;

#endif
