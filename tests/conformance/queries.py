"""Random queries of every kind over two collections that do not change, from a seed.

Examples and scores are such that rounding decides nothing: vectors are random and of moderate length, formulas
amplify no error, inner levels have no ties. So Octant and the oracle must agree on which points come first.
"""

import random
import struct
import uuid
from typing import Any, Dict, List, Optional, Set, Tuple

from qdrant_client import models

POINTS = 150
EVERYTHING = 1000

# name -> size, distance. `plain` is a collection with one unnamed vector, `main` has the named ones.
SPACES: Dict[str, Tuple[int, models.Distance]] = {
    "cosine": (8, models.Distance.COSINE),
    "dot": (5, models.Distance.DOT),
    "euclid": (6, models.Distance.EUCLID),
    "manhattan": (4, models.Distance.MANHATTAN),
}
PLAIN = (7, models.Distance.COSINE)


def is_up(space: Optional[str]) -> bool:
    distance = PLAIN[1] if space is None else SPACES[space][1]
    return distance in (models.Distance.COSINE, models.Distance.DOT)


class Queries:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    # --- the collections ------------------------------------------------------------------------

    def vector(self, size: int) -> List[float]:
        return [struct.unpack("f", struct.pack("f", self.random.uniform(-1, 1)))[0] for _ in range(size)]

    def payload(self, number: int) -> Dict[str, Any]:
        r = self.random
        made: Dict[str, Any] = {
            "n": number % 6,
            "t": r.choice(["red", "green", "blue"]),
            "tags": r.choice([["a"], ["a", "b"], ["c", 3], [], [3, 3], ["b", 4]]),
            "w": r.uniform(0.1, 3),
            "place": {"lon": r.uniform(-30, 30), "lat": r.uniform(-60, 60)},
            "day": f"2024-{r.randint(1, 12):02d}-{r.randint(1, 28):02d}T{r.randint(0, 23):02d}:00:00Z",
            "deep": {"list": [{"k": r.choice(["x", "y"])}, {"k": r.randint(0, 2)}]},
            "odd": r.choice([1, "one", 1.5, True, None, [1, True], {"a": 1}, -4, 2**63 + 5]),
        }
        if r.random() < 0.5:
            made["maybe"] = r.choice([r.uniform(1, 2), [r.uniform(1, 2)]])
        if r.random() < 0.5:
            made["owner"] = r.choice([1, 2, 3, 99, self.uuids[0], self.uuids[1].upper(), "nobody"])
        return made

    def make_points(self) -> Dict[str, List[models.PointStruct]]:
        """name of collection -> points. `main` has numbers and UUIDs for ids; some of its points lack a vector."""
        r = self.random
        self.uuids = [str(uuid.UUID(int=r.getrandbits(128))) for _ in range(POINTS // 3)]
        numbers = r.sample(range(1, 100000), POINTS - len(self.uuids) - 3) + [1, 2, 3]
        ids: List[Any] = [*self.uuids, *numbers]
        r.shuffle(ids)
        self.ids: Dict[str, List[Any]] = {"main": ids, "plain": ids[: POINTS // 2], "other": ids[: POINTS // 4] + [1, 2]}
        self.ids["other"] = list(dict.fromkeys(self.ids["other"]))
        self.having: Dict[str, Set[Any]] = {space: set() for space in SPACES}
        made: Dict[str, List[models.PointStruct]] = {"main": [], "plain": [], "other": []}
        for number, point in enumerate(ids):
            vectors = {name: self.vector(size) for name, (size, _) in SPACES.items() if r.random() < 0.9}
            for name in vectors:
                self.having[name].add(point)
            made["main"].append(models.PointStruct(id=point, vector=vectors, payload=self.payload(number)))
        for number, point in enumerate(self.ids["plain"]):
            made["plain"].append(models.PointStruct(id=point, vector=self.vector(PLAIN[0]), payload=self.payload(number)))
        for number, point in enumerate(self.ids["other"]):
            vectors = {"cosine": self.vector(8), "again": self.vector(5)}
            made["other"].append(models.PointStruct(id=point, vector=vectors, payload={"number": number}))
        return made

    @staticmethod
    def make_configs() -> Dict[str, Any]:
        return {
            "main": {name: models.VectorParams(size=size, distance=d) for name, (size, d) in SPACES.items()},
            "plain": models.VectorParams(size=PLAIN[0], distance=PLAIN[1]),
            "other": {
                "cosine": models.VectorParams(size=8, distance=models.Distance.COSINE),
                "again": models.VectorParams(size=5, distance=models.Distance.DOT),
            },
        }

    # --- parts ----------------------------------------------------------------------------------

    def size(self, space: Optional[str]) -> int:
        return PLAIN[0] if space is None else SPACES[space][0]

    def known(self, space: Optional[str]) -> Any:
        return self.random.choice(self.ids["plain"] if space is None else sorted(self.having[space], key=str))

    def example(self, space: Optional[str]) -> Any:
        return self.known(space) if self.random.random() < 0.4 else self.vector(self.size(space))

    def examples(self, space: Optional[str], least: int, most: int, other_than: Any = ()) -> List[Any]:
        made: List[Any] = []
        for _ in range(self.random.randint(least, most)):
            example = self.example(space)
            if example not in made and example not in other_than:
                made.append(example)
        return made

    def pairs(self, space: Optional[str], least: int) -> List[models.ContextPair]:
        pairs = []
        for _ in range(self.random.randint(least, 4)):
            positive, negative = self.example(space), self.example(space)
            if positive != negative:
                pairs.append(models.ContextPair(positive=positive, negative=negative))
        if pairs or least == 0:
            return pairs
        return [models.ContextPair(positive=self.vector(self.size(space)), negative=self.vector(self.size(space)))]

    def filter(self) -> Optional[models.Filter]:
        r = self.random
        conditions: List[Any] = [
            models.FieldCondition(key="n", match=models.MatchAny(any=r.sample(range(6), 3))),
            models.FieldCondition(key="t", match=models.MatchValue(value=r.choice(["red", "green", "blue"]))),
            models.FieldCondition(key="w", range=models.Range(gte=r.uniform(0.1, 1.5))),
            models.HasIdCondition(has_id=r.sample(self.ids["main"], POINTS // 2)),
            models.IsEmptyCondition(is_empty=models.PayloadField(key="maybe")),
        ]
        dice = r.random()
        if dice < 0.5:
            return None
        some = r.sample(conditions, r.choice([1, 1, 2]))
        part = r.choice(["must", "should", "must_not"])
        return models.Filter(**{part: some})

    # --- kinds ----------------------------------------------------------------------------------

    def nearest(self, space: Optional[str]) -> Any:
        example = self.example(space)
        return example if self.random.random() < 0.5 else models.NearestQuery(nearest=example)

    def mmr(self, space: Optional[str]) -> Any:
        r = self.random
        # Not 0.5: the difference of two Manhattan distances is often exactly the same for many points.
        mmr = models.Mmr(diversity=r.choice([0.0, 0.2, 0.4, 0.7, 1.0]), candidates_limit=r.choice([30, 60, EVERYTHING]))
        return models.NearestQuery(nearest=self.vector(self.size(space)), mmr=mmr)

    def recommend(self, space: Optional[str], strategy: Optional[models.RecommendStrategy]) -> Any:
        average = strategy in (None, models.RecommendStrategy.AVERAGE_VECTOR)
        positive = self.examples(space, 1 if average else 0, 4)
        negative = self.examples(space, 0 if positive else 1, 3, positive)
        return models.RecommendQuery(
            recommend=models.RecommendInput(positive=positive, negative=negative, strategy=strategy)
        )

    def discover(self, space: Optional[str]) -> Any:
        return models.DiscoverQuery(
            discover=models.DiscoverInput(target=self.example(space), context=self.pairs(space, 0))
        )

    def context(self, space: Optional[str]) -> Any:
        return models.ContextQuery(context=self.pairs(space, 1))

    def feedback(self, space: Optional[str]) -> Any:
        r = self.random
        items = [
            models.FeedbackItem(example=self.example(space), score=round(r.uniform(-1, 1), 2))
            for _ in range(r.randint(1, 4))
        ]
        naive = models.NaiveFeedbackStrategyParams(a=r.uniform(-1, 1), b=r.choice([0, 0.5, 1, 2]), c=r.uniform(-1, 1))
        return models.RelevanceFeedbackQuery(
            relevance_feedback=models.RelevanceFeedbackInput(
                target=self.example(space), feedback=items, strategy=models.NaiveFeedbackStrategy(naive=naive)
            )
        )

    KINDS = (
        "nearest", "mmr", "average", "average_default", "best_score", "sum_scores", "discover", "context", "feedback",
    )  # fmt: skip

    def of_kind(self, kind: str, space: Optional[str]) -> Any:
        if kind == "average_default":
            return self.recommend(space, None)
        strategies = {
            "average": models.RecommendStrategy.AVERAGE_VECTOR,
            "best_score": models.RecommendStrategy.BEST_SCORE,
            "sum_scores": models.RecommendStrategy.SUM_SCORES,
        }
        if kind in strategies:
            return self.recommend(space, strategies[kind])
        return getattr(self, kind)(space)

    # --- formulas -------------------------------------------------------------------------------

    def expression(self, depth: int, scores: int) -> Any:
        """A number of moderate size that small errors of scores do not change by much."""
        r = self.random
        leaves: List[Any] = [
            r.randrange(-32, 33) / 16, "$score", f"$score[{r.randrange(scores + 1)}]", "w", "n", "maybe",
            models.FieldCondition(key="t", match=models.MatchValue(value="red")),
            models.HasVectorCondition(has_vector="dot"),
            models.Filter(must_not=[models.FieldCondition(key="n", range=models.Range(lt=3))]),
            models.ExpDecayExpression(exp_decay=models.DecayParamsExpression(
                x=models.DatetimeKeyExpression(datetime_key="day"),
                target=models.DatetimeExpression(datetime="2024-06-01T00:00:00Z"), scale=86400.0 * 60, midpoint=0.375)),
            models.GaussDecayExpression(gauss_decay=models.DecayParamsExpression(
                x=models.GeoDistance(geo_distance=models.GeoDistanceParams(
                    origin=models.GeoPoint(lon=3.0, lat=40.0), to="place")), scale=2e6)),
            models.LinDecayExpression(lin_decay=models.DecayParamsExpression(x="w", target=1.0, scale=2.0, midpoint=0.25)),
        ]  # fmt: skip
        if depth == 0 or r.random() < 0.2:
            return r.choice(leaves)
        some = [self.expression(depth - 1, scores) for _ in range(r.randint(1, 3))]
        one = some[0]
        positive = models.SumExpression(sum=[models.AbsExpression(abs=one), 2.0])
        nodes: List[Any] = [
            models.SumExpression(sum=some),
            models.MultExpression(mult=some[:2]),
            models.NegExpression(neg=one),
            models.AbsExpression(abs=one),
            models.DivExpression(div=models.DivParams(left=some[-1], right=positive)),
            models.SqrtExpression(sqrt=positive),
            models.LnExpression(ln=positive),
            models.Log10Expression(log10=positive),
            models.ExpExpression(exp=models.DivExpression(div=models.DivParams(left=1.0, right=positive))),
            models.PowExpression(pow=models.PowParams(base=positive, exponent=r.choice([0.5, -1.0, 1.5]))),
        ]
        if hasattr(models, "MaxExpression"):  # since client 1.20
            nodes += [
                models.MaxExpression(max=some), models.MinExpression(min=some), models.AcoshExpression(acosh=positive),
            ]  # fmt: skip
        return r.choice(nodes)

    def formula(self, scores: int) -> Any:
        defaults = {"maybe": self.random.choice([0.25, [0.75]]), f"$score[{scores}]": 0.5}
        if self.random.random() < 0.5:
            defaults["$score"] = -0.5
        return models.FormulaQuery(formula=self.expression(3, scores), defaults=defaults)

    def formula_without_ties(self, scores: int) -> Any:
        """Any formula, made smaller than 1 in size, beside a value that each point has for itself."""
        made = self.formula(scores)
        size = models.SumExpression(sum=[1.0, models.AbsExpression(abs=made.formula)])
        small = models.DivExpression(div=models.DivParams(left=made.formula, right=size))
        made.formula = models.SumExpression(sum=[small, "w"])
        return made

    # --- levels ---------------------------------------------------------------------------------

    # What may stand below other levels: no ties, and one answer. Sums and differences of Manhattan distances are flat
    # in places.
    INNER = ("nearest", "average", "best_score", "discover", "sum_scores", "feedback")

    def merging(self, count: int) -> Any:
        """What makes one list of several, without ties."""
        r = self.random
        dice = r.random()
        if dice < 0.4:
            weights = [r.uniform(0.3, 3) for _ in range(count)]
            return models.RrfQuery(rrf=models.Rrf(k=r.choice([None, 1, 5, 60]), weights=weights))
        if dice < 0.7:
            return models.FusionQuery(fusion=models.Fusion.DBSF)
        return self.formula_without_ties(count)

    def prefetches(self, depth: int, space: Optional[str], limit: Optional[int] = None) -> List[models.Prefetch]:
        r = self.random
        made = []
        for _ in range(r.randint(1, 3)):
            inner = self.prefetches(depth - 1, space, limit) if depth > 0 and r.random() < 0.6 else None
            own = space if space is None else r.choice(list(SPACES))
            merges = inner is not None and r.random() < 0.5
            query: Any
            if merges:
                query = self.merging(len(inner))
            elif inner is None and r.random() < 0.1:
                query = None
            else:
                query = self.of_kind(r.choice(self.INNER[:4] if own == "manhattan" else self.INNER), own)
            made.append(
                models.Prefetch(
                    prefetch=inner,
                    query=query,
                    using=None if merges or query is None else own,
                    filter=self.filter(),
                    limit=limit if limit is not None else r.choice([None, 5, 20, 60]),
                )
            )
        return made


def ids_used(query: Any, collection: str, lookup: Optional[models.LookupLocation]) -> Set[Any]:
    """Ids of points in a query, those that are looked up in the collection itself."""
    if lookup is not None and lookup.collection != collection:
        return set()
    if isinstance(query, (int, str)) and not isinstance(query, bool):
        return {query}
    inputs: List[Any] = []
    if isinstance(query, models.NearestQuery):
        inputs = [query.nearest]
    elif isinstance(query, models.RecommendQuery):
        inputs = [*(query.recommend.positive or []), *(query.recommend.negative or [])]
    elif isinstance(query, (models.DiscoverQuery, models.ContextQuery)):
        pairs = query.discover.context if isinstance(query, models.DiscoverQuery) else query.context
        pairs = pairs if isinstance(pairs, list) else [pairs] if pairs else []
        inputs = [query.discover.target] if isinstance(query, models.DiscoverQuery) else []
        inputs += [side for pair in pairs for side in (pair.positive, pair.negative)]
    elif isinstance(query, models.RelevanceFeedbackQuery):
        inputs = [query.relevance_feedback.target, *(item.example for item in query.relevance_feedback.feedback)]
    return {item for item in inputs if isinstance(item, (int, str))}
