/* Keys, and the kinds of requests they open. */
#include "server/auth.h"
#include "support/test.h"

/* Goal: each kind of request is known by method and path; what is not known is a long write. */
TEST(requests_are_classified)
{
    static const struct {
        const char *method, *target;
        const char *want; /* l long, w write, o open */
    } cases[] = {
        {"GET", "/", "o"},
        {"GET", "/?a=b", "o"},
        {"GET", "/healthz", "o"},
        {"GET", "/healthz/x", ""},
        {"GET", "/readyz?verbose", "o"},
        {"GET", "/livez/anything", "o"},
        {"GET", "/dashboard/assets/a.js", "o"},
        {"GET", "/collections", ""},
        {"HEAD", "/collections/a", ""},
        {"OPTIONS", "/collections/a", ""},
        {"PUT", "/collections/a", "lw"},
        {"PATCH", "/collections/a", "lw"},
        {"DELETE", "/collections/a", "lw"},
        {"POST", "/collections/aliases", "lw"},
        {"PUT", "/collections/a/points?wait=true", "lw"},
        {"POST", "/collections/a/points", ""},
        {"POST", "/collections/a/points/", ""},
        {"POST", "/collections/a/points?consistency=1", ""},
        {"POST", "/collections/a%20b/points/search", ""},
        {"POST", "/collections/a/points/search/", ""},
        {"POST", "/collections/a/points/search//", "lw"},
        {"POST", "/collections/a/points/query", ""},
        {"POST", "/collections/a/points/query/batch", "l"},
        {"POST", "/collections/a/points/scroll", "l"},
        {"POST", "/collections/a/points/count", "l"},
        {"POST", "/collections/a/points/delete", "lw"},
        {"POST", "/collections/a/points/batch", "lw"},
        {"POST", "/collections/a/points/payload", "lw"},
        {"POST", "/collections/a/points/vectors/delete", "lw"},
        {"POST", "/collections//points", "lw"},
        {"POST", "/collections/a%2Fpoints%2fdelete/points", "lw"},
        {"POST", "/collections/a/p%6Fints/search", "lw"},
        {"POST", "/collections/a/points/search?x=/../../delete", ""},
        {"POST", "/collections/a/b/points/search", "lw"},
        {"PUT", "/collections/a/points/search", "lw"},
        {"GET", "/collections/a/snapshots/b", "l"},
        {"GET", "/metrics", "l"},
        {"POST", "/unknown", "lw"},
        {"POST", "", "lw"},
    };

    for (size_t i = 0; i < countof(cases); i++) {
        const request_class got = request_class_of(slice_of(cases[i].method), slice_of(cases[i].target));
        const bool          same = got.is_long == (strchr(cases[i].want, 'l') != NULL) &&
                          got.is_write == (strchr(cases[i].want, 'w') != NULL) &&
                          got.is_open == (strchr(cases[i].want, 'o') != NULL);

        CHECK_MSG(same, "%s %s: long %d, write %d, open %d", cases[i].method, cases[i].target, got.is_long,
                  got.is_write, got.is_open);
    }
}

static auth_verdict
ask(const auth_keys *keys, const char *api_key, const char *authorization, bool is_write)
{
    const oct_slice none = {NULL, 0};

    return auth_decide(keys, api_key == NULL ? none : slice_of(api_key),
                       authorization == NULL ? none : slice_of(authorization),
                       (request_class){.is_write = is_write});
}

/* Goal: each key opens what it should, by either header, and near misses open nothing. */
TEST(keys_open_what_they_should)
{
    const auth_keys none = {.full = {NULL, 0}};
    const auth_keys all = {
        .full = slice_of("secret"), .alternative = slice_of("other"), .read_only = slice_of("look")};
    const auth_keys look_only = {.read_only = slice_of("look")};

    CHECK_INT(ask(&none, NULL, NULL, true), AUTH_ALLOWED);
    CHECK_INT(ask(&none, "whatever", NULL, true), AUTH_ALLOWED);
    CHECK_INT(ask(&all, NULL, NULL, false), AUTH_MISSING);
    CHECK_INT(ask(&all, NULL, "Basic c2VjcmV0", false), AUTH_MISSING);
    CHECK_INT(ask(&all, "secret", NULL, true), AUTH_ALLOWED);
    CHECK_INT(ask(&all, "other", NULL, true), AUTH_ALLOWED);
    CHECK_INT(ask(&all, NULL, "Bearer secret", true), AUTH_ALLOWED);
    CHECK_INT(ask(&all, NULL, "bearer secret", true), AUTH_ALLOWED);
    CHECK_INT(ask(&all, "wrong", "Bearer secret", false), AUTH_WRONG);
    CHECK_INT(ask(&all, "", NULL, false), AUTH_WRONG);
    CHECK_INT(ask(&all, "secre", NULL, false), AUTH_WRONG);
    CHECK_INT(ask(&all, "secrets", NULL, false), AUTH_WRONG);
    CHECK_INT(ask(&all, "secretsecret", NULL, false), AUTH_WRONG);
    CHECK_INT(ask(&all, "SECRET", NULL, false), AUTH_WRONG);
    CHECK_INT(ask(&all, "look", NULL, false), AUTH_ALLOWED);
    CHECK_INT(ask(&all, "look", NULL, true), AUTH_FORBIDDEN);
    CHECK_INT(ask(&look_only, NULL, NULL, false), AUTH_MISSING);
    CHECK_INT(ask(&look_only, "", NULL, true), AUTH_WRONG);
    CHECK_INT(auth_decide(&all, (oct_slice){NULL, 0}, (oct_slice){NULL, 0}, (request_class){.is_open = true}),
              AUTH_ALLOWED);
}
