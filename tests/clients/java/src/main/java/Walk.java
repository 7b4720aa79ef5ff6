// The walks of test_others.py by io.qdrant:client. usage: java -cp ... Walk PORT
import static io.qdrant.client.ConditionFactory.datetimeRange;
import static io.qdrant.client.ConditionFactory.geoRadius;
import static io.qdrant.client.ConditionFactory.hasId;
import static io.qdrant.client.ConditionFactory.hasVector;
import static io.qdrant.client.ConditionFactory.isEmpty;
import static io.qdrant.client.ConditionFactory.match;
import static io.qdrant.client.ConditionFactory.matchKeyword;
import static io.qdrant.client.ConditionFactory.matchText;
import static io.qdrant.client.ConditionFactory.range;
import static io.qdrant.client.ExpressionFactory.constant;
import static io.qdrant.client.ExpressionFactory.mult;
import static io.qdrant.client.ExpressionFactory.sum;
import static io.qdrant.client.ExpressionFactory.variable;
import static io.qdrant.client.PointIdFactory.id;
import static io.qdrant.client.QueryFactory.context;
import static io.qdrant.client.QueryFactory.discover;
import static io.qdrant.client.QueryFactory.formula;
import static io.qdrant.client.QueryFactory.fusion;
import static io.qdrant.client.QueryFactory.nearest;
import static io.qdrant.client.QueryFactory.orderBy;
import static io.qdrant.client.QueryFactory.recommend;
import static io.qdrant.client.QueryFactory.relevanceFeedback;
import static io.qdrant.client.QueryFactory.rrf;
import static io.qdrant.client.QueryFactory.sample;
import static io.qdrant.client.ShardKeyFactory.shardKey;
import static io.qdrant.client.ShardKeySelectorFactory.shardKeySelector;
import static io.qdrant.client.ValueFactory.list;
import static io.qdrant.client.ValueFactory.nullValue;
import static io.qdrant.client.ValueFactory.value;
import static io.qdrant.client.VectorFactory.multiVector;
import static io.qdrant.client.VectorFactory.vector;
import static io.qdrant.client.VectorInputFactory.vectorInput;
import static io.qdrant.client.VectorsFactory.namedVectors;
import static io.qdrant.client.VectorsFactory.vectors;

import com.google.common.util.concurrent.ListenableFuture;
import com.google.gson.Gson;
import com.google.protobuf.Timestamp;
import io.grpc.Status;
import io.qdrant.client.QdrantClient;
import io.qdrant.client.QdrantGrpcClient;
import io.qdrant.client.VectorOutputHelper;
import io.qdrant.client.WithPayloadSelectorFactory;
import io.qdrant.client.WithVectorsSelectorFactory;
import io.qdrant.client.grpc.Collections.*;
import io.qdrant.client.grpc.Common.*;
import io.qdrant.client.grpc.JsonWithInt.Value;
import io.qdrant.client.grpc.Points.*;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;

public class Walk {
    static final Gson GSON = new Gson().newBuilder().serializeNulls().create();
    static final List<Float> TARGET = List.of(1f, 0f, 0f, 0f);
    static QdrantClient client;

    static void say(String name, Object what) {
        System.out.println(name + "\t" + GSON.toJson(what));
    }

    static Object plain(Value v) {
        switch (v.getKindCase()) {
            case STRING_VALUE: return v.getStringValue();
            case INTEGER_VALUE: return v.getIntegerValue();
            case BOOL_VALUE: return v.getBoolValue();
            case LIST_VALUE: return v.getListValue().getValuesList().stream().map(x -> {
                    Object[] one = {plain(x)};
                    return one;
                }).collect(ArrayList::new, (all, one) -> all.add(one[0]), ArrayList::addAll);
            case STRUCT_VALUE: {
                Map<String, Object> fields = new TreeMap<>();
                v.getStructValue().getFieldsMap().forEach((key, item) -> fields.put(key, plain(item)));
                return fields;
            }
            default: return null;
        }
    }

    static List<Long> ids(List<ScoredPoint> hits) {
        return hits.stream().map(x -> x.getId().getNum()).toList();
    }

    static List<Object> scored(List<ScoredPoint> hits) {
        return hits.stream().map(x -> (Object) List.of(x.getId().getNum(), x.getScore())).toList();
    }

    static String state(UpdateResult result) {
        return result.getStatus() == UpdateStatus.Completed ? "completed" : "other";
    }

    static String code(ListenableFuture<?> call, Status.Code wanted, String text) throws InterruptedException {
        try {
            call.get();
            return "no error";
        } catch (ExecutionException reason) {
            return Status.fromThrowable(reason).getCode() == wanted ? text : reason.toString();
        }
    }

    static PointsSelector only(long number) {
        return PointsSelector.newBuilder().setPoints(PointsIdsList.newBuilder().addIds(id(number))).build();
    }

    static RetrievedPoint one(String c, long number) throws Exception {
        return client.retrieveAsync(c, List.of(id(number)), true, true, null).get().get(0);
    }

    static QueryPoints.Builder query(String c, Query what, int limit) {
        return QueryPoints.newBuilder().setCollectionName(c).setQuery(what).setLimit(limit);
    }

    static VectorParams params(long size, Distance distance) {
        return VectorParams.newBuilder().setSize(size).setDistance(distance).build();
    }

    static void shortWalk() throws Exception {
        String c = "short";
        Filter red = Filter.newBuilder().addMust(matchKeyword("color", "red")).build();
        say("create", client.createCollectionAsync(c, params(4, Distance.Dot)).get().getResult());
        say("exists", client.collectionExistsAsync(c).get());
        say("collections", client.listCollectionsAsync().get());
        List<PointStruct> points = new ArrayList<>();
        for (int i = 0; i < 5; i++) {
            points.add(PointStruct.newBuilder().setId(id(i + 1)).setVectors(vectors(i / 4f, 0.5f, (4 - i) / 8f, -0.25f))
                .putPayload("color", value(List.of("red", "green", "blue", "red", "green").get(i))).putPayload("size", value((long) i))
                .putPayload("list", list(List.of(value((long) i), nullValue(), value(Map.of("deep", value(true)))))).build());
        }
        say("upsert", state(client.upsertAsync(c, points).get()));
        say("count", client.countAsync(c).get());
        say("count red", client.countAsync(c, red, true).get());
        List<Object> got = new ArrayList<>();
        for (RetrievedPoint x : client.retrieveAsync(c, List.of(id(2), id(99)), WithPayloadSelectorFactory.enable(true),
                 WithVectorsSelectorFactory.enable(true), null).get()) {
            Map<String, Value> fields = x.getPayloadMap();
            got.add(List.of(x.getId().getNum(), plain(fields.get("color")), plain(fields.get("size")), plain(fields.get("list")),
                VectorOutputHelper.getDenseVector(x.getVectors().getVector()).getDataList()));
        }
        say("retrieve", got);
        say("query", scored(client.queryAsync(query(c, nearest(TARGET), 3).build()).get()));
        say("query red", ids(client.queryAsync(query(c, nearest(TARGET), 3).setFilter(red).build()).get()));
        RecommendInput like = RecommendInput.newBuilder().addPositive(vectorInput(1)).addNegative(vectorInput(5)).build();
        say("recommend", ids(client.queryAsync(query(c, recommend(like), 2).build()).get()));
        List<Object> groups = new ArrayList<>();
        for (PointGroup x : client.queryGroupsAsync(QueryPointGroups.newBuilder().setCollectionName(c).setGroupBy("color")
                 .setQuery(nearest(TARGET)).setLimit(3).setGroupSize(2).build()).get()) {
            groups.add(List.of(x.getId().getStringValue(), ids(x.getHitsList())));
        }
        say("groups", groups);
        ScrollResponse page = client.scrollAsync(ScrollPoints.newBuilder().setCollectionName(c).setLimit(2)
            .setWithPayload(WithPayloadSelectorFactory.enable(false)).build()).get();
        say("scroll", List.of(page.getResultList().stream().map(x -> x.getId().getNum()).toList(), page.getNextPageOffset().getNum()));
        client.setPayloadAsync(c, Map.of("color", value("black")), id(1), true, null, null).get();
        say("set payload", plain(one(c, 1).getPayloadMap().get("color")));
        client.deleteAsync(c, List.of(id(4))).get();
        say("delete", client.countAsync(c).get());
        client.createAliasAsync("nick", c).get();
        say("aliases", client.listAliasesAsync().get().stream().map(x -> List.of(x.getAliasName(), x.getCollectionName())).toList());
        say("no collection", code(client.countAsync("none"), Status.Code.NOT_FOUND, "not found"));
        say("wrong size", code(client.upsertAsync(c, List.of(PointStruct.newBuilder().setId(id(1)).setVectors(vectors(1f)).build())),
            Status.Code.INVALID_ARGUMENT, "invalid"));
        say("delete collection", client.deleteCollectionAsync(c).get().getResult());
    }

    static void wideWalk() throws Exception {
        String c = "wide";
        Query words = nearest(List.of(1f, 0.5f), List.of(1, 3));
        say("wide create", client.createCollectionAsync(CreateCollection.newBuilder().setCollectionName(c)
            .setVectorsConfig(VectorsConfig.newBuilder().setParamsMap(VectorParamsMap.newBuilder()
                .putMap("dense", params(4, Distance.Dot)).putMap("other", params(2, Distance.Euclid))
                .putMap("many", params(2, Distance.Dot).toBuilder().setMultivectorConfig(
                    MultiVectorConfig.newBuilder().setComparator(MultiVectorComparator.MaxSim)).build())))
            .setSparseVectorsConfig(SparseVectorConfig.newBuilder().putMap("words", SparseVectorParams.getDefaultInstance()))
            .build()).get().getResult());
        say("field index", state(client.createPayloadIndexAsync(c, "color", PayloadSchemaType.Keyword, null, true, null, null).get()));
        client.createPayloadIndexAsync(c, "size", PayloadSchemaType.Integer, null, true, null, null).get();
        List<PointStruct> points = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            points.add(PointStruct.newBuilder().setId(id(i + 1)).setVectors(namedVectors(Map.of(
                "dense", vector(i / 4f, 0.5f, (4 - i) / 8f, -0.25f), "other", vector((float) i, 1f),
                "many", multiVector(List.of(List.of((float) i, 0f), List.of(0f, 1f))),
                "words", vector(List.of(1f, 0.5f), List.of(i, i + 1)))))
                .putPayload("color", value(List.of("red", "green", "blue", "red").get(i))).putPayload("size", value((long) i)).build());
        }
        say("wide upsert", state(client.upsertAsync(c, points).get()));
        CollectionInfo info = client.getCollectionInfoAsync(c).get();
        say("info", List.of(info.getPointsCount(), info.getStatus() == CollectionStatus.Green,
            info.getPayloadSchemaMap().keySet().stream().sorted().toList()));
        say("sparse", scored(client.queryAsync(query(c, words, 4).setUsing("words").build()).get()));
        say("euclid", scored(client.queryAsync(query(c, nearest(2f, 1f), 4).setUsing("other").build()).get()));
        say("multivector", scored(client.queryAsync(query(c, nearest(new float[][] {{1, 0}, {0, 1}}), 4).setUsing("many").build()).get()));
        PrefetchQuery.Builder dense = PrefetchQuery.newBuilder().setQuery(nearest(TARGET)).setUsing("dense").setLimit(4);
        PrefetchQuery.Builder sparse = PrefetchQuery.newBuilder().setQuery(words).setUsing("words").setLimit(4);
        say("rrf", ids(client.queryAsync(query(c, fusion(Fusion.RRF), 3).addPrefetch(dense).addPrefetch(sparse).build()).get()));
        say("dbsf", ids(client.queryAsync(query(c, fusion(Fusion.DBSF), 3).addPrefetch(dense).addPrefetch(sparse).build()).get()));
        OrderBy falling = OrderBy.newBuilder().setKey("size").setDirection(Direction.Desc).build();
        say("order by", ids(client.queryAsync(query(c, orderBy(falling), 4).build()).get()));
        say("sample", client.queryAsync(query(c, sample(Sample.Random), 9).build()).get().size());
        ContextInput pair = ContextInput.newBuilder().addPairs(
            ContextInputPair.newBuilder().setPositive(vectorInput(2)).setNegative(vectorInput(4))).build();
        DiscoverInput found = DiscoverInput.newBuilder().setTarget(vectorInput(1)).setContext(pair).build();
        say("discover", ids(client.queryAsync(query(c, discover(found), 4).setUsing("dense").build()).get()));
        say("context", ids(client.queryAsync(query(c, context(pair), 4).setUsing("dense").build()).get()).stream().sorted().toList());
        Formula raised = Formula.newBuilder().setExpression(sum(SumExpression.newBuilder().addSum(variable("$score")).addSum(
            mult(MultExpression.newBuilder().addMult(constant(2)).addMult(variable("size")).build())).build())).build();
        say("formula", scored(client.queryAsync(query(c, formula(raised), 2).addPrefetch(dense).build()).get()));
        say("batch", client.queryBatchAsync(c, List.of(query(c, nearest(TARGET), 2).setUsing("dense").build(),
            query(c, words, 1).setUsing("words").build())).get().stream().map(x -> ids(x.getResultList())).toList());
        Map<String, Long> counted = new TreeMap<>();
        client.facetAsync(FacetCounts.newBuilder().setCollectionName(c).setKey("color").setExact(true).setLimit(10).build()).get()
            .forEach(x -> counted.put(x.getValue().getStringValue(), x.getCount()));
        say("facet", counted.entrySet().stream().map(x -> List.of(x.getKey(), x.getValue())).toList());
        SearchMatrixOffsets matrix = client.searchMatrixOffsetsAsync(SearchMatrixPoints.newBuilder().setCollectionName(c)
            .setUsing("dense").setSample(4).setLimit(1).build()).get();
        say("matrix", List.of(matrix.getIdsCount(), matrix.getScoresCount()));
        client.overwritePayloadAsync(c, Map.of("only", value(1)), id(1), true, null, null).get();
        say("overwrite payload", one(c, 1).getPayloadMap().keySet().stream().sorted().toList());
        client.deletePayloadAsync(c, List.of("size"), id(2), true, null, null).get();
        say("delete payload", one(c, 2).getPayloadMap().keySet().stream().sorted().toList());
        client.clearPayloadAsync(c, id(3), true, null, null).get();
        say("clear payload", one(c, 3).getPayloadMap().keySet().stream().sorted().toList());
        client.updateVectorsAsync(c, List.of(PointVectors.newBuilder().setId(id(4))
            .setVectors(namedVectors(Map.of("other", vector(9f, 9f)))).build())).get();
        say("update vectors", scored(client.queryAsync(query(c, nearest(9f, 9f), 1).setUsing("other").build()).get()));
        client.deleteVectorsAsync(c, List.of("many", "words"), List.of(id(4))).get();
        say("delete vectors", one(c, 4).getVectors().getVectors().getVectorsMap().keySet().stream().sorted().toList());
        say("batch update", client.batchUpdateAsync(c, List.of(
            PointsUpdateOperation.newBuilder().setSetPayload(PointsUpdateOperation.SetPayload.newBuilder()
                .putPayload("mixed", value(true)).setPointsSelector(only(1))).build(),
            PointsUpdateOperation.newBuilder().setDeletePoints(PointsUpdateOperation.DeletePoints.newBuilder()
                .setPoints(only(2))).build())).get().stream().map(Walk::state).toList());
        say("update collection", client.updateCollectionAsync(UpdateCollection.newBuilder().setCollectionName(c)
            .setOptimizersConfig(OptimizersConfigDiff.newBuilder().setIndexingThreshold(5000)).build()).get().getResult());
        String kept = client.createSnapshotAsync(c).get().getName();
        var before = client.listSnapshotAsync(c).get();
        client.deleteSnapshotAsync(c, kept).get();
        say("snapshot", List.of(before.size() == 1 && before.get(0).getName().equals(kept), client.listSnapshotAsync(c).get().size()));
        kept = client.createFullSnapshotAsync().get().getName();
        before = client.listFullSnapshotAsync().get();
        client.deleteFullSnapshotAsync(kept).get();
        say("full snapshot", List.of(before.size() == 1 && before.get(0).getName().equals(kept), client.listFullSnapshotAsync().get().size()));
        client.createAliasAsync("first", c).get();
        client.renameAliasAsync("first", "second").get();
        say("rename alias", client.listCollectionAliasesAsync(c).get());
        client.deleteAliasAsync("second").get();
        say("delete alias", client.listCollectionAliasesAsync(c).get().size());
        say("delete field index", state(client.deletePayloadIndexAsync(c, "size", true, null, null).get()));
        say("create twice", code(client.createCollectionAsync(c, params(4, Distance.Dot)), Status.Code.ALREADY_EXISTS, "exists"));
        say("no such vector", code(client.queryAsync(query(c, nearest(TARGET), 4).setUsing("nothing").build()),
            Status.Code.INVALID_ARGUMENT, "invalid"));
        say("health", client.healthCheckAsync().get().getTitle().contains("qdrant"));
        say("wide delete", client.deleteCollectionAsync(c).get().getResult());
        say("exists no more", client.collectionExistsAsync(c).get());
    }

    static List<Object> sizes(String c, long... numbers) throws Exception {
        List<Object> found = new ArrayList<>();
        List<PointId> of = new ArrayList<>();
        for (long n : numbers) {
            of.add(id(n));
        }
        for (RetrievedPoint x : client.retrieveAsync(c, of, true, false, null).get()) {
            Value size = x.getPayloadMap().get("integer");
            found.add(size == null ? null : plain(size));
        }
        return found;
    }

    static Vectors own(int i) {
        return namedVectors(Map.of("d", vector(i / 8f, 0.5f, (6 - i) / 8f, (float) (i % 2))));
    }

    static PointStruct row(int i) {
        return PointStruct.newBuilder().setId(id(i)).setVectors(own(i)).putPayload("keyword", value("k" + i % 2))
            .putPayload("integer", value((long) i)).putPayload("float", value(i / 2.0)).putPayload("bool", value(i % 2 == 0))
            .putPayload("geo", value(Map.of("lon", value(13 + i / 64.0), "lat", value(52.0))))
            .putPayload("datetime", value("2024-01-0" + i + "T00:00:00Z"))
            .putPayload("uuid", value("f47ac10b-58cc-4372-a567-0e02b2c3d47" + i))
            .putPayload("text", value(i % 2 == 1 ? "odd one" : "even one")).build();
    }

    static PointStruct change(int i, long n) {
        return PointStruct.newBuilder().setId(id(i)).setVectors(own(i)).putPayload("integer", value(n)).build();
    }

    static UpsertPoints.Builder upsert(String c, PointStruct... points) {
        return UpsertPoints.newBuilder().setCollectionName(c).setWait(true).addAllPoints(List.of(points));
    }

    static List<String> keys(String c) throws Exception {
        return client.listShardKeysAsync(c).get().stream().map(x -> x.getKey().getKeyword()).sorted().toList();
    }

    // What is rarer: indexes of every type, MMR, relevance feedback, modes of upserts, batches of every operation, names of vectors,
    // shard keys.
    static void moreWalk() throws Exception {
        String c = "more";
        client.createCollectionAsync(c, Map.of("d", params(4, Distance.Dot))).get();
        for (PayloadSchemaType kind : List.of(PayloadSchemaType.Keyword, PayloadSchemaType.Integer, PayloadSchemaType.Float,
                 PayloadSchemaType.Geo, PayloadSchemaType.Text, PayloadSchemaType.Bool, PayloadSchemaType.Datetime,
                 PayloadSchemaType.Uuid)) {
            PayloadIndexParams how = kind != PayloadSchemaType.Text ? null : PayloadIndexParams.newBuilder().setTextIndexParams(
                TextIndexParams.newBuilder().setTokenizer(TokenizerType.Word).setLowercase(true)).build();
            client.createPayloadIndexAsync(c, kind.name().toLowerCase(), kind, how, true, null, null).get();
        }
        Map<String, PayloadSchemaInfo> schema = new TreeMap<>(client.getCollectionInfoAsync(c).get().getPayloadSchemaMap());
        say("indexes", schema.entrySet().stream().map(x -> List.of(x.getKey(), x.getValue().getDataType().name().toLowerCase())).toList());
        client.upsertAsync(c, List.of(row(1), row(2), row(3), row(4), row(5), row(6))).get();
        List<Long> filtered = new ArrayList<>();
        for (Condition condition : List.of(matchKeyword("keyword", "k1"), range("integer", Range.newBuilder().setGte(3).build()),
                 datetimeRange("datetime", DatetimeRange.newBuilder().setLt(Timestamp.newBuilder().setSeconds(1_704_240_000L)).build()),
                 geoRadius("geo", 52, 13, 2500), matchText("text", "odd"), isEmpty("none"), hasId(List.of(id(2), id(9))),
                 hasVector("d"))) {
            filtered.add(client.countAsync(c, Filter.newBuilder().addMust(condition).build(), true).get());
        }
        say("filters", filtered);
        VectorInput near = vectorInput(1f, 0f, 0f, 0.5f);
        say("mmr", ids(client.queryAsync(query(c, nearest(near, Mmr.newBuilder().setDiversity(0.75f).setCandidatesLimit(6).build()), 3)
            .setUsing("d").build()).get()));
        RelevanceFeedbackInput told = RelevanceFeedbackInput.newBuilder().setTarget(near)
            .addFeedback(FeedbackItem.newBuilder().setExample(vectorInput(1)).setScore(0.75f))
            .addFeedback(FeedbackItem.newBuilder().setExample(vectorInput(6)).setScore(-0.5f))
            .setStrategy(FeedbackStrategy.newBuilder().setNaive(NaiveFeedbackStrategy.newBuilder().setA(1).setB(1).setC(1))).build();
        say("feedback", ids(client.queryAsync(query(c, relevanceFeedback(told), 3).setUsing("d").build()).get()));
        say("rrf k", client.queryAsync(query(c, rrf(Rrf.newBuilder().setK(1).build()), 3)
            .addPrefetch(PrefetchQuery.newBuilder().setQuery(nearest(near)).setUsing("d"))
            .addPrefetch(PrefetchQuery.newBuilder().setQuery(nearest(1)).setUsing("d")).build()).get().stream()
            .map(x -> List.of(x.getId().getNum(), Math.round(x.getScore() * 64))).toList());
        say("timeout", ids(client.queryAsync(query(c, nearest(near), 3).setUsing("d").setTimeout(5).build()).get()));
        say("pairs", client.searchMatrixPairsAsync(SearchMatrixPoints.newBuilder().setCollectionName(c).setUsing("d").setSample(6)
            .setLimit(1).build()).get().getPairsCount());
        say("order scroll", client.scrollAsync(ScrollPoints.newBuilder().setCollectionName(c).setLimit(3).setOrderBy(
            OrderBy.newBuilder().setKey("integer").setDirection(Direction.Desc)).build()).get().getResultList().stream()
            .map(x -> x.getId().getNum()).toList());
        client.upsertAsync(upsert(c, change(1, 100), change(7, 7)).setUpdateMode(UpdateMode.InsertOnly).build()).get();
        say("insert only", sizes(c, 1, 7));
        client.upsertAsync(upsert(c, change(1, 101), change(8, 8)).setUpdateMode(UpdateMode.UpdateOnly).build()).get();
        say("update only", sizes(c, 1, 8));
        client.upsertAsync(upsert(c, change(1, 102), change(2, 102)).setUpdateFilter(
            Filter.newBuilder().addMust(match("integer", 2)).build()).build()).get();
        say("update filter", sizes(c, 1, 2));
        VectorsSelector named = VectorsSelector.newBuilder().addNames("d").build();
        say("batch of all", client.batchUpdateAsync(c, List.of(
            PointsUpdateOperation.newBuilder().setUpsert(PointsUpdateOperation.PointStructList.newBuilder().addPoints(row(9))).build(),
            PointsUpdateOperation.newBuilder().setSetPayload(PointsUpdateOperation.SetPayload.newBuilder()
                .putPayload("new", value(1)).setPointsSelector(only(9))).build(),
            PointsUpdateOperation.newBuilder().setOverwritePayload(PointsUpdateOperation.OverwritePayload.newBuilder()
                .putPayload("integer", value(3)).setPointsSelector(only(3))).build(),
            PointsUpdateOperation.newBuilder().setDeletePayload(PointsUpdateOperation.DeletePayload.newBuilder()
                .addKeys("text").setPointsSelector(only(4))).build(),
            PointsUpdateOperation.newBuilder().setClearPayload(PointsUpdateOperation.ClearPayload.newBuilder().setPoints(only(5))).build(),
            PointsUpdateOperation.newBuilder().setUpdateVectors(PointsUpdateOperation.UpdateVectors.newBuilder().addPoints(
                PointVectors.newBuilder().setId(id(6)).setVectors(namedVectors(Map.of("d", vector(8f, 8f, 8f, 8f)))))).build(),
            PointsUpdateOperation.newBuilder().setDeleteVectors(PointsUpdateOperation.DeleteVectors.newBuilder()
                .setPointsSelector(only(4)).setVectors(named)).build(),
            PointsUpdateOperation.newBuilder().setDeletePoints(PointsUpdateOperation.DeletePoints.newBuilder()
                .setPoints(only(7))).build())).get().stream().map(Walk::state).toList());
        say("after the batch", List.of(sizes(c, 3, 5, 7, 9), ids(client.queryAsync(query(c, nearest(near), 3).setUsing("d").build()).get())));
        client.createVectorNameAsync(CreateVectorNameRequest.newBuilder().setCollectionName(c).setWait(true).setVectorName("e")
            .setDenseConfig(DenseVectorCreationConfig.newBuilder().setSize(2).setDistance(Distance.Dot)).build()).get();
        client.updateVectorsAsync(c, List.of(PointVectors.newBuilder().setId(id(1))
            .setVectors(namedVectors(Map.of("e", vector(1f, 1f)))).build())).get();
        List<Long> found = ids(client.queryAsync(query(c, nearest(1f, 0f), 3).setUsing("e").build()).get());
        client.deleteVectorNameAsync(DeleteVectorNameRequest.newBuilder().setCollectionName(c).setWait(true).setVectorName("e").build()).get();
        say("vector name", List.of(found, client.getCollectionInfoAsync(c).get().getConfig().getParams().getVectorsConfig()
            .getParamsMap().getMapMap().keySet()));
        client.deleteCollectionAsync(c).get();

        c = "keyed";
        client.createCollectionAsync(CreateCollection.newBuilder().setCollectionName(c).setShardingMethod(ShardingMethod.Custom)
            .setVectorsConfig(VectorsConfig.newBuilder().setParams(params(2, Distance.Dot))).build()).get();
        for (String key : List.of("a", "b")) {
            client.createShardKeyAsync(CreateShardKeyRequest.newBuilder().setCollectionName(c)
                .setRequest(CreateShardKey.newBuilder().setShardKey(shardKey(key))).build()).get();
        }
        client.upsertAsync(upsert(c, PointStruct.newBuilder().setId(id(1)).setVectors(vectors(1f, 0f)).build(),
            PointStruct.newBuilder().setId(id(2)).setVectors(vectors(0f, 1f)).build()).setShardKeySelector(shardKeySelector("a")).build()).get();
        client.upsertAsync(upsert(c, PointStruct.newBuilder().setId(id(3)).setVectors(vectors(1f, 1f)).build())
            .setShardKeySelector(shardKeySelector("b")).build()).get();
        // Counts within a key are not among this client's calls: a scroll is.
        say("shard keys", List.of(keys(c), client.scrollAsync(ScrollPoints.newBuilder().setCollectionName(c)
            .setShardKeySelector(shardKeySelector("a")).build()).get().getResultCount(),
            ids(client.queryAsync(query(c, nearest(1f, 1f), 3).setShardKeySelector(shardKeySelector("b")).build()).get())));
        client.deleteShardKeyAsync(DeleteShardKeyRequest.newBuilder().setCollectionName(c)
            .setRequest(DeleteShardKey.newBuilder().setShardKey(shardKey("a"))).build()).get();
        say("delete shard key", List.of(keys(c), client.countAsync(c).get()));
        CollectionClusterInfoResponse cluster = client.getCollectionClusterInfoAsync(c).get();
        say("cluster info", List.of(cluster.getShardCount(), cluster.getRemoteShardsCount()));
        client.deleteCollectionAsync(c).get();
    }

    public static void main(String[] arguments) throws Exception {
        client = new QdrantClient(
            QdrantGrpcClient.newBuilder("127.0.0.1", Integer.parseInt(arguments[0]), false, false).build());
        shortWalk();
        wideWalk();
        moreWalk();
        client.close();
    }
}
