// Do accounts, sessions and roles behave, and does nobody see what is somebody else's.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import Parse from 'parse/node';
import { as, makeRole, master, onEachStore, refused, signUp } from './lib/each-store.mjs';

/// Logs in on another device. Parse: a login ends the sessions that the user has on the same one.
const logInElsewhere = (name, password = `pw-${name}`) =>
  Parse.User.logIn(name, password, { installationId: randomUUID() });

const sessions = (options) => new Parse.Query(Parse.Session).find(options);

onEachStore('users', (server) => {
  test('signUp makes an account and a session', async () => {
    const user = await signUp('Ada', { email: 'ada@example.org', phone: '123' });
    assert.match(user.getSessionToken(), /^r:[0-9a-f]{32}$/);
    const me = await Parse.User.me(user.getSessionToken());
    assert.deepEqual([me.id, me.get('username'), me.get('email'), me.get('phone')], [user.id, 'Ada', 'ada@example.org', '123']);
    assert.deepEqual(me.getACL().toJSON(), { [user.id]: { read: true, write: true } });
    const raw = (await server.rest('GET', '/users/me', { token: user.getSessionToken() })).body;
    assert.deepEqual(Object.keys(raw).sort(), ['ACL', 'createdAt', 'email', 'objectId', 'phone', 'sessionToken', 'updatedAt', 'username']);
  });

  test('what is no account is refused', async () => {
    const create = (body) => server.rest('POST', '/users', { body }).then(({ status, body }) => [status, body.code]);
    assert.deepEqual(await create({ password: 'p' }), [400, 200]);
    assert.deepEqual(await create({ username: '', password: 'p' }), [400, 200]);
    assert.deepEqual(await create({ username: 'nopass' }), [400, 201]);
    assert.deepEqual(await create({ username: 'nopass', password: '' }), [400, 201]);
    assert.deepEqual(await create({ username: 'mail', password: 'p', email: 'nonsense' }), [400, 125]);
    assert.deepEqual(await create({ username: 'verified', password: 'p', emailVerified: true }), [400, 119]);
    assert.deepEqual(await create({ username: 'odd', password: 'p', authData: { nope: { id: '1' } } }), [400, 252]);
    assert.equal(await new Parse.Query(Parse.User).containedIn('username', ['nopass', 'mail', 'verified', 'odd']).count(master), 0);
  });

  test('a name and an address are taken once, whatever their case', async () => {
    await signUp('Taken', { email: 'taken@example.org' });
    await refused(signUp('Taken'), 202, /^Account already exists for this username\.$/);
    await refused(signUp('tAKEN'), 202);
    await refused(signUp('free1', { email: 'taken@example.org' }), 203, /^Account already exists for this email address\.$/);
    await refused(signUp('free2', { email: 'TAKEN@example.org' }), 203);
    const other = await signUp('other', { email: 'other@example.org' });
    await refused(other.save({ username: 'TAKEN' }, as(other)), 202);
    other.revert();
    await refused(other.save({ email: 'Taken@example.org' }, as(other)), 203);
    other.revert();
    await other.save({ username: 'OTHER', email: 'OTHER@example.org' }, as(other));
    assert.equal((await Parse.User.logIn('OTHER', 'pw-other')).id, other.id);
  });

  test('logIn and logOut', async () => {
    const user = await signUp('login', { email: 'login@example.org' });
    const again = await logInElsewhere('login');
    assert.equal(again.id, user.id);
    assert.notEqual(again.getSessionToken(), user.getSessionToken());
    assert.equal(again.get('email'), 'login@example.org');
    assert.ok(!again.has('password'));
    const byMail = await server.rest('POST', '/login', { body: { email: 'login@example.org', password: 'pw-login' } });
    assert.equal(byMail.body.objectId, user.id);
    const get = await server.rest('GET', '/login?username=login&password=pw-login');
    assert.deepEqual([get.status, get.body.objectId], [200, user.id]);

    const wrong = await refused(Parse.User.logIn('login', 'wrong'), 101, /^Invalid username\/password\.$/);
    const nobody = await refused(Parse.User.logIn('nobody', 'wrong'), 101);
    assert.equal(wrong.message, nobody.message);
    const login = (body) => server.rest('POST', '/login', { body }).then(({ status, body }) => [status, body.code]);
    assert.deepEqual(await login({ username: 'login' }), [400, 201]);
    assert.deepEqual(await login({ password: 'x' }), [400, 200]);
    assert.deepEqual(await login({ username: { $ne: null }, password: 'pw-login' }), [404, 101]);
    assert.deepEqual(await login({ username: 'login', password: { $ne: null } }), [404, 101]);

    const token = again.getSessionToken();
    await server.rest('POST', '/logout', { token });
    await refused(Parse.User.me(token), 209);
    assert.equal((await Parse.User.me(user.getSessionToken())).id, user.id);
    const out = await server.rest('POST', '/logout');
    assert.deepEqual([out.status, out.body], [200, {}]);
  });

  test('a login ends the sessions on the same device', async () => {
    const user = await signUp('device');
    const again = await Parse.User.logIn('device', 'pw-device');
    await refused(Parse.User.me(user.getSessionToken()), 209);
    assert.equal((await Parse.User.me(again.getSessionToken())).id, user.id);
  });

  test('a session that is none is told, whatever is asked', async () => {
    for (const token of ['r:00000000000000000000000000000000', 'nonsense', 'r:']) {
      for (const [method, path] of [['GET', '/classes/Thing'], ['POST', '/classes/Thing'], ['GET', '/users/me'], ['POST', '/functions/x']]) {
        const { status, body } = await server.rest(method, path, { token, body: method === 'GET' ? undefined : {} });
        assert.deepEqual([status, body], [400, { code: 209, error: 'Invalid session token' }], `${method} ${path}`);
      }
    }
    assert.deepEqual((await server.rest('GET', '/users/me')).body.code, 209);
  });

  test('verifyPassword', async () => {
    const user = await signUp('verify');
    assert.equal((await Parse.User.verifyPassword('verify', 'pw-verify')).objectId, user.id);
    await refused(Parse.User.verifyPassword('verify', 'wrong'), 101);
    assert.equal((await sessions(as(user))).length, 1);
  });

  test('users see no more than they should of each other', async () => {
    const ann = await signUp('priv-ann', { email: 'priv-ann@example.org', nick: 'A' });
    const bob = await signUp('priv-bob');
    const others = [as(bob), {}];
    for (const options of others) {
      await refused(new Parse.Query(Parse.User).get(ann.id, options), 101);
      assert.equal(await new Parse.Query(Parse.User).equalTo('username', 'priv-ann').count(options), 0);
      await refused(new Parse.Query(Parse.User).equalTo('email', 'priv-ann@example.org').find(options), 119);
    }
    const acl = new Parse.ACL(ann);
    acl.setPublicReadAccess(true);
    await ann.save({ ACL: acl }, as(ann));
    for (const options of others) {
      const seen = await new Parse.Query(Parse.User).get(ann.id, options);
      assert.deepEqual([seen.get('nick'), seen.get('username'), seen.has('email'), seen.getSessionToken()], ['A', 'priv-ann', false, undefined]);
      await refused(new Parse.Query(Parse.User).ascending('email').find(options), 119);
    }
    assert.equal((await new Parse.Query(Parse.User).get(ann.id, as(ann))).get('email'), 'priv-ann@example.org');
    assert.equal((await new Parse.Query(Parse.User).get(ann.id, master)).get('email'), 'priv-ann@example.org');
    const token = async (options) => (await server.rest('GET', `/users/${ann.id}`, options)).body.sessionToken;
    assert.equal(await token({ token: ann.getSessionToken() }), ann.getSessionToken());
    assert.equal(await token({ token: bob.getSessionToken() }), undefined);
    assert.equal(await token({ master: true }), undefined);
    for (const key of ['password', '_hashed_password', '_session_token', 'sessionToken', 'authData.x']) {
      const raw = await server.rest('GET', `/users/${ann.id}`, { master: true });
      assert.ok(!(key in raw.body), key);
    }
  });

  test('users are changed by themselves only', async () => {
    const [ann, bob] = [await signUp('own-ann'), await signUp('own-bob')];
    const path = `/users/${ann.id}`;
    const body = { nick: 'mine' };
    const change = (options) => server.rest('PUT', path, { body, ...options }).then(({ status, body }) => [status, body.code]);
    assert.deepEqual(await change({}), [400, 206]);
    assert.deepEqual(await change({ token: bob.getSessionToken() }), [400, 206]);
    assert.deepEqual(await change({ token: ann.getSessionToken() }), [200, undefined]);
    assert.deepEqual(await change({ master: true }), [200, undefined]);
    const anonymous = await server.rest('DELETE', path);
    assert.deepEqual([anonymous.status, anonymous.body.code], [400, 206]);
    const stranger = await server.rest('DELETE', path, { token: bob.getSessionToken() });
    assert.ok(stranger.status === 400 || stranger.status === 404);
    assert.equal((await Parse.User.me(ann.getSessionToken())).get('nick'), 'mine');
    await ann.destroy(as(ann));
    await refused(Parse.User.logIn('own-ann', 'pw-own-ann'), 101);
    await refused(Parse.User.me(ann.getSessionToken()), 209);
  });

  test('sessions are seen by their user only', async () => {
    const [ann, bob] = [await signUp('ses-ann'), await signUp('ses-bob')];
    const second = await logInElsewhere('ses-ann');
    const own = await sessions(as(ann));
    assert.deepEqual(own.map((session) => session.get('user').id), [ann.id, ann.id]);
    const created = own.map((session) => session.get('createdWith'));
    assert.deepEqual(created.map(({ action }) => action).sort(), ['login', 'signup']);
    assert.ok(created.every(({ authProvider }) => authProvider === 'password'));
    assert.ok(own.every((session) => session.get('expiresAt') - Date.now() > 364 * 86_400_000));
    assert.deepEqual((await sessions(as(bob))).map((session) => session.get('user').id), [bob.id]);
    await refused(sessions({}), 209);
    const current = await server.rest('GET', '/sessions/me', { token: second.getSessionToken() });
    assert.equal(current.body.sessionToken, second.getSessionToken());

    const [mine] = await sessions(as(bob));
    await refused(mine.destroy(as(ann)), 101);
    const one = await server.rest('GET', `/sessions/${mine.id}`, { token: ann.getSessionToken() });
    assert.deepEqual([one.status, one.body.code], [404, 101]);
    await own.find((session) => session.getSessionToken() === second.getSessionToken()).destroy(as(ann));
    await refused(Parse.User.me(second.getSessionToken()), 209);
  });

  test('a session cannot be forged or moved', async () => {
    const [ann, bob] = [await signUp('forge-ann'), await signUp('forge-bob')];
    const [session] = await sessions(as(ann));
    const user = bob.toPointer();
    for (const body of [{ user }, { sessionToken: 'r:mine' }, { expiresAt: { __type: 'Date', iso: '2999-01-01T00:00:00.000Z' } }, { createdWith: {} }]) {
      const { body: answer } = await server.rest('PUT', `/sessions/${session.id}`, { body, token: ann.getSessionToken() });
      assert.ok([105, 119].includes(answer.code), JSON.stringify([body, answer]));
    }
    const direct = await server.rest('POST', '/classes/_Session', { body: { user } });
    assert.ok(direct.status >= 400 && direct.status < 500);
    const { body: still } = await server.rest('GET', '/sessions/me', { token: ann.getSessionToken() });
    assert.equal(still.user.objectId, ann.id);
    assert.equal((await sessions(as(bob))).length, 1);
  });

  test('a new password ends every other session', async () => {
    const user = await signUp('pass');
    const elsewhere = await logInElsewhere('pass');
    const old = user.getSessionToken();
    user.setPassword('new');
    await user.save(null, as(user));
    assert.notEqual(user.getSessionToken(), old);
    await refused(Parse.User.me(old), 209);
    await refused(Parse.User.me(elsewhere.getSessionToken()), 209);
    assert.equal((await Parse.User.me(user.getSessionToken())).id, user.id);
    await refused(Parse.User.logIn('pass', 'pw-pass'), 101);
    const again = await Parse.User.logIn('pass', 'new');
    await server.rest('PUT', `/users/${user.id}`, { body: { password: 'reset' }, master: true });
    await refused(Parse.User.me(again.getSessionToken()), 209);
    assert.equal((await Parse.User.logIn('pass', 'reset')).id, user.id);
  });

  test('a user whom nobody may read cannot log in', async () => {
    const user = await signUp('shut');
    await server.rest('PUT', `/users/${user.id}`, { body: { ACL: {} }, master: true });
    await refused(Parse.User.logIn('shut', 'pw-shut'), 101);
  });

  test('of many who sign up with one name at once, one wins', async () => {
    const attempt = (n) => new Parse.User({ username: n % 2 ? 'crowd' : 'CROWD', password: `pw-${n}` }).signUp();
    const same = await Promise.allSettled(Array.from({ length: 32 }, () => attempt(1)));
    const won = same.filter(({ status }) => status === 'fulfilled');
    assert.equal(won.length, 1);
    assert.deepEqual([...new Set(same.flatMap(({ reason }) => reason?.code ?? []))], [202]);
    assert.equal(await new Parse.Query(Parse.User).equalTo('username', 'crowd').count(master), 1);
    assert.equal(await new Parse.Query(Parse.Session).equalTo('user', won[0].value).count(master), 1);
    await refused(attempt(0), 202);
  });

  test('a password of any length and script', async () => {
    for (const [n, password] of ['x', 'ключ 漢字 🦀', 'p'.repeat(72), '{"$ne":null}', 'a b\tc', "'; DROP TABLE users; --"].entries()) {
      await new Parse.User({ username: `script${n}`, password }).signUp();
      assert.ok((await Parse.User.logIn(`script${n}`, password)).id);
      await refused(Parse.User.logIn(`script${n}`, `~${password}`), 101);
    }
  });

  describe('roles', () => {
    let ann, bob, cyd, doors;
    const open = (door, user) => new Parse.Query('Door').get(door.id, user ? as(user) : {});

    before(async () => {
      [ann, bob, cyd] = [await signUp('ro-ann'), await signUp('ro-bob'), await signUp('ro-cyd')];
      const staff = await makeRole('staff', [bob]);
      // Who is in `board` is in `staff` too, and so on: the outer role holds the inner.
      const board = await makeRole('board', [ann]);
      staff.getRoles().add(board);
      await staff.save(null, master);
      const door = (role) => {
        const acl = new Parse.ACL();
        acl.setRoleReadAccess(role, true);
        return new Parse.Object('Door', { role, ACL: acl }).save(null, master);
      };
      doors = { staff: await door('staff'), board: await door('board') };
    });

    test('are inherited, in one direction', async () => {
      assert.equal((await open(doors.staff, bob)).get('role'), 'staff');
      assert.equal((await open(doors.staff, ann)).get('role'), 'staff');
      assert.equal((await open(doors.board, ann)).get('role'), 'board');
      await refused(open(doors.board, bob), 101);
      for (const user of [cyd, undefined]) for (const door of Object.values(doors)) await refused(open(door, user), 101);
    });

    test('count at once when somebody joins or leaves', async () => {
      const role = await new Parse.Query(Parse.Role).equalTo('name', 'board').first(master);
      role.getUsers().add(cyd);
      await role.save(null, master);
      assert.equal((await open(doors.staff, cyd)).get('role'), 'staff');
      role.getUsers().remove(cyd);
      await role.save(null, master);
      await refused(open(doors.staff, cyd), 101);
    });

    test('may run in a circle', async () => {
      const [one, two] = [await makeRole('circle1', [cyd]), await makeRole('circle2')];
      one.getRoles().add(two);
      two.getRoles().add(one);
      await Parse.Object.saveAll([one, two], master);
      assert.equal((await Parse.User.me(cyd.getSessionToken())).id, cyd.id);
      const acl = new Parse.ACL();
      acl.setRoleReadAccess('circle2', true);
      const object = await new Parse.Object('Door', { ACL: acl }).save(null, master);
      assert.equal((await open(object, cyd)).id, object.id);
      await refused(open(object, bob), 101);
    });

    test('are joined by nobody who may not change them', async () => {
      const role = await new Parse.Query(Parse.Role).equalTo('name', 'staff').first(as(cyd));
      role.getUsers().add(cyd);
      await refused(role.save(null, as(cyd)), 101);
      await refused(open(doors.staff, cyd), 101);
      await refused(makeRole('staff'), 137);
      await refused(new Parse.Role('no acl').save(), 111);
      const bare = await server.rest('POST', '/roles', { body: { name: 'bare' } });
      assert.deepEqual([bare.status, bare.body.code], [400, 111]);
    });

    test('guard a class', async () => {
      await new Parse.Object('Vault', { n: 1 }).save(null, master);
      const permissions = Object.fromEntries(['find', 'get', 'count', 'create', 'update', 'delete'].map((each) => [each, { 'role:staff': true }]));
      const body = { className: 'Vault', classLevelPermissions: { ...permissions, addField: {} } };
      assert.equal((await server.rest('PUT', '/schemas/Vault', { body, master: true })).status, 200);
      for (const user of [ann, bob]) {
        assert.equal((await new Parse.Query('Vault').find(as(user))).length, 1);
        await new Parse.Object('Vault', { n: 2 }).save(null, as(user)).then((object) => object.destroy(as(user)));
      }
      for (const options of [as(cyd), {}]) {
        await refused(new Parse.Query('Vault').find(options), 119);
        await refused(new Parse.Object('Vault', { n: 2 }).save(null, options), 119);
      }
      await refused(new Parse.Object('Vault', { fresh: 2 }).save(null, as(ann)), 119);
    });
  });

  describe('the current user', () => {
    before(() => Parse.User.enableUnsafeCurrentUser());
    after(() => Parse.User.disableUnsafeCurrentUser());

    test('is who signed up, logged in or became', async () => {
      const user = await signUp('current');
      assert.equal(Parse.User.current().id, user.id);
      assert.equal((await Parse.Session.current()).get('user').id, user.id);
      const token = user.getSessionToken();
      const note = new Parse.Object('Private', { ACL: new Parse.ACL(user) });
      await note.save();
      const other = await signUp('current2');
      assert.equal(Parse.User.current().id, other.id);
      await refused(note.fetch(), 101);
      const became = await Parse.User.become(token);
      assert.deepEqual([became.id, Parse.User.current().id], [user.id, user.id]);
      assert.equal((await note.fetch()).id, note.id);
      await Parse.User.current().save({ nick: 'me' });
      assert.equal((await Parse.User.current().fetch()).get('nick'), 'me');
      await Parse.User.logOut();
      assert.equal(Parse.User.current(), null);
      await refused(Parse.User.become(token), 209);
      await refused(note.fetch(), 101);
    });
  });
});
