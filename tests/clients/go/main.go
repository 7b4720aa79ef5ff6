// The walks of test_others.py by github.com/qdrant/go-client. usage: go run . PORT
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func say(name string, value any) {
	text, _ := json.Marshal(value)
	fmt.Printf("%s\t%s\n", name, text)
}

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return value
}

func check(err error) {
	must(0, err)
}

func plain(v *qdrant.Value) any {
	switch k := v.GetKind().(type) {
	case *qdrant.Value_StringValue:
		return k.StringValue
	case *qdrant.Value_IntegerValue:
		return k.IntegerValue
	case *qdrant.Value_BoolValue:
		return k.BoolValue
	case *qdrant.Value_ListValue:
		list := []any{}
		for _, item := range k.ListValue.GetValues() {
			list = append(list, plain(item))
		}
		return list
	case *qdrant.Value_StructValue:
		object := map[string]any{}
		for key, item := range k.StructValue.GetFields() {
			object[key] = plain(item)
		}
		return object
	}
	return nil
}

func ids(hits []*qdrant.ScoredPoint) []uint64 {
	list := []uint64{}
	for _, hit := range hits {
		list = append(list, hit.GetId().GetNum())
	}
	return list
}

func shortWalk(ctx context.Context, client *qdrant.Client) {
	c := "short"
	red := &qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewMatch("color", "red")}}
	yes, limit2, limit3, wait := qdrant.PtrOf(true), qdrant.PtrOf(uint64(2)), qdrant.PtrOf(uint64(3)), qdrant.PtrOf(true)
	check(client.CreateCollection(ctx, &qdrant.CreateCollection{CollectionName: c,
		VectorsConfig: qdrant.NewVectorsConfig(&qdrant.VectorParams{Size: 4, Distance: qdrant.Distance_Dot})}))
	say("create", true)
	say("exists", must(client.CollectionExists(ctx, c)))
	say("collections", must(client.ListCollections(ctx)))
	points := []*qdrant.PointStruct{}
	for i, color := range []string{"red", "green", "blue", "red", "green"} {
		points = append(points, &qdrant.PointStruct{Id: qdrant.NewIDNum(uint64(i + 1)),
			Vectors: qdrant.NewVectors(float32(i)/4, 0.5, float32(4-i)/8, -0.25),
			Payload: qdrant.NewValueMap(map[string]any{"color": color, "size": i,
				"list": []any{i, nil, map[string]any{"deep": true}}})})
	}
	upserted := must(client.Upsert(ctx, &qdrant.UpsertPoints{CollectionName: c, Wait: wait, Points: points}))
	say("upsert", map[bool]string{true: "completed", false: "other"}[upserted.GetStatus() == qdrant.UpdateStatus_Completed])
	say("count", must(client.Count(ctx, &qdrant.CountPoints{CollectionName: c, Exact: yes})))
	say("count red", must(client.Count(ctx, &qdrant.CountPoints{CollectionName: c, Exact: yes, Filter: red})))
	got := []any{}
	for _, x := range must(client.Get(ctx, &qdrant.GetPoints{CollectionName: c,
		Ids:         []*qdrant.PointId{qdrant.NewIDNum(2), qdrant.NewIDNum(99)},
		WithPayload: qdrant.NewWithPayload(true), WithVectors: qdrant.NewWithVectors(true)})) {
		got = append(got, []any{x.GetId().GetNum(), plain(x.Payload["color"]), plain(x.Payload["size"]),
			plain(x.Payload["list"]), x.GetVectors().GetVector().GetDense().GetData()})
	}
	say("retrieve", got)
	hits := []any{}
	for _, x := range must(client.Query(ctx, &qdrant.QueryPoints{CollectionName: c, Query: qdrant.NewQuery(1, 0, 0, 0), Limit: limit3})) {
		hits = append(hits, []any{x.GetId().GetNum(), x.GetScore()})
	}
	say("query", hits)
	say("query red", ids(must(client.Query(ctx, &qdrant.QueryPoints{CollectionName: c, Query: qdrant.NewQuery(1, 0, 0, 0),
		Filter: red, Limit: limit3}))))
	say("recommend", ids(must(client.Query(ctx, &qdrant.QueryPoints{CollectionName: c, Limit: limit2,
		Query: qdrant.NewQueryRecommend(&qdrant.RecommendInput{
			Positive: []*qdrant.VectorInput{qdrant.NewVectorInputID(qdrant.NewIDNum(1))},
			Negative: []*qdrant.VectorInput{qdrant.NewVectorInputID(qdrant.NewIDNum(5))}})}))))
	groups := []any{}
	for _, x := range must(client.QueryGroups(ctx, &qdrant.QueryPointGroups{CollectionName: c, GroupBy: "color",
		Query: qdrant.NewQuery(1, 0, 0, 0), Limit: limit3, GroupSize: limit2})) {
		groups = append(groups, []any{x.GetId().GetStringValue(), ids(x.GetHits())})
	}
	say("groups", groups)
	page := must(client.GetPointsClient().Scroll(ctx, &qdrant.ScrollPoints{CollectionName: c, Limit: qdrant.PtrOf(uint32(2)),
		WithPayload: qdrant.NewWithPayload(false)}))
	scrolled := []uint64{}
	for _, x := range page.GetResult() {
		scrolled = append(scrolled, x.GetId().GetNum())
	}
	say("scroll", []any{scrolled, page.GetNextPageOffset().GetNum()})
	must(client.SetPayload(ctx, &qdrant.SetPayloadPoints{CollectionName: c, Wait: wait,
		Payload: qdrant.NewValueMap(map[string]any{"color": "black"}), PointsSelector: qdrant.NewPointsSelector(qdrant.NewIDNum(1))}))
	one := must(client.Get(ctx, &qdrant.GetPoints{CollectionName: c, Ids: []*qdrant.PointId{qdrant.NewIDNum(1)},
		WithPayload: qdrant.NewWithPayload(true)}))
	say("set payload", plain(one[0].Payload["color"]))
	must(client.Delete(ctx, &qdrant.DeletePoints{CollectionName: c, Wait: wait, Points: qdrant.NewPointsSelector(qdrant.NewIDNum(4))}))
	say("delete", must(client.Count(ctx, &qdrant.CountPoints{CollectionName: c, Exact: yes})))
	check(client.CreateAlias(ctx, "nick", c))
	aliases := []any{}
	for _, x := range must(client.ListAliases(ctx)) {
		aliases = append(aliases, []string{x.GetAliasName(), x.GetCollectionName()})
	}
	say("aliases", aliases)
	_, err := client.Count(ctx, &qdrant.CountPoints{CollectionName: "none"})
	say("no collection", map[bool]string{true: "not found", false: fmt.Sprint(err)}[status.Code(err) == codes.NotFound])
	_, err = client.Upsert(ctx, &qdrant.UpsertPoints{CollectionName: c, Wait: wait, Points: []*qdrant.PointStruct{
		{Id: qdrant.NewIDNum(1), Vectors: qdrant.NewVectors(1)}}})
	say("wrong size", map[bool]string{true: "invalid", false: fmt.Sprint(err)}[status.Code(err) == codes.InvalidArgument])
	check(client.DeleteCollection(ctx, c))
	say("delete collection", true)
}

func state(result *qdrant.UpdateResult) string {
	if result.GetStatus() == qdrant.UpdateStatus_Completed {
		return "completed"
	}
	return "other"
}

func scored(hits []*qdrant.ScoredPoint) []any {
	list := []any{}
	for _, hit := range hits {
		list = append(list, []any{hit.GetId().GetNum(), hit.GetScore()})
	}
	return list
}

func coded(err error, wanted codes.Code, text string) string {
	if status.Code(err) == wanted {
		return text
	}
	return fmt.Sprint(err)
}

func sortedKeys[T any](of map[string]T) []string {
	return slices.Sorted(maps.Keys(of))
}

func only(number uint64) *qdrant.PointsSelector {
	return qdrant.NewPointsSelector(qdrant.NewIDNum(number))
}

func wideWalk(ctx context.Context, client *qdrant.Client) {
	c := "wide"
	yes, limit := qdrant.PtrOf(true), func(n uint64) *uint64 { return &n }
	words := qdrant.NewQuerySparse([]uint32{1, 3}, []float32{1, 0.5})
	target := func() *qdrant.Query { return qdrant.NewQuery(1, 0, 0, 0) }
	query := func(request *qdrant.QueryPoints) []*qdrant.ScoredPoint {
		request.CollectionName = c
		return must(client.Query(ctx, request))
	}
	on := func(name string, what *qdrant.Query, most uint64) *qdrant.QueryPoints {
		return &qdrant.QueryPoints{CollectionName: c, Query: what, Using: &name, Limit: &most}
	}
	one := func(number uint64) *qdrant.RetrievedPoint {
		return must(client.Get(ctx, &qdrant.GetPoints{CollectionName: c, Ids: []*qdrant.PointId{qdrant.NewIDNum(number)},
			WithPayload: qdrant.NewWithPayload(true), WithVectors: qdrant.NewWithVectors(true)}))[0]
	}
	check(client.CreateCollection(ctx, &qdrant.CreateCollection{CollectionName: c,
		VectorsConfig: qdrant.NewVectorsConfigMap(map[string]*qdrant.VectorParams{
			"dense": {Size: 4, Distance: qdrant.Distance_Dot},
			"other": {Size: 2, Distance: qdrant.Distance_Euclid},
			"many": {Size: 2, Distance: qdrant.Distance_Dot,
				MultivectorConfig: &qdrant.MultiVectorConfig{Comparator: qdrant.MultiVectorComparator_MaxSim}}}),
		SparseVectorsConfig: qdrant.NewSparseVectorsConfig(map[string]*qdrant.SparseVectorParams{"words": {}})}))
	say("wide create", true)
	index := func(name string, kind qdrant.FieldType) *qdrant.UpdateResult {
		return must(client.CreateFieldIndex(ctx, &qdrant.CreateFieldIndexCollection{CollectionName: c, Wait: yes, FieldName: name,
			FieldType: &kind}))
	}
	say("field index", state(index("color", qdrant.FieldType_FieldTypeKeyword)))
	index("size", qdrant.FieldType_FieldTypeInteger)
	points := []*qdrant.PointStruct{}
	for i, color := range []string{"red", "green", "blue", "red"} {
		points = append(points, &qdrant.PointStruct{Id: qdrant.NewIDNum(uint64(i + 1)),
			Vectors: qdrant.NewVectorsMap(map[string]*qdrant.Vector{
				"dense": qdrant.NewVector(float32(i)/4, 0.5, float32(4-i)/8, -0.25),
				"other": qdrant.NewVector(float32(i), 1),
				"many":  qdrant.NewVectorMulti([][]float32{{float32(i), 0}, {0, 1}}),
				"words": qdrant.NewVectorSparse([]uint32{uint32(i), uint32(i + 1)}, []float32{1, 0.5})}),
			Payload: qdrant.NewValueMap(map[string]any{"color": color, "size": i})})
	}
	say("wide upsert", state(must(client.Upsert(ctx, &qdrant.UpsertPoints{CollectionName: c, Wait: yes, Points: points}))))
	info := must(client.GetCollectionInfo(ctx, c))
	say("info", []any{info.GetPointsCount(), info.GetStatus() == qdrant.CollectionStatus_Green, sortedKeys(info.GetPayloadSchema())})
	say("sparse", scored(query(on("words", words, 4))))
	say("euclid", scored(query(on("other", qdrant.NewQuery(2, 1), 4))))
	say("multivector", scored(query(on("many", qdrant.NewQueryMulti([][]float32{{1, 0}, {0, 1}}), 4))))
	dense := &qdrant.PrefetchQuery{Query: target(), Using: qdrant.PtrOf("dense"), Limit: limit(4)}
	sparse := &qdrant.PrefetchQuery{Query: words, Using: qdrant.PtrOf("words"), Limit: limit(4)}
	both := []*qdrant.PrefetchQuery{dense, sparse}
	say("rrf", ids(query(&qdrant.QueryPoints{Prefetch: both, Query: qdrant.NewQueryFusion(qdrant.Fusion_RRF), Limit: limit(3)})))
	say("dbsf", ids(query(&qdrant.QueryPoints{Prefetch: both, Query: qdrant.NewQueryFusion(qdrant.Fusion_DBSF), Limit: limit(3)})))
	falling := &qdrant.OrderBy{Key: "size", Direction: qdrant.Direction_Desc.Enum()}
	say("order by", ids(query(&qdrant.QueryPoints{Query: qdrant.NewQueryOrderBy(falling), Limit: limit(4)})))
	say("sample", len(query(&qdrant.QueryPoints{Query: qdrant.NewQuerySample(qdrant.Sample_Random), Limit: limit(9)})))
	example := func(number uint64) *qdrant.VectorInput { return qdrant.NewVectorInputID(qdrant.NewIDNum(number)) }
	pair := &qdrant.ContextInput{Pairs: []*qdrant.ContextInputPair{{Positive: example(2), Negative: example(4)}}}
	say("discover", ids(query(on("dense", qdrant.NewQueryDiscover(&qdrant.DiscoverInput{Target: example(1), Context: pair}), 4))))
	near := ids(query(on("dense", qdrant.NewQueryContext(pair), 4)))
	slices.Sort(near)
	say("context", near)
	raised := &qdrant.Formula{Expression: qdrant.NewExpressionSum(&qdrant.SumExpression{Sum: []*qdrant.Expression{
		qdrant.NewExpressionVariable("$score"),
		qdrant.NewExpressionMult(&qdrant.MultExpression{Mult: []*qdrant.Expression{
			qdrant.NewExpressionConstant(2), qdrant.NewExpressionVariable("size")}})}})}
	say("formula", scored(query(&qdrant.QueryPoints{Prefetch: both[:1], Query: qdrant.NewQueryFormula(raised), Limit: limit(2)})))
	batch := []any{}
	for _, x := range must(client.QueryBatch(ctx, &qdrant.QueryBatchPoints{CollectionName: c,
		QueryPoints: []*qdrant.QueryPoints{on("dense", target(), 2), on("words", words, 1)}})) {
		batch = append(batch, ids(x.GetResult()))
	}
	say("batch", batch)
	counted := map[string]uint64{}
	for _, x := range must(client.Facet(ctx, &qdrant.FacetCounts{CollectionName: c, Key: "color", Exact: yes, Limit: limit(10)})) {
		counted[x.GetValue().GetStringValue()] = x.GetCount()
	}
	facet := []any{}
	for _, name := range sortedKeys(counted) {
		facet = append(facet, []any{name, counted[name]})
	}
	say("facet", facet)
	matrix := must(client.GetPointsClient().SearchMatrixOffsets(ctx, &qdrant.SearchMatrixPoints{CollectionName: c,
		Using: qdrant.PtrOf("dense"), Sample: limit(4), Limit: limit(1)})).GetResult()
	say("matrix", []int{len(matrix.GetIds()), len(matrix.GetScores())})
	must(client.OverwritePayload(ctx, &qdrant.SetPayloadPoints{CollectionName: c, Wait: yes,
		Payload: qdrant.NewValueMap(map[string]any{"only": 1}), PointsSelector: only(1)}))
	say("overwrite payload", sortedKeys(one(1).GetPayload()))
	must(client.DeletePayload(ctx, &qdrant.DeletePayloadPoints{CollectionName: c, Wait: yes, Keys: []string{"size"}, PointsSelector: only(2)}))
	say("delete payload", sortedKeys(one(2).GetPayload()))
	must(client.ClearPayload(ctx, &qdrant.ClearPayloadPoints{CollectionName: c, Wait: yes, Points: only(3)}))
	say("clear payload", append([]string{}, sortedKeys(one(3).GetPayload())...))
	must(client.UpdateVectors(ctx, &qdrant.UpdatePointVectors{CollectionName: c, Wait: yes, Points: []*qdrant.PointVectors{
		{Id: qdrant.NewIDNum(4), Vectors: qdrant.NewVectorsMap(map[string]*qdrant.Vector{"other": qdrant.NewVector(9, 9)})}}}))
	say("update vectors", scored(query(on("other", qdrant.NewQuery(9, 9), 1))))
	must(client.DeleteVectors(ctx, &qdrant.DeletePointVectors{CollectionName: c, Wait: yes, PointsSelector: only(4),
		Vectors: &qdrant.VectorsSelector{Names: []string{"many", "words"}}}))
	say("delete vectors", sortedKeys(one(4).GetVectors().GetVectors().GetVectors()))
	states := []string{}
	for _, x := range must(client.UpdateBatch(ctx, &qdrant.UpdateBatchPoints{CollectionName: c, Wait: yes,
		Operations: []*qdrant.PointsUpdateOperation{
			qdrant.NewPointsUpdateSetPayload(&qdrant.PointsUpdateOperation_SetPayload{
				Payload: qdrant.NewValueMap(map[string]any{"mixed": true}), PointsSelector: only(1)}),
			qdrant.NewPointsUpdateDeletePoints(&qdrant.PointsUpdateOperation_DeletePoints{Points: only(2)})}})) {
		states = append(states, state(x))
	}
	say("batch update", states)
	check(client.UpdateCollection(ctx, &qdrant.UpdateCollection{CollectionName: c,
		OptimizersConfig: &qdrant.OptimizersConfigDiff{IndexingThreshold: limit(5000)}}))
	say("update collection", true)
	kept := must(client.CreateSnapshot(ctx, c)).GetName()
	before := must(client.ListSnapshots(ctx, c))
	check(client.DeleteSnapshot(ctx, c, kept))
	say("snapshot", []any{len(before) == 1 && before[0].GetName() == kept, len(must(client.ListSnapshots(ctx, c)))})
	kept = must(client.CreateFullSnapshot(ctx)).GetName()
	before = must(client.ListFullSnapshots(ctx))
	check(client.DeleteFullSnapshot(ctx, kept))
	say("full snapshot", []any{len(before) == 1 && before[0].GetName() == kept, len(must(client.ListFullSnapshots(ctx)))})
	check(client.CreateAlias(ctx, "first", c))
	check(client.RenameAlias(ctx, "first", "second"))
	say("rename alias", must(client.ListCollectionAliases(ctx, c)))
	check(client.DeleteAlias(ctx, "second"))
	say("delete alias", len(must(client.ListCollectionAliases(ctx, c))))
	say("delete field index", state(must(client.DeleteFieldIndex(ctx, &qdrant.DeleteFieldIndexCollection{CollectionName: c, Wait: yes,
		FieldName: "size"}))))
	err := client.CreateCollection(ctx, &qdrant.CreateCollection{CollectionName: c,
		VectorsConfig: qdrant.NewVectorsConfig(&qdrant.VectorParams{Size: 4, Distance: qdrant.Distance_Dot})})
	say("create twice", coded(err, codes.AlreadyExists, "exists"))
	_, err = client.Query(ctx, on("nothing", target(), 4))
	say("no such vector", coded(err, codes.InvalidArgument, "invalid"))
	say("health", strings.Contains(must(client.HealthCheck(ctx)).GetTitle(), "qdrant"))
	check(client.DeleteCollection(ctx, c))
	say("wide delete", true)
	say("exists no more", must(client.CollectionExists(ctx, c)))
}

// What is rarer: indexes of every type, MMR, relevance feedback, modes of upserts, batches of every operation, shard keys.
// This version of the client has no calls that add or remove the name of a vector.
func moreWalk(ctx context.Context, client *qdrant.Client) {
	c, wait := "more", qdrant.PtrOf(true)
	count := func(n uint64) *uint64 { return &n }
	check(client.CreateCollection(ctx, &qdrant.CreateCollection{CollectionName: c,
		VectorsConfig: qdrant.NewVectorsConfigMap(map[string]*qdrant.VectorParams{"d": {Size: 4, Distance: qdrant.Distance_Dot}})}))
	for kind, name := range []string{"keyword", "integer", "float", "geo", "text", "bool", "datetime", "uuid"} { // as FieldType counts them
		request := &qdrant.CreateFieldIndexCollection{CollectionName: c, Wait: wait, FieldName: name, FieldType: qdrant.FieldType(kind).Enum()}
		if name == "text" {
			request.FieldIndexParams = qdrant.NewPayloadIndexParamsText(&qdrant.TextIndexParams{
				Tokenizer: qdrant.TokenizerType_Word, Lowercase: qdrant.PtrOf(true)})
		}
		must(client.CreateFieldIndex(ctx, request))
	}
	schema := must(client.GetCollectionInfo(ctx, c)).GetPayloadSchema()
	indexes := []any{}
	for _, name := range sortedKeys(schema) {
		indexes = append(indexes, []string{name, strings.ToLower(schema[name].GetDataType().String())})
	}
	say("indexes", indexes)
	own := func(i int) *qdrant.Vectors {
		return qdrant.NewVectorsMap(map[string]*qdrant.Vector{"d": qdrant.NewVector(float32(i)/8, 0.5, float32(6-i)/8, float32(i%2))})
	}
	row := func(i int) *qdrant.PointStruct {
		return &qdrant.PointStruct{Id: qdrant.NewIDNum(uint64(i)), Vectors: own(i), Payload: qdrant.NewValueMap(map[string]any{
			"keyword": fmt.Sprintf("k%d", i%2), "integer": i, "float": float64(i) / 2, "bool": i%2 == 0,
			"geo":      map[string]any{"lon": 13 + float64(i)/64, "lat": 52.0},
			"datetime": fmt.Sprintf("2024-01-0%dT00:00:00Z", i), "uuid": fmt.Sprintf("f47ac10b-58cc-4372-a567-0e02b2c3d47%d", i),
			"text": []string{"even one", "odd one"}[i%2]})}
	}
	points := []*qdrant.PointStruct{}
	for i := 1; i <= 6; i++ {
		points = append(points, row(i))
	}
	must(client.Upsert(ctx, &qdrant.UpsertPoints{CollectionName: c, Wait: wait, Points: points}))
	filtered := []uint64{}
	for _, condition := range []*qdrant.Condition{
		qdrant.NewMatch("keyword", "k1"), qdrant.NewRange("integer", &qdrant.Range{Gte: qdrant.PtrOf(3.0)}),
		qdrant.NewDatetimeRange("datetime", &qdrant.DatetimeRange{Lt: timestamppb.New(time.Date(2024, 1, 3, 0, 0, 0, 0, time.UTC))}),
		qdrant.NewGeoRadius("geo", 52, 13, 2500), qdrant.NewMatchText("text", "odd"), qdrant.NewIsEmpty("none"),
		qdrant.NewHasID(qdrant.NewIDNum(2), qdrant.NewIDNum(9)), qdrant.NewHasVector("d")} {
		filtered = append(filtered, must(client.Count(ctx, &qdrant.CountPoints{CollectionName: c, Exact: wait,
			Filter: &qdrant.Filter{Must: []*qdrant.Condition{condition}}})))
	}
	say("filters", filtered)
	on := func(query *qdrant.Query) *qdrant.QueryPoints {
		return &qdrant.QueryPoints{CollectionName: c, Using: qdrant.PtrOf("d"), Query: query, Limit: count(3)}
	}
	near := qdrant.NewVectorInput(1, 0, 0, 0.5)
	example := func(n uint64) *qdrant.VectorInput { return qdrant.NewVectorInputID(qdrant.NewIDNum(n)) }
	say("mmr", ids(must(client.Query(ctx, on(qdrant.NewQueryMMR(near, &qdrant.Mmr{
		Diversity: qdrant.PtrOf(float32(0.75)), CandidatesLimit: qdrant.PtrOf(uint32(6))}))))))
	say("feedback", ids(must(client.Query(ctx, on(qdrant.NewQueryRelevanceFeedback(&qdrant.RelevanceFeedbackInput{Target: near,
		Feedback: []*qdrant.FeedbackItem{{Example: example(1), Score: 0.75}, {Example: example(6), Score: -0.5}},
		Strategy: qdrant.NewFeedbackStrategyNaive(&qdrant.NaiveFeedbackStrategy{A: 1, B: 1, C: 1})}))))))
	fused := []any{}
	for _, x := range must(client.Query(ctx, &qdrant.QueryPoints{CollectionName: c, Limit: count(3),
		Query: qdrant.NewQueryRRF(&qdrant.Rrf{K: qdrant.PtrOf(uint32(1))}), Prefetch: []*qdrant.PrefetchQuery{
			{Query: qdrant.NewQueryNearest(near), Using: qdrant.PtrOf("d")},
			{Query: qdrant.NewQueryNearest(example(1)), Using: qdrant.PtrOf("d")}}})) {
		fused = append(fused, []any{x.GetId().GetNum(), math.Round(float64(x.GetScore()) * 64)})
	}
	say("rrf k", fused)
	limited := on(qdrant.NewQueryNearest(near))
	limited.Timeout = count(5)
	say("timeout", ids(must(client.Query(ctx, limited))))
	say("pairs", len(must(client.SearchMatrixPairs(ctx, &qdrant.SearchMatrixPoints{CollectionName: c, Using: qdrant.PtrOf("d"),
		Sample: count(6), Limit: count(1)})).GetPairs()))
	numbers := func(found []*qdrant.RetrievedPoint) []uint64 {
		list := []uint64{}
		for _, x := range found {
			list = append(list, x.GetId().GetNum())
		}
		return list
	}
	say("order scroll", numbers(must(client.Scroll(ctx, &qdrant.ScrollPoints{CollectionName: c, Limit: qdrant.PtrOf(uint32(3)),
		OrderBy: &qdrant.OrderBy{Key: "integer", Direction: qdrant.Direction_Desc.Enum()}}))))
	size := func(of ...uint64) []any {
		list := []*qdrant.PointId{}
		for _, n := range of {
			list = append(list, qdrant.NewIDNum(n))
		}
		sizes := []any{}
		for _, x := range must(client.Get(ctx, &qdrant.GetPoints{CollectionName: c, Ids: list, WithPayload: qdrant.NewWithPayload(true)})) {
			sizes = append(sizes, plain(x.Payload["integer"]))
		}
		return sizes
	}
	change := func(i int, n int) *qdrant.PointStruct {
		return &qdrant.PointStruct{Id: qdrant.NewIDNum(uint64(i)), Vectors: own(i), Payload: qdrant.NewValueMap(map[string]any{"integer": n})}
	}
	must(client.Upsert(ctx, &qdrant.UpsertPoints{CollectionName: c, Wait: wait, UpdateMode: qdrant.UpdateMode_InsertOnly.Enum(),
		Points: []*qdrant.PointStruct{change(1, 100), change(7, 7)}}))
	say("insert only", size(1, 7))
	must(client.Upsert(ctx, &qdrant.UpsertPoints{CollectionName: c, Wait: wait, UpdateMode: qdrant.UpdateMode_UpdateOnly.Enum(),
		Points: []*qdrant.PointStruct{change(1, 101), change(8, 8)}}))
	say("update only", size(1, 8))
	must(client.Upsert(ctx, &qdrant.UpsertPoints{CollectionName: c, Wait: wait, Points: []*qdrant.PointStruct{change(1, 102), change(2, 102)},
		UpdateFilter: &qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewMatchInt("integer", 2)}}}))
	say("update filter", size(1, 2))
	states := []string{}
	for _, x := range must(client.UpdateBatch(ctx, &qdrant.UpdateBatchPoints{CollectionName: c, Wait: wait,
		Operations: []*qdrant.PointsUpdateOperation{
			qdrant.NewPointsUpdateUpsert(&qdrant.PointsUpdateOperation_PointStructList{Points: []*qdrant.PointStruct{row(9)}}),
			qdrant.NewPointsUpdateSetPayload(&qdrant.PointsUpdateOperation_SetPayload{
				Payload: qdrant.NewValueMap(map[string]any{"new": 1}), PointsSelector: only(9)}),
			qdrant.NewPointsUpdateOverwritePayload(&qdrant.PointsUpdateOperation_OverwritePayload{
				Payload: qdrant.NewValueMap(map[string]any{"integer": 3}), PointsSelector: only(3)}),
			qdrant.NewPointsUpdateDeletePayload(&qdrant.PointsUpdateOperation_DeletePayload{Keys: []string{"text"}, PointsSelector: only(4)}),
			qdrant.NewPointsUpdateClearPayload(&qdrant.PointsUpdateOperation_ClearPayload{Points: only(5)}),
			qdrant.NewPointsUpdateUpdateVectors(&qdrant.PointsUpdateOperation_UpdateVectors{Points: []*qdrant.PointVectors{
				{Id: qdrant.NewIDNum(6), Vectors: qdrant.NewVectorsMap(map[string]*qdrant.Vector{"d": qdrant.NewVector(8, 8, 8, 8)})}}}),
			qdrant.NewPointsUpdateDeleteVectors(&qdrant.PointsUpdateOperation_DeleteVectors{PointsSelector: only(4),
				Vectors: &qdrant.VectorsSelector{Names: []string{"d"}}}),
			qdrant.NewPointsUpdateDeletePoints(&qdrant.PointsUpdateOperation_DeletePoints{Points: only(7)})}})) {
		states = append(states, state(x))
	}
	say("batch of all", states)
	say("after the batch", []any{size(3, 5, 7, 9), ids(must(client.Query(ctx, on(qdrant.NewQueryNearest(near)))))})
	check(client.DeleteCollection(ctx, c))

	c = "keyed"
	check(client.CreateCollection(ctx, &qdrant.CreateCollection{CollectionName: c, ShardingMethod: qdrant.ShardingMethod_Custom.Enum(),
		VectorsConfig: qdrant.NewVectorsConfig(&qdrant.VectorParams{Size: 2, Distance: qdrant.Distance_Dot})}))
	for _, key := range []string{"a", "b"} {
		check(client.CreateShardKey(ctx, c, &qdrant.CreateShardKey{ShardKey: qdrant.NewShardKey(key)}))
	}
	within := func(key string) *qdrant.ShardKeySelector {
		return &qdrant.ShardKeySelector{ShardKeys: []*qdrant.ShardKey{qdrant.NewShardKey(key)}}
	}
	flat := func(i uint64, x, y float32) *qdrant.PointStruct {
		return &qdrant.PointStruct{Id: qdrant.NewIDNum(i), Vectors: qdrant.NewVectors(x, y)}
	}
	must(client.Upsert(ctx, &qdrant.UpsertPoints{CollectionName: c, Wait: wait, ShardKeySelector: within("a"),
		Points: []*qdrant.PointStruct{flat(1, 1, 0), flat(2, 0, 1)}}))
	must(client.Upsert(ctx, &qdrant.UpsertPoints{CollectionName: c, Wait: wait, ShardKeySelector: within("b"),
		Points: []*qdrant.PointStruct{flat(3, 1, 1)}}))
	keys := func() []string {
		list := []string{}
		for _, x := range must(client.ListShardKeys(ctx, c)) {
			list = append(list, x.GetKey().GetKeyword())
		}
		slices.Sort(list)
		return list
	}
	say("shard keys", []any{keys(), must(client.Count(ctx, &qdrant.CountPoints{CollectionName: c, Exact: wait, ShardKeySelector: within("a")})),
		ids(must(client.Query(ctx, &qdrant.QueryPoints{CollectionName: c, Query: qdrant.NewQuery(1, 1), ShardKeySelector: within("b")})))})
	check(client.DeleteShardKey(ctx, c, &qdrant.DeleteShardKey{ShardKey: qdrant.NewShardKey("a")}))
	say("delete shard key", []any{keys(), must(client.Count(ctx, &qdrant.CountPoints{CollectionName: c, Exact: wait}))})
	cluster := must(client.GetCollectionClusterInfo(ctx, c))
	say("cluster info", []any{cluster.GetShardCount(), len(cluster.GetRemoteShards())})
	check(client.DeleteCollection(ctx, c))
}

func main() {
	ctx := context.Background()
	port := must(strconv.Atoi(os.Args[1]))
	client := must(qdrant.NewClient(&qdrant.Config{Host: "127.0.0.1", Port: port, SkipCompatibilityCheck: true}))
	shortWalk(ctx, client)
	wideWalk(ctx, client)
	moreWalk(ctx, client)
}
