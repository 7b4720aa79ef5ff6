/* Goal:   text settings survive JSON and back, are shown as given, and what cannot be is told with its path.
 * Method: examples written, read and written again; copies after the originals are gone; errors by text. */
#include "config/text_config.h"

#include "support/test.h"

/* Decode, copy, forget the first, encode. The error's text if it fails. */
static const char *
through(const char *json)
{
    static char     line[1024];
    arena           first = {0}, second = {0};
    json_document   document = {0};
    oct_text_config config, copy;
    buffer          out = {0};
    oct_error       error = {0};
    oct_status      status = json_parse(slice_of(json), &document, &error);

    if (status == OCT_OK)
        status = text_config_decode(NULL, document.root, &first, &config, &error);
    if (status == OCT_OK)
        status = text_config_copy(&config, &second, &copy, &error);
    json_document_clear(&document);
    arena_clear(&first);
    if (status == OCT_OK) {
        buffer_add_byte(&out, '{');
        text_config_encode(&copy, &out);
        buffer_add_byte(&out, '}');
        (void)snprintf(line, sizeof line, "%.*s", (int)out.size, out.data);
    } else {
        (void)snprintf(line, sizeof line, "%s", error.text);
    }
    buffer_clear(&out);
    arena_clear(&second);
    return line;
}

TEST(text_settings_are_shown_as_given)
{
    static const char *const forms[] = {
        "{}",
        "{\"tokenizer\":\"multilingual\",\"min_token_len\":0,\"max_token_len\":20,\"lowercase\":false,\"ascii_folding\":true}",
        "{\"tokenizer\":\"prefix\",\"stopwords\":\"english\",\"stemmer\":{\"type\":\"snowball\",\"language\":\"armenian\"}}",
        "{\"stopwords\":{\"languages\":[\"english\",\"german\"],\"custom\":[\"a\",\"é\"]},\"stemmer\":{\"type\":\"none\"}}",
        "{\"stopwords\":{\"custom\":[]}}",
        "{\"stopwords\":{}}",
    };

    for (size_t i = 0; i < countof(forms); i++)
        CHECK_TEXT(through(forms[i]), forms[i]);
    CHECK_TEXT(through("{\"stopwords\":\"hi-en\",\"lowercase\":null,\"other\":1}"), "{\"stopwords\":\"hinglish\"}");
    CHECK_TEXT(through("{\"stopwords\":{\"languages\":[\"de\",\"en\",\"german\"],\"custom\":[\"b\",\"a\",\"b\"]}}"),
               "{\"stopwords\":{\"languages\":[\"english\",\"german\"],\"custom\":[\"a\",\"b\"]}}");
}

TEST(text_settings_that_cannot_be_are_told)
{
    static const struct {
        const char *json, *text;
    } bad[] = {
        {"{\"tokenizer\":\"letters\"}", "tokenizer: "},
        {"{\"lowercase\":1}", "lowercase: "},
        {"{\"min_token_len\":-1}", "min_token_len: "},
        {"{\"max_token_len\":70000}", "max_token_len: value 70000 invalid, must be 65535 or smaller"},
        {"{\"min_token_len\":3,\"max_token_len\":2}", "min_token_len: value 3 invalid, must not be above max_token_len 2"},
        {"{\"stopwords\":\"klingon\"}", "stopwords: unknown language of stop words \"klingon\""},
        {"{\"stopwords\":5}", "stopwords: invalid type"},
        {"{\"stopwords\":{\"languages\":[\"xx\"]}}", "stopwords.languages[0]: unknown language"},
        {"{\"stopwords\":{\"custom\":[1]}}", "stopwords.custom[0]: invalid type"},
        {"{\"stemmer\":{\"type\":\"snowball\",\"language\":\"chinese\"}}", "stemmer.language: there is no stemmer for \"chinese\""},
        {"{\"stemmer\":{\"type\":\"snowball\"}}", "stemmer: missing field `language`"},
        {"{\"stemmer\":{\"type\":\"porter\"}}", "stemmer.type: "},
        {"{\"stemmer\":\"english\"}", "stemmer: invalid type"},
    };

    for (size_t i = 0; i < countof(bad); i++)
        CHECK_MSG(strstr(through(bad[i].json), bad[i].text) == through(bad[i].json), "%s gave %s", bad[i].json,
                  through(bad[i].json));
}
