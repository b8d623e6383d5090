// Do we and Parse Server understand each other's MongoDB: what one writes the other reads, and back.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import Parse from 'parse/node';
import { as, makeRole, master, refused, signUp } from './lib/each-store.mjs';
import { Server, dropDatabase, mongoDatabase, stores, target } from './lib/server.mjs';

const EVERYTHING = {
  text: 'ünïcode 漢字 🦀 "quoted" \\ \n\t end',
  empty: '',
  integer: 42,
  whole: 3.0,
  beyond32: 4_294_967_296,
  negative: -7,
  fraction: 0.1,
  large: 9007199254740991,
  huge: 1.7976931348623157e308,
  yes: true,
  no: false,
  nothing: null,
  date: { __type: 'Date', iso: '2024-02-29T23:59:59.999Z' },
  before1970: { __type: 'Date', iso: '1901-12-13T20:45:52.001Z' },
  bytes: { __type: 'Bytes', base64: 'AAEC/f7/' },
  place: { __type: 'GeoPoint', latitude: 48.137, longitude: -11.575 },
  area: { __type: 'Polygon', coordinates: [[0, 0], [0, 1], [1, 1], [1, 0], [0, 0]] },
  file: { __type: 'File', name: 'paper.txt' },
  object: { a: { b: [{ c: null }], when: { __type: 'Date', iso: '2000-01-01T00:00:00.000Z' } }, n: 1, 'a key': [], ключ: {} },
  list: [1, 2.5, 'two', null, true, [3, [4]], { five: 5 }, { __type: 'Date', iso: '2000-01-01T00:00:00.000Z' },
    { __type: 'GeoPoint', latitude: 1, longitude: 2 }],
  emptyList: [],
  emptyObject: {},
};

describe('one MongoDB under Parse Server and under ours', { skip: target === 'oracle' || !stores.includes('mongodb') }, () => {
  const databaseURI = stores.includes('mongodb') && mongoDatabase(`interop_${randomBytes(6).toString('hex')}`);
  const options = { databaseURI, allowClientClassCreation: true };
  const servers = ['oracle', 'parsimony'].map((kind) => new Server({ store: 'mongodb', target: kind, options }));
  const [theirs, ours] = servers;

  after(async () => {
    for (const server of servers) await server.remove();
    await dropDatabase(databaseURI);
  });

  /// One of the two at a time, as when one replaces the other.
  async function handOver(from, to) {
    await from?.kill();
    await to.start();
    to.useSdk();
  }

  /// Everything a server has, as its REST API tells it, without what it has of itself: its address.
  async function everything(server) {
    const told = {};
    const { body: schemas } = await server.rest('GET', '/schemas', { master: true });
    for (const className of ['Thing', 'Owner', 'Guarded', 'Late', '_User', '_Role', '_Session']) {
      const { fields, classLevelPermissions, indexes } = schemas.results.find((schema) => schema.className === className);
      const { body } = await server.rest('GET', `/classes/${className}?limit=1000&order=objectId`, { master: true });
      // Of the indexes each server makes some of its own, and tells them when it starts for the second time.
      // And our applications have roles that are there from the start.
      const rows = body.results.filter((row) => className !== '_Role' || ['staff', 'all'].includes(row.name));
      told[className] = { fields, classLevelPermissions, index: indexes?.by_name, rows };
    }
    for (const thing of told.Thing.rows) {
      const where = { $relatedTo: { object: { __type: 'Pointer', className: 'Thing', objectId: thing.objectId }, key: 'friends' } };
      const { body } = await server.rest('GET', `/classes/Owner?order=objectId&where=${encodeURIComponent(JSON.stringify(where))}`, { master: true });
      told[`friends of ${thing.objectId}`] = body.results.map(({ objectId }) => objectId);
    }
    for (const role of told._Role.rows) {
      for (const [key, path] of [['users', '/users'], ['roles', '/roles']]) {
        const where = { $relatedTo: { object: { __type: 'Pointer', className: '_Role', objectId: role.objectId }, key } };
        const { body } = await server.rest('GET', `${path}?order=objectId&where=${encodeURIComponent(JSON.stringify(where))}`, { master: true });
        told[`${key} of ${role.name}`] = body.results.map(({ objectId }) => objectId);
      }
    }
    return JSON.parse(JSON.stringify(told).replaceAll(server.url, ''));
  }

  let ann, bob, thing, hidden, owner, told;
  const post = async (server, className, body) => {
    const answer = await server.rest('POST', `/classes/${className}`, { body });
    assert.equal(answer.status, 201, answer.text);
    return answer.body.objectId;
  };
  const pointer = (className, objectId) => ({ __type: 'Pointer', className, objectId });

  before(async () => {
    await handOver(undefined, theirs);
    ann = await signUp('ann', { email: 'ann@example.org', nick: 'A' });
    bob = await signUp('Bob');
    const staff = await makeRole('staff', [ann]);
    await makeRole('all', [bob], [staff]);
    owner = await post(theirs, 'Owner', { name: 'first' });
    const other = await post(theirs, 'Owner', { name: 'second' });
    const friends = { __op: 'AddRelation', objects: [pointer('Owner', owner), pointer('Owner', other)] };
    thing = await post(theirs, 'Thing', { ...EVERYTHING, owner: pointer('Owner', owner), user: pointer('_User', ann.id), owners: [pointer('Owner', other)], friends });
    await post(theirs, 'Thing', { integer: 1, text: 'plain' });
    hidden = await post(theirs, 'Thing', { text: 'hidden', ACL: { [ann.id]: { read: true, write: true }, 'role:all': { read: true } } });
    await post(theirs, 'Thing', { text: 'nobody', ACL: {} });
    const permissions = { find: { 'role:staff': true }, get: { requiresAuthentication: true }, create: { '*': true }, update: {}, delete: {}, count: {}, addField: {}, protectedFields: { '*': ['salary'], 'role:staff': [] } };
    await post(theirs, 'Guarded', { name: 'g', salary: 5 });
    const body = { className: 'Guarded', classLevelPermissions: permissions, indexes: { by_name: { name: 1 } } };
    assert.equal((await theirs.rest('PUT', '/schemas/Guarded', { body, master: true })).status, 200);
    await new Parse.Schema('Late').addString('must', { required: true }).addNumber('n', { defaultValue: 7 }).addPointer('owner', 'Owner').save();
    told = await everything(theirs);
    await handOver(theirs, ours);
  });

  test('we read what Parse Server wrote', async () => {
    const read = await everything(ours);
    assert.deepEqual(Object.keys(read), Object.keys(told));
    for (const key of Object.keys(told)) assert.deepEqual(read[key], told[key], key);
  });

  test('we find what Parse Server wrote', async () => {
    const one = (query) => query.find(master).then((found) => found.map(({ id }) => id).join());
    const query = () => new Parse.Query('Thing');
    for (const key of ['text', 'integer', 'whole', 'beyond32', 'fraction', 'large', 'yes']) {
      assert.equal(await one(query().equalTo(key, EVERYTHING[key]).exists('date')), thing, key);
    }
    assert.equal(await one(query().equalTo('date', new Date(EVERYTHING.date.iso))), thing);
    assert.equal(await one(query().equalTo('list', 'two')), thing);
    assert.equal(await one(query().equalTo('object.n', 1)), thing);
    assert.equal(await one(query().equalTo('user', ann)), thing);
    assert.equal(await one(query().matchesQuery('owner', new Parse.Query('Owner').equalTo('name', 'first'))), thing);
    assert.equal(await one(query().equalTo('friends', Parse.Object.fromJSON({ className: 'Owner', objectId: owner }))), thing);
    assert.equal(await one(query().greaterThan('integer', 41)), thing);
    assert.equal(await one(query().startsWith('text', 'ünï')), thing);
    const included = await query().include('owner', 'owners', 'user').get(thing, master);
    assert.deepEqual([included.get('owner').get('name'), included.get('owners')[0].get('name'), included.get('user').get('nick')], ['first', 'second', 'A']);
  });

  test('users keep their passwords, sessions and roles', async () => {
    assert.equal((await Parse.User.me(ann.getSessionToken())).get('email'), 'ann@example.org');
    const again = await Parse.User.logIn('ann', 'pw-ann', { installationId: 'elsewhere' });
    assert.equal(again.id, ann.id);
    await refused(Parse.User.logIn('ann', 'wrong'), 101);
    await refused(signUp('ANN'), 202);
    await refused(signUp('bob'), 202);
    await refused(signUp('new', { email: 'ANN@example.org' }), 203);
    const text = (user) => new Parse.Query('Thing').get(hidden, user ? as(user) : {}).then((object) => object.get('text'));
    assert.deepEqual([await text(ann), await text(bob)], ['hidden', 'hidden']);
    await refused(text(), 101);
    assert.equal((await new Parse.Query('Guarded').find(as(ann)))[0].get('salary'), 5);
    await refused(new Parse.Query('Guarded').find(as(bob)), 119);
    await refused(new Parse.Query('Guarded').equalTo('salary', 5).find(as(bob)), 119);
  });

  test('Parse Server reads what we wrote', async () => {
    const change = (id, fields, options) => Parse.Object.fromJSON({ className: 'Thing', objectId: id }).save(fields, options);
    const body = {
      integer: { __op: 'Increment', amount: 1 },
      fraction: { __op: 'Increment', amount: 0.2 },
      text: { __op: 'Delete' },
      list: { __op: 'Remove', objects: ['two', { five: 5 }] },
      emptyList: { __op: 'AddUnique', objects: [1, 1, { k: { __type: 'Date', iso: '2001-01-01T00:00:00.000Z' } }] },
      'object.n': { __op: 'Increment', amount: 2 },
      'object.fresh': 'x',
      owner: { __op: 'Delete' },
      friends: { __op: 'RemoveRelation', objects: [pointer('Owner', owner)] },
      bytes: { __type: 'Bytes', base64: 'AA==' },
      place: { __type: 'GeoPoint', latitude: -1, longitude: 179.5 },
      fresh: { __type: 'Date', iso: '2024-01-01T00:00:00.000Z' },
    };
    assert.equal((await ours.rest('PUT', `/classes/Thing/${thing}`, { body })).status, 200);
    await change(hidden, { ACL: new Parse.ACL({ [bob.id]: { read: true }, 'role:staff': { read: true, write: true } }) }, as(ann));
    const third = await post(ours, 'Owner', { name: 'third' });
    const made = await post(ours, 'Thing', { ...EVERYTHING, owner: pointer('Owner', third), owners: [pointer('Owner', third)], friends: { __op: 'AddRelation', objects: [pointer('Owner', third)] } });
    await post(ours, 'Late', { must: 'have', owner: pointer('Owner', third), when: EVERYTHING.date });
    const cyd = await signUp('cyd', { email: 'cyd@example.org' });
    bob.setPassword('pw-new');
    await bob.save(null, as(bob));
    const role = await new Parse.Query(Parse.Role).equalTo('name', 'staff').first(master);
    role.getUsers().add(cyd);
    role.getUsers().remove(ann);
    await role.save(null, master);
    const permissions = { find: { '*': true }, get: { '*': true }, protectedFields: { '*': ['name'] } };
    await ours.rest('PUT', '/schemas/Guarded', { body: { className: 'Guarded', classLevelPermissions: permissions, fields: { added: { type: 'Pointer', targetClass: 'Owner' } } }, master: true });
    const mine = await everything(ours);

    await handOver(ours, theirs);
    const read = await everything(theirs);
    assert.deepEqual(Object.keys(read), Object.keys(mine));
    for (const key of Object.keys(mine)) assert.deepEqual(read[key], mine[key], key);

    assert.equal((await Parse.User.logIn('bob', 'pw-new').catch(() => Parse.User.logIn('Bob', 'pw-new'))).id, bob.id);
    assert.equal((await Parse.User.me(cyd.getSessionToken())).get('email'), 'cyd@example.org');
    await refused(signUp('CYD'), 202);
    assert.equal((await new Parse.Query('Thing').get(hidden, as(cyd))).get('text'), 'hidden');
    await refused(new Parse.Query('Thing').get(hidden, as(ann)), 101);
    const query = () => new Parse.Query('Thing').equalTo('objectId', made);
    assert.equal(await query().equalTo('date', new Date(EVERYTHING.date.iso)).count(), 1);
    assert.equal(await query().matchesQuery('owner', new Parse.Query('Owner').equalTo('name', 'third')).count(), 1);
    assert.equal(await query().equalTo('friends', Parse.Object.fromJSON({ className: 'Owner', objectId: third })).count(), 1);
    // And Parse Server can go on working with it.
    const { body: counted } = await theirs.rest('PUT', `/classes/Thing/${made}`, { body: { integer: { __op: 'Increment', amount: 1 }, 'object.n': 5, owner: pointer('Owner', owner) } });
    assert.equal(counted.integer, 43);
    const end = await everything(theirs);
    await handOver(theirs, ours);
    assert.deepEqual(await everything(ours), end);
  });
});
