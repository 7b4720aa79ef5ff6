/* Formulas against values worked out by hand, and what they refuse. */
#include "collection/formula.h"

#include "support/test.h"

#define EXPRESSION(...) ((oct_expression){__VA_ARGS__})
#define NUMBER(value)   EXPRESSION(.kind = OCT_EXPRESSION_NUMBER, .number = (value))
#define VARIABLE(name)  EXPRESSION(.kind = OCT_EXPRESSION_VARIABLE, .text = {name, sizeof name - 1})

static const char document[] =
    "{\"n\":4,\"f\":0.5,\"one\":[7],\"two\":[1,2],\"none\":[],\"t\":\"x\",\"null\":null,"
    "\"d\":\"2024-01-02T00:00:00Z\",\"p\":{\"lon\":13.405,\"lat\":52.52},\"b\":true,"
    "\"deep\":{\"l\":[{\"k\":3}]}}";

static oct_status
text_of(const void *context, oct_slice *out, oct_error *error)
{
    (void)error;
    *out = slice_of(context);
    return OCT_OK;
}

static bool
has_vector_two(const void *context, uint32_t number)
{
    (void)context;
    return number == 2;
}

static uint32_t
number_of(const void *context, oct_slice name)
{
    (void)context;
    return slice_is(name, "two") ? 2 : 3;
}

/* Compile and evaluate once: for the point whose document is above, found by prefetches 0 and 2 with 0.25 and 8. */
static oct_status
evaluate(const oct_formula *given, float *out, oct_error *error)
{
    const float     scores[] = {0.25f, NAN, 8.0f};
    const oct_id    id = oct_id_number(9);
    formula_point   point = {{&id, text_of, has_vector_two, document}, slice_of(document), scores, 3};
    formula_scratch scratch = {0};
    arena           memory = {0};
    const formula  *made;
    oct_status      status = formula_compile(given, number_of, NULL, NULL, &memory, &made, error);

    if (status == OCT_OK)
        status = formula_evaluate(made, &point, &scratch, out, error);
    formula_scratch_clear(&scratch);
    arena_clear(&memory);
    return status;
}

static void
check_value(oct_expression expression, double want, const char *what)
{
    const oct_formula_default defaults[] = {{slice_of("$score[1]"), slice_of("0.75")},
                                            {slice_of("missing"), slice_of(" [ 1.5 ]")},
                                            {slice_of("$score"), slice_of("99")},
                                            {slice_of("\"p0\""), slice_of("{\"lat\":52.52,\"lon\":13.405}")},
                                            {slice_of("day"), slice_of("\"1970-01-01 00:01\"")},
                                            {slice_of("none"), slice_of("2")}};
    const oct_formula         given = {expression, defaults, countof(defaults)};
    float                     got = NAN;
    oct_error                 error = {0};
    const oct_status          status = evaluate(&given, &got, &error);

    CHECK_MSG(status == OCT_OK, "%s: %s", what, error.text);
    CHECK_NEAR(got, want, fabs(want) * 1e-6, "%s", what);
}

static void
check_refusal(oct_expression expression, oct_status want, const char *text)
{
    const oct_formula given = {expression, NULL, 0};
    oct_error         error = {0};
    float             got;

    CHECK_STATUS(evaluate(&given, &got, &error), want);
    CHECK_MSG(strstr(error.text, text) != NULL, "%s, not %s", error.text, text);
}

/* Goal:   numbers, scores, payload values and their defaults. */
TEST(variables_have_values_or_defaults)
{
    check_value(NUMBER(-2.5), -2.5, "a number");
    check_value(VARIABLE("$score"), 0.25, "the first score, not its default");
    check_value(VARIABLE("$score[0]"), 0.25, "the same");
    check_value(VARIABLE("$score[1]"), 0.75, "a default for a score");
    check_value(VARIABLE("$score[2]"), 8, "the third");
    check_value(VARIABLE("$score[77]"), 0, "no prefetch, no default");
    check_value(VARIABLE("n"), 4, "an integer");
    check_value(VARIABLE("\"n\""), 4, "the same, quoted");
    check_value(VARIABLE("one"), 7, "the only element");
    check_value(VARIABLE("two[1]"), 2, "one element");
    check_value(VARIABLE("deep.l[].k"), 3, "a nested one");
    check_value(VARIABLE("missing"), 1.5, "a default, an array of one");
    check_value(VARIABLE("none"), 2, "a default for an empty array");
    check_refusal(
        VARIABLE("missing"), OCT_INVALID,
        "Expected number value for missing in the payload and/or in the formula defaults. Error: No value "
        "found in a payload nor defaults");
    check_refusal(VARIABLE("two"), OCT_INVALID, "Expected number value for two");
    check_refusal(VARIABLE("t"), OCT_INVALID, "Value is not a number");
    check_refusal(VARIABLE("null"), OCT_INVALID, "Value is not a number");
    check_refusal(VARIABLE("b"), OCT_INVALID, "Value is not a number");
    check_refusal(VARIABLE("$score[x]"), OCT_INVALID, "Invalid score pattern: $score[x]");
    check_refusal(VARIABLE("$score[]"), OCT_INVALID, "Invalid score pattern");
    check_refusal(VARIABLE("$scores"), OCT_INVALID, "Invalid score pattern");
    check_refusal(VARIABLE("$score[99999999999999999999]"), OCT_INVALID, "Invalid score pattern");
    check_refusal(VARIABLE("a..b"), OCT_FORMAT, "Invalid json path");
}

/* Goal:   each operation gives what its name says, and what is not finite is refused by name. */
TEST(operations_compute)
{
    const oct_expression three[] = {NUMBER(2), VARIABLE("n"), NUMBER(-3)};
    const oct_expression zero_then_error[] = {NUMBER(0), VARIABLE("t")},
                         quotient[] = {NUMBER(6), VARIABLE("n")};
    const oct_expression by_zero[] = {NUMBER(6), NUMBER(0)}, power[] = {NUMBER(2), NUMBER(0.5)};
    const oct_expression bad_power[] = {NUMBER(-2), NUMBER(0.5)}, four = NUMBER(4), less = NUMBER(-4);
    const oct_expression large = NUMBER(1000), huge = NUMBER(1e39), zero = NUMBER(0), hundred = NUMBER(100);

    check_value(EXPRESSION(.kind = OCT_EXPRESSION_MULT, .operands = three, .operand_count = 3), -24, "mult");
    check_value(EXPRESSION(.kind = OCT_EXPRESSION_SUM, .operands = three, .operand_count = 3), 3, "sum");
    check_value(EXPRESSION(.kind = OCT_EXPRESSION_MAX, .operands = three, .operand_count = 3), 4, "max");
    check_value(EXPRESSION(.kind = OCT_EXPRESSION_MIN, .operands = three, .operand_count = 3), -3, "min");
    check_value(EXPRESSION(.kind = OCT_EXPRESSION_MULT), 1, "no factor");
    check_value(EXPRESSION(.kind = OCT_EXPRESSION_SUM), 0, "no summand");
    check_refusal(EXPRESSION(.kind = OCT_EXPRESSION_MAX), OCT_INVALID, "`max` needs at least one operand");
    check_value(EXPRESSION(.kind = OCT_EXPRESSION_MULT, .operands = zero_then_error, .operand_count = 2), 0,
                "mult ends at zero");
    check_value(EXPRESSION(.kind = OCT_EXPRESSION_DIV, .operands = zero_then_error, .operand_count = 2), 0,
                "zero by anything");
    check_value(EXPRESSION(.kind = OCT_EXPRESSION_DIV, .operands = quotient, .operand_count = 2), 1.5, "div");
    check_refusal(EXPRESSION(.kind = OCT_EXPRESSION_DIV, .operands = by_zero, .operand_count = 2),
                  OCT_INVALID, "The expression 6/0 produced a non-finite number");
    check_value(EXPRESSION(.kind = OCT_EXPRESSION_DIV, .operands = by_zero, .operand_count = 2,
                           .has_by_zero_default = true, .by_zero_default = 5),
                5, "a default by zero");
    check_value(EXPRESSION(.kind = OCT_EXPRESSION_POW, .operands = power, .operand_count = 2), 1.4142135,
                "pow");
    check_refusal(EXPRESSION(.kind = OCT_EXPRESSION_POW, .operands = bad_power, .operand_count = 2),
                  OCT_INVALID, "The expression -2^0.5 produced");
    check_value(EXPRESSION(.kind = OCT_EXPRESSION_NEG, .operands = &four, .operand_count = 1), -4, "neg");
    check_value(EXPRESSION(.kind = OCT_EXPRESSION_ABS, .operands = &less, .operand_count = 1), 4, "abs");
    check_value(EXPRESSION(.kind = OCT_EXPRESSION_SQRT, .operands = &four, .operand_count = 1), 2, "sqrt");
    check_refusal(EXPRESSION(.kind = OCT_EXPRESSION_SQRT, .operands = &less, .operand_count = 1), OCT_INVALID,
                  "-4");
    check_value(EXPRESSION(.kind = OCT_EXPRESSION_EXP, .operands = &four, .operand_count = 1), 54.598150,
                "exp");
    check_refusal(EXPRESSION(.kind = OCT_EXPRESSION_EXP, .operands = &large, .operand_count = 1), OCT_INVALID,
                  "exp(1000)");
    check_value(EXPRESSION(.kind = OCT_EXPRESSION_LOG10, .operands = &hundred, .operand_count = 1), 2,
                "log10");
    check_refusal(EXPRESSION(.kind = OCT_EXPRESSION_LOG10, .operands = &zero, .operand_count = 1),
                  OCT_INVALID, "log10(0)");
    check_value(EXPRESSION(.kind = OCT_EXPRESSION_LN, .operands = &hundred, .operand_count = 1), 4.6051702,
                "ln");
    check_refusal(EXPRESSION(.kind = OCT_EXPRESSION_LN, .operands = &less, .operand_count = 1), OCT_INVALID,
                  "ln(-4)");
    check_value(EXPRESSION(.kind = OCT_EXPRESSION_ACOSH, .operands = &hundred, .operand_count = 1), 5.2982924,
                "acosh");
    check_refusal(EXPRESSION(.kind = OCT_EXPRESSION_ACOSH, .operands = &zero, .operand_count = 1),
                  OCT_INVALID, "acosh(0)");
    check_refusal(huge, OCT_INVALID, "1e+39 as f32 = inf produced a non-finite number");
}

/* Goal:   decays: 1 at the target, midpoint one scale away, as each curve says further out. */
TEST(decays_fall_from_the_target)
{
    const oct_expression at_scale[] = {NUMBER(30), NUMBER(10)}, at_twice[] = {NUMBER(-30), NUMBER(10)};
    const oct_expression at_target[] = {NUMBER(0)};
    static const struct {
        oct_expression_kind kind;
        double              at_two;
    } curves[] = {{OCT_EXPRESSION_LIN_DECAY, 0.5},
                  {OCT_EXPRESSION_EXP_DECAY, 0.75 * 0.75},
                  {OCT_EXPRESSION_GAUSS_DECAY, 0.75 * 0.75 * 0.75 * 0.75}};

    for (size_t i = 0; i < countof(curves); i++) {
        check_value(EXPRESSION(.kind = curves[i].kind, .operands = at_target, .operand_count = 1, .scale = 20,
                               .midpoint = 0.75),
                    1, "at the target, 0 by default");
        check_value(EXPRESSION(.kind = curves[i].kind, .operands = at_scale, .operand_count = 2, .scale = 20,
                               .midpoint = 0.75),
                    0.75, "one scale away");
        check_value(EXPRESSION(.kind = curves[i].kind, .operands = at_twice, .operand_count = 2, .scale = 20,
                               .midpoint = 0.75),
                    curves[i].at_two, "two scales away, on the other side");
        check_refusal(EXPRESSION(.kind = curves[i].kind, .operands = at_target, .operand_count = 1,
                                 .scale = 0, .midpoint = 0.5),
                      OCT_INVALID, "scale");
        check_refusal(EXPRESSION(.kind = curves[i].kind, .operands = at_target, .operand_count = 1,
                                 .scale = 1, .midpoint = 1.5),
                      OCT_INVALID, "midpoint");
    }
    check_value(EXPRESSION(.kind = OCT_EXPRESSION_LIN_DECAY, .operands = at_scale, .operand_count = 2,
                           .scale = 1, .midpoint = 0),
                0, "never below zero");
    check_refusal(EXPRESSION(.kind = OCT_EXPRESSION_EXP_DECAY, .operands = at_target, .operand_count = 1,
                             .scale = 1, .midpoint = 0),
                  OCT_INVALID, "midpoint");
}

/* Goal:   conditions are 1 or 0; dates are seconds; places are metres. */
TEST(conditions_dates_and_places_are_numbers)
{
    const oct_condition  two = {.kind = OCT_CONDITION_HAS_VECTOR, .vector = {"two", 3}};
    const oct_condition  three = {.kind = OCT_CONDITION_HAS_VECTOR, .vector = {"three", 5}};
    const oct_id         nine = oct_id_number(9);
    const oct_condition  id = {.kind = OCT_CONDITION_HAS_ID, .ids = &nine, .id_count = 1};
    const oct_condition  empty = {.kind = OCT_CONDITION_IS_EMPTY, .key = {"none", 4}};
    const oct_condition  wrong = {.kind = OCT_CONDITION_IS_EMPTY, .key = {"a..b", 4}};
    const oct_expression paris =
        EXPRESSION(.kind = OCT_EXPRESSION_GEO_DISTANCE, .origin = {2.3522, 48.8566}, .text = {"p", 1});
    oct_expression other = paris;

    check_value(EXPRESSION(.kind = OCT_EXPRESSION_CONDITION, .condition = &two), 1, "has the vector");
    check_value(EXPRESSION(.kind = OCT_EXPRESSION_CONDITION, .condition = &three), 0, "has not");
    check_value(EXPRESSION(.kind = OCT_EXPRESSION_CONDITION, .condition = &id), 1, "has the id");
    check_value(EXPRESSION(.kind = OCT_EXPRESSION_CONDITION, .condition = &empty), 1, "is empty");
    check_refusal(EXPRESSION(.kind = OCT_EXPRESSION_CONDITION, .condition = &wrong), OCT_FORMAT,
                  "Invalid json path");
    check_refusal(EXPRESSION(.kind = OCT_EXPRESSION_CONDITION), OCT_INVALID, "NULL");

    check_value(EXPRESSION(.kind = OCT_EXPRESSION_DATETIME, .text = {"1970-01-02", 10}), 86400, "a day");
    check_refusal(EXPRESSION(.kind = OCT_EXPRESSION_DATETIME, .text = {"soon", 4}), OCT_INVALID, "soon");
    check_value(EXPRESSION(.kind = OCT_EXPRESSION_DATETIME_FIELD, .text = {"d", 1}), 1704153600, "a field");
    check_value(EXPRESSION(.kind = OCT_EXPRESSION_DATETIME_FIELD, .text = {"day", 3}), 60, "its default");
    check_refusal(EXPRESSION(.kind = OCT_EXPRESSION_DATETIME_FIELD, .text = {"n", 1}), OCT_INVALID,
                  "Expected datetime value for n");

    check_value(paris, 877464.57, "Paris to Berlin"); /* by the haversine formula, computed apart */
    other.text = slice_of("p0");
    check_value(other, 877464.57, "its default");
    other.text = slice_of("n");
    check_refusal(other, OCT_INVALID, "Expected geo point value for n");
    other.origin.lat = 91;
    check_refusal(other, OCT_INVALID, "not a place on the earth");
}

/* Goal:   depth and size are bounded, defaults are checked, wrong counts of operands are refused. */
TEST(formulas_have_limits)
{
    static oct_expression     deep[OCT_EXPRESSION_DEPTH_MAX + 1], wide[OCT_EXPRESSION_TERMS_MAX];
    const oct_expression      two[] = {NUMBER(1), NUMBER(2)};
    const oct_formula_default bad[] = {{slice_of("$score"), slice_of("\"x\"")},
                                       {slice_of("n"), slice_of("{")},
                                       {slice_of("a..b"), slice_of("1")}};
    oct_error                 error;
    float                     got;

    for (size_t i = 0; i < countof(deep); i++)
        deep[i] = i + 1 == countof(deep)
                      ? NUMBER(1)
                      : EXPRESSION(.kind = OCT_EXPRESSION_NEG, .operands = &deep[i + 1], .operand_count = 1);
    check_refusal(deep[0], OCT_RANGE, "nested more than 128 deep");
    check_value(deep[1], -1, "one less");
    for (size_t i = 0; i < countof(wide); i++)
        wide[i] = NUMBER(1);
    check_refusal(EXPRESSION(.kind = OCT_EXPRESSION_SUM, .operands = wide, .operand_count = countof(wide)),
                  OCT_RANGE, "more than 65536 terms");
    check_value(EXPRESSION(.kind = OCT_EXPRESSION_SUM, .operands = wide, .operand_count = countof(wide) - 1),
                65535, "as many as may be");
    check_refusal(EXPRESSION(.kind = OCT_EXPRESSION_NEG, .operands = two, .operand_count = 2), OCT_INVALID,
                  "operands");
    check_refusal(EXPRESSION(.kind = OCT_EXPRESSION_DIV, .operands = two, .operand_count = 1), OCT_INVALID,
                  "operands");
    check_refusal(EXPRESSION(.kind = (oct_expression_kind)99), OCT_INVALID, "unknown");
    for (size_t i = 0; i < countof(bad); i++) {
        const oct_formula given = {VARIABLE("$score"), &bad[i], 1};

        CHECK(evaluate(&given, &got, &error) != OCT_OK);
    }
}
