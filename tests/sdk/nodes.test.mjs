// Do two servers on one replica set behave as one: classes, hooks, sessions, roles, LiveQuery?

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { MongoClient } from 'mongodb';
import Parse from 'parse/node';
import WebSocket from 'ws';
import { as, makeRole, master, signUp } from './lib/each-store.mjs';
import { dropDatabase, mongoDatabase, Server, stores } from './lib/server.mjs';

/// How long a server may take to learn what another one changed.
const LEARN_MILLIS_MAX = 5_000;

/// Asks until the answer is the one that is wanted.
async function becomes(ask, wanted) {
  const deadline = Date.now() + LEARN_MILLIS_MAX;
  let answer;
  do {
    answer = await ask().catch((error) => error);
    if (wanted(answer)) return answer;
    await sleep(20);
  } while (Date.now() < deadline);
  return assert.fail(`still ${JSON.stringify(answer)}`);
}

describe('two servers on one replica set', { skip: !stores.includes('mongodb') }, () => {
  const databaseURI = stores.includes('mongodb') && mongoDatabase(`sdk_nodes_${process.pid}`);
  const options = {
    databaseURI,
    allowClientClassCreation: true,
    liveQuery: { classNames: ['Note', '_User'] },
    cacheTTL: 600_000,
    rateLimit: { requestPath: '/functions/limited', requestTimeWindow: 3_600_000, requestCount: 5, includeInternalRequests: true },
    accountLockout: { threshold: 5, duration: 5 },
    enforcePrivateUsers: false,
  };
  const [one, other] = [0, 1].map(() => new Server({ store: 'mongodb', options }));
  const sockets = [];

  before(async () => {
    await one.start();
    await other.start();
    one.useSdk();
  });
  after(async () => {
    for (const socket of sockets) socket.terminate();
    await one.remove();
    await other.remove();
    await dropDatabase(databaseURI);
  });

  /// Runs `body` with the SDK pointing to the other server.
  const atTheOther = async (body) => {
    other.useSdk();
    try {
      return await body();
    } finally {
      one.useSdk();
    }
  };

  /// The frames that a server tells a subscriber to a query.
  async function listen(server, where = {}, className = 'Note') {
    const socket = new WebSocket(server.url.replace(/^http/, 'ws'));
    sockets.push(socket);
    const frames = [];
    socket.on('message', (data) => frames.push(JSON.parse(data)));
    await once(socket, 'open');
    const next = async () => {
      while (!frames.length) await once(socket, 'message', { signal: AbortSignal.timeout(LEARN_MILLIS_MAX) });
      return frames.shift();
    };
    socket.send(JSON.stringify({ op: 'connect', applicationId: Parse.applicationId }));
    assert.equal((await next()).op, 'connected');
    socket.send(JSON.stringify({ op: 'subscribe', requestId: 1, query: { className, where } }));
    assert.equal((await next()).op, 'subscribed');
    return next;
  }

  test('a change at one is told by the other', async () => {
    const first = await new Parse.Object('Note', { name: 'first', room: 'a' }).save();
    const [here, there] = [await listen(one, { room: 'a' }), await listen(other, { room: 'a' })];
    await first.save({ name: 'second' });
    await atTheOther(() => new Parse.Object('Note', { id: first.id, room: 'b' }).save());
    await first.destroy();
    await atTheOther(() => new Parse.Object('Note', { name: 'third', room: 'a' }).save());
    for (const next of [here, there]) {
      const frames = [await next(), await next(), await next()];
      assert.deepEqual(
        frames.map(({ op, object, original }) => [op, object.name, object.room, original?.name]),
        [['update', 'second', 'a', 'first'], ['leave', 'second', 'b', 'second'], ['create', 'third', 'a', undefined]],
      );
    }
  });

  test('a limit of requests is one limit for both', async () => {
    const ask = (server) => server.rest('POST', '/functions/limited', { body: {} });
    const seen = await Promise.all(Array.from({ length: 16 }, (_, number) => ask(number % 2 ? one : other)));
    // There is no such function: that is what those are told who are not too many.
    assert.deepEqual(seen.map(({ body }) => body.code).sort(), [...Array(11).fill(100), ...Array(5).fill(141)]);
    for (const server of [one, other]) assert.equal((await ask(server)).status, 429);
  });

  test('a change of hidden fields alone is told by neither', async () => {
    const user = await signUp('guessed');
    const next = await listen(other, { objectId: user.id }, '_User');
    for (let guess = 0; guess < 2; guess++) {
      await Parse.User.logIn('guessed', 'wrong').catch((error) => assert.equal(error.code, 101));
    }
    await user.save({ nick: 'gus' }, as(user));
    const { op, object } = await next();
    assert.deepEqual([op, object.nick], ['update', 'gus']);
  });

  test('an object that another program changes is told too', async () => {
    const object = await new Parse.Object('Note', { name: 'mine', room: 'shell' }).save();
    const next = await listen(other, { room: 'shell' });
    const program = await MongoClient.connect(databaseURI);
    await program.db().collection('Note').updateOne({ _id: object.id }, { $set: { name: 'theirs' } });
    await program.close();
    let frame = await next();
    // The other server may hear of the object after somebody listens.
    if (frame.op === 'create') frame = await next();
    assert.deepEqual([frame.op, frame.object.name, frame.original.name], ['update', 'theirs', 'mine']);
  });

  test('a session that ends at one has ended at the other', async () => {
    const user = await signUp('gil');
    const ask = () => atTheOther(() => new Parse.Query(Parse.User).get(user.id, as(user)));
    assert.equal((await ask()).id, user.id);
    const session = await new Parse.Query(Parse.Session).equalTo('user', user).first(master);
    await session.destroy(master);
    await becomes(ask, (answer) => answer.code === Parse.Error.INVALID_SESSION_TOKEN);
  });

  test('a role that is given at one counts at the other', async () => {
    const user = await signUp('hal');
    const secret = new Parse.Object('Secret');
    const acl = new Parse.ACL();
    acl.setRoleReadAccess('keepers', true);
    await secret.setACL(acl).save(null, master);
    const role = await makeRole('keepers');
    const ask = () => atTheOther(() => new Parse.Query('Secret').find(as(user)));
    assert.deepEqual(await ask(), []);
    role.getUsers().add(user);
    await role.save(null, master);
    await becomes(ask, (found) => found.length === 1);
    role.getUsers().remove(user);
    await role.save(null, master);
    await becomes(ask, (found) => found.length === 0);
  });

  test('a class that changes at one has changed at the other', async () => {
    await new Parse.Object('Shelf', { name: 'a' }).save();
    assert.equal((await atTheOther(() => new Parse.Query('Shelf').find())).length, 1);
    const schema = new Parse.Schema('Shelf');
    await schema.setCLP({ find: {}, get: {}, count: {}, create: {}, update: {}, delete: {}, addField: {} }).update();
    const ask = () => atTheOther(() => new Parse.Query('Shelf').find());
    await becomes(ask, (answer) => answer.code === Parse.Error.OPERATION_FORBIDDEN);
  });

  test('a hook script that is stored at one serves at the other within a second', async () => {
    const put = async (text) => {
      const { status, body } = await one.rest('PUT', '/hooks/scripts/functions', { master: true, body: { text } });
      assert.equal(status, 200, JSON.stringify(body));
      return Date.now();
    };
    const ask = () => atTheOther(() => Parse.Cloud.run('told'));
    for (const told of ['first', 'second', 'third']) {
      const stored = await put(`fn told(request) { "${told}" }`);
      assert.equal(await Parse.Cloud.run('told'), told);
      await becomes(ask, (answer) => answer === told);
      const took = Date.now() - stored;
      assert.ok(took < 1_000, `${told} took ${took} ms`);
    }
    // An unsound one serves nowhere, and what served goes on.
    const { status } = await one.rest('PUT', '/hooks/scripts/functions', { master: true, body: { text: 'fn told(' } });
    assert.equal(status, 400);
    assert.equal(await ask(), 'third');
    await one.rest('DELETE', '/hooks/scripts/functions', { master: true });
    await becomes(ask, (answer) => answer.code === Parse.Error.SCRIPT_FAILED);
  });

  test('a job that is paused at one is paused at the other', async () => {
    const jobs = async (server) => (await server.rest('GET', '/parsimony/jobs', { master: true })).body.jobs;
    const paused = async (server, name) => (await jobs(server)).find((job) => job.name === name).paused;
    const text = 'fn rest(request) { "done" }';
    assert.equal((await one.rest('PUT', '/hooks/scripts/jobs', { master: true, body: { text } })).status, 200);
    await becomes(() => jobs(other), (found) => Array.isArray(found) && found.some(({ name }) => name === 'rest'));
    for (const wanted of [true, false]) {
      const { status } = await one.rest('PUT', '/parsimony/jobs/rest', { master: true, body: { paused: wanted } });
      assert.deepEqual([status, await paused(other, 'rest')], [200, wanted]);
    }
    await one.rest('DELETE', '/hooks/scripts/jobs', { master: true });
  });

  test('a webhook that is registered at one runs at the other', async () => {
    const hook = createServer((_, response) => response.setHeader('content-type', 'application/json').end('{"success":"from afar"}'));
    await once(hook.listen(0, '127.0.0.1'), 'listening');
    await Parse.Hooks.createFunction('afar', `http://127.0.0.1:${hook.address().port}/`);
    await becomes(() => atTheOther(() => Parse.Cloud.run('afar')), (answer) => answer === 'from afar');
    await Parse.Hooks.removeFunction('afar');
    await becomes(() => atTheOther(() => Parse.Cloud.run('afar')), (answer) => answer.code === Parse.Error.SCRIPT_FAILED);
    hook.close();
  });
});
