// Does every constraint of Parse.Query find what it should, and nothing else.

import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import Parse from 'parse/node';
import { as, master, names, onEachStore, refused, signUp } from './lib/each-store.mjs';

const PLAYERS = [
  { name: 'Ann', age: 31, score: 1.5, tags: ['red', 'blue'], born: new Date('1990-01-01'), info: { city: 'Rome', zip: 1 } },
  { name: 'bob', age: 25, score: -2, tags: ['blue'], born: new Date('1995-06-15'), info: { city: 'Oslo', zip: 2 } },
  { name: 'Cyd', age: 40, score: 0, tags: [], born: new Date('1980-12-31'), info: { city: 'Rome', zip: 3 } },
  { name: 'Dee', age: 25, tags: ['red', 'green', 'blue'], nick: null, active: true },
  { name: 'eve (x)', age: 70, score: 10, nick: 'E.V*E', active: false },
];

onEachStore('queries', (server) => {
  let players, teams;

  before(async () => {
    // A null alone makes no field.
    await new Parse.Object('Player', { nick: 'x' }).save().then((object) => object.destroy());
    players = await Parse.Object.saveAll(PLAYERS.map((fields) => new Parse.Object('Player', fields)));
    const [ann, bob, cyd, dee] = players;
    const team = (name, city, captain, members) => {
      const object = new Parse.Object('Team', { name, city, captain, bench: members });
      if (members.length) object.relation('members').add(members);
      return object.save();
    };
    teams = [
      await team('Lions', 'Rome', ann, [ann, bob]),
      await team('Bears', 'Oslo', bob, [bob, cyd, dee]),
      await team('Crows', 'Bern', cyd, []),
      await team('Wolves', 'Rome', undefined, []),
    ];
  });

  const query = (className = 'Player') => new Parse.Query(className);
  /// The initials of the players that a query finds, by age and name.
  const found = async (constrained) => {
    const objects = await constrained.find();
    return objects.map((object) => object.get('name')[0]).sort().join('');
  };

  test('equality', async () => {
    assert.equal(await found(query().equalTo('name', 'bob')), 'b');
    assert.equal(await found(query().equalTo('name', 'Bob')), '');
    assert.equal(await found(query().equalTo('age', 25)), 'Db');
    assert.equal(await found(query().equalTo('age', 25).equalTo('name', 'Dee')), 'D');
    assert.equal(await found(query().equalTo('score', 0)), 'C');
    assert.equal(await found(query().equalTo('active', true)), 'D');
    assert.equal(await found(query().equalTo('born', new Date('1995-06-15'))), 'b');
    assert.equal(await found(query().equalTo('tags', 'blue')), 'ADb');
    assert.equal(await found(query().equalTo('info.city', 'Rome')), 'AC');
    assert.equal(await found(query().equalTo('info.city', 'Rome').equalTo('info.zip', 3)), 'C');
    assert.equal(await found(query().equalTo('objectId', players[0].id)), 'A');
    assert.equal(await found(query().equalTo('unheardOf', 1)), '');
    assert.equal(await found(query().notEqualTo('age', 25)), 'ACe');
    assert.equal(await found(query().notEqualTo('score', 0)), 'ADbe');
    assert.equal(await found(query().notEqualTo('tags', 'red')), 'Cbe');
    assert.equal(await found(query().notEqualTo('active', true)), 'ACbe');
  });

  test('null is like missing, existing is not', async () => {
    assert.equal(await found(query().equalTo('nick', null)), 'ACDb');
    assert.equal(await found(query().notEqualTo('nick', null)), 'e');
    assert.equal(await found(query().exists('score')), 'ACbe');
    assert.equal(await found(query().doesNotExist('score')), 'D');
    assert.equal(await found(query().doesNotExist('active')), 'ACb');
    assert.equal(await found(query().exists('unheardOf')), '');
    assert.equal(await found(query().exists('info.city')), 'ACb');
  });

  test('order of values', async () => {
    assert.equal(await found(query().lessThan('age', 31)), 'Db');
    assert.equal(await found(query().lessThanOrEqualTo('age', 31)), 'ADb');
    assert.equal(await found(query().greaterThan('age', 31)), 'Ce');
    assert.equal(await found(query().greaterThanOrEqualTo('age', 31)), 'ACe');
    assert.equal(await found(query().greaterThan('score', -3).lessThan('score', 1.5)), 'Cb');
    assert.equal(await found(query().greaterThan('born', new Date('1985-01-01'))), 'Ab');
    assert.equal(await found(query().lessThan('name', 'a')), 'ACD');
    assert.equal(await found(query().greaterThan('info.zip', 1)), 'Cb');
    assert.equal(await found(query().greaterThan('createdAt', new Date(0))), 'ACDbe');
    assert.equal(await found(query().lessThanOrEqualTo('createdAt', new Date(0))), '');
    assert.equal(await found(query().greaterThanOrEqualTo('updatedAt', new Date(Math.min(...players.map(({ createdAt }) => createdAt))))), 'ACDbe');
    assert.equal(await found(query().lessThan('score', 'text')), '');
  });

  test('lists of values', async () => {
    assert.equal(await found(query().containedIn('name', ['Ann', 'Dee', 'Zoe'])), 'AD');
    assert.equal(await found(query().containedIn('name', [])), '');
    assert.equal(await found(query().containedIn('tags', ['green', 'red'])), 'AD');
    assert.equal(await found(query().containedIn('objectId', players.slice(0, 2).map(({ id }) => id))), 'Ab');
    assert.equal(await found(query().notContainedIn('age', [25, 31])), 'Ce');
    assert.equal(await found(query().notContainedIn('tags', ['red'])), 'Cbe');
    assert.equal(await found(query().notContainedIn('age', [])), 'ACDbe');
    assert.equal(await found(query().containsAll('tags', ['blue', 'red'])), 'AD');
    assert.equal(await found(query().containsAll('tags', ['pink'])), '');
    assert.equal(await found(query().containedBy('tags', ['red', 'blue', 'pink'])), 'ACbe');
    assert.equal(await found(query().containedBy('tags', [])), 'Ce');
    assert.equal(await found(query().containsAllStartingWith('tags', ['bl', 're'])), 'AD');
    assert.equal(await found(query().containsAllStartingWith('tags', ['lue'])), '');
  });

  test('texts', async () => {
    assert.equal(await found(query().startsWith('name', 'e')), 'e');
    assert.equal(await found(query().startsWith('name', 'eve (')), 'e');
    assert.equal(await found(query().startsWith('nick', '.')), '');
    assert.equal(await found(query().endsWith('name', '(x)')), 'e');
    assert.equal(await found(query().contains('nick', '.V*')), 'e');
    assert.equal(await found(query().contains('name', 'E')), '');
    assert.equal(await found(query().matches('name', /^[a-z]/)), 'be');
    assert.equal(await found(query().matches('name', /^a/i)), 'A');
    assert.equal(await found(query().matches('name', 'N{2}', 'i')), 'A');
    assert.equal(await found(query().matches('name', '^ d e e $', 'ix')), 'D');
    assert.equal(await found(query().matches('name', '(Ann|Cyd)$')), 'AC');
    assert.equal(await found(query().matches('name', 'b.b').equalTo('age', 25)), 'b');
    assert.equal(await found(query().matches('tags', '^gre')), 'D');

    await new Parse.Object('Lines', { text: 'one\ntwo' }).save();
    const lines = (pattern, flags) => query('Lines').matches('text', pattern, flags).count();
    assert.deepEqual([await lines('^two', 'm'), await lines('^two'), await lines('one.two', 's'), await lines('one.two')], [1, 0, 1, 0]);
    await refused(query().matches('name', 'a', 'q').find(), 102);
  });

  test('or, and, nor', async () => {
    const young = query().lessThan('age', 30);
    const red = query().equalTo('tags', 'red');
    const rome = query().equalTo('info.city', 'Rome');
    assert.equal(await found(Parse.Query.or(young, rome)), 'ACDb');
    assert.equal(await found(Parse.Query.and(young, red)), 'D');
    assert.equal(await found(Parse.Query.nor(young, rome)), 'e');
    assert.equal(await found(Parse.Query.or(Parse.Query.and(young, red), rome)), 'ACD');
    assert.equal(await found(Parse.Query.or(young, rome).equalTo('tags', 'blue')), 'ADb');
    assert.equal(await found(Parse.Query.and(Parse.Query.or(young, rome), Parse.Query.nor(red))), 'Cb');
  });

  test('pointers', async () => {
    const [ann, bob] = players;
    const title = async (constrained) => names(await constrained.ascending('name').find());
    assert.deepEqual(await title(query('Team').equalTo('captain', ann)), ['Lions']);
    assert.deepEqual(await title(query('Team').notEqualTo('captain', ann)), ['Bears', 'Crows', 'Wolves']);
    assert.deepEqual(await title(query('Team').containedIn('captain', [ann, bob])), ['Bears', 'Lions']);
    assert.deepEqual(await title(query('Team').notContainedIn('captain', [ann, bob])), ['Crows', 'Wolves']);
    assert.deepEqual(await title(query('Team').exists('captain')), ['Bears', 'Crows', 'Lions']);
    assert.deepEqual(await title(query('Team').doesNotExist('captain')), ['Wolves']);
    assert.deepEqual(await title(query('Team').equalTo('bench', bob)), ['Bears', 'Lions']);
    assert.deepEqual(await title(query('Team').containsAll('bench', [ann, bob])), ['Lions']);
  });

  test('queries inside queries', async () => {
    const title = async (constrained) => names(await constrained.ascending('name').find());
    const young = query().lessThan('age', 35);
    assert.deepEqual(await title(query('Team').matchesQuery('captain', young)), ['Bears', 'Lions']);
    assert.deepEqual(await title(query('Team').doesNotMatchQuery('captain', young)), ['Crows', 'Wolves']);
    assert.deepEqual(await title(query('Team').matchesQuery('bench', query().equalTo('name', 'Ann'))), ['Lions']);
    const inTown = query().matchesKeyInQuery('info.city', 'city', query('Team').equalTo('name', 'Lions'));
    assert.equal(await found(inTown), 'AC');
    const elsewhere = query('Team').doesNotMatchKeyInQuery('city', 'info.city', query().exists('info'));
    assert.deepEqual(await title(elsewhere), ['Crows']);
    const either = Parse.Query.or(query('Team').matchesQuery('captain', query().equalTo('age', 40)), query('Team').equalTo('name', 'Wolves'));
    assert.deepEqual(await title(either), ['Crows', 'Wolves']);
    const twice = query('Team').matchesQuery('captain', query().matchesKeyInQuery('name', 'name', query().equalTo('age', 25)));
    assert.deepEqual(await title(twice), ['Bears']);
  });

  test('relations', async () => {
    const [lions, bears, crows] = teams;
    assert.equal(await found(lions.relation('members').query()), 'Ab');
    assert.equal(await found(bears.relation('members').query().greaterThan('age', 30)), 'C');
    assert.equal(await found(crows.relation('members').query()), '');
    assert.equal(await bears.relation('members').query().count(), 3);
    const byMember = await query('Team').equalTo('members', players[1]).ascending('name').find();
    assert.deepEqual(names(byMember), ['Bears', 'Lions']);
    const noMember = await query('Team').notEqualTo('members', players[0]).ascending('name').find();
    assert.deepEqual(names(noMember), ['Bears', 'Crows', 'Wolves']);
    const either = Parse.Query.or(query('Team').equalTo('members', players[0]), query('Team').equalTo('name', 'Crows'));
    assert.deepEqual(names(await either.ascending('name').find()), ['Crows', 'Lions']);
    const matched = query('Team').matchesQuery('members', query().equalTo('name', 'Cyd'));
    assert.deepEqual(names(await matched.find()), ['Bears']);
  });

  test('sorting, limit, skip', async () => {
    const order = async (constrained) => names(await constrained.find()).map((name) => name[0]).join('');
    assert.equal(await order(query().ascending('name')), 'ACDbe');
    assert.equal(await order(query().descending('name')), 'ebDCA');
    assert.equal(await order(query().ascending('age', 'name')), 'DbACe');
    assert.equal(await order(query().ascending('age').addDescending('name')), 'bDACe');
    assert.equal(await order(query().descending('born').addAscending('name')), 'bACDe');
    assert.equal(await order(query().ascending('score')), 'DbCAe');
    assert.equal(await order(query().ascending('info.zip').exists('info')), 'AbC');
    assert.equal(await order(query().ascending('name').limit(2)), 'AC');
    assert.equal(await order(query().ascending('name').skip(3)), 'be');
    assert.equal(await order(query().ascending('name').skip(1).limit(2)), 'CD');
    assert.equal(await order(query().ascending('name').skip(10)), '');
    assert.equal(await order(query().ascending('name').limit(0)), '');
    await refused(query().ascending('no-name').find(), 105);
  });

  test('a hundred is the default limit', async () => {
    await Parse.Object.saveAll(Array.from({ length: 120 }, (_, n) => new Parse.Object('Row', { n })));
    assert.equal((await query('Row').find()).length, 100);
    assert.equal((await query('Row').limit(1000).find()).length, 120);
    assert.equal((await query('Row').findAll()).length, 120);
    assert.equal(await query('Row').count(), 120);
    const seen = [];
    await query('Row').greaterThanOrEqualTo('n', 5).each((row) => void seen.push(row.get('n')), { batchSize: 10 });
    assert.deepEqual(seen.sort((a, b) => a - b), Array.from({ length: 115 }, (_, n) => n + 5));
    const batches = [];
    await query('Row').eachBatch((rows) => void batches.push(rows.length), { batchSize: 50 });
    assert.deepEqual(batches, [50, 50, 20]);
  });

  test('count, first, get', async () => {
    assert.equal(await query().count(), 5);
    assert.equal(await query().equalTo('age', 25).skip(1).limit(1).count(), 2);
    assert.equal((await query().ascending('age', 'name').first()).get('name'), 'Dee');
    assert.equal(await query().equalTo('age', 1).first(), undefined);
    assert.equal((await query().get(players[2].id)).get('name'), 'Cyd');
    await refused(query().get('nothing'), 101);
    const { results, count } = await query().equalTo('age', 25).limit(1).withCount().find();
    assert.deepEqual([results.length, count], [1, 2]);
  });

  test('select and exclude', async () => {
    const keys = (object) => Object.keys(object.toJSON()).sort();
    const [selected] = await query().equalTo('name', 'Ann').select('name', 'info.city').find();
    assert.deepEqual(keys(selected), ['createdAt', 'info', 'name', 'objectId', 'updatedAt']);
    // Parse: a dotted key selects the whole field.
    assert.deepEqual(selected.get('info'), { city: 'Rome', zip: 1 });
    await selected.save({ age: 31 });
    assert.deepEqual((await query().get(selected.id)).get('tags'), ['red', 'blue']);
    const [rest] = await query().equalTo('name', 'Ann').exclude('info', 'tags', 'createdAt').find();
    assert.deepEqual(keys(rest), ['age', 'born', 'createdAt', 'name', 'objectId', 'score', 'updatedAt']);
    const [through] = await query('Team').equalTo('name', 'Lions').select('captain.name').find();
    // Parse: relations are nothing stored in the object, and always there.
    assert.deepEqual(keys(through), ['captain', 'createdAt', 'members', 'objectId', 'updatedAt']);
    const [without] = await query('Team').equalTo('name', 'Lions').exclude('members', 'name').find();
    assert.deepEqual(keys(without), ['bench', 'captain', 'city', 'createdAt', 'members', 'objectId', 'updatedAt']);
    assert.deepEqual([through.get('captain').get('name'), through.get('captain').get('age')], ['Ann', undefined]);
  });

  test('include', async () => {
    const [lions] = teams;
    const match = await new Parse.Object('Match', { home: lions, guest: teams[3], title: 'final' }).save();
    const get = (...paths) => query('Match').include(...paths).get(match.id);
    assert.ok(!(await query('Match').get(match.id)).get('home').has('name'));
    const one = await get('home');
    assert.equal(one.get('home').get('name'), 'Lions');
    assert.ok(!one.get('home').get('captain').has('name'));
    const two = await get('home.captain', 'home.bench');
    assert.equal(two.get('home').get('captain').get('name'), 'Ann');
    assert.deepEqual(names(two.get('home').get('bench')), ['Ann', 'bob']);
    assert.ok(!two.get('guest').has('name'));
    const all = await query('Match').includeAll().get(match.id);
    assert.deepEqual([all.get('home').get('name'), all.get('guest').get('name')], ['Lions', 'Wolves']);
    assert.equal((await get('nothing.at.all', 'title')).get('title'), 'final');

    const wire = await server.rest('GET', `/classes/Match/${match.id}?include=home`);
    const { __type, className, name, members } = wire.body.home;
    assert.deepEqual({ __type, className, name, members }, {
      __type: 'Object',
      className: 'Team',
      name: 'Lions',
      members: { __type: 'Relation', className: 'Player' },
    });
  });

  test('what is included is there, and may be seen', async () => {
    const ann = await signUp('include-ann');
    const secret = await new Parse.Object('Secret', { n: 1, ACL: new Parse.ACL(ann) }).save(null, as(ann));
    const gone = await new Parse.Object('Secret', { n: 2 }).save();
    const holder = await new Parse.Object('Holder', { secret, gone, list: [secret, gone, 1] }).save();
    await gone.destroy();
    const seen = async (options) => {
      const object = await query('Holder').include('secret', 'gone', 'list').get(holder.id, options);
      return [object.get('secret')?.get('n'), object.has('gone'), object.get('list').map((each) => each.id ?? each)];
    };
    assert.deepEqual(await seen(as(ann)), [1, false, [secret.id, 1]]);
    assert.deepEqual(await seen({}), [undefined, false, [1]]);
  });

  test('subqueries see with the eyes of the caller', async () => {
    const ann = await signUp('sub-ann');
    const hidden = await new Parse.Object('Hidden', { n: 1, ACL: new Parse.ACL(ann) }).save(null, as(ann));
    await new Parse.Object('Shown', { hidden, n: 1 }).save();
    const count = (constrained, options) => constrained.count(options);
    const inside = () => query('Shown').matchesQuery('hidden', query('Hidden').equalTo('n', 1));
    const byKey = () => query('Shown').matchesKeyInQuery('n', 'n', query('Hidden'));
    assert.deepEqual([await count(inside(), as(ann)), await count(byKey(), as(ann))], [1, 1]);
    assert.deepEqual([await count(inside()), await count(byKey())], [0, 0]);
  });

  test('what is no query is refused', async () => {
    const ask = async (where, rest = '') => {
      const text = encodeURIComponent(typeof where === 'string' ? where : JSON.stringify(where));
      const { status, body } = await server.rest('GET', `/classes/Player?where=${text}${rest}`);
      return [status, body.code];
    };
    assert.deepEqual(await ask('{'), [400, 107]);
    assert.deepEqual(await ask({ age: { $nope: 1 } }), [400, 107]);
    assert.deepEqual(await ask({ age: { $in: 1 } }), [400, 107]);
    assert.deepEqual(await ask({ $nor: [] }), [400, 102]);
    assert.deepEqual(await ask({ ACL: {} }), [400, 102]);
    assert.deepEqual(await ask({ _rperm: 'x', 'no name': 1 }), [400, 105]);
    assert.deepEqual(await ask({ age: { $where: 'true' } }), [400, 107]);
    assert.deepEqual(await ask({ $where: 'true' }), [400, 105]);
    assert.deepEqual(await ask({ name: { $regex: 1 } }), [400, 102]);
    assert.deepEqual(await ask({ captain: { $inQuery: { where: {} } } }), [400, 102]);
    assert.deepEqual(await ask({}, '&nonsense=1'), [400, 102]);
    assert.deepEqual(await ask({}, '&limit=1'), [200, undefined]);
  });

  test('a class nobody has used is empty', async () => {
    assert.deepEqual(await query('NeverUsed').find(), []);
    assert.equal(await query('NeverUsed').count(master), 0);
  });
});
