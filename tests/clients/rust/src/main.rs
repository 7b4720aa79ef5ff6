// The walks of test_others.py by the crate qdrant-client. usage: walk PORT
use ::qdrant_client::qdrant::{self as q, *};
use ::qdrant_client::{Payload, Qdrant, QdrantError};
use serde_json::{json, Value as Json};

type Done = Result<(), Box<dyn std::error::Error>>;

const INVALID_ARGUMENT: i32 = 3; // of gRPC
const NOT_FOUND: i32 = 5;
const ALREADY_EXISTS: i32 = 6;

fn say(name: &str, value: Json) {
    println!("{name}\t{value}");
}

fn number(id: &Option<PointId>) -> u64 {
    match id.as_ref().and_then(|x| x.point_id_options.as_ref()) {
        Some(point_id::PointIdOptions::Num(n)) => *n,
        other => panic!("not a number: {other:?}"),
    }
}

fn ids(hits: &[ScoredPoint]) -> Vec<u64> {
    hits.iter().map(|hit| number(&hit.id)).collect()
}

fn plain(value: Option<&q::Value>) -> Json {
    value.map_or(Json::Null, |x| x.clone().into_json())
}

fn code<T>(result: Result<T, QdrantError>, wanted: i32, text: &str) -> Json {
    match result {
        Err(QdrantError::ResponseError { status }) if status.code() as i32 == wanted => json!(text),
        Err(reason) => json!(reason.to_string()),
        Ok(_) => json!("no error"),
    }
}

fn state(status: i32) -> &'static str {
    if status == UpdateStatus::Completed as i32 { "completed" } else { "other" }
}

fn payload(value: Json) -> Payload {
    Payload::try_from(value).expect("an object")
}

fn only(numbers: &[u64]) -> PointsSelector {
    PointsSelector { points_selector_one_of: Some(points_selector::PointsSelectorOneOf::Points(pick(numbers))) }
}

fn pick(numbers: &[u64]) -> PointsIdsList {
    PointsIdsList { ids: numbers.iter().map(|n| (*n).into()).collect() }
}

fn dense(vectors: &Option<VectorsOutput>) -> Vec<f32> {
    match vectors.as_ref().and_then(|x| x.get_vector()) {
        Some(vector_output::Vector::Dense(vector)) => vector.data,
        other => panic!("not a dense vector: {other:?}"),
    }
}

async fn short_walk(client: &Qdrant) -> Done {
    let c = "short";
    let red = Filter::must([Condition::matches("color", "red".to_string())]);
    let target = || vec![1.0f32, 0.0, 0.0, 0.0];
    let made = client
        .create_collection(CreateCollectionBuilder::new(c).vectors_config(VectorParamsBuilder::new(4, Distance::Dot)))
        .await?;
    say("create", json!(made.result));
    say("exists", json!(client.collection_exists(c).await?));
    let listed = client.list_collections().await?.collections;
    say("collections", json!(listed.iter().map(|x| &x.name).collect::<Vec<_>>()));
    let points: Vec<PointStruct> = ["red", "green", "blue", "red", "green"]
        .iter()
        .enumerate()
        .map(|(i, color)| {
            let at = i as f32;
            PointStruct::new(
                i as u64 + 1,
                vec![at / 4.0, 0.5, (4.0 - at) / 8.0, -0.25],
                payload(json!({"color": color, "size": i, "list": [i, null, {"deep": true}]})),
            )
        })
        .collect();
    let written = client.upsert_points(UpsertPointsBuilder::new(c, points).wait(true)).await?;
    say("upsert", json!(state(written.result.unwrap().status)));
    let count = |filter: Option<Filter>| {
        let request = CountPointsBuilder::new(c).exact(true);
        client.count(if let Some(f) = filter { request.filter(f) } else { request })
    };
    say("count", json!(count(None).await?.result.unwrap().count));
    say("count red", json!(count(Some(red.clone())).await?.result.unwrap().count));
    let got = client
        .get_points(GetPointsBuilder::new(c, vec![2.into(), 99.into()]).with_payload(true).with_vectors(true))
        .await?;
    let shown: Vec<Json> = got
        .result
        .iter()
        .map(|x| {
            let field = |name: &str| plain(x.payload.get(name));
            json!([number(&x.id), field("color"), field("size"), field("list"), dense(&x.vectors)])
        })
        .collect();
    say("retrieve", json!(shown));
    let hits = client.query(QueryPointsBuilder::new(c).query(target()).limit(3)).await?.result;
    say("query", json!(hits.iter().map(|x| json!([number(&x.id), x.score])).collect::<Vec<_>>()));
    let hits = client.query(QueryPointsBuilder::new(c).query(target()).filter(red).limit(3)).await?.result;
    say("query red", json!(ids(&hits)));
    let like = RecommendInputBuilder::default().add_positive(1u64).add_negative(5u64).build();
    let hits = client.query(QueryPointsBuilder::new(c).query(Query::new_recommend(like)).limit(2)).await?.result;
    say("recommend", json!(ids(&hits)));
    let groups = client
        .query_groups(QueryPointGroupsBuilder::new(c, "color").query(target()).limit(3u64).group_size(2u64))
        .await?
        .result
        .unwrap()
        .groups;
    let shown: Vec<Json> = groups
        .iter()
        .map(|x| match x.id.as_ref().and_then(|id| id.kind.as_ref()) {
            Some(group_id::Kind::StringValue(text)) => json!([text, ids(&x.hits)]),
            other => panic!("not a text: {other:?}"),
        })
        .collect();
    say("groups", json!(shown));
    let page = client.scroll(ScrollPointsBuilder::new(c).limit(2).with_payload(false)).await?;
    let scrolled: Vec<u64> = page.result.iter().map(|x| number(&x.id)).collect();
    say("scroll", json!([scrolled, number(&page.next_page_offset)]));
    client
        .set_payload(SetPayloadPointsBuilder::new(c, payload(json!({"color": "black"}))).points_selector(pick(&[1])).wait(true))
        .await?;
    let one = client.get_points(GetPointsBuilder::new(c, vec![1.into()]).with_payload(true)).await?;
    say("set payload", plain(one.result[0].payload.get("color")));
    client.delete_points(DeletePointsBuilder::new(c).points(pick(&[4])).wait(true)).await?;
    say("delete", json!(count(None).await?.result.unwrap().count));
    client.create_alias(CreateAliasBuilder::new(c, "nick")).await?;
    let aliases = client.list_aliases().await?.aliases;
    say("aliases", json!(aliases.iter().map(|x| [&x.alias_name, &x.collection_name]).collect::<Vec<_>>()));
    say("no collection", code(client.count(CountPointsBuilder::new("none")).await, NOT_FOUND, "not found"));
    let wrong = vec![PointStruct::new(1u64, vec![1.0f32], Payload::new())];
    let refused = client.upsert_points(UpsertPointsBuilder::new(c, wrong).wait(true)).await;
    say("wrong size", code(refused, INVALID_ARGUMENT, "invalid"));
    say("delete collection", json!(client.delete_collection(c).await?.result));
    Ok(())
}

/// Names of the payload fields of a point, sorted.
async fn fields(client: &Qdrant, c: &str, id: u64) -> Result<Json, QdrantError> {
    let got = client.get_points(GetPointsBuilder::new(c, vec![id.into()]).with_payload(true)).await?;
    let mut names: Vec<String> = got.result[0].payload.keys().cloned().collect();
    names.sort();
    Ok(json!(names))
}

/// Names of the vectors of a point, sorted.
async fn names(client: &Qdrant, c: &str, id: u64) -> Result<Json, QdrantError> {
    let got = client.get_points(GetPointsBuilder::new(c, vec![id.into()]).with_vectors(true)).await?;
    let mut names: Vec<String> = match got.result[0].vectors.as_ref().and_then(|x| x.vectors_options.as_ref()) {
        Some(vectors_output::VectorsOptions::Vectors(named)) => named.vectors.keys().cloned().collect(),
        other => panic!("not named: {other:?}"),
    };
    names.sort();
    Ok(json!(names))
}

async fn wide_walk(client: &Qdrant) -> Done {
    let c = "wide";
    let target = || vec![1.0f32, 0.0, 0.0, 0.0];
    let words = || Query::new_nearest(VectorInput::new_sparse(vec![1u32, 3], vec![1.0f32, 0.5]));
    let on = |name: &'static str| QueryPointsBuilder::new(c).using(name).limit(4);
    let mut vectors = VectorsConfigBuilder::default();
    vectors.add_named_vector_params("dense", VectorParamsBuilder::new(4, Distance::Dot));
    vectors.add_named_vector_params("other", VectorParamsBuilder::new(2, Distance::Euclid));
    vectors.add_named_vector_params(
        "many",
        VectorParamsBuilder::new(2, Distance::Dot)
            .multivector_config(MultiVectorConfigBuilder::new(MultiVectorComparator::MaxSim)),
    );
    let mut sparse = SparseVectorsConfigBuilder::default();
    sparse.add_named_vector_params("words", SparseVectorParamsBuilder::default());
    let made = client
        .create_collection(CreateCollectionBuilder::new(c).vectors_config(vectors).sparse_vectors_config(sparse))
        .await?;
    say("wide create", json!(made.result));
    let indexed = client
        .create_field_index(CreateFieldIndexCollectionBuilder::new(c, "color", FieldType::Keyword).wait(true))
        .await?;
    say("field index", json!(state(indexed.result.unwrap().status)));
    client.create_field_index(CreateFieldIndexCollectionBuilder::new(c, "size", FieldType::Integer).wait(true)).await?;
    let points: Vec<PointStruct> = ["red", "green", "blue", "red"]
        .iter()
        .enumerate()
        .map(|(i, color)| {
            let at = i as f32;
            let vectors = NamedVectors::default()
                .add_vector("dense", vec![at / 4.0, 0.5, (4.0 - at) / 8.0, -0.25])
                .add_vector("other", vec![at, 1.0])
                .add_vector("many", Vector::new_multi(vec![vec![at, 0.0], vec![0.0, 1.0]]))
                .add_vector("words", Vector::new_sparse(vec![i as u32, i as u32 + 1], vec![1.0, 0.5]));
            PointStruct::new(i as u64 + 1, vectors, payload(json!({"color": color, "size": i})))
        })
        .collect();
    let written = client.upsert_points(UpsertPointsBuilder::new(c, points).wait(true)).await?;
    say("wide upsert", json!(state(written.result.unwrap().status)));
    let info = client.collection_info(c).await?.result.unwrap();
    let mut schema: Vec<&String> = info.payload_schema.keys().collect();
    schema.sort();
    say("info", json!([info.points_count, info.status == CollectionStatus::Green as i32, schema]));
    let hits = client.query(on("words").query(words())).await?.result;
    say("sparse", json!(hits.iter().map(|x| json!([number(&x.id), x.score])).collect::<Vec<_>>()));
    let hits = client.query(on("other").query(vec![2.0f32, 1.0])).await?.result;
    say("euclid", json!(hits.iter().map(|x| json!([number(&x.id), x.score])).collect::<Vec<_>>()));
    let several = Query::new_nearest(VectorInput::new_multi(vec![vec![1.0f32, 0.0], vec![0.0, 1.0]]));
    let hits = client.query(on("many").query(several)).await?.result;
    say("multivector", json!(hits.iter().map(|x| json!([number(&x.id), x.score])).collect::<Vec<_>>()));
    let fused = |fusion: Fusion| {
        QueryPointsBuilder::new(c)
            .add_prefetch(PrefetchQueryBuilder::default().query(target()).using("dense").limit(4u64))
            .add_prefetch(PrefetchQueryBuilder::default().query(words()).using("words").limit(4u64))
            .query(fusion)
            .limit(3)
    };
    say("rrf", json!(ids(&client.query(fused(Fusion::Rrf)).await?.result)));
    say("dbsf", json!(ids(&client.query(fused(Fusion::Dbsf)).await?.result)));
    let hits = client.query(QueryPointsBuilder::new(c).query(Query::new_order_by(OrderByBuilder::new("size").direction(Direction::Desc as i32).build())).limit(4)).await?;
    say("order by", json!(ids(&hits.result)));
    let hits = client.query(QueryPointsBuilder::new(c).query(Query::new_sample(Sample::Random)).limit(9)).await?;
    say("sample", json!(hits.result.len()));
    let pair = || ContextInputBuilder::default().add_pair(2u64, 4u64).build();
    let found = DiscoverInputBuilder::new(1u64, pair()).build();
    let hits = client.query(on("dense").query(Query::new_discover(found))).await?;
    say("discover", json!(ids(&hits.result)));
    let hits = client
        .query(on("dense").query(Query::new_context(pair())))
        .await?;
    let mut near = ids(&hits.result);
    near.sort();
    say("context", json!(near));
    let formula = FormulaBuilder::new(Expression::sum_with([
        Expression::variable("$score"),
        Expression::mult_with([Expression::constant(2.0), Expression::variable("size")]),
    ]));
    let hits = client
        .query(
            QueryPointsBuilder::new(c)
                .add_prefetch(PrefetchQueryBuilder::default().query(target()).using("dense").limit(4u64))
                .query(formula)
                .limit(2),
        )
        .await?;
    say("formula", json!(hits.result.iter().map(|x| json!([number(&x.id), x.score])).collect::<Vec<_>>()));
    let batch = QueryBatchPointsBuilder::new(
        c,
        vec![on("dense").query(target()).limit(2).build(), on("words").query(words()).limit(1).build()],
    );
    let answers = client.query_batch(batch).await?.result;
    say("batch", json!(answers.iter().map(|x| ids(&x.result)).collect::<Vec<_>>()));
    let facet = client.facet(FacetCountsBuilder::new(c, "color").exact(true).limit(10)).await?;
    let mut counted: Vec<(String, u64)> = facet
        .hits
        .iter()
        .map(|x| match x.value.as_ref().and_then(|v| v.variant.as_ref()) {
            Some(facet_value::Variant::StringValue(text)) => (text.clone(), x.count),
            other => panic!("not a text: {other:?}"),
        })
        .collect();
    counted.sort();
    say("facet", json!(counted));
    let matrix = client
        .search_matrix_offsets(SearchMatrixPointsBuilder::new(c).using("dense").sample(4u64).limit(1u64))
        .await?
        .result
        .unwrap();
    say("matrix", json!([matrix.ids.len(), matrix.scores.len()]));
    let over = SetPayloadPointsBuilder::new(c, payload(json!({"only": 1}))).points_selector(pick(&[1])).wait(true);
    client.overwrite_payload(over).await?;
    say("overwrite payload", fields(client, c, 1).await?);
    let less = DeletePayloadPointsBuilder::new(c, vec!["size".to_string()]).points_selector(pick(&[2])).wait(true);
    client.delete_payload(less).await?;
    say("delete payload", fields(client, c, 2).await?);
    client.clear_payload(ClearPayloadPointsBuilder::new(c).points(pick(&[3])).wait(true)).await?;
    say("clear payload", fields(client, c, 3).await?);
    let moved = PointVectors {
        id: Some(4u64.into()),
        vectors: Some(NamedVectors::default().add_vector("other", vec![9.0f32, 9.0]).into()),
    };
    client.update_vectors(UpdatePointVectorsBuilder::new(c, vec![moved]).wait(true)).await?;
    let hits = client.query(on("other").query(vec![9.0f32, 9.0]).limit(1)).await?.result;
    say("update vectors", json!(hits.iter().map(|x| json!([number(&x.id), x.score])).collect::<Vec<_>>()));
    let fewer = DeletePointVectorsBuilder::new(c)
        .points_selector(pick(&[4]))
        .vectors(VectorsSelector { names: vec!["many".into(), "words".into()] })
        .wait(true);
    client.delete_vectors(fewer).await?;
    say("delete vectors", names(client, c, 4).await?);
    let operations = vec![
        PointsUpdateOperation {
            operation: Some(points_update_operation::Operation::SetPayload(points_update_operation::SetPayload {
                payload: payload(json!({"mixed": true})).into(),
                points_selector: Some(only(&[1])),
                ..Default::default()
            })),
        },
        PointsUpdateOperation {
            operation: Some(points_update_operation::Operation::DeletePoints(points_update_operation::DeletePoints {
                points: Some(only(&[2])),
                ..Default::default()
            })),
        },
    ];
    let results = client.update_points_batch(UpdateBatchPointsBuilder::new(c, operations).wait(true)).await?.result;
    say("batch update", json!(results.iter().map(|x| state(x.status)).collect::<Vec<_>>()));
    let changed = client
        .update_collection(
            UpdateCollectionBuilder::new(c)
                .optimizers_config(OptimizersConfigDiffBuilder::default().indexing_threshold(5000u64)),
        )
        .await?;
    say("update collection", json!(changed.result));
    let kept = client.create_snapshot(c).await?.snapshot_description.unwrap();
    let before = client.list_snapshots(c).await?.snapshot_descriptions;
    client.delete_snapshot(DeleteSnapshotRequestBuilder::new(c, kept.name.clone())).await?;
    let after = client.list_snapshots(c).await?.snapshot_descriptions;
    say("snapshot", json!([before.len() == 1 && before[0].name == kept.name, after.len()]));
    let kept = client.create_full_snapshot().await?.snapshot_description.unwrap();
    let before = client.list_full_snapshots().await?.snapshot_descriptions;
    client.delete_full_snapshot(kept.name.clone()).await?;
    let after = client.list_full_snapshots().await?.snapshot_descriptions;
    say("full snapshot", json!([before.len() == 1 && before[0].name == kept.name, after.len()]));
    client.create_alias(CreateAliasBuilder::new(c, "first")).await?;
    client.rename_alias(RenameAliasBuilder::new("first", "second")).await?;
    let of = client.list_collection_aliases(c).await?.aliases;
    say("rename alias", json!(of.iter().map(|x| &x.alias_name).collect::<Vec<_>>()));
    client.delete_alias("second").await?;
    say("delete alias", json!(client.list_collection_aliases(c).await?.aliases.len()));
    let gone = client.delete_field_index(DeleteFieldIndexCollectionBuilder::new(c, "size").wait(true)).await?;
    say("delete field index", json!(state(gone.result.unwrap().status)));
    let again = client
        .create_collection(CreateCollectionBuilder::new(c).vectors_config(VectorParamsBuilder::new(4, Distance::Dot)))
        .await;
    say("create twice", code(again, ALREADY_EXISTS, "exists"));
    say("no such vector", code(client.query(on("nothing").query(target())).await, INVALID_ARGUMENT, "invalid"));
    say("health", json!(client.health_check().await?.title.contains("qdrant")));
    say("wide delete", json!(client.delete_collection(c).await?.result));
    say("exists no more", json!(client.collection_exists(c).await?));
    Ok(())
}

/// What is rarer: indexes of every type, MMR, relevance feedback, modes of upserts, batches of every operation, names of vectors,
/// shard keys.
async fn more_walk(client: &Qdrant) -> Done {
    let c = "more";
    let mut vectors = VectorsConfigBuilder::default();
    vectors.add_named_vector_params("d", VectorParamsBuilder::new(4, Distance::Dot));
    client.create_collection(CreateCollectionBuilder::new(c).vectors_config(vectors)).await?;
    for (name, kind) in [
        ("keyword", FieldType::Keyword),
        ("integer", FieldType::Integer),
        ("float", FieldType::Float),
        ("geo", FieldType::Geo),
        ("text", FieldType::Text),
        ("bool", FieldType::Bool),
        ("datetime", FieldType::Datetime),
        ("uuid", FieldType::Uuid),
    ] {
        let mut request = CreateFieldIndexCollectionBuilder::new(c, name, kind).wait(true);
        if name == "text" {
            request = request.field_index_params(TextIndexParamsBuilder::new(TokenizerType::Word).lowercase(true));
        }
        client.create_field_index(request).await?;
    }
    let info = client.collection_info(c).await?.result.unwrap();
    let mut indexes: Vec<(String, String)> = info
        .payload_schema
        .iter()
        .map(|(name, x)| (name.clone(), x.data_type().as_str_name().to_lowercase()))
        .collect();
    indexes.sort();
    say("indexes", json!(indexes));
    let own = |i: u64| {
        let at = i as f32;
        NamedVectors::default().add_vector("d", vec![at / 8.0, 0.5, (6.0 - at) / 8.0, (i % 2) as f32])
    };
    let row = |i: u64| {
        let fields = json!({"keyword": format!("k{}", i % 2), "integer": i, "float": i as f64 / 2.0, "bool": i % 2 == 0,
            "geo": {"lon": 13.0 + i as f64 / 64.0, "lat": 52.0}, "datetime": format!("2024-01-0{i}T00:00:00Z"),
            "uuid": format!("f47ac10b-58cc-4372-a567-0e02b2c3d47{i}"), "text": if i % 2 == 1 { "odd one" } else { "even one" }});
        PointStruct::new(i, own(i), payload(fields))
    };
    let points: Vec<PointStruct> = (1..=6).map(row).collect();
    client.upsert_points(UpsertPointsBuilder::new(c, points).wait(true)).await?;
    let third = Timestamp { seconds: 1_704_240_000, nanos: 0 }; // of January 2024
    let center = GeoPoint { lon: 13.0, lat: 52.0 };
    let mut filtered = vec![];
    for condition in [
        Condition::matches("keyword", "k1".to_string()),
        Condition::range("integer", Range { gte: Some(3.0), ..Default::default() }),
        Condition::datetime_range("datetime", DatetimeRange { lt: Some(third), ..Default::default() }),
        Condition::geo_radius("geo", GeoRadius { center: Some(center), radius: 2500.0 }),
        Condition::matches_text("text", "odd"),
        Condition::is_empty("none"),
        Condition::has_id([2u64, 9]),
        Condition::has_vector("d"),
    ] {
        let counted = client.count(CountPointsBuilder::new(c).exact(true).filter(Filter::must([condition]))).await?;
        filtered.push(counted.result.unwrap().count);
    }
    say("filters", json!(filtered));
    let near = || vec![1.0f32, 0.0, 0.0, 0.5];
    let on = || QueryPointsBuilder::new(c).using("d").limit(3);
    let various = Query::new_nearest_with_mmr(near(), MmrBuilder::with_params(0.75, 6));
    say("mmr", json!(ids(&client.query(on().query(various)).await?.result)));
    let told = RelevanceFeedbackInputBuilder::new(near())
        .add_feedback(FeedbackItemBuilder::new(1u64, 0.75))
        .add_feedback(FeedbackItemBuilder::new(6u64, -0.5))
        .strategy(FeedbackStrategyBuilder::naive(1.0, 1.0, 1.0))
        .build();
    say("feedback", json!(ids(&client.query(on().query(Query::new_relevance_feedback(told))).await?.result)));
    let fused = QueryPointsBuilder::new(c)
        .add_prefetch(PrefetchQueryBuilder::default().query(near()).using("d"))
        .add_prefetch(PrefetchQueryBuilder::default().query(Query::new_nearest(1u64)).using("d"))
        .query(Query::new_rrf(RrfBuilder::with_k(1)))
        .limit(3);
    let hits = client.query(fused).await?.result;
    say("rrf k", json!(hits.iter().map(|x| (number(&x.id), (x.score * 64.0).round() as u64)).collect::<Vec<_>>()));
    say("timeout", json!(ids(&client.query(on().query(near()).timeout(5)).await?.result)));
    let matrix = client.search_matrix_pairs(SearchMatrixPointsBuilder::new(c).using("d").sample(6).limit(1)).await?;
    say("pairs", json!(matrix.result.unwrap().pairs.len()));
    let falling = OrderByBuilder::new("integer").direction(Direction::Desc as i32);
    let page = client.scroll(ScrollPointsBuilder::new(c).limit(3).order_by(falling)).await?.result;
    say("order scroll", json!(page.iter().map(|x| number(&x.id)).collect::<Vec<_>>()));
    let size = |of: Vec<u64>| async move {
        let wanted: Vec<PointId> = of.into_iter().map(|n| n.into()).collect();
        let got = client.get_points(GetPointsBuilder::new(c, wanted).with_payload(true)).await?.result;
        Ok::<Json, QdrantError>(got.iter().map(|x| plain(x.payload.get("integer"))).collect())
    };
    let change = |i: u64, n: u64| PointStruct::new(i, own(i), payload(json!({"integer": n})));
    let upsert = |points: Vec<PointStruct>| UpsertPointsBuilder::new(c, points).wait(true);
    client.upsert_points(upsert(vec![change(1, 100), change(7, 7)]).update_mode(UpdateMode::InsertOnly)).await?;
    say("insert only", size(vec![1, 7]).await?);
    client.upsert_points(upsert(vec![change(1, 101), change(8, 8)]).update_mode(UpdateMode::UpdateOnly)).await?;
    say("update only", size(vec![1, 8]).await?);
    let two = Filter::must([Condition::matches("integer", 2i64)]);
    client.upsert_points(upsert(vec![change(1, 102), change(2, 102)]).update_filter(two)).await?;
    say("update filter", size(vec![1, 2]).await?);
    use points_update_operation as u;
    let large = NamedVectors::default().add_vector("d", vec![8.0f32; 4]);
    let operations: Vec<PointsUpdateOperation> = [
        u::Operation::Upsert(u::PointStructList { points: vec![row(9)], ..Default::default() }),
        u::Operation::SetPayload(u::SetPayload {
            payload: payload(json!({"new": 1})).into(),
            points_selector: Some(only(&[9])),
            ..Default::default()
        }),
        u::Operation::OverwritePayload(u::OverwritePayload {
            payload: payload(json!({"integer": 3})).into(),
            points_selector: Some(only(&[3])),
            ..Default::default()
        }),
        u::Operation::DeletePayload(u::DeletePayload {
            keys: vec!["text".into()],
            points_selector: Some(only(&[4])),
            ..Default::default()
        }),
        u::Operation::ClearPayload(u::ClearPayload { points: Some(only(&[5])), ..Default::default() }),
        u::Operation::UpdateVectors(u::UpdateVectors {
            points: vec![PointVectors { id: Some(6u64.into()), vectors: Some(large.into()) }],
            ..Default::default()
        }),
        u::Operation::DeleteVectors(u::DeleteVectors {
            points_selector: Some(only(&[4])),
            vectors: Some(VectorsSelector { names: vec!["d".into()] }),
            ..Default::default()
        }),
        u::Operation::DeletePoints(u::DeletePoints { points: Some(only(&[7])), ..Default::default() }),
    ]
    .into_iter()
    .map(|x| PointsUpdateOperation { operation: Some(x) })
    .collect();
    let results = client.update_points_batch(UpdateBatchPointsBuilder::new(c, operations).wait(true)).await?.result;
    say("batch of all", json!(results.iter().map(|x| state(x.status)).collect::<Vec<_>>()));
    let hits = ids(&client.query(on().query(near())).await?.result);
    say("after the batch", json!([size(vec![3, 5, 7, 9]).await?, hits]));
    let config = DenseVectorCreationConfig { size: 2, distance: Distance::Dot as i32, ..Default::default() };
    client
        .create_vector_name(CreateVectorNameRequest {
            collection_name: c.into(),
            wait: Some(true),
            vector_name: "e".into(),
            vector_config: Some(create_vector_name_request::VectorConfig::DenseConfig(config)),
            ..Default::default()
        })
        .await?;
    let added = NamedVectors::default().add_vector("e", vec![1.0f32, 1.0]);
    let given = PointVectors { id: Some(1u64.into()), vectors: Some(added.into()) };
    client.update_vectors(UpdatePointVectorsBuilder::new(c, vec![given]).wait(true)).await?;
    let hits = client.query(QueryPointsBuilder::new(c).using("e").query(vec![1.0f32, 0.0])).await?.result;
    client
        .delete_vector_name(DeleteVectorNameRequest {
            collection_name: c.into(),
            wait: Some(true),
            vector_name: "e".into(),
            ..Default::default()
        })
        .await?;
    let params = client.collection_info(c).await?.result.unwrap().config.unwrap().params.unwrap();
    let left: Vec<String> = match params.vectors_config.and_then(|x| x.config) {
        Some(vectors_config::Config::ParamsMap(named)) => named.map.keys().cloned().collect(),
        other => panic!("not named: {other:?}"),
    };
    say("vector name", json!([ids(&hits), left]));
    client.delete_collection(c).await?;

    let c = "keyed";
    let made = CreateCollectionBuilder::new(c)
        .vectors_config(VectorParamsBuilder::new(2, Distance::Dot))
        .sharding_method(ShardingMethod::Custom as i32);
    client.create_collection(made).await?;
    for key in ["a", "b"] {
        let request = CreateShardKeyBuilder::default().shard_key(ShardKey::from(key)).build();
        client
            .create_shard_key(CreateShardKeyRequest { collection_name: c.into(), request: Some(request), timeout: None })
            .await?;
    }
    let within = |key: &str| ShardKeySelector { shard_keys: vec![ShardKey::from(key)], ..Default::default() };
    let flat = |i: u64, x: f32, y: f32| PointStruct::new(i, vec![x, y], Payload::new());
    let first = UpsertPointsBuilder::new(c, vec![flat(1, 1.0, 0.0), flat(2, 0.0, 1.0)]).wait(true);
    client.upsert_points(first.shard_key_selector(within("a"))).await?;
    let second = UpsertPointsBuilder::new(c, vec![flat(3, 1.0, 1.0)]).wait(true);
    client.upsert_points(second.shard_key_selector(within("b"))).await?;
    let keys = || async {
        let listed = client.list_shard_keys(ListShardKeysRequest { collection_name: c.into() }).await?.shard_keys;
        let mut names: Vec<String> = listed
            .iter()
            .map(|x| match x.key.as_ref().and_then(|k| k.key.as_ref()) {
                Some(shard_key::Key::Keyword(name)) => name.clone(),
                other => panic!("not a name: {other:?}"),
            })
            .collect();
        names.sort();
        Ok::<Vec<String>, QdrantError>(names)
    };
    let in_a = client.count(CountPointsBuilder::new(c).exact(true).shard_key_selector(within("a"))).await?;
    let in_b = client.query(QueryPointsBuilder::new(c).query(vec![1.0f32, 1.0]).shard_key_selector(within("b"))).await?;
    say("shard keys", json!([keys().await?, in_a.result.unwrap().count, ids(&in_b.result)]));
    let gone = DeleteShardKey { shard_key: Some(ShardKey::from("a")) };
    client
        .delete_shard_key(DeleteShardKeyRequest { collection_name: c.into(), request: Some(gone), timeout: None })
        .await?;
    let left = client.count(CountPointsBuilder::new(c).exact(true)).await?.result.unwrap().count;
    say("delete shard key", json!([keys().await?, left]));
    let cluster = client.collection_cluster_info(CollectionClusterInfoRequest { collection_name: c.into() }).await?;
    say("cluster info", json!([cluster.shard_count, cluster.remote_shards.len()]));
    client.delete_collection(c).await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Done {
    let port = std::env::args().nth(1).expect("usage: walk PORT");
    let client = Qdrant::from_url(&format!("http://127.0.0.1:{port}")).skip_compatibility_check().build()?;
    short_walk(&client).await?;
    wide_walk(&client).await?;
    more_walk(&client).await
}
