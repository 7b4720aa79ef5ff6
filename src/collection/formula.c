/* See formula.h. The C stack is bounded by OCT_EXPRESSION_DEPTH_MAX. */
#include "collection/formula.h"

#include <math.h>

#include "base/json.h"
#include "payload/datetime.h"
#include "payload/geo.h"
#include "payload/value.h"

typedef struct term {
    oct_expression_kind kind;
    bool                is_score; /* VARIABLE: of prefetch number `index`; else the value at `path` */
    uint64_t            index;
    path                path;
    oct_slice           name;     /* as given, for errors */
    oct_slice           fallback; /* compact JSON; empty: there is no default */
    double              number; /* NUMBER, DATETIME; VARIABLE that is a score: what it is if it is missing */
    const filter       *condition;
    oct_geo_point       origin;
    const struct term  *operands;
    size_t              operand_count;
    bool                has_by_zero;
    double              by_zero;
    double              rate; /* of a decay: what stands before the distance or its square */
} term;

struct formula {
    term root;
};

/* --- compiling -------------------------------------------------------------------------------------- */

typedef struct formula_default {
    bool      is_score;
    uint64_t  index;
    path      path;
    oct_slice value; /* compact; empty if it is [] or null */
} formula_default;

typedef struct compiler {
    filter_vector_number number_of;
    filter_text_fields   text_of;
    const void          *context;
    arena               *memory;
    formula_default     *defaults;
    size_t               default_count;
    size_t               term_count;
    oct_error           *error;
} compiler;

static oct_status
fail_score(compiler *self, oct_slice text)
{
    return oct_fail(self->error, OCT_INVALID, "Invalid score pattern: %.*s", (int)size_min(text.size, 100),
                    text.data);
}

/* `$score`, `$score[12]`, or a path. */
static oct_status
parse_variable(compiler *self, oct_slice text, bool *is_score, uint64_t *index, path *out)
{
    static const char word[] = "$score";
    const size_t      start = sizeof word - 1;

    *is_score = text.size >= start && memcmp(text.data, word, start) == 0;
    *index = 0;
    if (!*is_score)
        return path_parse(text, self->memory, out, self->error);
    if (text.size == start)
        return OCT_OK;
    if (text.size < start + 3 || text.data[start] != '[' || text.data[text.size - 1] != ']')
        return fail_score(self, text);
    for (size_t i = start + 1; i < text.size - 1; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || __builtin_mul_overflow(*index, 10u, index) ||
            __builtin_add_overflow(*index, (uint64_t)(text.data[i] - '0'), index))
            return fail_score(self, text);
    }
    return OCT_OK;
}

static bool
paths_equal(const path *a, const path *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        if (path_step_compare(&a->steps[i], &b->steps[i]) != 0)
            return false;
    }
    return true;
}

/* Of an array with one element that element; nothing of an empty one, or of null. */
static yyjson_val *
single_value(yyjson_val *value)
{
    if (yyjson_is_arr(value) && yyjson_arr_size(value) == 1)
        return yyjson_arr_get_first(value);
    return yyjson_is_null(value) || (yyjson_is_arr(value) && yyjson_arr_size(value) == 0) ? NULL : value;
}

static oct_status
compile_default(compiler *self, const oct_formula_default *given, formula_default *out)
{
    json_document document;
    oct_status    status = parse_variable(self, given->variable, &out->is_score, &out->index, &out->path);

    if (status != OCT_OK)
        return status;
    status = json_parse(given->value, &document, self->error);
    if (status == OCT_OK && single_value(document.root) != NULL)
        status = json_write_value(single_value(document.root), self->memory, &out->value, self->error);
    json_document_clear(&document);
    return status;
}

static const formula_default *
find_default(const compiler *self, const term *variable)
{
    for (size_t i = self->default_count; i > 0; i--) { /* of equal keys the last counts */
        const formula_default *one = &self->defaults[i - 1];

        if (one->is_score == variable->is_score &&
            (one->is_score ? one->index == variable->index : paths_equal(&one->path, &variable->path)))
            return one;
    }
    return NULL;
}

static oct_status
fail_value(oct_slice name, const char *type, const char *what, oct_error *error)
{
    return oct_fail(error, OCT_INVALID,
                    "Expected %s value for %.*s in the payload and/or in the formula defaults. Error: %s",
                    type, (int)size_min(name.size, 300), name.data, what);
}

static oct_status
compile_variable(compiler *self, oct_slice text, term *out)
{
    oct_status             status = parse_variable(self, text, &out->is_score, &out->index, &out->path);
    const formula_default *given;

    if (status != OCT_OK)
        return status;
    out->name = (oct_slice){arena_text(self->memory, text.data, text.size), text.size};
    if (out->name.data == NULL)
        return oct_fail_memory(self->error, text.size);
    given = find_default(self, out);
    if (given != NULL)
        out->fallback = given->value;
    if (out->is_score && out->fallback.size > 0 && !value_number(out->fallback, &out->number))
        return fail_value(text, "number", "Value is not a number", self->error);
    return OCT_OK;
}

static oct_status
compile_decay(compiler *self, const oct_expression *given, term *out)
{
    const bool linear = given->kind == OCT_EXPRESSION_LIN_DECAY;

    if (linear && !(given->midpoint >= 0 && given->midpoint <= 1))
        return oct_fail(self->error, OCT_INVALID,
                        "Linear decay midpoint should be between 0.0 and 1.0, got %g", given->midpoint);
    if (!linear && !(given->midpoint > 0 && given->midpoint < 1))
        return oct_fail(self->error, OCT_INVALID,
                        "Decay midpoint should be between 0.0 and 1.0 (exclusive), got %g", given->midpoint);
    if (!(given->scale > 0))
        return oct_fail(self->error, OCT_INVALID, "Decay scale should be positive, got %g", given->scale);
    if (linear)
        out->rate = (1.0 - given->midpoint) / given->scale;
    else if (given->kind == OCT_EXPRESSION_EXP_DECAY)
        out->rate = log(given->midpoint) / given->scale;
    else
        out->rate = log(given->midpoint) / (given->scale * given->scale);
    return OCT_OK;
}

/* How many operands a term takes. */
static oct_status
check_operands(compiler *self, const oct_expression *given)
{
    size_t least = 0, most = 0;

    switch (given->kind) {
    case OCT_EXPRESSION_NUMBER:
    case OCT_EXPRESSION_VARIABLE:
    case OCT_EXPRESSION_CONDITION:
    case OCT_EXPRESSION_GEO_DISTANCE:
    case OCT_EXPRESSION_DATETIME:
    case OCT_EXPRESSION_DATETIME_FIELD:
        break;
    case OCT_EXPRESSION_MULT:
    case OCT_EXPRESSION_SUM:
        most = SIZE_MAX;
        break;
    case OCT_EXPRESSION_MAX:
    case OCT_EXPRESSION_MIN:
        if (given->operand_count == 0)
            return oct_fail(self->error, OCT_INVALID, "`%s` needs at least one operand",
                            given->kind == OCT_EXPRESSION_MAX ? "max" : "min");
        most = SIZE_MAX;
        break;
    case OCT_EXPRESSION_NEG:
    case OCT_EXPRESSION_ABS:
    case OCT_EXPRESSION_SQRT:
    case OCT_EXPRESSION_EXP:
    case OCT_EXPRESSION_LOG10:
    case OCT_EXPRESSION_LN:
    case OCT_EXPRESSION_ACOSH:
        least = most = 1;
        break;
    case OCT_EXPRESSION_DIV:
    case OCT_EXPRESSION_POW:
        least = most = 2;
        break;
    case OCT_EXPRESSION_LIN_DECAY:
    case OCT_EXPRESSION_EXP_DECAY:
    case OCT_EXPRESSION_GAUSS_DECAY:
        least = 1;
        most = 2;
        break;
    default:
        return oct_fail(self->error, OCT_INVALID, "expression kind %d is unknown", (int)given->kind);
    }
    if (given->operand_count < least || given->operand_count > most)
        return oct_fail(self->error, OCT_INVALID, "expression kind %d with %zu operands; it takes %zu to %zu",
                        (int)given->kind, given->operand_count, least, most);
    return OCT_OK;
}

static oct_status
compile_condition(compiler *self, const oct_condition *given, term *out)
{
    const oct_filter whole = {.must = given, .must_count = 1};

    if (given == NULL)
        return oct_fail(self->error, OCT_INVALID, "the condition of an expression is NULL");
    return filter_compile_indexed(&whole, self->number_of, self->text_of, self->context, self->memory, &out->condition, self->error);
}

/* What the kind of term has beside operands. */
static oct_status
compile_own(compiler *self, const oct_expression *given, term *out)
{
    int64_t microseconds = 0;

    switch (given->kind) {
    case OCT_EXPRESSION_NUMBER:
        out->number = given->number;
        return OCT_OK;
    case OCT_EXPRESSION_VARIABLE:
        return compile_variable(self, given->text, out);
    case OCT_EXPRESSION_CONDITION:
        return compile_condition(self, given->condition, out);
    case OCT_EXPRESSION_GEO_DISTANCE:
        if (!geo_point_is_valid(&given->origin))
            return oct_fail(self->error, OCT_INVALID,
                            "geo_distance: lon %g, lat %g is not a place on the earth", given->origin.lon,
                            given->origin.lat);
        out->origin = given->origin;
        return compile_variable(self, given->text, out);
    case OCT_EXPRESSION_DATETIME:
        if (!datetime_parse(given->text, &microseconds))
            return oct_fail(self->error, OCT_INVALID, "Expected datetime in supported format for %.*s",
                            (int)size_min(given->text.size, 100), given->text.data);
        out->number = (double)microseconds / 1e6;
        return OCT_OK;
    case OCT_EXPRESSION_DATETIME_FIELD:
        return compile_variable(self, given->text, out);
    case OCT_EXPRESSION_DIV:
        out->has_by_zero = given->has_by_zero_default;
        out->by_zero = given->by_zero_default;
        return OCT_OK;
    case OCT_EXPRESSION_LIN_DECAY:
    case OCT_EXPRESSION_EXP_DECAY:
    case OCT_EXPRESSION_GAUSS_DECAY:
        return compile_decay(self, given, out);
    default:
        return OCT_OK;
    }
}

static oct_status
compile_term(compiler *self, const oct_expression *given, size_t depth, term *out)
{
    oct_status status;
    term      *operands;

    out->kind = given->kind;
    if (depth > OCT_EXPRESSION_DEPTH_MAX)
        return oct_fail(self->error, OCT_RANGE, "the formula is nested more than %u deep",
                        OCT_EXPRESSION_DEPTH_MAX);
    if (++self->term_count > OCT_EXPRESSION_TERMS_MAX)
        return oct_fail(self->error, OCT_RANGE, "the formula has more than %u terms",
                        OCT_EXPRESSION_TERMS_MAX);
    status = check_operands(self, given);
    if (status == OCT_OK)
        status = compile_own(self, given, out);
    if (status != OCT_OK || given->operand_count == 0)
        return status;
    if (given->operand_count > OCT_EXPRESSION_TERMS_MAX)
        return oct_fail(self->error, OCT_RANGE, "the formula has more than %u terms",
                        OCT_EXPRESSION_TERMS_MAX);
    operands = arena_array(self->memory, given->operand_count, sizeof *operands);
    if (operands == NULL)
        return oct_fail_memory(self->error, given->operand_count * sizeof *operands);
    for (size_t i = 0; i < given->operand_count && status == OCT_OK; i++)
        status = compile_term(self, &given->operands[i], depth + 1, &operands[i]);
    out->operands = operands;
    out->operand_count = given->operand_count;
    return status;
}

oct_status
formula_compile(const oct_formula *given, filter_vector_number number_of, filter_text_fields text_of,
                const void *context, arena *memory,
                const formula **out, oct_error *error)
{
    compiler   self = {.number_of = number_of, .text_of = text_of, .context = context, .memory = memory, .error = error};
    formula   *made = arena_alloc(memory, sizeof *made);
    oct_status status = OCT_OK;

    *out = NULL;
    self.defaults = arena_array(memory, given->default_count + 1, sizeof *self.defaults);
    if (made == NULL || self.defaults == NULL)
        return oct_fail_memory(error, sizeof *made + given->default_count * sizeof *self.defaults);
    for (; self.default_count < given->default_count && status == OCT_OK; self.default_count++)
        status =
            compile_default(&self, &given->defaults[self.default_count], &self.defaults[self.default_count]);
    if (status == OCT_OK)
        status = compile_term(&self, &given->expression, 1, &made->root);
    if (status == OCT_OK)
        *out = made;
    return status;
}

/* --- evaluating -------------------------------------------------------------------------------------- */

typedef struct evaluation {
    const formula_point *point;
    formula_scratch     *scratch;
    oct_error           *error;
} evaluation;

static oct_status evaluate(evaluation *self, const term *what, double *out);

static oct_status
fail_not_finite(evaluation *self, const char *format, double a, double b)
{
    char shown[100];

    (void)snprintf(shown, sizeof shown, format, a, b);
    return oct_fail(self->error, OCT_INVALID, "The expression %s produced a non-finite number", shown);
}

/* The one value at a variable's path, or its default. `type` is for errors. */
static oct_status
single(evaluation *self, const term *what, const char *type, oct_slice *out)
{
    value_list *values = &self->scratch->values;
    oct_status  status = values_at(&what->path, self->point->document, values, self->error);

    if (status != OCT_OK)
        return status;
    if (values->count > 1)
        return fail_value(what->name, type, "Value is an array of more than one", self->error);
    *out = values->count == 1 ? values->items[0] : what->fallback;
    if (out->size == 0)
        return fail_value(what->name, type, "No value found in a payload nor defaults", self->error);
    return OCT_OK;
}

static oct_status
variable(evaluation *self, const term *what, double *out)
{
    oct_slice  value;
    oct_status status;

    if (what->is_score) {
        const float score = what->index < self->point->score_count ? self->point->scores[what->index] : NAN;

        *out = isnan(score) ? what->number : (double)score;
        return OCT_OK;
    }
    status = single(self, what, "number", &value);
    if (status == OCT_OK && !value_number(value, out))
        status = fail_value(what->name, "number", "Value is not a number", self->error);
    return status;
}

static oct_status
distance_to(evaluation *self, const term *what, double *out)
{
    oct_geo_point place;
    oct_slice     value;
    oct_status    status = single(self, what, "geo point", &value);

    if (status == OCT_OK && !geo_point_of(value, &place))
        status = fail_value(what->name, "geo point", "Value is not a geo point", self->error);
    if (status == OCT_OK)
        *out = geo_distance(&what->origin, &place);
    return status;
}

static oct_status
seconds_of(evaluation *self, const term *what, double *out)
{
    int64_t    microseconds = 0;
    oct_slice  value;
    oct_status status = single(self, what, "datetime", &value);

    if (status == OCT_OK &&
        (value_kind_of(value) != VALUE_STRING || !datetime_parse(value_string(value), &microseconds)))
        status = fail_value(what->name, "datetime", "Value is not a datetime", self->error);
    if (status == OCT_OK)
        *out = (double)microseconds / 1e6;
    return status;
}

static oct_status
holds(evaluation *self, const term *what, double *out)
{
    bool             yes = false;
    const oct_status status = filter_matches(what->condition, &self->point->about, &yes, self->error);

    *out = yes ? 1.0 : 0.0;
    return status;
}

/* Of any number of operands. */
static oct_status
fold(evaluation *self, const term *what, double *out)
{
    const oct_expression_kind kind = what->kind;
    double                    total = kind == OCT_EXPRESSION_MULT  ? 1.0
                                      : kind == OCT_EXPRESSION_MAX ? -INFINITY
                                      : kind == OCT_EXPRESSION_MIN ? INFINITY
                                                                   : 0.0;

    for (size_t i = 0; i < what->operand_count; i++) {
        double           value;
        const oct_status status = evaluate(self, &what->operands[i], &value);

        if (status != OCT_OK)
            return status;
        if (kind == OCT_EXPRESSION_MULT && value == 0) {
            total = 0;
            break;
        }
        if (kind == OCT_EXPRESSION_MULT)
            total *= value;
        else if (kind == OCT_EXPRESSION_SUM)
            total += value;
        else if (kind == OCT_EXPRESSION_MAX ? value > total : value < total)
            total = value;
    }
    *out = total;
    return OCT_OK;
}

static oct_status
of_one(evaluation *self, const term *what, double *out)
{
    double           x = 0;
    const oct_status status = evaluate(self, &what->operands[0], &x);

    if (status != OCT_OK)
        return status;
    switch (what->kind) {
    case OCT_EXPRESSION_NEG:
        *out = -x;
        return OCT_OK;
    case OCT_EXPRESSION_ABS:
        *out = fabs(x);
        return OCT_OK;
    case OCT_EXPRESSION_SQRT:
        *out = sqrt(x);
        return x >= 0 ? OCT_OK : fail_not_finite(self, "\xE2\x88\x9A%.15g", x, 0);
    case OCT_EXPRESSION_EXP:
        *out = exp(x);
        return isfinite(*out) ? OCT_OK : fail_not_finite(self, "exp(%.15g)", x, 0);
    case OCT_EXPRESSION_LOG10:
        *out = log10(x);
        return isfinite(*out) ? OCT_OK : fail_not_finite(self, "log10(%.15g)", x, 0);
    case OCT_EXPRESSION_LN:
        *out = log(x);
        return isfinite(*out) ? OCT_OK : fail_not_finite(self, "ln(%.15g)", x, 0);
    default:
        *out = acosh(x);
        return isfinite(*out) ? OCT_OK : fail_not_finite(self, "acosh(%.15g)", x, 0);
    }
}

static oct_status
divide(evaluation *self, const term *what, double *out)
{
    double     left = 0, right = 0;
    oct_status status = evaluate(self, &what->operands[0], &left);

    *out = 0;
    if (status != OCT_OK || left == 0)
        return status;
    status = evaluate(self, &what->operands[1], &right);
    if (status != OCT_OK)
        return status;
    *out = right == 0 && what->has_by_zero ? what->by_zero : left / right;
    return isfinite(*out) ? OCT_OK : fail_not_finite(self, "%.15g/%.15g", left, right);
}

static oct_status
raise(evaluation *self, const term *what, double *out)
{
    double     base = 0, exponent = 0;
    oct_status status = evaluate(self, &what->operands[0], &base);

    if (status == OCT_OK)
        status = evaluate(self, &what->operands[1], &exponent);
    if (status != OCT_OK)
        return status;
    *out = pow(base, exponent);
    return isfinite(*out) ? OCT_OK : fail_not_finite(self, "%.15g^%.15g", base, exponent);
}

static oct_status
decay(evaluation *self, const term *what, double *out)
{
    double     x = 0, target = 0, off;
    oct_status status = evaluate(self, &what->operands[0], &x);

    if (status == OCT_OK && what->operand_count > 1)
        status = evaluate(self, &what->operands[1], &target);
    off = fabs(x - target);
    if (what->kind == OCT_EXPRESSION_LIN_DECAY)
        *out = fmax(0.0, 1.0 - what->rate * off);
    else
        *out = exp(what->rate * off * (what->kind == OCT_EXPRESSION_GAUSS_DECAY ? off : 1.0));
    return status;
}

static oct_status
evaluate(evaluation *self, const term *what, double *out)
{
    switch (what->kind) {
    case OCT_EXPRESSION_NUMBER:
    case OCT_EXPRESSION_DATETIME:
        *out = what->number;
        return OCT_OK;
    case OCT_EXPRESSION_VARIABLE:
        return variable(self, what, out);
    case OCT_EXPRESSION_CONDITION:
        return holds(self, what, out);
    case OCT_EXPRESSION_GEO_DISTANCE:
        return distance_to(self, what, out);
    case OCT_EXPRESSION_DATETIME_FIELD:
        return seconds_of(self, what, out);
    case OCT_EXPRESSION_MULT:
    case OCT_EXPRESSION_SUM:
    case OCT_EXPRESSION_MAX:
    case OCT_EXPRESSION_MIN:
        return fold(self, what, out);
    case OCT_EXPRESSION_NEG:
    case OCT_EXPRESSION_ABS:
    case OCT_EXPRESSION_SQRT:
    case OCT_EXPRESSION_EXP:
    case OCT_EXPRESSION_LOG10:
    case OCT_EXPRESSION_LN:
    case OCT_EXPRESSION_ACOSH:
        return of_one(self, what, out);
    case OCT_EXPRESSION_DIV:
        return divide(self, what, out);
    case OCT_EXPRESSION_POW:
        return raise(self, what, out);
    case OCT_EXPRESSION_LIN_DECAY:
    case OCT_EXPRESSION_EXP_DECAY:
    case OCT_EXPRESSION_GAUSS_DECAY:
        return decay(self, what, out);
    }
    oct_must_failed("an unknown kind of term was compiled", __FILE__, __LINE__);
}

oct_status
formula_evaluate(const formula *self, const formula_point *point, formula_scratch *scratch, float *out,
                 oct_error *error)
{
    evaluation work = {point, scratch, error};
    double     score = 0;
    oct_status status = evaluate(&work, &self->root, &score);

    if (status != OCT_OK)
        return status;
    *out = (float)score + 0.0f; /* no sign on zero */
    return isfinite(*out) ? OCT_OK : fail_not_finite(&work, "%.15g as f32 = %g", score, (double)*out);
}

void
formula_scratch_clear(formula_scratch *self)
{
    value_list_clear(&self->values);
}
