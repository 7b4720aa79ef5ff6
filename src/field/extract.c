/* What a document has in a field. See field.h.
 *
 * Where the path ends at an array, its elements are the values, one level deep, as everywhere (payload/values.h). What each
 * type indexes is Qdrant's: integers and floats without a fraction for an integer index, any number for a float index,
 * strings that are dates or UUIDs. A value that filters tell from what is indexed (5.0 from 5) makes the point odd.
 * KEYS    Texts are kept as documents spell them (payload/value.h), so that they compare as bytes. UUIDs are kept in
 *         their usual form, in which another spelling of the same is found by a facet, and by a filter only in the
 *         document.
 *         Of a text index the keys are the tokens of a point's strings (text/text.h), as the analyzer makes them.
 */
#include "field/field_internal.h"

#include <math.h>

#include "base/uuid.h"
#include "payload/datetime.h"
#include "payload/geo.h"
#include "payload/scan.h"
#include "payload/value.h"
#include "payload/values.h"

#define KEYS_FIRST 4u
#define UUID_TEXT  36u
#define TWO_63     9223372036854775808.0

uint64_t
key_of_double(double value)
{
    uint64_t bits;

    value += 0.0; /* -0.0 becomes 0.0 */
    memcpy(&bits, &value, sizeof bits);
    return (bits >> 63) != 0 ? ~bits : bits | (uint64_t)1 << 63;
}

double
double_of_key(uint64_t key)
{
    const uint64_t bits = (key >> 63) != 0 ? key & ~((uint64_t)1 << 63) : ~key;
    double         value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

/* 32 bits, each followed by a zero. */
static uint64_t
spread(uint32_t value)
{
    uint64_t x = value;

    x = (x | x << 16) & 0x0000FFFF0000FFFFu;
    x = (x | x << 8) & 0x00FF00FF00FF00FFu;
    x = (x | x << 4) & 0x0F0F0F0F0F0F0F0Fu;
    x = (x | x << 2) & 0x3333333333333333u;
    return (x | x << 1) & 0x5555555555555555u;
}

uint64_t
key_of_place(const oct_geo_point *place)
{
    const double lon = (place->lon + 180) / 360 * 4294967295.0, lat = (place->lat + 90) / 180 * 4294967295.0;

    return spread((uint32_t)lon) << 1 | spread((uint32_t)lat);
}

/* --- one value ---------------------------------------------------------------------------------- */

static oct_status
add(field_values *self, field_key key, oct_error *error)
{
    if (self->count == self->capacity) {
        const size_t more = self->capacity == 0 ? KEYS_FIRST : self->capacity * 2;
        field_key   *grown = oct_realloc(self->keys, more * sizeof *grown);

        if (grown == NULL)
            return oct_fail_memory(error, more * sizeof *grown);
        self->keys = grown;
        self->capacity = more;
    }
    self->keys[self->count++] = key;
    return OCT_OK;
}

static void
uuid_write(const oct_id *id, char *text)
{
    static const char hex[] = "0123456789abcdef";

    for (size_t digit = 0, at = 0; digit < 32; digit++) {
        const uint64_t half = digit < 16 ? id->high : id->low;

        if (digit == 8 || digit == 12 || digit == 16 || digit == 20)
            text[at++] = '-';
        text[at++] = hex[half >> (60 - 4 * (digit % 16)) & 15];
    }
}

static oct_status
add_uuid(field_values *self, oct_slice string, oct_error *error)
{
    char     text[UUID_TEXT];
    oct_id   id;
    uint64_t at = self->text.size;

    if (!uuid_parse(string, &id)) {
        self->odd = true;
        return OCT_OK;
    }
    uuid_write(&id, text);
    if (string.size == sizeof text && memcmp(string.data, text, sizeof text) == 0)
        return add(self, (field_key){.text = string}, error);
    self->odd = true;
    buffer_add(&self->text, text, sizeof text);
    if (self->text.failed)
        return oct_fail_memory(error, sizeof text);
    /* The buffer may move: the place counts until all are there. */
    return add(self, (field_key){.number = at, .text = {NULL, sizeof text}}, error);
}

static oct_status
add_integer(field_values *self, oct_slice value, oct_error *error)
{
    int64_t integer;
    double  number;

    if (value_kind_of(value) == VALUE_NUMBER && value_integer(value, &integer))
        return add(self, (field_key){.number = key_of_integer(integer)}, error);
    self->odd = true;
    if (!value_number(value, &number) || number != floor(number) || number < -TWO_63 || number >= TWO_63)
        return OCT_OK;
    return add(self, (field_key){.number = key_of_integer((int64_t)number)}, error);
}

static oct_status
add_place(field_values *self, oct_slice value, oct_error *error)
{
    oct_geo_point place;

    if (!geo_point_of(value, &place) || !geo_point_is_valid(&place)) {
        self->odd = true;
        return OCT_OK;
    }
    return add(self, (field_key){.number = key_of_place(&place), .place = place}, error);
}

static oct_status
add_token(void *context, oct_slice token, uint32_t position, oct_error *error)
{
    field_values  *self = context;
    const uint64_t at = self->text.size;

    buffer_add(&self->text, token.data, token.size);
    if (self->text.failed)
        return oct_fail_memory(error, token.size);
    return add(self, (field_key){.number = at, .text = {NULL, token.size}, .position = position}, error);
}

static oct_status
add_tokens(const field_index *index, oct_slice string, field_values *out, oct_error *error)
{
    buffer     memory = {0};
    oct_slice  text;
    text_run  *run = NULL;
    oct_status status = unspell(string, &memory, &text) ? OCT_OK : oct_fail_memory(error, string.size);

    if (status == OCT_OK)
        status = text_run_borrow(index->words, &run, error);
    if (status == OCT_OK)
        status = text_analyze(run, text, TEXT_DOCUMENT, &out->position, add_token, out, error);
    out->position += FIELD_PHRASE_MAX; /* no phrase goes on in the next string */
    text_run_return(run);
    buffer_clear(&memory);
    return status;
}

/* One value that is not null, and no array unless within one. */
static oct_status
add_value(const field_index *index, oct_slice value, field_values *out, oct_error *error)
{
    const value_kind kind = value_kind_of(value);
    double           number;
    int64_t          time;

    switch ((oct_field_type)index->config.type) {
    case OCT_FIELD_KEYWORD:
        if (kind == VALUE_STRING)
            return add(out, (field_key){.text = value_string(value)}, error);
        break;
    case OCT_FIELD_INTEGER:
        return add_integer(out, value, error);
    case OCT_FIELD_FLOAT:
        if (value_number(value, &number))
            return add(out, (field_key){.number = key_of_double(number)}, error);
        break;
    case OCT_FIELD_BOOL:
        if (kind == VALUE_TRUE || kind == VALUE_FALSE)
            return add(out, (field_key){.number = key_of_integer(kind == VALUE_TRUE)}, error);
        break;
    case OCT_FIELD_DATETIME:
        if (kind == VALUE_STRING && datetime_parse(value_string(value), &time))
            return add(out, (field_key){.number = key_of_integer(time)}, error);
        break;
    case OCT_FIELD_UUID:
        if (kind == VALUE_STRING)
            return add_uuid(out, value_string(value), error);
        break;
    case OCT_FIELD_GEO:
        return add_place(out, value, error);
    case OCT_FIELD_TEXT:
        if (kind == VALUE_STRING)
            return add_tokens(index, value_string(value), out, error);
        break;
    }
    out->odd = true;
    return OCT_OK;
}

/* --- a document ----------------------------------------------------------------------------------- */

static oct_status
add_whole(const field_index *index, oct_slice value, field_values *out, oct_error *error)
{
    oct_status status = OCT_OK;
    oct_slice  item;
    size_t     count = 0;
    scan       items;

    if (value_kind_of(value) == VALUE_NULL) {
        out->null = true;
        return OCT_OK;
    }
    if (!scan_is_array(value)) {
        out->filled = true;
        return add_value(index, value, out, error);
    }
    items = scan_open(value);
    while (status == OCT_OK && scan_element(&items, &item)) {
        count++;
        if (value_kind_of(item) == VALUE_NULL)
            out->null = true;
        else
            status = add_value(index, item, out, error);
    }
    if (status == OCT_OK && items.failed)
        status = scan_fail(value, error);
    out->filled = out->filled || count > 0;
    out->many = out->many || count > 1;
    return status;
}

oct_status
field_extract(const field_index *index, oct_slice document, field_values *out, oct_error *error)
{
    value_list whole = {0};
    oct_status status;

    out->count = 0;
    out->text.size = 0;
    out->position = 0;
    out->filled = out->null = out->odd = false;
    status = values_whole_at(&index->where, document, &whole, error);
    out->many = whole.count > 1;
    for (size_t i = 0; i < whole.count && status == OCT_OK; i++)
        status = add_whole(index, whole.items[i], out, error);
    for (size_t i = 0; i < out->count; i++) {
        if (index->order == FIELD_BY_TEXT && out->keys[i].text.data == NULL)
            out->keys[i].text.data = out->text.data + out->keys[i].number;
    }
    value_list_clear(&whole);
    return status;
}

void
field_values_clear(field_values *self)
{
    oct_free(self->keys);
    buffer_clear(&self->text);
    *self = (field_values){0};
}
