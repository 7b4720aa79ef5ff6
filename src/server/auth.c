/* See auth.h. */
#include "server/auth.h"

/* Every byte of `given` is looked at, so the time tells its length, which its sender knows. */
static bool
same_key(oct_slice given, oct_slice key)
{
    size_t difference = given.size ^ key.size;

    if (key.size == 0)
        return false;
    for (size_t i = 0; i < given.size; i++)
        difference |= (size_t)(unsigned char)(given.data[i] ^ key.data[i % key.size]);
    return difference == 0;
}

/* The token of "Bearer TOKEN"; data NULL if it is something else. */
static oct_slice
bearer_token(oct_slice authorization)
{
    static const char scheme[] = "bearer ";
    const size_t      size = sizeof scheme - 1;

    if (authorization.size < size)
        return (oct_slice){NULL, 0};
    for (size_t i = 0; i < size; i++) {
        const char c = authorization.data[i];

        if ((c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c) != scheme[i])
            return (oct_slice){NULL, 0};
    }
    return (oct_slice){authorization.data + size, authorization.size - size};
}

auth_verdict
auth_decide(const auth_keys *keys, oct_slice api_key, oct_slice authorization, request_class wanted)
{
    const oct_slice given = api_key.data != NULL ? api_key : bearer_token(authorization);
    bool            is_full, is_alternative, is_read_only;

    if (keys->full.size + keys->alternative.size + keys->read_only.size == 0 || wanted.is_open)
        return AUTH_ALLOWED;
    if (given.data == NULL)
        return AUTH_MISSING;
    is_full = same_key(given, keys->full); /* all three are looked at, whichever fits */
    is_alternative = same_key(given, keys->alternative);
    is_read_only = same_key(given, keys->read_only);
    if (is_full || is_alternative)
        return AUTH_ALLOWED;
    if (!is_read_only)
        return AUTH_WRONG;
    return wanted.is_write ? AUTH_FORBIDDEN : AUTH_ALLOWED;
}
