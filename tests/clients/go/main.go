// The short walk of test_others.py by github.com/qdrant/go-client. usage: go run . PORT
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const c = "short"

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

func main() {
	ctx := context.Background()
	port := must(strconv.Atoi(os.Args[1]))
	client := must(qdrant.NewClient(&qdrant.Config{Host: "127.0.0.1", Port: port, SkipCompatibilityCheck: true}))
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
