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

#[tokio::main]
async fn main() -> Done {
    let port = std::env::args().nth(1).expect("usage: walk PORT");
    let client = Qdrant::from_url(&format!("http://127.0.0.1:{port}")).skip_compatibility_check().build()?;
    short_walk(&client).await?;
    wide_walk(&client).await
}
