/* Expressions of formula queries: qdrant-api.md 3.8. See decode.h. The recursion is as deep as JSON may be nested. */
#include "api/decode_query.h"

#define SCALE_DEFAULT    1.0
#define MIDPOINT_DEFAULT 0.5

static oct_status decode_expression(const json_path *at, yyjson_val *value, arena *memory,
                                    oct_expression *out, oct_error *error);

static oct_status
make_operands(size_t count, arena *memory, oct_expression **operands, oct_expression *out, oct_error *error)
{
    *operands = arena_array(memory, count + 1, sizeof **operands);
    if (*operands == NULL)
        return oct_fail_memory(error, count * sizeof **operands);
    out->operands = *operands;
    out->operand_count = count;
    return OCT_OK;
}

static oct_status
decode_list(const json_path *at, yyjson_val *list, arena *memory, oct_expression *out, oct_error *error)
{
    oct_expression *operands;
    yyjson_val     *item;
    yyjson_arr_iter iter;
    size_t          i = 0;
    oct_status      status;

    if (!yyjson_is_arr(list))
        return json_fail_type(at, list, "an array of expressions", error);
    status = make_operands(yyjson_arr_size(list), memory, &operands, out, error);
    iter = yyjson_arr_iter_with(list);
    while (status == OCT_OK && (item = yyjson_arr_iter_next(&iter)) != NULL) {
        const json_path item_at = json_at_index(at, i);

        status = decode_expression(&item_at, item, memory, &operands[i++], error);
    }
    return status;
}

static oct_status
decode_single(const json_path *at, yyjson_val *value, arena *memory, oct_expression *out, oct_error *error)
{
    oct_expression  *operand;
    const oct_status status = make_operands(1, memory, &operand, out, error);

    return status == OCT_OK ? decode_expression(at, value, memory, operand, error) : status;
}

/* Two operands under names, of which the second may be missing unless it is `required`; values[2] and on are the
 * caller's. */
static oct_status
decode_two(const json_path *at, yyjson_val *object, const json_field *fields, size_t count,
           yyjson_val **values, arena *memory, oct_expression *out, oct_error *error)
{
    const json_path first_at = json_at(at, fields[0].name), second_at = json_at(at, fields[1].name);
    oct_expression *operands;
    oct_status      status = json_fields(at, object, fields, count, false, values, error);

    if (status == OCT_OK)
        status = make_operands(values[1] == NULL ? 1 : 2, memory, &operands, out, error);
    if (status == OCT_OK)
        status = decode_expression(&first_at, values[0], memory, &operands[0], error);
    if (status == OCT_OK && values[1] != NULL)
        status = decode_expression(&second_at, values[1], memory, &operands[1], error);
    return status;
}

static oct_status
decode_division(const json_path *at, yyjson_val *object, arena *memory, oct_expression *out, oct_error *error)
{
    static const json_field fields[] = {
        {"left", NULL, true}, {"right", NULL, true}, {"by_zero_default", NULL, false}};
    const json_path zero_at = json_at(at, "by_zero_default");
    yyjson_val     *values[countof(fields)];
    oct_status      status = decode_two(at, object, fields, countof(fields), values, memory, out, error);

    if (status == OCT_OK)
        status = json_get_double(&zero_at, values[2], &out->by_zero_default, error);
    out->has_by_zero_default = status == OCT_OK && values[2] != NULL;
    return status;
}

static oct_status
decode_power(const json_path *at, yyjson_val *object, arena *memory, oct_expression *out, oct_error *error)
{
    static const json_field fields[] = {{"base", NULL, true}, {"exponent", NULL, true}};
    yyjson_val             *values[countof(fields)];

    return decode_two(at, object, fields, countof(fields), values, memory, out, error);
}

static oct_status
decode_decay(const json_path *at, yyjson_val *object, arena *memory, oct_expression *out, oct_error *error)
{
    static const json_field fields[] = {
        {"x", NULL, true}, {"target", NULL, false}, {"scale", NULL, false}, {"midpoint", NULL, false}};
    const json_path scale_at = json_at(at, "scale"), midpoint_at = json_at(at, "midpoint");
    yyjson_val     *values[countof(fields)];
    oct_status      status = decode_two(at, object, fields, countof(fields), values, memory, out, error);

    out->scale = SCALE_DEFAULT;
    out->midpoint = MIDPOINT_DEFAULT;
    if (status == OCT_OK)
        status = json_get_double(&scale_at, values[2], &out->scale, error);
    return status == OCT_OK ? json_get_double(&midpoint_at, values[3], &out->midpoint, error) : status;
}

static oct_status
decode_geo_distance(const json_path *at, yyjson_val *object, arena *memory, oct_expression *out,
                    oct_error *error)
{
    static const json_field fields[] = {{"origin", NULL, true}, {"to", NULL, true}};
    const json_path         origin_at = json_at(at, "origin"), to_at = json_at(at, "to");
    yyjson_val             *values[countof(fields)];
    oct_status              status = json_fields(at, object, fields, countof(fields), false, values, error);

    (void)memory;
    if (status == OCT_OK)
        status = decode_geo_point(&origin_at, values[0], &out->origin, error);
    return status == OCT_OK ? json_get_text(&to_at, values[1], &out->text, error) : status;
}

static oct_status
decode_word(const json_path *at, yyjson_val *value, arena *memory, oct_expression *out, oct_error *error)
{
    (void)memory;
    return json_get_text(at, value, &out->text, error);
}

typedef struct operation {
    const char         *key;
    oct_expression_kind kind;
    oct_status (*decode)(const json_path *at, yyjson_val *value, arena *memory, oct_expression *out,
                         oct_error *error);
} operation;

static const operation operations[] = {
    {"geo_distance", OCT_EXPRESSION_GEO_DISTANCE, decode_geo_distance},
    {"datetime", OCT_EXPRESSION_DATETIME, decode_word},
    {"datetime_key", OCT_EXPRESSION_DATETIME_FIELD, decode_word},
    {"mult", OCT_EXPRESSION_MULT, decode_list},
    {"sum", OCT_EXPRESSION_SUM, decode_list},
    {"max", OCT_EXPRESSION_MAX, decode_list},
    {"min", OCT_EXPRESSION_MIN, decode_list},
    {"neg", OCT_EXPRESSION_NEG, decode_single},
    {"abs", OCT_EXPRESSION_ABS, decode_single},
    {"sqrt", OCT_EXPRESSION_SQRT, decode_single},
    {"exp", OCT_EXPRESSION_EXP, decode_single},
    {"log10", OCT_EXPRESSION_LOG10, decode_single},
    {"ln", OCT_EXPRESSION_LN, decode_single},
    {"acosh", OCT_EXPRESSION_ACOSH, decode_single},
    {"div", OCT_EXPRESSION_DIV, decode_division},
    {"pow", OCT_EXPRESSION_POW, decode_power},
    {"lin_decay", OCT_EXPRESSION_LIN_DECAY, decode_decay},
    {"exp_decay", OCT_EXPRESSION_EXP_DECAY, decode_decay},
    {"gauss_decay", OCT_EXPRESSION_GAUSS_DECAY, decode_decay},
};

static oct_status
decode_expression(const json_path *at, yyjson_val *value, arena *memory, oct_expression *out,
                  oct_error *error)
{
    oct_condition *condition;

    if (yyjson_is_num(value)) {
        out->kind = OCT_EXPRESSION_NUMBER;
        return json_get_double(at, value, &out->number, error);
    }
    if (yyjson_is_str(value)) {
        out->kind = OCT_EXPRESSION_VARIABLE;
        return json_get_text(at, value, &out->text, error);
    }
    if (!yyjson_is_obj(value))
        return json_fail_type(at, value, "an expression: a number, a variable, a condition or an operation",
                              error);
    for (size_t i = 0; i < countof(operations); i++) {
        const json_path inner_at = json_at(at, operations[i].key);
        yyjson_val     *inner = yyjson_obj_get(value, operations[i].key);

        if (inner == NULL || yyjson_is_null(inner))
            continue;
        out->kind = operations[i].kind;
        return operations[i].decode(&inner_at, inner, memory, out, error);
    }
    condition = arena_alloc(memory, sizeof *condition);
    if (condition == NULL)
        return oct_fail_memory(error, sizeof *condition);
    out->kind = OCT_EXPRESSION_CONDITION;
    out->condition = condition;
    return decode_condition(at, value, memory, condition, error);
}

static oct_status
decode_defaults(const json_path *at, yyjson_val *object, arena *memory, oct_formula *out, oct_error *error)
{
    yyjson_obj_iter      iter = yyjson_obj_iter_with(object);
    oct_formula_default *defaults;
    yyjson_val          *key;
    oct_status           status = OCT_OK;

    if (object == NULL)
        return OCT_OK;
    if (!yyjson_is_obj(object))
        return json_fail_type(at, object, "a map from variables to values", error);
    defaults = arena_array(memory, yyjson_obj_size(object) + 1, sizeof *defaults);
    if (defaults == NULL)
        return oct_fail_memory(error, yyjson_obj_size(object) * sizeof *defaults);
    out->defaults = defaults;
    while (status == OCT_OK && (key = yyjson_obj_iter_next(&iter)) != NULL) {
        oct_formula_default *one = &defaults[out->default_count++];

        one->variable = (oct_slice){yyjson_get_str(key), yyjson_get_len(key)};
        status = json_write_value(yyjson_obj_iter_get_val(key), memory, &one->value, error);
    }
    return status;
}

oct_status
decode_formula(const json_path *at, yyjson_val *formula, yyjson_val *defaults, arena *memory,
               oct_formula *out, oct_error *error)
{
    const json_path formula_at = json_at(at, "formula"), defaults_at = json_at(at, "defaults");
    oct_status      status = decode_expression(&formula_at, formula, memory, &out->expression, error);

    return status == OCT_OK ? decode_defaults(&defaults_at, defaults, memory, out, error) : status;
}
