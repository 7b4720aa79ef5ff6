/* The gRPC door without a socket: bytes of protobuf in, bytes out. What the official client makes of it is tested in
 * tests/conformance; here stands what no client sends. Seeds stand in the comments. */
#include "api/api_test.h"
#include "api/grpc.h"

typedef struct answer {
    int    status;
    char   details[512];
    buffer message;
} answer;

static void
call(oct_database *database, const char *path, const buffer *message, answer *out)
{
    const oct_grpc_request request = {slice_of(path), {message->data, message->size}};
    oct_grpc_response      response;

    *out = (answer){0};
    oct_grpc_call(database, &request, &response);
    out->status = response.status;
    (void)snprintf(out->details, sizeof out->details, SLICE_FMT, SLICE_ARG(response.details));
    CHECK_MSG(utf8_is_valid(response.details), "%s: details are not UTF-8", path);
    buffer_add(&out->message, response.message.data, response.message.size);
    CHECK_MSG(response.status == 0 || response.message.size == 0, "%s: a failure with a message", path);
    oct_grpc_response_clear(&response);
}

static void
text(buffer *out, uint32_t number, const char *value)
{
    wire_add_bytes(out, number, value, strlen(value));
}

static void
number(buffer *out, uint32_t field, uint64_t value)
{
    wire_add_tag(out, field, WIRE_VARINT);
    wire_add_varint(out, value);
}

/* Collection "c" of four floats under Dot, with three points. */
static oct_database *
open_with_points(void)
{
    static const float vectors[3][4] = {{1, 2, 3, 4}, {4, 3, 2, 1}, {0, 1, 0, 1}};
    oct_database      *database = api_test_open();
    buffer             message = {0};
    answer             got;
    size_t             a, b, c, d;

    text(&message, 1, "c");
    a = wire_open(&message, 10); /* vectors_config.params */
    b = wire_open(&message, 1);
    number(&message, 1, 4);
    number(&message, 2, 3);
    wire_close(&message, b);
    wire_close(&message, a);
    call(database, "/qdrant.Collections/Create", &message, &got);
    CHECK_MSG(got.status == OCT_GRPC_OK, "%s", got.details);
    buffer_clear(&got.message);
    message.size = 0;
    text(&message, 1, "c");
    number(&message, 2, 1);
    for (uint64_t i = 0; i < countof(vectors); i++) {
        a = wire_open(&message, 3);
        b = wire_open(&message, 1);
        number(&message, 1, i + 1);
        wire_close(&message, b);
        b = wire_open(&message, 4); /* vectors.vector.dense */
        c = wire_open(&message, 1);
        d = wire_open(&message, 101);
        wire_add_bytes(&message, 1, vectors[i], sizeof vectors[i]);
        wire_close(&message, d);
        wire_close(&message, c);
        wire_close(&message, b);
        wire_close(&message, a);
    }
    call(database, "/qdrant.Points/Upsert", &message, &got);
    CHECK_MSG(got.status == OCT_GRPC_OK, "%s", got.details);
    buffer_clear(&got.message);
    buffer_clear(&message);
    return database;
}

TEST(what_grpc_tables_say_can_be_decoded)
{
    size_t methods = 0;

    for (const grpc_method *each = grpc_methods; each->path != NULL; each++) {
        size_t routes = 0;

        methods++;
        for (size_t i = 0; i < api_route_count; i++)
            routes += strcmp(api_routes[i].method, each->http_method) == 0 &&
                      strcmp(api_routes[i].pattern, each->pattern) == 0;
        CHECK_MSG(routes == 1, "%s: %zu routes %s %s", each->path, routes, each->http_method, each->pattern);
    }
    CHECK_INT(methods, 52);
}

static void
check_message(const grpc_message *message, unsigned depth)
{
    CHECK_MSG(message->count <= GRPC_FIELDS_MAX, "%s has %u fields", message->name, message->count);
    for (size_t i = 0; i < message->count && depth < 12; i++) {
        const grpc_field *field = &message->fields[i];

        CHECK_MSG((field->kind == GRPC_MESSAGE) == (field->message != NULL), "%s.%s", message->name,
                  field->name);
        CHECK_MSG((field->kind == GRPC_ENUM) == (field->names != NULL), "%s.%s", message->name, field->name);
        CHECK_MSG(field->unless < (int)message->count, "%s.%s", message->name, field->name);
        for (size_t j = 0; j < i; j++)
            CHECK_MSG(message->fields[j].number != field->number, "%s: two fields %u", message->name,
                      field->number);
        if (field->message != NULL && field->message != message)
            check_message(field->message, depth + 1);
    }
}

TEST(no_message_of_grpc_has_more_fields_than_the_decoder_has_room_for)
{
    for (const grpc_method *each = grpc_methods; each->path != NULL; each++) {
        check_message(each->request, 8);
        check_message(each->response, 8);
    }
}

/* Goal: sizes before messages are right at each length of a varint. */
TEST(messages_of_any_size_are_closed_with_their_size)
{
    static const size_t sizes[] = {0, 1, 127, 128, 129, 16383, 16384, 16385, 2097151, 2097152};

    for (size_t i = 0; i < countof(sizes); i++) {
        buffer       out = {0};
        const size_t outer = wire_open(&out, 1), inner = wire_open(&out, 2);
        wire         rest;
        wire_item    item;
        bool         is_broken = false;

        for (size_t j = 0; j < sizes[i]; j++)
            buffer_add_byte(&out, (char)j);
        wire_close(&out, inner);
        wire_close(&out, outer);
        rest = (wire){out.data, out.data + out.size};
        CHECK(wire_next(&rest, &item, &is_broken) && rest.at == rest.end);
        rest = (wire){item.bytes.data, item.bytes.data + item.bytes.size};
        CHECK(wire_next(&rest, &item, &is_broken) && rest.at == rest.end);
        CHECK_INT(item.bytes.size, sizes[i]);
        for (size_t j = 0; j < item.bytes.size; j++)
            if (item.bytes.data[j] != (char)j) {
                CHECK_MSG(false, "size %zu: byte %zu was moved", sizes[i], j);
                break;
            }
        buffer_clear(&out);
    }
}

/* Goal: 20,000 messages within messages are refused, not followed. Expression.neg within a formula, and lists within
 * lists in a payload. */
TEST(nesting_is_limited_before_it_costs_the_stack)
{
    oct_database *database = open_with_points();
    buffer        message = {0}, inner = {0};
    answer        got;

    for (int i = 0; i < 20000; i++) { /* from the inside out */
        buffer around = {0};

        if (i == 2000)
            break; /* quadratic to build; the limit is at 100 */
        wire_add_bytes(&around, 10, inner.data == NULL ? "" : inner.data, inner.size);
        buffer_clear(&inner);
        inner = around;
    }
    text(&message, 1, "c");
    {
        const size_t query = wire_open(&message, 3), formula = wire_open(&message, 8);

        wire_add_bytes(&message, 1, inner.data, inner.size);
        wire_close(&message, formula);
        wire_close(&message, query);
    }
    call(database, "/qdrant.Points/Query", &message, &got);
    CHECK_INT(got.status, OCT_GRPC_INVALID_ARGUMENT);
    CHECK_MSG(strstr(got.details, "recursion limit") != NULL, "%s", got.details);
    buffer_clear(&got.message);
    message.size = inner.size = 0;
    for (int i = 0; i < 2000; i++) { /* Value.list_value.values */
        buffer       around = {0};
        const size_t list = wire_open(&around, 7);

        wire_add_bytes(&around, 1, inner.data, inner.size);
        wire_close(&around, list);
        buffer_clear(&inner);
        inner = around;
    }
    text(&message, 1, "c");
    {
        const size_t entry = wire_open(&message, 3);

        text(&message, 1, "k");
        wire_add_bytes(&message, 2, inner.data, inner.size);
        wire_close(&message, entry);
    }
    call(database, "/qdrant.Points/SetPayload", &message, &got);
    CHECK_INT(got.status, OCT_GRPC_INVALID_ARGUMENT);
    CHECK_MSG(strstr(got.details, "nested more than") != NULL, "%s", got.details);
    buffer_clear(&got.message);
    buffer_clear(&message);
    buffer_clear(&inner);
    CHECK_OK(oct_close(database, NULL));
}

/* Goal: of a field that stands once the last counts, of a oneof the last field, split messages are joined, packed and
 * single numbers mean the same, and what is not known is passed over. */
TEST(repeated_and_split_fields_are_read_as_protobuf_says)
{
    static const float query[4] = {0, 1, 0, 0};
    oct_database      *database = open_with_points();
    buffer             message = {0};
    answer             got;
    wire               rest;
    wire_item          item;
    bool               is_broken = false;
    size_t             hits = 0;

    text(&message, 1, "none");
    number(&message, 999, 7);
    for (size_t i = 0; i < 4; i += 2)
        wire_add_bytes(&message, 2, query + i, 2 * sizeof *query); /* two packed parts */
    text(&message, 998, "new");
    number(&message, 4, 5);
    text(&message, 1, "c");
    number(&message, 4, 2);
    call(database, "/qdrant.Points/Search", &message, &got);
    CHECK_MSG(got.status == OCT_GRPC_OK, "%s", got.details);
    rest = (wire){got.message.data, got.message.data + got.message.size};
    while (wire_next(&rest, &item, &is_broken))
        hits += item.number == 1;
    CHECK_INT(hits, 2);
    buffer_clear(&got.message);
    message.size = 0;
    text(&message, 1, "c");
    number(&message, 4, 2);
    for (size_t i = 0; i < 4; i++)
        wire_add_fixed32(&message, 2, &query[i]);
    call(database, "/qdrant.Points/Search", &message, &got);
    CHECK_MSG(got.status == OCT_GRPC_OK, "%s", got.details);
    buffer_clear(&got.message);
    buffer_clear(&message);
    CHECK_OK(oct_close(database, NULL));
}

TEST(floats_that_are_no_numbers_are_refused)
{
    static const float odd[2][4] = {{1, NAN, 0, 0}, {0, 0, 0, INFINITY}};
    oct_database      *database = open_with_points();

    for (size_t i = 0; i < countof(odd); i++) {
        buffer message = {0};
        answer got;

        text(&message, 1, "c");
        wire_add_bytes(&message, 2, odd[i], sizeof odd[i]);
        number(&message, 4, 5);
        call(database, "/qdrant.Points/Search", &message, &got);
        CHECK_INT(got.status, OCT_GRPC_INVALID_ARGUMENT);
        buffer_clear(&message);
        buffer_clear(&got.message);
    }
    CHECK_OK(oct_close(database, NULL));
}

/* --- random messages ---------------------------------------------------------------------------------- */

static void random_message(test_rng *rng, const grpc_message *message, unsigned depth, buffer *out);

static void
random_value(test_rng *rng, const grpc_field *field, unsigned depth, uint32_t as_number, buffer *out)
{
    static const char *const words[] = {
        "c", "", "a", "a.b[]", "2024-01-02", "$score", "f47ac10b58cc4372a5670e02b2c3d479"};
    static const uint64_t numbers[] = {0, 1, 2, 3, 4, 5, 100, UINT32_MAX, UINT64_MAX, INT64_MAX};
    const uint64_t        picked = numbers[test_below(rng, countof(numbers))];
    const double          wide = (double)test_float(rng);
    float                 floats[8];
    size_t                at;

    switch (field->kind) {
    case GRPC_DOUBLE:
        wire_add_fixed64(out, as_number, &wide);
        break;
    case GRPC_FLOAT:
        test_fill(rng, floats, countof(floats));
        if ((field->flags & GRPC_REPEATED) != 0)
            wire_add_bytes(out, as_number, floats, 4 * sizeof *floats);
        else
            wire_add_fixed32(out, as_number, floats);
        break;
    case GRPC_STRING:
        text(out, as_number,
             strcmp(field->name, "collection_name") == 0 ? "c" : words[test_below(rng, countof(words))]);
        break;
    case GRPC_MESSAGE:
        at = wire_open(out, as_number);
        random_message(rng, field->message, depth + 1, out);
        wire_close(out, at);
        break;
    case GRPC_ENUM:
        number(out, as_number, test_below(rng, field->names->count + 1));
        break;
    default:
        number(out, as_number, picked);
        break;
    }
}

/* The kinds that the tables do not describe. */
static void
random_special(test_rng *rng, buffer *out, unsigned depth)
{
    const double wide = (double)test_float(rng);
    size_t       at;

    switch (test_below(rng, depth > 6 ? 5 : 7)) {
    case 0:
        number(out, 1, 0);
        break;
    case 1:
        wire_add_fixed64(out, 2, &wide);
        break;
    case 2:
        number(out, 3, test_u64(rng));
        break;
    case 3:
        text(out, 4, "h\xC3\xA9");
        break;
    case 4:
        number(out, 5, 1);
        break;
    default:
        at = wire_open(out, 7);
        wire_close(out, at);
        break;
    }
}

static void
random_message(test_rng *rng, const grpc_message *message, unsigned depth, buffer *out)
{
    if (message->shape == GRPC_SPECIAL_VALUE) {
        random_special(rng, out, depth);
        return;
    }
    for (size_t i = 0; i < message->count; i++) {
        const grpc_field *field = &message->fields[i];
        const bool        is_needed = strcmp(field->name, "collection_name") == 0;
        uint64_t          times = (field->flags & (GRPC_REPEATED | GRPC_MAP)) != 0 ? test_below(rng, 3) : 1;

        if (!is_needed && (depth > 7 || test_below(rng, field->oneof != 0 ? message->count : 3) != 0))
            continue;
        for (; times > 0; times--)
            if ((field->flags & GRPC_MAP) != 0) {
                const size_t at = wire_open(out, field->number);

                text(out, 1, "a");
                random_value(rng, field, depth, 2, out);
                wire_close(out, at);
            } else {
                random_value(rng, field, depth, field->number, out);
            }
    }
}

/* Goal:   no message crashes the door, and what it answers can be read.
 * Method: for each method random messages by its own table, then the same with bytes changed, cut and repeated.
 *         Seed 41. Under ASan this also finds reads beyond the message, which is copied to a block of its own size. */
TEST(random_and_damaged_messages_are_answered)
{
    const uint64_t rounds = test_scaled(300);
    oct_database  *database = open_with_points();
    test_rng       rng = test_rng_seed(41);
    uint64_t       fine = 0;

    for (uint64_t round = 0; round < rounds; round++)
        for (const grpc_method *each = grpc_methods; each->path != NULL; each++) {
            const bool is_delete = strcmp(each->path, "/qdrant.Collections/Delete") == 0;
            buffer     message = {0}, exact = {0};
            answer     got;

            if (is_delete || strstr(each->path, "Snapshot") != NULL)
                continue; /* the collection must stay, and disks fill */
            random_message(&rng, each->request, 0, &message);
            for (int damage = 0; damage < 3; damage++) {
                if (damage > 0 && message.size > 0) {
                    message.data[test_below(&rng, message.size)] = (char)test_u64(&rng);
                    if (test_below(&rng, 4) == 0)
                        message.size = test_below(&rng, message.size);
                }
                buffer_clear(&exact);
                if (message.size > 0)
                    buffer_add(&exact, message.data, message.size);
                call(database, each->path, &exact, &got);
                fine += got.status == OCT_GRPC_OK;
                CHECK_MSG(got.status != OCT_GRPC_INTERNAL ||
                              strstr(got.details, "InferenceService URL") != NULL,
                          "%s: %s", each->path, got.details);
                buffer_clear(&got.message);
            }
            buffer_clear(&message);
            buffer_clear(&exact);
        }
    CHECK_MSG(fine > rounds, "only %llu messages were fine", (unsigned long long)fine);
    CHECK_OK(oct_close(database, NULL));
}

/* Goal: every allocation may fail; the answer then says so, or is whole. */
TEST(grpc_survives_failed_allocations)
{
    oct_database *database = open_with_points();
    buffer        message = {0};
    uint64_t      allowed = 0;
    bool          was_whole = false;

    text(&message, 1, "c");
    number(&message, 4, 3);
    for (; allowed < 300 && !was_whole; allowed++) {
        answer got;

        oct_alloc_fail_after(allowed, false);
        {
            const oct_grpc_request request = {slice_of("/qdrant.Points/Scroll"),
                                              {message.data, message.size}};
            oct_grpc_response      response;

            oct_grpc_call(database, &request, &response);
            oct_alloc_fail_after(UINT64_MAX, false);
            got.status = response.status;
            oct_grpc_response_clear(&response);
        }
        CHECK_MSG(got.status == OCT_GRPC_OK || got.status == OCT_GRPC_INTERNAL, "allocation %llu: status %d",
                  (unsigned long long)allowed, got.status);
        was_whole = got.status == OCT_GRPC_OK && allowed > 20;
    }
    CHECK(was_whole);
    buffer_clear(&message);
    CHECK_OK(oct_close(database, NULL));
}

TEST(reflection_lists_services_and_gives_their_files)
{
    buffer            message = {0};
    oct_grpc_response response;

    text(&message, 7, "*");
    oct_grpc_reflect((oct_slice){message.data, message.size}, &response);
    CHECK_INT(response.status, OCT_GRPC_OK);
    CHECK(memmem(response.message.data, response.message.size, "qdrant.Points", 13) != NULL);
    oct_grpc_response_clear(&response);
    message.size = 0;
    text(&message, 4, "qdrant.Points");
    oct_grpc_reflect((oct_slice){message.data, message.size}, &response);
    CHECK_INT(response.status, OCT_GRPC_OK);
    CHECK(memmem(response.message.data, response.message.size, "QueryPoints", 11) != NULL);
    oct_grpc_response_clear(&response);
    message.size = 0;
    oct_grpc_reflect((oct_slice){message.data, message.size}, &response);
    CHECK_INT(response.status, OCT_GRPC_INVALID_ARGUMENT);
    oct_grpc_response_clear(&response);
    buffer_clear(&message);
}
