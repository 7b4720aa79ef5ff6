/* scorer.h - what a vector is worth to a query of examples.
 *
 * WHAT     A scorer holds the examples of one level of a query as they are compared (normalised for cosine) and turns
 *          stored vectors into scores, larger is better. It knows no points.
 * MEANING  sim(x) is the internal similarity of the vector to example x: the dot product, minus the squared Euclidean
 *          distance, or minus the Manhattan distance, by the canonical kernels.
 *
 *          NEAREST   sim(target)
 *          BEST      p = best of sim(positives), n = best of sim(negatives):  p > n ? half(p) : -half(n)
 *          SUM       sum of sim(positives) - sum of sim(negatives)
 *          DISCOVER  sum over pairs of sign(sim(positive) - sim(negative))  +  half(sim(target))
 *          CONTEXT   sum over pairs of squash(min(sim(positive) - sim(negative) - epsilon, 0))
 *          FEEDBACK  a sim(target) + sum over ordered pairs of items whose feedback differs by d > 0 of
 *                    d^b c (sim(better) - sim(worse))
 *
 *          Of multivectors, sim is MaxSim: the sum over the example's rows of the best similarity with one of the vector's
 *          rows, summed in 64-bit floats in the order of the rows.
 *          Of sparse vectors, sim is the dot product, by sparse_dot. It is 0 if they share no index; but then NEAREST has no
 *          score at all.
 *          squash(x) = x / (1 + |x|), half(x) = (squash(x) + 1) / 2, epsilon = 2^-23.
 * SOURCE   Qdrant's recommend, discover, context and relevance feedback queries.
 */
#ifndef OCT_COLLECTION_SCORER_H
#define OCT_COLLECTION_SCORER_H

#include <math.h>

#include "base/arena.h"
#include "kernel/kernel.h"
#include "sparse/sparse.h"

#define SCORER_ROWS_MAX 64u         /* vectors of one scorer_run */
#define SCORER_NO_SCORE (-INFINITY) /* of a sparse vector that has nothing in common with the target of NEAREST */

typedef enum scorer_kind {
    SCORER_NEAREST,
    SCORER_BEST,
    SCORER_SUM,
    SCORER_DISCOVER,
    SCORER_CONTEXT,
    SCORER_FEEDBACK
} scorer_kind;

/* What vectors lie in: floats, or narrow rows of a kind. */
typedef struct scorer_rows {
    bool          is_narrow;
    kernel_narrow kind;
} scorer_rows;

typedef struct scorer {
    scorer_kind  kind;
    oct_distance distance;
    size_t       dim;
    scorer_rows  rows; /* the vectors that are scored; examples are floats */
    /* NEAREST: the target. BEST, SUM: positives, then negatives. DISCOVER: the target, then pairs, the positive first.
     * CONTEXT: pairs. FEEDBACK: the target, then items. */
    const float    *examples;     /* example_count x dim, or, with example_ends, all their rows */
    const uint32_t *example_ends; /* NULL: a row each; else where, counted in rows, each example ends */
    const sparse_vector *sparse;  /* not NULL: the examples are these, and so are the vectors */
    size_t        example_count;
    size_t        positive_count; /* BEST, SUM */
    const double *weights; /* FEEDBACK: of each example's sim in the sum; see scorer_feedback_weights */
} scorer;

/* Scores of 1 .. SCORER_ROWS_MAX vectors. */
void scorer_run(const scorer *self, const void *const *vectors, size_t count, float *scores);

/* The rows of one multivector, in an array of pointers to rows. */
typedef struct scorer_span {
    uint32_t first, count;
} scorer_span;

/* Scores of 1 .. SCORER_ROWS_MAX multivectors, whose spans point into `rows`. The scorer has example_ends. */
void scorer_run_spans(const scorer *self, const void *const *rows, const scorer_span *spans, size_t count,
                      float *scores);
/* MaxSim of a target of `target_rows` rows and many multivectors. */
void scorer_maxsims(oct_distance distance, const float *target, size_t target_rows, const float *const *rows,
                    const scorer_span *spans, size_t count, size_t dim, float *out);

/* Scores of 1 .. SCORER_ROWS_MAX sparse vectors. The scorer has `sparse`. */
void scorer_run_sparse(const scorer *self, const sparse_vector *vectors, size_t count, float *scores);
/* sim of a sparse target and many. */
void scorer_sparse_similarities(const sparse_vector *target, const sparse_vector *vectors, size_t count, float *out);

/* sim of two prepared vectors. */
float scorer_similarity(oct_distance distance, const float *a, const float *b, size_t dim);
/* Of a target and many. */
void scorer_similarities(oct_distance distance, const float *target, const float *const *vectors,
                         size_t count, size_t dim, float *out);

/* The score that nearest shows for a similarity. */
float scorer_shown(oct_distance distance, float similarity);

/* The sum over pairs, gathered by item: out[0] is a, out[1 + i] is what sim(item i) counts in all. `feedback` holds
 * item_count scores, `out` one more. */
void scorer_feedback_weights(const float *feedback, size_t item_count, double a, double b, double c,
                             double *out);

#endif
