// Do pipelines, distinct values, plans and hints work through the SDK?

import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import Parse from 'parse/node';
import { master, onEachStore, refused } from './lib/each-store.mjs';

const GAMES = [
  { name: 'Go', year: 2019, price: 10, tags: ['board', 'old'], when: new Date('2019-05-01'), info: { city: 'Rome' } },
  { name: 'Chess', year: 2019, price: 20.5, tags: ['board'], when: new Date('2019-06-01'), info: { city: 'Oslo' } },
  { name: 'Pong', year: 2021, price: 5, tags: [], when: new Date('2021-01-01'), info: { city: 'Rome' } },
  { name: 'Tetris', year: 2021, tags: ['old', 'video'] },
];

onEachStore('aggregate', (server) => {
  let studios, games;

  before(async () => {
    studios = await Parse.Object.saveAll(['North', 'South'].map((name) => new Parse.Object('Studio', { name })));
    const [north, south] = studios;
    const owners = [north, north, south, undefined];
    games = await Parse.Object.saveAll(
      GAMES.map((fields, place) => new Parse.Object('Game', owners[place] ? { ...fields, studio: owners[place] } : fields)),
    );
  });

  const run = (pipeline, className = 'Game') => new Parse.Query(className).aggregate(pipeline);
  const by = (key) => (a, b) => (a[key] < b[key] ? -1 : 1);

  test('groups', async () => {
    const found = await run([
      { $group: { _id: '$year', count: { $sum: 1 }, total: { $sum: '$price' }, dearest: { $max: '$price' }, mean: { $avg: '$price' } } },
      { $sort: { _id: 1 } },
    ]);
    assert.deepEqual(found, [
      { objectId: 2019, count: 2, total: 30.5, dearest: 20.5, mean: 15.25 },
      { objectId: 2021, count: 2, total: 5, dearest: 5, mean: 5 },
    ]);
    assert.deepEqual(await run([{ $group: { _id: null, names: { $sum: 1 } } }]), [{ objectId: null, names: 4 }]);
    const cities = await run({ $group: { _id: '$info.city', count: { $sum: 1 } } });
    assert.deepEqual(cities.sort(by('count')).map(({ count }) => count), [1, 1, 2]);
  });

  test('a group of pointers has the bare ids', async () => {
    const found = await run([{ $group: { _id: '$studio', count: { $sum: 1 } } }, { $sort: { count: -1, _id: 1 } }]);
    assert.deepEqual(found.map(({ objectId, count }) => [objectId, count]), [
      [studios[0].id, 2],
      [null, 1],
      [studios[1].id, 1],
    ]);
  });

  test('conditions speak of Parse fields', async () => {
    const names = async (conditions) => {
      const found = await run([{ $match: conditions }, { $project: { name: 1 } }]);
      return found.map(({ name }) => name[0]).sort().join('');
    };
    assert.equal(await names({ objectId: games[0].id }), 'G');
    assert.equal(await names({ studio: studios[0].id }), 'CG');
    assert.equal(await names({ price: { $gte: 10 } }), 'CG');
    assert.equal(await names({ tags: 'old' }), 'GT');
    assert.equal(await names({ when: { $gt: '2020-01-01T00:00:00.000Z' } }), 'P');
    assert.equal(await names({ createdAt: { $gt: new Date('2000-01-01') } }), 'CGPT');
    assert.equal(await names({ $or: [{ name: 'Go' }, { price: { $lt: 6 } }] }), 'GP');
    assert.equal(await names({ name: { $regex: '^[CT]' } }), 'CT');
    assert.equal(await names({ $expr: { $gt: ['$price', 15] } }), 'C');
    assert.equal(await names({ studio: { $exists: false } }), 'T');
  });

  test('rows come back with Parse types', async () => {
    const [found] = await run([{ $match: { name: 'Go' } }]);
    assert.equal(found.objectId, games[0].id);
    assert.deepEqual(found.studio, { __type: 'Pointer', className: 'Studio', objectId: studios[0].id });
    assert.deepEqual(found.when, { __type: 'Date', iso: '2019-05-01T00:00:00.000Z' });
    assert.match(found.createdAt, /^20\d\d-.*Z$/);
    assert.deepEqual(found.tags, ['board', 'old']);
    assert.ok(!Object.keys(found).some((key) => key.startsWith('_')), JSON.stringify(found));
    const [projected] = await run([{ $match: { name: 'Go' } }, { $project: { studio: 1, createdAt: 1, twice: { $multiply: ['$price', 2] } } }]);
    assert.deepEqual(Object.keys(projected).sort(), ['createdAt', 'objectId', 'studio', 'twice']);
    assert.equal(projected.twice, 20);
  });

  test('lists, orders, ranges and counts', async () => {
    assert.deepEqual(await run([{ $unwind: '$tags' }, { $sortByCount: '$tags' }, { $match: { count: 2 } }, { $count: 'tags' }]), [{ tags: 2 }]);
    const [second] = await run([{ $sort: { price: -1 } }, { $skip: 1 }, { $limit: 1 }, { $project: { name: 1, objectId: 0 } }]);
    assert.deepEqual(second, { name: 'Go' });
    assert.equal((await run([{ $sample: { size: 2 } }])).length, 2);
    const [facets] = await run([
      { $facet: { years: [{ $group: { _id: '$year' } }, { $count: 'n' }], cheap: [{ $match: { price: { $lt: 6 } } }, { $project: { _id: 0, name: 1 } }] } },
    ]);
    assert.deepEqual(facets, { years: [{ n: 2 }], cheap: [{ name: 'Pong' }] });
    const buckets = await run([{ $bucket: { groupBy: '$price', boundaries: [0, 10, 100], default: 'none' } }]);
    assert.deepEqual(buckets.map(({ objectId, count }) => [objectId, count]), [[0, 1], [10, 2], ['none', 1]]);
  });

  test('a join', async () => {
    const found = await run([
      { $match: { studio: { $exists: true } } },
      { $set: { id: { $arrayElemAt: [{ $split: ['$_p_studio', { $literal: '$' }] }, 1] } } },
      { $lookup: { from: 'Studio', localField: 'id', foreignField: '_id', as: 'made' } },
      { $project: { _id: 0, name: 1, by: { $arrayElemAt: ['$made.name', 0] } } },
      { $sort: { name: 1 } },
    ]);
    assert.deepEqual(found, [
      { name: 'Chess', by: 'North' },
      { name: 'Go', by: 'North' },
      { name: 'Pong', by: 'South' },
    ]);
  });

  test('what no pipeline may be', async () => {
    await refused(run([{ $nonsense: {} }]), Parse.Error.INVALID_QUERY, /Unrecognized pipeline stage name: '\$nonsense'/);
    await refused(run([{ group: { _id: null } }]), Parse.Error.INVALID_QUERY, /Invalid aggregate stage 'group'/);
    await refused(run([{ $group: { objectId: '$name' } }]), Parse.Error.INVALID_QUERY, /Cannot use 'objectId'/);
    await refused(run([{ $group: { n: { $sum: 1 } } }]), Parse.Error.INVALID_QUERY, /Missing key _id/);
    await refused(run([{ $match: {}, $limit: 1 }]), Parse.Error.INVALID_QUERY, /only have one key but found \$match, \$limit/);
    await refused(run([{ $project: { x: { $divide: ['$price', 0] } } }]), Parse.Error.INVALID_QUERY, /can't \$divide by zero/);
    const nobody = await server.rest('GET', '/aggregate/Game?pipeline=[]');
    assert.equal(nobody.status, 403);
    if (server.kind !== 'oracle') await refused(run([{ $out: 'Stolen' }]), Parse.Error.INVALID_QUERY, /Invalid aggregate stage '\$out'/);
    assert.deepEqual(await run([{ $match: {} }], 'NoSuchClass'), []);
  });

  test('raw values and names', async () => {
    const ask = (params) => {
      const query = Object.entries(params).map(([key, value]) => `${key}=${encodeURIComponent(JSON.stringify(value))}`);
      return server.rest('GET', `/aggregate/Game?${query.join('&')}`, { master: true });
    };
    const pipeline = [{ $match: { when: { $gte: { $date: '2021-01-01T00:00:00Z' } } } }];
    const { body } = await ask({ pipeline, rawValues: true, rawFieldNames: true });
    const [row] = body.results;
    assert.equal(row._id, games[2].id);
    assert.deepEqual(row.when, { $date: '2021-01-01T00:00:00Z' });
    assert.equal(row._p_studio, `Studio$${studios[1].id}`);
  });

  test('distinct values', async () => {
    const distinct = (key, constrain = (query) => query) => constrain(new Parse.Query('Game')).distinct(key);
    assert.deepEqual((await distinct('year')).sort(), [2019, 2021]);
    assert.deepEqual((await distinct('tags')).sort(), ['board', 'old', 'video']);
    assert.deepEqual((await distinct('info.city')).sort(), ['Oslo', 'Rome']);
    assert.deepEqual(await distinct('name', (query) => query.greaterThan('price', 15)), ['Chess']);
    assert.equal((await distinct('objectId')).length, 4);
    assert.deepEqual((await distinct('when'))[0], { __type: 'Date', iso: '2019-05-01T00:00:00.000Z' });
    const owners = await distinct('studio');
    assert.deepEqual(owners.map(({ objectId }) => objectId).sort(), studios.map(({ id }) => id).sort());
    assert.deepEqual(await distinct('nothing'), []);
  });

  test('plans and hints', async () => {
    const plan = await new Parse.Query('Game').equalTo('name', 'Go').explain().find(master);
    assert.ok(plan.queryPlanner.winningPlan, JSON.stringify(plan));
    assert.match(JSON.stringify(plan), /COLLSCAN/);
    await refused(new Parse.Query('Game').explain().find(), Parse.Error.INVALID_QUERY, /requires the master key/);
    const schema = new Parse.Schema('Game');
    await schema.addIndex('by_name', { name: 1 }).update();
    const hinted = () => new Parse.Query('Game').startsWith('name', 'G').hint('by_name');
    assert.deepEqual((await hinted().find()).map((game) => game.id), [games[0].id]);
    assert.match(JSON.stringify(await hinted().explain().find(master)), /"indexName":"by_name"/);
    const wrong = await server.rest('GET', '/classes/Game?hint=nothing', { master: true });
    assert.equal(wrong.status, server.kind === 'oracle' ? 500 : 400);
    const preferred = new Parse.Query('Game').equalTo('name', 'Go').readPreference('SECONDARY_PREFERRED').comment('why');
    assert.equal((await preferred.find()).length, 1);
    await refused(new Parse.Query('Game').readPreference('NOWHERE').find(), Parse.Error.INVALID_QUERY, /Not supported read preference/);
  });
});
