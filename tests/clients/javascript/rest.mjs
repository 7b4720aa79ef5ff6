// The short walk of test_others.py by @qdrant/js-client-rest. usage: node rest.mjs PORT
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
