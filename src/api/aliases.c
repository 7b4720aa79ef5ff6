/* Aliases: list them, change several at once. See api.h. */
#include "api/encode.h"

static oct_status
list(api_call *call, oct_slice collection, oct_error *error)
{
    oct_names       *names = NULL;
    const oct_status status = oct_alias_list(call->database, collection, &names, error);

    if (status != OCT_OK)
        return status;
    buffer_add_text(&call->out, "{\"aliases\":[");
    for (size_t i = 0; i < names->count; i++) {
        buffer_add_text(&call->out, i == 0 ? "{\"alias_name\":" : ",{\"alias_name\":");
        json_add_text(&call->out, names->items[i]);
        buffer_add_text(&call->out, ",\"collection_name\":");
        json_add_text(&call->out, names->targets[i]);
        buffer_add_byte(&call->out, '}');
    }
    buffer_add_text(&call->out, "]}");
    oct_names_free(names);
    return OCT_OK;
}

oct_status
aliases_list(api_call *call, oct_error *error)
{
    return list(call, (oct_slice){"", 0}, error);
}

oct_status
aliases_of_collection(api_call *call, oct_error *error)
{
    oct_collection *collection = NULL;
    oct_status      status = api_open(call, &collection, error);

    oct_collection_close(collection);
    return status == OCT_OK ? list(call, call->params[0], error) : status;
}

/* `{"create_alias": {..}}` and its kin. */
static oct_status
decode_action(const json_path *at, yyjson_val *item, oct_alias_change *out, oct_error *error)
{
    static const json_field kinds[] = {
        {"create_alias", NULL, false}, {"delete_alias", NULL, false}, {"rename_alias", NULL, false}};
    static const oct_alias_action actions[] = {OCT_ALIAS_CREATE, OCT_ALIAS_DELETE, OCT_ALIAS_RENAME};
    static const json_field       fields[][2] = {/* alias, then collection or new alias */
                                           {{"alias_name", NULL, true}, {"collection_name", NULL, true}},
                                           {{"alias_name", NULL, true}, {"-", NULL, false}},
                                           {{"old_alias_name", NULL, true}, {"new_alias_name", NULL, true}}};
    yyjson_val                   *values[countof(kinds)], *names[2];
    size_t                        given = 0, kind = 0;
    json_path                     kind_at, name_at;
    oct_status                    status = json_fields(at, item, kinds, countof(kinds), false, values, error);

    if (status != OCT_OK)
        return status;
    for (size_t i = 0; i < countof(kinds); i++)
        if (values[i] != NULL) {
            given++;
            kind = i;
        }
    if (given != 1)
        return json_fail(at, error, OCT_FORMAT,
                         "an action has exactly one of the keys create_alias, delete_alias, rename_alias");
    *out = (oct_alias_change){.action = actions[kind]};
    kind_at = json_at(at, kinds[kind].name);
    status = json_fields(&kind_at, values[kind], fields[kind], 2, false, names, error);
    name_at = json_at(&kind_at, fields[kind][0].name);
    if (status == OCT_OK)
        status = json_get_text(&name_at, names[0], &out->alias, error);
    name_at = json_at(&kind_at, fields[kind][1].name);
    if (status == OCT_OK && fields[kind][1].required)
        status = json_get_text(&name_at, names[1], &out->collection, error);
    return status;
}

oct_status
aliases_update(api_call *call, oct_error *error)
{
    static const json_field fields[] = {{"actions", NULL, true}};
    const json_path         list_at = json_at(NULL, "actions");
    yyjson_val             *body, *actions = NULL, *item;
    yyjson_arr_iter         iter;
    oct_alias_change       *changes;
    size_t                  i = 0;
    oct_status              status = api_meta_options(call, error);

    if (status == OCT_OK)
        status = api_body(call, &body, error);
    if (status == OCT_OK)
        status = json_fields(NULL, body, fields, countof(fields), false, &actions, error);
    if (status != OCT_OK)
        return status;
    if (!yyjson_is_arr(actions))
        return json_fail_type(&list_at, actions, "an array of actions", error);
    changes = arena_array(&call->memory, size_max(yyjson_arr_size(actions), 1), sizeof *changes);
    if (changes == NULL)
        return oct_fail_memory(error, yyjson_arr_size(actions) * sizeof *changes);
    iter = yyjson_arr_iter_with(actions);
    while ((item = yyjson_arr_iter_next(&iter)) != NULL) {
        const json_path at = json_at_index(&list_at, i);

        status = decode_action(&at, item, &changes[i++], error);
        if (status != OCT_OK)
            return status;
    }
    status = oct_alias_update(call->database, changes, i, error);
    encode_bool(&call->out, true);
    return status;
}
