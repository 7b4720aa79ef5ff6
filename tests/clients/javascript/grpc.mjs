// The short walk of test_others.py by @qdrant/js-client-grpc. usage: node grpc.mjs PORT
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
process.exit(0);
