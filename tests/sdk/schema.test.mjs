// Are classes what Parse.Schema says: fields, indexes, permissions, protected fields; and are these enforced.

import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import Parse from 'parse/node';
import { as, makeRole, master, names, onEachStore, refused, signUp } from './lib/each-store.mjs';

const EVERYBODY = { '*': true };
const OPEN = Object.fromEntries(['find', 'count', 'get', 'create', 'update', 'delete', 'addField'].map((each) => [each, EVERYBODY]));
const DEFAULT_FIELDS = { ACL: { type: 'ACL' }, createdAt: { type: 'Date' }, objectId: { type: 'String' }, updatedAt: { type: 'Date' } };

const create = (className, fields, options) => new Parse.Object(className).save(fields, options);
const field = async (className, name) => (await new Parse.Schema(className).get()).fields[name];

/// Sets permissions that are the given ones and otherwise open to everybody.
const permit = (className, permissions) => new Parse.Schema(className).setCLP({ ...OPEN, ...permissions }).update();

onEachStore('schemas', (server) => {
  test('a class with fields of every type', async () => {
    const schema = new Parse.Schema('Shelf')
      .addString('title', { required: true })
      .addNumber('n', { defaultValue: 7 })
      .addBoolean('flag', { defaultValue: false })
      .addDate('when')
      .addGeoPoint('place')
      .addPolygon('area')
      .addBytes('bytes')
      .addArray('list')
      .addObject('object')
      .addFile('file')
      .addPointer('owner', '_User')
      .addRelation('readers', '_User');
    const saved = await schema.save();
    const expected = {
      ...DEFAULT_FIELDS,
      title: { type: 'String', required: true },
      n: { type: 'Number', defaultValue: 7 },
      flag: { type: 'Boolean', defaultValue: false },
      when: { type: 'Date' },
      place: { type: 'GeoPoint' },
      area: { type: 'Polygon' },
      bytes: { type: 'Bytes' },
      list: { type: 'Array' },
      object: { type: 'Object' },
      file: { type: 'File' },
      owner: { type: 'Pointer', targetClass: '_User' },
      readers: { type: 'Relation', targetClass: '_User' },
    };
    assert.deepEqual(saved.fields, expected);
    const got = await schema.get();
    assert.deepEqual([got.className, got.fields], ['Shelf', expected]);
    assert.deepEqual(got.classLevelPermissions.find, EVERYBODY);
    assert.ok((await Parse.Schema.all()).some(({ className }) => className === 'Shelf'));
    await refused(schema.save(), 103, /Class Shelf already exists/);

    await refused(create('Shelf', { n: 1 }), 142, /title is required/);
    const shelf = await create('Shelf', { title: 't' });
    assert.deepEqual([shelf.get('n'), shelf.get('flag')], [7, false]);
    await refused(shelf.save({ title: '' }), 142);
  });

  test('fields come and go', async () => {
    await new Parse.Schema('Change').addString('a').addString('b').save();
    const object = await create('Change', { a: 'x', b: 'y' });
    await new Parse.Schema('Change').addNumber('c').deleteField('a').update();
    const { fields } = await new Parse.Schema('Change').get();
    assert.deepEqual(Object.keys(fields).sort(), ['ACL', 'b', 'c', 'createdAt', 'objectId', 'updatedAt']);
    assert.ok(!(await new Parse.Query('Change').get(object.id)).has('a'));
    // The name is free again, for another type, and nothing of what it held comes back.
    await new Parse.Schema('Change').addNumber('a').update();
    assert.ok(!(await new Parse.Query('Change').get(object.id)).has('a'));
    assert.equal(await new Parse.Query('Change').exists('a').count(), 0);
    await object.save({ a: 1 });
    await refused(new Parse.Schema('Change').addString('c').update(), 255);
    await refused(new Parse.Schema('Change').deleteField('none').update(), 255);
    await refused(new Parse.Schema('Change').deleteField('objectId').update(), 136);
    await refused(new Parse.Schema('NoClass').addString('x').update(), 103);
  });

  test('classes are made by what is saved', async () => {
    const pointer = await create('Made', { text: 'x' });
    await create('Made', { n: 1, pointer, list: [1], where: new Parse.GeoPoint(1, 2) });
    const { fields } = await new Parse.Schema('Made').get();
    assert.deepEqual(fields, {
      ...DEFAULT_FIELDS,
      text: { type: 'String' },
      n: { type: 'Number' },
      pointer: { type: 'Pointer', targetClass: 'Made' },
      list: { type: 'Array' },
      where: { type: 'GeoPoint' },
    });
    await refused(create('Made', { other: new Parse.GeoPoint(1, 2) }), 111);
    assert.equal(await field('Made', 'other'), undefined);
  });

  test('a class is deleted when it is empty', async () => {
    const object = await create('Doomed', { n: 1 });
    await refused(new Parse.Schema('Doomed').delete(), 255);
    await object.destroy();
    await new Parse.Schema('Doomed').delete();
    await refused(new Parse.Schema('Doomed').get(), 103, /Class Doomed does not exist/);
    assert.equal(await new Parse.Query('Doomed').count(), 0);
    await create('Doomed', { n: 'another type' });
    assert.deepEqual(await field('Doomed', 'n'), { type: 'String' });
  });

  test('names that are none', async () => {
    for (const name of ['1st', 'no-name', 'a b', '', '_Own', 'x'.repeat(5) + '.y']) {
      const { status, body } = await server.rest('POST', '/schemas', { body: { className: name, fields: {} }, master: true });
      assert.ok(status === 400 && [103, 135].includes(body.code), `${name}: ${JSON.stringify(body)}`);
    }
    for (const name of ['1st', 'no-name', 'a b', 'length', 'className']) {
      await refused(new Parse.Schema('BadFields').addString(name).save(), 105);
    }
    const nothing = { className: 'BadFields', fields: { a: { type: 'Nothing' } } };
    const bad = await server.rest('POST', '/schemas', { body: nothing, master: true });
    assert.deepEqual([bad.status, bad.body.code], [400, 111]);
    await refused(new Parse.Schema('BadFields').get(), 103);
  });

  test('schemas are for the master key', async () => {
    await create('Mine', { n: 1 });
    const requests = [['GET', '/schemas'], ['GET', '/schemas/Mine'], ['POST', '/schemas/New'], ['PUT', '/schemas/Mine'], ['DELETE', '/schemas/Mine']];
    for (const [method, path] of requests) {
      const { status, body } = await server.rest(method, path, { body: method === 'GET' ? undefined : { fields: {} } });
      assert.deepEqual([status, body.error], [403, 'Permission denied'], `${method} ${path}`);
    }
  });

  test('indexes', async () => {
    await new Parse.Schema('Indexed').addString('name').addNumber('n').addIndex('by_name', { name: 1 }).save();
    const indexes = async () => Object.keys((await new Parse.Schema('Indexed').get()).indexes ?? {}).sort();
    assert.deepEqual((await indexes()).filter((name) => name !== '_id_'), ['by_name']);
    await new Parse.Schema('Indexed').addIndex('by_both', { name: 1, n: -1 }).update();
    assert.deepEqual((await indexes()).filter((name) => name !== '_id_'), ['by_both', 'by_name']);
    await new Parse.Schema('Indexed').deleteIndex('by_name').update();
    assert.deepEqual((await indexes()).filter((name) => name !== '_id_'), ['by_both']);
    await refused(new Parse.Schema('Indexed').addIndex('by_both', { name: 1 }).update(), 102);
    await refused(new Parse.Schema('Indexed').addIndex('by_none', { none: 1 }).update(), 102);
    await refused(new Parse.Schema('Indexed').deleteIndex('by_none').update(), 102);
    await create('Indexed', { name: 'a', n: 1 });
    assert.equal(await new Parse.Query('Indexed').equalTo('name', 'a').count(), 1);
  });

  test('schemas outlive the server', async () => {
    await new Parse.Schema('Lasting').addNumber('n', { required: true }).addRelation('many', 'Made').save();
    await permit('Lasting', { delete: {} });
    const object = await create('Lasting', { n: 1 });
    const before = await new Parse.Schema('Lasting').get();
    await server.restart();
    assert.deepEqual(await new Parse.Schema('Lasting').get(), before);
    assert.equal((await new Parse.Query('Lasting').get(object.id)).get('n'), 1);
    await refused(object.destroy(), 119);
    await refused(create('Lasting', { n: 'x' }), 111);
  });

  describe('class-level permissions', () => {
    let ann, bob;
    before(async () => {
      [ann, bob] = [await signUp('clp-ann'), await signUp('clp-bob')];
    });

    test('are set as they are given', async () => {
      await create('Plain', { n: 1 });
      const given = { find: { requiresAuthentication: true }, get: { [ann.id]: true }, create: { 'role:x': true }, delete: {} };
      await new Parse.Schema('Plain').setCLP(given).update();
      const { classLevelPermissions: set } = await new Parse.Schema('Plain').get();
      for (const [operation, rule] of Object.entries(given)) assert.deepEqual(set[operation], rule);
      const bad = { find: { ann: 'yes' } };
      await refused(new Parse.Schema('Plain').setCLP(bad).update(), 107);
      await refused(new Parse.Schema('Plain').setCLP({ fly: EVERYBODY }).update(), 107);
    });

    test('close each operation on its own', async () => {
      const object = await create('Closed', { n: 1 });
      const id = object.id;
      const found = () => new Parse.Query('Closed');
      const attempts = {
        find: (options) => found().equalTo('n', 1).find(options),
        get: (options) => server.rest('GET', `/classes/Closed/${id}`, { token: options.sessionToken, master: options.useMasterKey }),
        count: (options) => found().count(options),
        create: (options) => create('Closed', { n: 2 }, options),
        update: (options) => Parse.Object.fromJSON({ className: 'Closed', objectId: id }).save({ n: 1 }, options),
        delete: (options) => Parse.Object.fromJSON({ className: 'Closed', objectId: id }).destroy(options),
        addField: (options) => create('Closed', { [`fresh${Date.now()}`]: 2 }, options),
      };
      for (const [operation, attempt] of Object.entries(attempts)) {
        await permit('Closed', { [operation]: {} });
        if (operation === 'get') assert.equal((await attempt({})).body.code, 119);
        else await refused(attempt({}), 119, /^Permission denied$/);
        await permit('Closed', { [operation]: { [ann.id]: true } });
        if (operation === 'get') assert.equal((await attempt(as(bob))).body.code, 119);
        else await refused(attempt(as(bob)), 119);
        if (operation !== 'delete') await attempt(as(ann));
        await permit('Closed', { [operation]: { requiresAuthentication: true } });
        if (operation === 'find') await refused(attempt({}), 101);
        if (operation !== 'delete') await attempt(as(bob));
        await permit('Closed', { [operation]: {} });
        await attempt(master);
      }
      assert.equal(await found().equalTo('objectId', id).count(master), 0);
    });

    test('may follow a pointer', async () => {
      const object = await create('Pointed', { owner: ann, helpers: [bob], n: 1 });
      await create('Pointed', { owner: bob, n: 2 });
      await permit('Pointed', { get: {}, find: {}, update: {}, readUserFields: ['owner'], writeUserFields: ['owner'] });
      const seen = async (user) => (await new Parse.Query('Pointed').find(user ? as(user) : {})).map((each) => each.get('n'));
      assert.deepEqual([await seen(ann), await seen(bob), await seen()], [[1], [2], []]);
      assert.deepEqual(await seen(), []);
      await Parse.Object.fromJSON({ className: 'Pointed', objectId: object.id }).save({ n: 3 }, as(ann));
      await refused(Parse.Object.fromJSON({ className: 'Pointed', objectId: object.id }).save({ n: 4 }, as(bob)), 101);
      const helpers = { pointerFields: ['helpers'] };
      await permit('Pointed', { get: helpers, find: helpers, update: helpers });
      assert.deepEqual([await seen(ann), await seen(bob)], [[], [3]]);
    });

    test('give new objects their ACL', async () => {
      await create('Default', { n: 0 });
      await permit('Default', { ACL: { currentUser: { read: true, write: true } } });
      const object = await create('Default', { n: 1 }, as(ann));
      assert.deepEqual(object.getACL().toJSON(), { [ann.id]: { read: true, write: true } });
      await refused(new Parse.Query('Default').get(object.id, as(bob)), 101);
    });
  });

  describe('protected fields', () => {
    let ann, bob, staff;
    const sees = async (id, options) => {
      const object = await new Parse.Query('Guarded').get(id, options);
      return ['salary', 'note', 'name'].filter((key) => object.has(key)).join(' ');
    };

    before(async () => {
      [ann, bob, staff] = [await signUp('pro-ann'), await signUp('pro-bob'), await signUp('pro-staff')];
      await makeRole('payroll', [staff]);
    });

    test('are hidden from whom they are hidden', async () => {
      const { id } = await create('Guarded', { name: 'n', salary: 1, note: 'x', owner: ann });
      await permit('Guarded', { protectedFields: { '*': ['salary', 'note'], 'role:payroll': ['note'], 'userField:owner': [] } });
      assert.equal(await sees(id, {}), 'name');
      assert.equal(await sees(id, as(bob)), 'name');
      assert.equal(await sees(id, as(staff)), 'salary name');
      assert.equal(await sees(id, as(ann)), 'salary note name');
      assert.equal(await sees(id, master), 'salary note name');
      const holder = await create('Holder', { guarded: Parse.Object.fromJSON({ className: 'Guarded', objectId: id }) });
      const through = await new Parse.Query('Holder').include('guarded').get(holder.id);
      assert.deepEqual([through.get('guarded').get('name'), through.get('guarded').has('salary')], ['n', false]);
      const asked = await new Parse.Query('Guarded').select('name', 'salary').first();
      assert.ok(!asked.has('salary'));
    });

    test('cannot be guessed by asking', async () => {
      const query = () => new Parse.Query('Guarded');
      await refused(query().equalTo('salary', 1).find(), 119);
      await refused(query().greaterThan('salary', 0).count(), 119);
      await refused(query().ascending('salary').find(), 119);
      await refused(query().descending('name', 'salary').find(), 119);
      await refused(Parse.Query.or(query().equalTo('name', 'n'), query().exists('salary')).find(), 119);
      await refused(Parse.Query.and(query().equalTo('name', 'n'), Parse.Query.nor(query().equalTo('salary', 1))).find(), 119);
      const outer = () => new Parse.Query('Holder');
      await refused(outer().matchesQuery('guarded', query().equalTo('salary', 1)).find(), 119);
      await refused(outer().matchesKeyInQuery('n', 'n', query().equalTo('salary', 1)).find(), 119);
      assert.equal((await query().equalTo('salary', 1).find(as(staff))).length, 1);
      assert.deepEqual(names(await query().equalTo('salary', 1).find(master)), ['n']);
    });
  });
});
