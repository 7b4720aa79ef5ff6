"""Goal:   whatever quantization a collection has and whatever a search says about it, scores are exact, the doors agree
        to the bit, and as many hits come as were asked for; without a quantization, search parameters about it
        change nothing.
Method: 1,200 clustered points of 64 components, which have codes; the graph walked; each kind of quantization with
        each combination of parameters. The oracle scans vectors. Seed 43. Recall@10 must be 0.95 where candidates are
        ranked by their vectors; where codes choose the hits (rescore false), 0.6 by codes of 4 bits and 0.9 by those of 8,
        which scalar quantization and product x4 have.
"""

import itertools

import numpy as np
import pytest
from qdrant_client import models

from test_graph import search_everywhere, wait_for_equal_graphs

COUNT, DIM, QUERIES = 1200, 64, 4
KINDS = {
    "none": None,
    "scalar": models.ScalarQuantization(
        scalar=models.ScalarQuantizationConfig(type=models.ScalarType.INT8, quantile=0.99, always_ram=True)
    ),
    "product": models.ProductQuantization(
        product=models.ProductQuantizationConfig(compression=models.CompressionRatio.X16)
    ),
    "product_x4": models.ProductQuantization(
        product=models.ProductQuantizationConfig(compression=models.CompressionRatio.X4)
    ),
    "binary": models.BinaryQuantization(binary=models.BinaryQuantizationConfig(always_ram=True)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_exact_whatever_is_said_of_codes(doors, kind):
    rng = np.random.default_rng(43)
    centers = rng.normal(size=(30, DIM))
    vectors = centers[rng.integers(0, 30, COUNT)] + 0.6 * rng.normal(size=(COUNT, DIM))
    queries = centers[rng.integers(0, 30, QUERIES)] + 0.6 * rng.normal(size=(QUERIES, DIM))
    for door in doors:
        made = door.call(
            "create_collection",
            collection_name="c",
            vectors_config=models.VectorParams(size=DIM, distance=models.Distance.COSINE, on_disk=True),
            quantization_config=KINDS[kind],
            hnsw_config=models.HnswConfigDiff(full_scan_threshold=10),
            optimizers_config=models.OptimizersConfigDiff(indexing_threshold=1),
        )
        assert made.ok, f"{door.name}: {made}"
        points = [models.PointStruct(id=i, vector=vector.tolist()) for i, vector in enumerate(vectors)]
        assert door.call("upsert", collection_name="c", points=points, wait=True).ok
    wait_for_equal_graphs(doors[1:])
    for ignore, rescore, oversampling in itertools.product((None, True), (None, True, False), (None, 3.0)):
        params = models.SearchParams(
            hnsw_ef=64,
            quantization=models.QuantizationSearchParams(ignore=ignore, rescore=rescore, oversampling=oversampling),
        )
        recall = search_everywhere(doors, queries, params)
        by_codes = kind != "none" and rescore is False and not ignore
        least = 0.95 if not by_codes else 0.9 if kind in ("scalar", "product_x4") else 0.6
        assert recall >= least, (ignore, rescore, oversampling, recall)
