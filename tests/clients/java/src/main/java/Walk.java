// The walks of test_others.py by io.qdrant:client. usage: java -cp ... Walk PORT
import static io.qdrant.client.ConditionFactory.matchKeyword;
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
import static io.qdrant.client.QueryFactory.sample;
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

    public static void main(String[] arguments) throws Exception {
        client = new QdrantClient(
            QdrantGrpcClient.newBuilder("127.0.0.1", Integer.parseInt(arguments[0]), false, false).build());
        shortWalk();
        wideWalk();
        client.close();
    }
}
