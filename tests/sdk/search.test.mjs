// Are objects found by where they are, and by what they say.

import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import Parse from 'parse/node';
import { master, names, onEachStore, refused } from './lib/each-store.mjs';
import { target } from './lib/server.mjs';

const PLACES = {
  sf: [37.77, -122.42], oakland: [37.8, -122.27], la: [34.05, -118.24], ny: [40.71, -74],
  fiji: [-17, 179.5], zero: [0, 0], five: [5, 5],
};
const at = ([latitude, longitude]) => new Parse.GeoPoint(latitude, longitude);
const corners = (...pairs) => pairs.map(at);

onEachStore('places', (server) => {
  before(async () => {
    const shops = Object.entries(PLACES).map(([name, place]) => new Parse.Object('Shop', { name, place: at(place) }));
    await Parse.Object.saveAll([...shops, new Parse.Object('Shop', { name: 'nowhere' })]);
    const area = (...pairs) => new Parse.Polygon(pairs);
    await Parse.Object.saveAll([
      new Parse.Object('Zone', { name: 'square', area: area([0, 0], [0, 10], [10, 10], [10, 0]) }),
      new Parse.Object('Zone', { name: 'dateline', area: area([20, 170], [20, -170], [-20, -170], [-20, 170]) }),
    ]);
  });

  const shops = () => new Parse.Query('Shop');
  const ordered = async (query) => names(await query.find());
  const found = async (query) => (await ordered(query)).sort();

  test('near, in radians, miles and kilometres', async () => {
    const sf = at(PLACES.sf);
    assert.deepEqual((await ordered(shops().near('place', sf))).slice(0, 4), ['sf', 'oakland', 'la', 'ny']);
    assert.deepEqual(await ordered(shops().near('place', sf).skip(1).limit(2)), ['oakland', 'la']);
    assert.deepEqual(await ordered(shops().withinRadians('place', sf, 0.1)), ['sf', 'oakland', 'la']);
    assert.deepEqual(await ordered(shops().withinMiles('place', sf, 10)), ['sf', 'oakland']);
    assert.deepEqual(await ordered(shops().withinMiles('place', sf, 5)), ['sf']);
    assert.deepEqual(await ordered(shops().withinKilometers('place', sf, 15)), ['sf', 'oakland']);
    assert.deepEqual(await ordered(shops().withinKilometers('place', sf, 10)), ['sf']);
    assert.deepEqual(await ordered(shops().withinRadians('place', sf, 0.1).descending('name')), ['sf', 'oakland', 'la']);
    assert.deepEqual(await found(shops().withinRadians('place', sf, 0.1, false)), ['la', 'oakland', 'sf']);
    assert.equal(await shops().withinRadians('place', sf, 0.1).count(), 3);
    const other = await shops().near('place', sf).notEqualTo('name', 'sf').first();
    assert.equal(other.get('name'), 'oakland');
    assert.deepEqual(await ordered(shops().near('place', at([0, 0])).limit(2)), ['zero', 'five']);
    const [shop] = await shops().near('place', sf).limit(1).find();
    assert.deepEqual([shop.get('place').latitude, shop.get('place').longitude], PLACES.sf);
  });

  test('inside boxes and polygons', async () => {
    assert.deepEqual(await found(shops().withinGeoBox('place', at([0, 0]), at([10, 10]))), ['five', 'zero']);
    assert.deepEqual(await found(shops().withinGeoBox('place', at([30, -130]), at([40, -110]))), ['la', 'oakland', 'sf']);
    const square = corners([0, 0], [0, 10], [10, 10], [10, 0]);
    assert.deepEqual(await found(shops().withinPolygon('place', square)), ['five', 'zero']);
    const pairs = [[-130, 30], [-110, 30], [-110, 40], [-130, 40]];
    const { body } = await server.rest('GET', `/classes/Shop?where=${JSON.stringify({ place: { $geoWithin: { $polygon: pairs } } })}`);
    assert.deepEqual(body.results.map(({ name }) => name).sort(), ['la', 'oakland', 'sf']);
    assert.equal(await shops().withinPolygon('place', square).count(), 2);
    await refused(shops().withinPolygon('place', square.slice(2)).find(), 107, /at least 3 GeoPoints/);
  });

  test('areas that hold a place', async () => {
    const zones = (place) => found(new Parse.Query('Zone').polygonContains('area', at(place)));
    assert.deepEqual(await zones([5, 5]), ['square']);
    assert.deepEqual(await zones([0, 5]), ['square']);
    assert.deepEqual(await zones([0, 179]), ['dateline']);
    assert.deepEqual(await zones([0, -179]), ['dateline']);
    assert.deepEqual(await zones([15, 5]), []);
    const zone = await new Parse.Query('Zone').equalTo('name', 'square').first();
    assert.ok(zone.get('area').containsPoint(at([5, 5])));
    await zone.save({ area: new Parse.Polygon([[50, 50], [50, 60], [60, 60], [60, 50]]) });
    assert.deepEqual(await zones([5, 5]), []);
    assert.deepEqual(await zones([55, 55]), ['square']);
  });

  test('what a query by place is refused for', async () => {
    const point = { __type: 'GeoPoint', latitude: 0, longitude: 0 };
    const ask = (place) => server.rest('GET', `/classes/Shop?where=${encodeURIComponent(JSON.stringify({ place }))}`);
    for (const [condition, error] of [
      [{ $within: { $box: [point] } }, 'malformatted $within arg'],
      [{ $geoWithin: { $polygon: [point, point] } }, 'bad $geoWithin value; $polygon should contain at least 3 GeoPoints'],
      [{ $geoWithin: { $polygon: 'x' } }, "bad $geoWithin value; $polygon should be Polygon object or Array of Parse.GeoPoint's"],
      [{ $geoWithin: { $centerSphere: [point, -1] } }, 'bad $geoWithin value; $centerSphere distance invalid'],
      [{ $geoWithin: { $centerSphere: [point] } }, 'bad $geoWithin value; $centerSphere should be an array of Parse.GeoPoint and distance'],
      [{ $geoIntersects: { $point: 1 } }, 'bad $geoIntersect value; $point should be GeoPoint'],
    ]) {
      const { status, body } = await ask(condition);
      assert.deepEqual([status, body], [400, { code: 107, error }], JSON.stringify(condition));
    }
    const unknown = await server.rest('GET', `/classes/Shop?where=${JSON.stringify({ nope: { $nearSphere: point } })}`);
    assert.deepEqual([unknown.status, unknown.body.results], [200, []]);
    if (target === 'oracle') return; // These are internal errors there.
    const near = { $nearSphere: point };
    for (const where of [{ $or: [{ place: near }, { name: 'x' }] }, { $nor: [{ place: near }] }]) {
      const { status, body } = await server.rest('GET', `/classes/Shop?where=${JSON.stringify(where)}`);
      assert.deepEqual([status, body.code], [400, 102]);
    }
    const crossed = { __type: 'Polygon', coordinates: [[0, 0], [10, 10], [0, 10], [10, 0]] };
    const { status, body } = await server.rest('POST', '/classes/Zone', { body: { area: crossed } });
    assert.deepEqual([status, body.code], [400, 111]);
  });

  test('places at the end of the world', { skip: target === 'oracle' }, async () => {
    const there = at([-16, -179.9]);
    assert.deepEqual(await ordered(shops().withinRadians('place', there, 0.1)), ['fiji']);
    assert.deepEqual(await ordered(shops().near('place', there).limit(1)), ['fiji']);
  });
});

const TEXTS = {
  a: 'The coffee is hot', b: 'Coffee and coffees; coffee shop', c: 'tea without milk', d: 'café au lait',
  e: 'CAFÉ noir', f: 'running runners run ran', g: 'coffee shop with tea', h: 'shop coffee',
};

onEachStore('texts', (server) => {
  before(() => Parse.Object.saveAll(Object.entries(TEXTS).map(([name, body]) => new Parse.Object('Post', { name, body }))));

  const search = (term, options) => new Parse.Query('Post').fullText('body', term, options);
  const found = async (query) => names(await query.find()).sort().join('');

  test('words, phrases and what is not wanted', async () => {
    assert.equal(await found(search('coffee')), 'abgh');
    assert.equal(await found(search('coffee').equalTo('name', 'b')), 'b');
    assert.equal(await found(search('"coffee shop"')), 'bg');
    assert.equal(await found(search('coffee -shop')), 'a');
    assert.equal(await found(search('run')), 'f');
    assert.equal(await found(search('the')), '');
    assert.equal(await found(search('cafe')), 'de');
    assert.equal(await found(search('café', { diacriticSensitive: true, caseSensitive: true })), 'd');
    assert.equal(await found(search('Coffee', { caseSensitive: true })), 'b');
    assert.equal(await found(search('runs', { language: 'none' })), '');
    assert.equal(await search('coffee').count(), 4);
    const { indexes } = await new Parse.Schema('Post').get();
    assert.deepEqual(indexes, { _id_: { _id: 1 }, body_text: { body: 'text' } });
  });

  test('the best first, with their score', async () => {
    const query = search('coffee').sortByTextScore().select('name');
    const results = await query.find();
    assert.deepEqual(results.map((post) => post.get('name')).slice(0, 1), ['b']);
    assert.deepEqual(results.map((post) => post.get('score')), [1.53125, 0.75, 0.75, 2 / 3]);
    const where = JSON.stringify({ body: { $text: { $search: { $term: 'coffee' } } } });
    const one = await server.rest('GET', `/classes/Post?where=${where}&keys=$score&order=$score&limit=1`);
    assert.deepEqual(Object.keys(one.body.results[0]).sort(), ['createdAt', 'objectId', 'score', 'updatedAt']);
    const whole = await server.rest('GET', `/classes/Post?where=${where}&order=$score&limit=1`);
    assert.deepEqual([whole.body.results[0].name, whole.body.results[0].score], ['b', undefined]);
  });

  test('what a search is refused for', async () => {
    const ask = (body) => server.rest('GET', `/classes/Post?where=${encodeURIComponent(JSON.stringify(body))}`);
    for (const [$text, error] of [
      [{}, 'bad $text: $search, should be object'],
      [{ $search: { $term: 5 } }, 'bad $text: $term, should be string'],
      [{ $search: { $term: 'x', $language: 5 } }, 'bad $text: $language, should be string'],
      [{ $search: { $term: 'x', $caseSensitive: 'yes' } }, 'bad $text: $caseSensitive, should be boolean'],
      [{ $search: { $term: 'x', $diacriticSensitive: 1 } }, 'bad $text: $diacriticSensitive, should be boolean'],
    ]) {
      const { status, body } = await ask({ body: { $text } });
      assert.deepEqual([status, body], [400, { code: 107, error }]);
    }
    const $text = { $search: { $term: 'coffee' } };
    const unknown = await ask({ nope: { $text } });
    assert.deepEqual([unknown.status, unknown.body], [400, { code: 102, error: 'Field nope does not exist, cannot add index.' }]);
    if (target === 'oracle') return; // These are internal errors there.
    for (const where of [{ $or: [{ body: { $text } }, { name: 'x' }] }, { $nor: [{ body: { $text } }] }]) {
      assert.equal((await ask(where)).body.code, 102);
    }
    assert.equal((await server.rest('GET', '/classes/Post?order=$score')).body.code, 102);
    const language = { $search: { $term: 'x', $language: 'klingon' } };
    assert.equal((await ask({ body: { $text: language } })).body.code, 102);
  });

  test('a hidden field is not found by what it says', async () => {
    const everybody = { '*': true };
    const open = Object.fromEntries(['find', 'get', 'count', 'create', 'update', 'delete', 'addField'].map((each) => [each, everybody]));
    const schema = new Parse.Schema('Letter').addString('title').addString('secret').addIndex('words', { title: 'text', secret: 'text' });
    await schema.setCLP({ ...open, protectedFields: { '*': ['secret'] } }).save();
    await new Parse.Object('Letter', { title: 'hello', secret: 'treasure' }).save(null, master);
    const query = () => new Parse.Query('Letter').fullText('title', 'treasure');
    assert.equal((await query().find(master)).length, 1);
    if (target !== 'oracle') await refused(query().find(), 119);
  });
});
