// The walks of test_others.py by @qdrant/js-client-grpc. usage: node grpc.mjs PORT
import { QdrantClient } from '@qdrant/js-client-grpc';

const client = new QdrantClient({ host: '127.0.0.1', port: Number(process.argv[2]), checkCompatibility: false });
const collections = client.api('collections');
const points = client.api('points');
const say = (name, value) => console.log(`${name}\t${JSON.stringify(value, (k, v) => (typeof v === 'bigint' ? Number(v) : v))}`);
const collectionName = 'short';
const wait = true;
const id = (n) => ({ pointIdOptions: { case: 'num', value: BigInt(n) } });
const number = (x) => Number(x.id.pointIdOptions.value);
const ids = (list) => list.map(number);
const red = { must: [{ conditionOneOf: { case: 'field', value: {
    key: 'color', match: { matchValue: { case: 'keyword', value: 'red' } } } } }] };
const text = (s) => ({ kind: { case: 'stringValue', value: s } });
const integer = (n) => ({ kind: { case: 'integerValue', value: BigInt(n) } });
const list = (i) => ({ kind: { case: 'listValue', value: { values: [
    integer(i), { kind: { case: 'nullValue', value: 0 } },
    { kind: { case: 'structValue', value: { fields: { deep: { kind: { case: 'boolValue', value: true } } } } } }] } } });
const plain = (v) => {
    switch (v.kind.case) {
        case 'nullValue': return null;
        case 'listValue': return v.kind.value.values.map(plain);
        case 'structValue': return Object.fromEntries(Object.entries(v.kind.value.fields).map(([k, x]) => [k, plain(x)]));
        default: return v.kind.value;
    }
};
const selector = (...numbers) => ({ pointsSelectorOneOf: { case: 'points', value: { ids: numbers.map(id) } } });
const nearest = (vector) => ({ variant: { case: 'nearest', value: { variant: { case: 'dense', value: { data: vector } } } } });
const all = { selectorOptions: { case: 'enable', value: true } };

say('create', (await collections.create({ collectionName, vectorsConfig: {
    config: { case: 'params', value: { size: 4n, distance: 3 } } } })).result);
say('exists', (await collections.collectionExists({ collectionName })).result.exists);
say('collections', (await collections.list({})).collections.map((x) => x.name));
const made = ['red', 'green', 'blue', 'red', 'green'].map((color, i) => ({
    id: id(i + 1), payload: { color: text(color), size: integer(i), list: list(i) },
    vectors: { vectorsOptions: { case: 'vector', value: { data: [i / 4, 0.5, (4 - i) / 8, -0.25] } } },
}));
say('upsert', (await points.upsert({ collectionName, wait, points: made })).result.status === 2 ? 'completed' : 'other');
say('count', (await points.count({ collectionName, exact: true })).result.count);
say('count red', (await points.count({ collectionName, exact: true, filter: red })).result.count);
const got = (await points.get({ collectionName, ids: [id(2), id(99)], withPayload: all, withVectors: all })).result;
const vectorOf = (x) => x.vectors.vectorsOptions.value.vector?.value?.data ?? x.vectors.vectorsOptions.value.data;
say('retrieve', got.map((x) => [number(x), plain(x.payload.color), plain(x.payload.size), plain(x.payload.list), vectorOf(x)]));
const hits = (await points.query({ collectionName, query: nearest([1, 0, 0, 0]), limit: 3n })).result;
say('query', hits.map((x) => [number(x), x.score]));
say('query red', ids((await points.query({ collectionName, query: nearest([1, 0, 0, 0]), filter: red, limit: 3n })).result));
const example = (n) => ({ variant: { case: 'id', value: id(n) } });
say('recommend', ids((await points.query({ collectionName, limit: 2n, query: { variant: { case: 'recommend', value: {
    positive: [example(1)], negative: [example(5)] } } } })).result));
const groups = (await points.queryGroups({ collectionName, query: nearest([1, 0, 0, 0]), groupBy: 'color', limit: 3n,
    groupSize: 2n })).result.groups;
say('groups', groups.map((x) => [x.id.kind.value, ids(x.hits)]));
const page = await points.scroll({ collectionName, limit: 2, withPayload: { selectorOptions: { case: 'enable', value: false } } });
say('scroll', [ids(page.result), Number(page.nextPageOffset.pointIdOptions.value)]);
await points.setPayload({ collectionName, wait, payload: { color: text('black') }, pointsSelector: selector(1) });
say('set payload', plain((await points.get({ collectionName, ids: [id(1)], withPayload: all })).result[0].payload.color));
await points.delete({ collectionName, wait, points: selector(4) });
say('delete', (await points.count({ collectionName, exact: true })).result.count);
await collections.updateAliases({ actions: [{ action: { case: 'createAlias', value: { collectionName, aliasName: 'nick' } } }] });
say('aliases', (await collections.listAliases({})).aliases.map((x) => [x.aliasName, x.collectionName]));
try {
    await points.count({ collectionName: 'none' });
} catch (reason) {
    say('no collection', reason.code === 5 ? 'not found' : String(reason));
}
try {
    await points.upsert({ collectionName, wait, points: [{ ...made[0], vectors: {
        vectorsOptions: { case: 'vector', value: { data: [1] } } } }] });
} catch (reason) {
    say('wrong size', reason.code === 3 ? 'invalid' : String(reason));
}
say('delete collection', (await collections.delete({ collectionName })).result);

const w = 'wide';
const snapshots = client.api('snapshots');
const state = (x) => (x.status === 2 ? 'completed' : 'other');
const scored = (answer) => answer.result.map((x) => [number(x), x.score]);
const vector = (data) => ({ vector: { case: 'dense', value: { data } } });
const several = (rows) => ({ vectors: rows.map((data) => ({ data })) });
const query = (request) => points.query({ collectionName: w, ...request });
const words = { variant: { case: 'nearest', value: { variant: { case: 'sparse', value: { indices: [1, 3], values: [1, 0.5] } } } } };
const one = async (n) => (await points.get({ collectionName: w, ids: [id(n)], withPayload: all, withVectors: all })).result[0];
const target = nearest([1, 0, 0, 0]);
say('wide create', (await collections.create({ collectionName: w,
    vectorsConfig: { config: { case: 'paramsMap', value: { map: { dense: { size: 4n, distance: 3 }, other: { size: 2n, distance: 2 },
        many: { size: 2n, distance: 3, multivectorConfig: { comparator: 0 } } } } } },
    sparseVectorsConfig: { map: { words: {} } } })).result);
const index = (fieldName, fieldType) => points.createFieldIndex({ collectionName: w, wait, fieldName, fieldType });
say('field index', state((await index('color', 0)).result));
await index('size', 1);
say('wide upsert', state((await points.upsert({ collectionName: w, wait, points: ['red', 'green', 'blue', 'red'].map((color, i) => ({
    id: id(i + 1), payload: { color: text(color), size: integer(i) }, vectors: { vectorsOptions: { case: 'vectors', value: { vectors: {
        dense: vector([i / 4, 0.5, (4 - i) / 8, -0.25]), other: vector([i, 1]),
        many: { vector: { case: 'multiDense', value: several([[i, 0], [0, 1]]) } },
        words: { vector: { case: 'sparse', value: { indices: [i, i + 1], values: [1, 0.5] } } } } } } } })) })).result));
const info = (await collections.get({ collectionName: w })).result;
say('info', [info.pointsCount, info.status === 1, Object.keys(info.payloadSchema).sort()]);
say('sparse', scored(await query({ query: words, using: 'words', limit: 4n })));
say('euclid', scored(await query({ query: nearest([2, 1]), using: 'other', limit: 4n })));
say('multivector', scored(await query({ using: 'many', limit: 4n, query: { variant: { case: 'nearest', value: {
    variant: { case: 'multiDense', value: several([[1, 0], [0, 1]]) } } } } })));
const prefetch = [{ query: target, using: 'dense', limit: 4n }, { query: words, using: 'words', limit: 4n }];
const variant = (name, value) => ({ variant: { case: name, value } });
say('rrf', ids((await query({ prefetch, query: variant('fusion', 0), limit: 3n })).result));
say('dbsf', ids((await query({ prefetch, query: variant('fusion', 1), limit: 3n })).result));
say('order by', ids((await query({ query: variant('orderBy', { key: 'size', direction: 1 }), limit: 4n })).result));
say('sample', (await query({ query: variant('sample', 0), limit: 9n })).result.length);
const context = { pairs: [{ positive: example(2), negative: example(4) }] };
say('discover', ids((await query({ query: variant('discover', { target: example(1), context }), using: 'dense', limit: 4n })).result));
say('context', ids((await query({ query: variant('context', context), using: 'dense', limit: 4n })).result).sort());
const formula = { expression: variant('sum', { sum: [variant('variable', '$score'),
    variant('mult', { mult: [variant('constant', 2), variant('variable', 'size')] })] }) };
say('formula', scored(await query({ prefetch: prefetch.slice(0, 1), query: variant('formula', formula), limit: 2n })));
say('batch', (await points.queryBatch({ collectionName: w, queryPoints: [
    { collectionName: w, query: target, using: 'dense', limit: 2n },
    { collectionName: w, query: words, using: 'words', limit: 1n }] })).result.map((x) => ids(x.result)));
const facet = (await points.facet({ collectionName: w, key: 'color', exact: true, limit: 10n })).hits;
say('facet', facet.map((x) => [x.value.variant.value, Number(x.count)]).sort());
const matrix = (await points.searchMatrixOffsets({ collectionName: w, using: 'dense', sample: 4n, limit: 1n })).result;
say('matrix', [matrix.ids.length, matrix.scores.length]);
await points.overwritePayload({ collectionName: w, wait, payload: { only: integer(1) }, pointsSelector: selector(1) });
say('overwrite payload', Object.keys((await one(1)).payload).sort());
await points.deletePayload({ collectionName: w, wait, keys: ['size'], pointsSelector: selector(2) });
say('delete payload', Object.keys((await one(2)).payload).sort());
await points.clearPayload({ collectionName: w, wait, points: selector(3) });
say('clear payload', Object.keys((await one(3)).payload).sort());
await points.updateVectors({ collectionName: w, wait, points: [{ id: id(4),
    vectors: { vectorsOptions: { case: 'vectors', value: { vectors: { other: vector([9, 9]) } } } } }] });
say('update vectors', scored(await query({ query: nearest([9, 9]), using: 'other', limit: 1n })));
await points.deleteVectors({ collectionName: w, wait, pointsSelector: selector(4), vectors: { names: ['many', 'words'] } });
say('delete vectors', Object.keys((await one(4)).vectors.vectorsOptions.value.vectors).sort());
say('batch update', (await points.updateBatch({ collectionName: w, wait, operations: [
    { operation: { case: 'setPayload', value: { payload: { mixed: { kind: { case: 'boolValue', value: true } } }, pointsSelector: selector(1) } } },
    { operation: { case: 'deletePoints', value: { points: selector(2) } } }] })).result.map(state));
say('update collection', (await collections.update({ collectionName: w, optimizersConfig: { indexingThreshold: 5000n } })).result);
let kept = (await snapshots.create({ collectionName: w })).snapshotDescription.name;
let before = (await snapshots.list({ collectionName: w })).snapshotDescriptions;
await snapshots.delete({ collectionName: w, snapshotName: kept });
const left = (await snapshots.list({ collectionName: w })).snapshotDescriptions.length;
say('snapshot', [before.length === 1 && before[0].name === kept, left]);
kept = (await snapshots.createFull({})).snapshotDescription.name;
before = (await snapshots.listFull({})).snapshotDescriptions;
await snapshots.deleteFull({ snapshotName: kept });
say('full snapshot', [before.length === 1 && before[0].name === kept, (await snapshots.listFull({})).snapshotDescriptions.length]);
const alias = (name, value) => collections.updateAliases({ actions: [{ action: { case: name, value } }] });
const named = async () => (await collections.listCollectionAliases({ collectionName: w })).aliases.map((x) => x.aliasName);
await alias('createAlias', { collectionName: w, aliasName: 'first' });
await alias('renameAlias', { oldAliasName: 'first', newAliasName: 'second' });
say('rename alias', await named());
await alias('deleteAlias', { aliasName: 'second' });
say('delete alias', (await named()).length);
say('delete field index', state((await points.deleteFieldIndex({ collectionName: w, wait, fieldName: 'size' })).result));
const status = async (call, wanted, what) => {
    try {
        await call;
        return 'no error';
    } catch (reason) {
        return reason.code === wanted ? what : String(reason);
    }
};
say('create twice', await status(collections.create({ collectionName: w, vectorsConfig: {
    config: { case: 'params', value: { size: 4n, distance: 3 } } } }), 6, 'exists'));
say('no such vector', await status(query({ query: target, using: 'nothing', limit: 4n }), 3, 'invalid'));
say('health', (await client.api('service').healthCheck({})).title.includes('qdrant'));
say('wide delete', (await collections.delete({ collectionName: w })).result);
say('exists no more', (await collections.collectionExists({ collectionName: w })).result.exists);

const m = 'more';
const asked = (request) => points.query({ collectionName: m, using: 'd', limit: 3n, ...request });
const listed = async (request) => ids((await asked(request)).result);
const simple = (name, value) => ({ kind: { case: name, value } });
await collections.create({ collectionName: m, vectorsConfig: { config: { case: 'paramsMap', value: { map: { d: { size: 4n, distance: 3 } } } } } });
const types = ['keyword', 'integer', 'float', 'geo', 'text', 'bool', 'datetime', 'uuid']; // as FieldType counts them
for (const [fieldType, fieldName] of types.entries())
    await points.createFieldIndex({ collectionName: m, wait, fieldName, fieldType, ...(fieldName === 'text' ? { fieldIndexParams: {
        indexParams: { case: 'textIndexParams', value: { tokenizer: 3, lowercase: true } } } } : {}) });
const schema = (await collections.get({ collectionName: m })).result.payloadSchema;
const shown = ['', 'keyword', 'integer', 'float', 'geo', 'text', 'bool', 'datetime', 'uuid']; // as PayloadSchemaType does
say('indexes', Object.entries(schema).map(([name, x]) => [name, shown[x.dataType]]).sort());
const rich = (i) => ({ keyword: text(`k${i % 2}`), integer: integer(i), float: simple('doubleValue', i / 2),
    geo: simple('structValue', { fields: { lon: simple('doubleValue', 13 + i / 64), lat: simple('doubleValue', 52) } }),
    bool: simple('boolValue', i % 2 === 0), datetime: text(`2024-01-0${i}T00:00:00Z`),
    uuid: text(`f47ac10b-58cc-4372-a567-0e02b2c3d47${i}`), text: text(i % 2 ? 'odd one' : 'even one') });
const own = (i) => ({ vectorsOptions: { case: 'vectors', value: { vectors: { d: vector([i / 8, 0.5, (6 - i) / 8, i % 2]) } } } });
const row = (i) => ({ id: id(i), vectors: own(i), payload: rich(i) });
await points.upsert({ collectionName: m, wait, points: [1, 2, 3, 4, 5, 6].map(row) });
const near = nearest([1, 0, 0, 0.5]).variant.value;
const condition = (name, value) => ({ must: [{ conditionOneOf: { case: name, value } }] });
const filtered = async (filter) => (await points.count({ collectionName: m, exact: true, filter })).result.count;
const field = (key, value) => condition('field', { key, ...value });
say('filters', [
    await filtered(field('keyword', { match: { matchValue: { case: 'keyword', value: 'k1' } } })),
    await filtered(field('integer', { range: { gte: 3 } })),
    await filtered(field('datetime', { datetimeRange: { lt: { seconds: 1704240000n, nanos: 0 } } })),
    await filtered(field('geo', { geoRadius: { center: { lon: 13, lat: 52 }, radius: 2500 } })),
    await filtered(field('text', { match: { matchValue: { case: 'text', value: 'odd' } } })),
    await filtered(condition('isEmpty', { key: 'none' })), await filtered(condition('hasId', { hasId: [id(2), id(9)] })),
    await filtered(condition('hasVector', { hasVector: 'd' }))]);
say('mmr', await listed({ query: variant('nearestWithMmr', { nearest: near, mmr: { diversity: 0.75, candidatesLimit: 6 } }) }));
say('feedback', await listed({ query: variant('relevanceFeedback', { target: near, feedback: [
    { example: example(1), score: 0.75 }, { example: example(6), score: -0.5 }],
    strategy: variant('naive', { a: 1, b: 1, c: 1 }) }) }));
const two = [{ query: variant('nearest', near), using: 'd' }, { query: variant('nearest', example(1)), using: 'd' }];
say('rrf k', (await points.query({ collectionName: m, prefetch: two, query: variant('rrf', { k: 1 }), limit: 3n })).result
    .map((x) => [number(x), Math.round(x.score * 64)]));
say('timeout', await listed({ query: variant('nearest', near), timeout: 5n }));
say('pairs', (await points.searchMatrixPairs({ collectionName: m, using: 'd', sample: 6n, limit: 1n })).result.pairs.length);
say('order scroll', ids((await points.scroll({ collectionName: m, limit: 3, orderBy: { key: 'integer', direction: 1 } })).result));
const size = async (...n) => (await points.get({ collectionName: m, ids: n.map(id), withPayload: all })).result
    .map((x) => (x.payload.integer ? plain(x.payload.integer) : null));
const change = (i, n) => ({ id: id(i), vectors: own(i), payload: { integer: integer(n) } });
await points.upsert({ collectionName: m, wait, updateMode: 1, points: [change(1, 100), change(7, 7)] });
say('insert only', await size(1, 7));
await points.upsert({ collectionName: m, wait, updateMode: 2, points: [change(1, 101), change(8, 8)] });
say('update only', await size(1, 8));
await points.upsert({ collectionName: m, wait, points: [change(1, 102), change(2, 102)],
    updateFilter: field('integer', { match: { matchValue: { case: 'integer', value: 2n } } }) });
say('update filter', await size(1, 2));
const large = { vectorsOptions: { case: 'vectors', value: { vectors: { d: vector([8, 8, 8, 8]) } } } };
const operations = [
    ['upsert', { points: [row(9)] }], ['setPayload', { payload: { new: integer(1) }, pointsSelector: selector(9) }],
    ['overwritePayload', { payload: { integer: integer(3) }, pointsSelector: selector(3) }],
    ['deletePayload', { keys: ['text'], pointsSelector: selector(4) }], ['clearPayload', { points: selector(5) }],
    ['updateVectors', { points: [{ id: id(6), vectors: large }] }],
    ['deleteVectors', { vectors: { names: ['d'] }, pointsSelector: selector(4) }], ['deletePoints', { points: selector(7) }]];
say('batch of all', (await points.updateBatch({ collectionName: m, wait,
    operations: operations.map(([name, value]) => ({ operation: { case: name, value } })) })).result.map(state));
say('after the batch', [await size(3, 5, 7, 9), await listed({ query: variant('nearest', near) })]);
await points.createVectorName({ collectionName: m, wait, vectorName: 'e',
    vectorConfig: { case: 'denseConfig', value: { size: 2n, distance: 3 } } });
await points.updateVectors({ collectionName: m, wait, points: [{ id: id(1),
    vectors: { vectorsOptions: { case: 'vectors', value: { vectors: { e: vector([1, 1]) } } } } }] });
const byName = await listed({ query: nearest([1, 0]), using: 'e' });
await points.deleteVectorName({ collectionName: m, wait, vectorName: 'e' });
const remaining = (await collections.get({ collectionName: m })).result.config.params.vectorsConfig.config.value.map;
say('vector name', [byName, Object.keys(remaining)]);
await collections.delete({ collectionName: m });
const keyed = 'keyed';
const keyOf = (keyword) => ({ key: { case: 'keyword', value: keyword } });
await collections.create({ collectionName: keyed, shardingMethod: 1,
    vectorsConfig: { config: { case: 'params', value: { size: 2n, distance: 3 } } } });
for (const key of ['a', 'b']) await collections.createShardKey({ collectionName: keyed, request: { shardKey: keyOf(key) } });
const plainRow = (i, data) => ({ id: id(i), vectors: { vectorsOptions: { case: 'vector', value: { data } } } });
const within = (key) => ({ shardKeys: [keyOf(key)] });
await points.upsert({ collectionName: keyed, wait, points: [plainRow(1, [1, 0]), plainRow(2, [0, 1])], shardKeySelector: within('a') });
await points.upsert({ collectionName: keyed, wait, points: [plainRow(3, [1, 1])], shardKeySelector: within('b') });
const keys = async () => (await collections.listShardKeys({ collectionName: keyed })).shardKeys.map((x) => x.key.key.value).sort();
say('shard keys', [await keys(), (await points.count({ collectionName: keyed, exact: true, shardKeySelector: within('a') })).result.count,
    ids((await points.query({ collectionName: keyed, query: nearest([1, 1]), shardKeySelector: within('b') })).result)]);
await collections.deleteShardKey({ collectionName: keyed, request: { shardKey: keyOf('a') } });
say('delete shard key', [await keys(), (await points.count({ collectionName: keyed, exact: true })).result.count]);
const cluster = await collections.collectionClusterInfo({ collectionName: keyed });
say('cluster info', [cluster.shardCount, cluster.remoteShards.length]);
await collections.delete({ collectionName: keyed });
process.exit(0);
