// The walks of test_others.py by @qdrant/js-client-rest. usage: node rest.mjs PORT
import { QdrantClient } from '@qdrant/js-client-rest';

const client = new QdrantClient({ host: '127.0.0.1', port: Number(process.argv[2]), checkCompatibility: false });
const say = (name, value) => console.log(`${name}\t${JSON.stringify(value)}`);
const c = 'short';
const red = { must: [{ key: 'color', match: { value: 'red' } }] };
const colors = ['red', 'green', 'blue', 'red', 'green'];
const points = colors.map((color, i) => ({
    id: i + 1, vector: [i / 4, 0.5, (4 - i) / 8, -0.25], payload: { color, size: i, list: [i, null, { deep: true }] },
}));

say('create', await client.createCollection(c, { vectors: { size: 4, distance: 'Dot' } }));
say('exists', (await client.collectionExists(c)).exists);
say('collections', (await client.getCollections()).collections.map((x) => x.name));
say('upsert', (await client.upsert(c, { wait: true, points })).status);
say('count', (await client.count(c, { exact: true })).count);
say('count red', (await client.count(c, { filter: red, exact: true })).count);
const got = await client.retrieve(c, { ids: [2, 99], with_payload: true, with_vector: true });
say('retrieve', got.map((x) => [x.id, x.payload.color, x.payload.size, x.payload.list, x.vector]));
const hits = (await client.query(c, { query: [1, 0, 0, 0], limit: 3 })).points;
say('query', hits.map((x) => [x.id, x.score]));
say('query red', (await client.query(c, { query: [1, 0, 0, 0], filter: red, limit: 3 })).points.map((x) => x.id));
const like = (await client.query(c, { query: { recommend: { positive: [1], negative: [5] } }, limit: 2 })).points;
say('recommend', like.map((x) => x.id));
const groups = (await client.queryGroups(c, { query: [1, 0, 0, 0], group_by: 'color', limit: 3, group_size: 2 })).groups;
say('groups', groups.map((x) => [x.id, x.hits.map((y) => y.id)]));
const page = await client.scroll(c, { limit: 2, with_payload: false });
say('scroll', [page.points.map((x) => x.id), page.next_page_offset]);
await client.setPayload(c, { wait: true, payload: { color: 'black' }, points: [1] });
say('set payload', (await client.retrieve(c, { ids: [1] }))[0].payload.color);
await client.delete(c, { wait: true, points: [4] });
say('delete', (await client.count(c, { exact: true })).count);
await client.updateCollectionAliases({ actions: [{ create_alias: { collection_name: c, alias_name: 'nick' } }] });
say('aliases', (await client.getAliases()).aliases.map((x) => [x.alias_name, x.collection_name]));
try {
    await client.count('none', {});
} catch (reason) {
    say('no collection', reason.status === 404 ? 'not found' : String(reason));
}
try {
    await client.upsert(c, { points: [{ id: 1, vector: [1] }] });
} catch (reason) {
    say('wrong size', reason.status === 400 ? 'invalid' : String(reason));
}
say('delete collection', await client.deleteCollection(c));

const w = 'wide';
const words = { indices: [1, 3], values: [1, 0.5] };
const target = [1, 0, 0, 0];
const scored = (answer) => answer.points.map((x) => [x.id, x.score]);
const ids = (answer) => answer.points.map((x) => x.id);
const one = async (id) => (await client.retrieve(w, { ids: [id], with_payload: true, with_vector: true }))[0];
const wait = true;
say('wide create', await client.createCollection(w, {
    vectors: { dense: { size: 4, distance: 'Dot' }, other: { size: 2, distance: 'Euclid' },
        many: { size: 2, distance: 'Dot', multivector_config: { comparator: 'max_sim' } } },
    sparse_vectors: { words: {} } }));
say('field index', (await client.createPayloadIndex(w, { wait, field_name: 'color', field_schema: 'keyword' })).status);
await client.createPayloadIndex(w, { wait, field_name: 'size', field_schema: 'integer' });
say('wide upsert', (await client.upsert(w, { wait, points: colors.slice(0, 4).map((color, i) => ({
    id: i + 1, payload: { color, size: i }, vector: { dense: [i / 4, 0.5, (4 - i) / 8, -0.25], other: [i, 1],
        many: [[i, 0], [0, 1]], words: { indices: [i, i + 1], values: [1, 0.5] } } })) })).status);
const info = await client.getCollection(w);
say('info', [info.points_count, info.status === 'green', Object.keys(info.payload_schema).sort()]);
say('sparse', scored(await client.query(w, { query: words, using: 'words', limit: 4 })));
say('euclid', scored(await client.query(w, { query: [2, 1], using: 'other', limit: 4 })));
say('multivector', scored(await client.query(w, { query: [[1, 0], [0, 1]], using: 'many', limit: 4 })));
const prefetch = [{ query: target, using: 'dense', limit: 4 }, { query: words, using: 'words', limit: 4 }];
say('rrf', ids(await client.query(w, { prefetch, query: { fusion: 'rrf' }, limit: 3 })));
say('dbsf', ids(await client.query(w, { prefetch, query: { fusion: 'dbsf' }, limit: 3 })));
say('order by', ids(await client.query(w, { query: { order_by: { key: 'size', direction: 'desc' } }, limit: 4 })));
say('sample', (await client.query(w, { query: { sample: 'random' }, limit: 9 })).points.length);
const context = [{ positive: 2, negative: 4 }];
say('discover', ids(await client.query(w, { query: { discover: { target: 1, context } }, using: 'dense', limit: 4 })));
say('context', ids(await client.query(w, { query: { context }, using: 'dense', limit: 4 })).sort());
say('formula', scored(await client.query(w, { prefetch: prefetch.slice(0, 1), limit: 2,
    query: { formula: { sum: ['$score', { mult: [2, 'size'] }] } } })));
say('batch', (await client.queryBatch(w, { searches: [
    { query: target, using: 'dense', limit: 2 }, { query: words, using: 'words', limit: 1 }] })).map(ids));
const facet = (await client.facet(w, { key: 'color', exact: true, limit: 10 })).hits;
say('facet', facet.map((x) => [x.value, x.count]).sort());
const matrix = await client.searchMatrixOffsets(w, { using: 'dense', sample: 4, limit: 1 });
say('matrix', [matrix.ids.length, matrix.scores.length]);
await client.overwritePayload(w, { wait, payload: { only: 1 }, points: [1] });
say('overwrite payload', Object.keys((await one(1)).payload).sort());
await client.deletePayload(w, { wait, keys: ['size'], points: [2] });
say('delete payload', Object.keys((await one(2)).payload).sort());
await client.clearPayload(w, { wait, points: [3] });
say('clear payload', Object.keys((await one(3)).payload ?? {}).sort());
await client.updateVectors(w, { wait, points: [{ id: 4, vector: { other: [9, 9] } }] });
say('update vectors', scored(await client.query(w, { query: [9, 9], using: 'other', limit: 1 })));
await client.deleteVectors(w, { wait, points: [4], vector: ['many', 'words'] });
say('delete vectors', Object.keys((await one(4)).vector).sort());
say('batch update', (await client.batchUpdate(w, { wait, operations: [
    { set_payload: { payload: { mixed: true }, points: [1] } }, { delete: { points: [2] } }] })).map((x) => x.status));
say('update collection', await client.updateCollection(w, { optimizers_config: { indexing_threshold: 5000 } }));
let kept = (await client.createSnapshot(w)).name;
let before = await client.listSnapshots(w);
await client.deleteSnapshot(w, kept);
say('snapshot', [before.length === 1 && before[0].name === kept, (await client.listSnapshots(w)).length]);
kept = (await client.createFullSnapshot()).name;
before = await client.listFullSnapshots();
await client.deleteFullSnapshot(kept);
say('full snapshot', [before.length === 1 && before[0].name === kept, (await client.listFullSnapshots()).length]);
await client.updateCollectionAliases({ actions: [{ create_alias: { collection_name: w, alias_name: 'first' } }] });
await client.updateCollectionAliases({ actions: [{ rename_alias: { old_alias_name: 'first', new_alias_name: 'second' } }] });
say('rename alias', (await client.getCollectionAliases(w)).aliases.map((x) => x.alias_name));
await client.updateCollectionAliases({ actions: [{ delete_alias: { alias_name: 'second' } }] });
say('delete alias', (await client.getCollectionAliases(w)).aliases.length);
say('delete field index', (await client.deletePayloadIndex(w, 'size', { wait })).status);
const status = async (call, wanted, text) => {
    try {
        await call;
        return 'no error';
    } catch (reason) {
        return reason.status === wanted ? text : String(reason);
    }
};
say('create twice', await status(client.createCollection(w, { vectors: { size: 4, distance: 'Dot' } }), 409, 'exists'));
say('no such vector', await status(client.query(w, { query: target, using: 'nothing', limit: 4 }), 400, 'invalid'));
say('health', (await client.versionInfo()).title.includes('qdrant'));
say('wide delete', await client.deleteCollection(w));
say('exists no more', (await client.collectionExists(w)).exists);

const m = 'more';
const list = async (request) => (await client.query(m, { using: 'd', limit: 3, ...request })).points.map((x) => x.id);
await client.createCollection(m, { vectors: { d: { size: 4, distance: 'Dot' } } });
const types = ['keyword', 'integer', 'float', 'geo', 'datetime', 'bool', 'uuid'];
for (const type of types) await client.createPayloadIndex(m, { wait: true, field_name: type, field_schema: type });
await client.createPayloadIndex(m, { wait: true, field_name: 'text', field_schema: { type: 'text', tokenizer: 'word', lowercase: true } });
const schema = (await client.getCollection(m)).payload_schema;
say('indexes', Object.entries(schema).map(([name, x]) => [name, x.data_type]).sort());
const rich = (i) => ({ keyword: `k${i % 2}`, integer: i, float: i / 2, geo: { lon: 13 + i / 64, lat: 52 }, bool: i % 2 === 0,
    datetime: `2024-01-0${i}T00:00:00Z`, uuid: `f47ac10b-58cc-4372-a567-0e02b2c3d47${i}`, text: i % 2 ? 'odd one' : 'even one' });
const row = (i) => ({ id: i, vector: { d: [i / 8, 0.5, (6 - i) / 8, i % 2] }, payload: rich(i) });
await client.upsert(m, { wait: true, points: [1, 2, 3, 4, 5, 6].map(row) });
const near = { nearest: [1, 0, 0, 0.5] };
const filtered = async (condition) => (await client.count(m, { exact: true, filter: { must: [condition] } })).count;
say('filters', [
    await filtered({ key: 'keyword', match: { value: 'k1' } }), await filtered({ key: 'integer', range: { gte: 3 } }),
    await filtered({ key: 'datetime', range: { lt: '2024-01-03T00:00:00Z' } }),
    await filtered({ key: 'geo', geo_radius: { center: { lon: 13, lat: 52 }, radius: 2500 } }),
    await filtered({ key: 'text', match: { text: 'odd' } }), await filtered({ is_empty: { key: 'none' } }),
    await filtered({ has_id: [2, 9] }), await filtered({ has_vector: 'd' })]);
say('mmr', await list({ query: { ...near, mmr: { diversity: 0.75, candidates_limit: 6 } } }));
say('feedback', await list({ query: { relevance_feedback: { target: near.nearest, feedback: [{ example: 1, score: 0.75 }, { example: 6, score: -0.5 }],
    strategy: { naive: { a: 1, b: 1, c: 1 } } } } }));
say('rrf k', (await client.query(m, { prefetch: [{ query: near, using: 'd' }, { query: 1, using: 'd' }], query: { rrf: { k: 1 } }, limit: 3 })).points.map((x) => [x.id, Math.round(x.score * 64)]));
say('timeout', await list({ query: near, timeout: 5 }));
say('pairs', (await client.searchMatrixPairs(m, { using: 'd', sample: 6, limit: 1 })).pairs.length);
say('order scroll', (await client.scroll(m, { limit: 3, order_by: { key: 'integer', direction: 'desc' } })).points.map((x) => x.id));
const size = async (...n) => (await client.retrieve(m, { ids: n, with_payload: true })).map((x) => x.payload.integer ?? null);
const change = (i, integer) => ({ ...row(i), payload: { integer } });
await client.upsert(m, { wait: true, update_mode: 'insert_only', points: [change(1, 100), change(7, 7)] });
say('insert only', await size(1, 7));
await client.upsert(m, { wait: true, update_mode: 'update_only', points: [change(1, 101), change(8, 8)] });
say('update only', await size(1, 8));
await client.upsert(m, { wait: true, points: [change(1, 102), change(2, 102)], update_filter: { must: [{ key: 'integer', match: { value: 2 } }] } });
say('update filter', await size(1, 2));
say('batch of all', (await client.batchUpdate(m, { wait: true, operations: [
    { upsert: { points: [row(9)] } }, { set_payload: { payload: { new: 1 }, points: [9] } },
    { overwrite_payload: { payload: { integer: 3 }, points: [3] } }, { delete_payload: { keys: ['text'], points: [4] } },
    { clear_payload: { points: [5] } }, { update_vectors: { points: [{ id: 6, vector: { d: [8, 8, 8, 8] } }] } },
    { delete_vectors: { vector: ['d'], points: [4] } }, { delete: { points: [7] } }] })).map((x) => x.status));
say('after the batch', [await size(3, 5, 7, 9), await list({ query: near })]);
await client.createVectorName(m, 'e', { wait: true, dense: { size: 2, distance: 'Dot' } });
await client.updateVectors(m, { wait: true, points: [{ id: 1, vector: { e: [1, 1] } }] });
const named = await list({ query: [1, 0], using: 'e' });
await client.deleteVectorName(m, 'e', { wait: true });
say('vector name', [named, Object.keys((await client.getCollection(m)).config.params.vectors)]);
await client.deleteCollection(m);
await client.createCollection('keyed', { vectors: { size: 2, distance: 'Dot' }, sharding_method: 'custom' });
await client.createShardKey('keyed', { shard_key: 'a' });
await client.createShardKey('keyed', { shard_key: 'b' });
await client.upsert('keyed', { wait: true, points: [{ id: 1, vector: [1, 0] }, { id: 2, vector: [0, 1] }], shard_key: 'a' });
await client.upsert('keyed', { wait: true, points: [{ id: 3, vector: [1, 1] }], shard_key: 'b' });
const keys = async () => (await client.listShardKeys('keyed')).shard_keys.map((x) => x.key).sort();
say('shard keys', [await keys(), (await client.count('keyed', { exact: true, shard_key: 'a' })).count,
    (await client.query('keyed', { query: [1, 1], shard_key: ['b'] })).points.map((x) => x.id)]);
await client.deleteShardKey('keyed', { shard_key: 'a' });
say('delete shard key', [await keys(), (await client.count('keyed', { exact: true })).count]);
const cluster = await client.collectionClusterInfo('keyed');
say('cluster info', [cluster.shard_count, cluster.remote_shards.length]);
await client.deleteCollection('keyed');
