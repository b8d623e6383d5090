// Does LiveQuery tell clients what changed, and nobody more than they may know.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import Parse from 'parse/node';
import WebSocket from 'ws';
import { as, makeRole, master, onEachStore, signUp } from './lib/each-store.mjs';
import { target } from './lib/server.mjs';

const EVENTS = ['create', 'update', 'enter', 'leave', 'delete'];

/// What a subscription is told, in order, as `create a`, and the events themselves.
class Heard {
  constructor(subscription) {
    this.events = [];
    for (const op of EVENTS) {
      subscription.on(op, (object, original) => {
        // Where nothing was before, the SDK hands over its client instead.
        this.events.push({ op, object, original: original instanceof Parse.Object ? original : undefined });
        this.wake?.();
      });
    }
    this.subscription = subscription;
  }

  /// Waits until so many events have come, and gives them.
  async take(count) {
    const deadline = AbortSignal.timeout(5_000);
    while (this.events.length < count) {
      await new Promise((resolve, reject) => {
        this.wake = resolve;
        deadline.onabort = () => reject(new Error(`only ${this.lines().join(', ')} of ${count} events`));
      });
    }
    return this.events.splice(0);
  }

  lines = (events = this.events) => events.map(({ op, object }) => `${op} ${object.get('name')}`);

  /// Waits for these events, and for no other before a last one that `mark` causes.
  async heard(...lines) {
    assert.deepEqual(this.lines(await this.take(lines.length)), lines);
  }
}

onEachStore(
  'live queries',
  (server) => {
    const listen = async (query, sessionToken) => {
      const subscription = await query.subscribe(sessionToken);
      return new Heard(subscription);
    };
    const note = (fields, options) => new Parse.Object('Note', fields).save(null, options);
    const notes = (constrain = (query) => query) => constrain(new Parse.Query('Note'));
    /// A socket without the SDK.
    const raw = async () => {
      const socket = new WebSocket(server.url.replace(/^http/, 'ws'));
      const frames = [];
      socket.on('message', (data) => frames.push(JSON.parse(data)));
      await once(socket, 'open');
      const ask = async (frame) => {
        socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame));
        while (!frames.length) await once(socket, 'message');
        return frames.shift();
      };
      return { socket, ask, frames };
    };

    before(async () => {
      await note({ name: 'first', size: 0, tags: ['x'] });
    });
    test('everything that happens to an object', async () => {
      const heard = await listen(notes((query) => query.equalTo('room', 'a')));
      const object = await note({ name: 'one', room: 'a', size: 1 });
      await object.save({ size: 2 });
      await object.save({ room: 'b' });
      await object.save({ size: 3 });
      await object.save({ room: 'a' });
      await object.destroy();
      const events = await heard.take(5);
      assert.deepEqual(events.map(({ op }) => op), ['create', 'update', 'leave', 'enter', 'delete']);
      const [created, updated, left, entered] = events;
      assert.equal(created.original, undefined);
      assert.deepEqual([updated.original.get('size'), updated.object.get('size')], [1, 2]);
      assert.deepEqual([left.original.get('room'), left.object.get('room')], ['a', 'b']);
      assert.deepEqual([entered.original.get('room'), entered.object.get('size')], ['b', 3]);
      assert.equal(created.object.id, object.id);
    });

    test('conditions of every kind', async () => {
      const conditions = {
        greater: notes((query) => query.greaterThan('size', 10)),
        regex: notes((query) => query.startsWith('name', 'wi')),
        list: notes((query) => query.equalTo('tags', 'red')),
        either: Parse.Query.or(notes((query) => query.equalTo('size', 99)), notes((query) => query.exists('rare'))),
        near: notes((query) => query.withinKilometers('where', new Parse.GeoPoint(0, 0), 200)),
      };
      const all = {};
      for (const [name, query] of Object.entries(conditions)) all[name] = await listen(query);
      await note({ name: 'wide', size: 99, tags: ['red', 'blue'], rare: 1, where: new Parse.GeoPoint(1, 1) });
      await note({ name: 'nothing', size: 1, tags: ['blue'], where: new Parse.GeoPoint(9, 9) });
      await note({ name: 'wise', size: 99, tags: ['red'], where: new Parse.GeoPoint(0, 0) });
      for (const heard of Object.values(all)) await heard.heard('create wide', 'create wise');
    });

    test('only what one may read', async () => {
      const [ann, bob] = [await signUp('ann'), await signUp('bob')];
      const [everybody, anns, bobs] = [await listen(notes()), await listen(notes(), ann.getSessionToken()), await listen(notes(), bob.getSessionToken())];
      const secret = new Parse.Object('Note', { name: 'secret' });
      secret.setACL(new Parse.ACL(ann));
      await secret.save(null, as(ann));
      secret.getACL().setReadAccess(bob, true);
      await secret.save({ size: 1 }, as(ann));
      const acl = new Parse.ACL(ann);
      secret.setACL(acl);
      await secret.save({ size: 2 }, as(ann));
      await note({ name: 'open' });
      await everybody.heard('create open');
      await anns.heard('create secret', 'update secret', 'update secret', 'create open');
      const events = await bobs.take(3);
      assert.deepEqual(bobs.lines(events), ['enter secret', 'leave secret', 'create open']);
      // What one could not see before is not told, and what one cannot see any more neither.
      assert.equal(events[0].original, undefined);
      assert.equal(events[1].object.get('size'), 1);
    });

    test('roles count, as long as one has them', async () => {
      const cyd = await signUp('cyd');
      const role = await makeRole('readers', [cyd]);
      const heard = await listen(notes(), cyd.getSessionToken());
      const acl = () => {
        const list = new Parse.ACL();
        list.setRoleReadAccess('readers', true);
        return list;
      };
      await new Parse.Object('Note', { name: 'for readers' }).setACL(acl()).save(null, master);
      await heard.heard('create for readers');
      role.getUsers().remove(cyd);
      await role.save(null, master);
      await new Parse.Object('Note', { name: 'not for cyd' }).setACL(acl()).save(null, master);
      await note({ name: 'for all' });
      await heard.heard('create for all');
    });

    test('a session that ended sees what everybody sees', async () => {
      const dee = await signUp('dee');
      const heard = await listen(notes(), dee.getSessionToken());
      const own = (name) => new Parse.Object('Note', { name }).setACL(new Parse.ACL(dee)).save(null, master);
      await own('before');
      await heard.heard('create before');
      const session = await new Parse.Query(Parse.Session).equalTo('user', dee).first(master);
      await session.destroy(master);
      await own('after');
      await note({ name: 'open' });
      await heard.heard('create open');
    });

    test('class permissions and protected fields', async () => {
      const everyone = { '*': true };
      const schema = new Parse.Schema('Guarded');
      schema.addString('name').addString('secret').addPointer('owner', '_User');
      schema.setCLP({ find: { pointerFields: ['owner'] }, get: {}, count: {}, create: everyone, update: everyone, delete: everyone, addField: {}, protectedFields: { '*': ['secret'] } });
      await schema.save();
      const [eve, fay] = [await signUp('eve'), await signUp('fay')];
      const guarded = () => new Parse.Query('Guarded');
      const [eves, fays] = [await listen(guarded(), eve.getSessionToken()), await listen(guarded(), fay.getSessionToken())];
      for (const [name, owner] of [['eve', eve], ['fay', fay]]) {
        await new Parse.Object('Guarded', { name, owner, secret: 'shh' }).save(null, master);
      }
      const [event] = await eves.take(1);
      assert.deepEqual([event.object.get('name'), event.object.get('secret')], ['eve', undefined]);
      await fays.heard('create fay');
      const socket = await raw();
      await socket.ask({ op: 'connect', applicationId: Parse.applicationId });
      for (const query of [{ className: 'Guarded', where: { secret: 'shh' } }, { className: 'Guarded', where: {}, watch: ['secret'] }, { className: '_Hooks', where: {} }]) {
        const answer = await socket.ask({ op: 'subscribe', requestId: 1, query });
        assert.deepEqual([answer.op, answer.code, answer.requestId], ['error', 119, 1], JSON.stringify(answer));
      }
      socket.socket.close();
    });

    test('wanted fields, and watched ones', async () => {
      const some = await listen(notes((query) => query.select('name')));
      const watching = await listen(notes((query) => query.watch('size')));
      const object = await note({ name: 'n', size: 1, room: 'z' });
      await object.save({ room: 'y' });
      await object.save({ size: 2 });
      const events = await some.take(3);
      assert.deepEqual(Object.keys(events[0].object.toJSON()).sort(), ['createdAt', 'name', 'objectId', 'updatedAt']);
      await watching.heard('create n', 'update n');
    });

    test('an unsubscribed query hears nothing more', async () => {
      const [one, other] = [await listen(notes()), await listen(notes())];
      one.subscription.unsubscribe();
      await note({ name: 'after' });
      await other.heard('create after');
      assert.equal(one.events.length, 0);
    });

    test('what a batch or a transaction writes', async () => {
      const heard = await listen(notes());
      await Parse.Object.saveAll(['a', 'b'].map((name) => new Parse.Object('Note', { name })), { transaction: true });
      const unique = new Parse.Object('Note', { name: 'c' });
      const undone = Parse.Object.saveAll([unique, new Parse.Object('Note', { size: 'no number' })], { transaction: true });
      await assert.rejects(undone, (error) => [error].flat().every(({ code }) => code === Parse.Error.INCORRECT_TYPE));
      await note({ name: 'd' });
      await heard.heard('create a', 'create b', 'create d');
    });

    test('frames that make no sense', async () => {
      const { socket, ask } = await raw();
      const error = async (frame, code, text) => {
        const answer = await ask(frame);
        assert.deepEqual([answer.op, answer.code], ['error', code], JSON.stringify(answer));
        assert.match(answer.error, text);
      };
      await error('nonsense', 1, /Invalid JSON/);
      await error({ op: 'subscribe', requestId: 1, query: { className: 'Note', where: {} } }, 2, /make sure you connect/);
      await error({ op: 'connect', applicationId: 'x', more: 1 }, 1, /^Additional properties not allowed$/);
      const connected = await ask({ op: 'connect', applicationId: 'x', installationId: 'i' });
      assert.equal(connected.op, 'connected');
      assert.match(connected.clientId, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      await error({ op: 'unsubscribe', requestId: 7 }, 2, /Cannot find subscription/);
      await error({ op: 'subscribe', requestId: 1, query: { className: 'no class', where: {} } }, 103, /./);
      for (const className of ['Note', 'NotThereYet']) {
        await error({ op: 'subscribe', requestId: 1, query: { className, where: { name: { $regex: '(' } } } }, 102, /./);
      }
      await error({ op: 'subscribe', requestId: 1, query: { className: 'Note', where: { $where: '1' } } }, 105, /./);
      await error({ op: 'subscribe', requestId: 1, query: { className: 'Note', where: { p: { $inQuery: { className: 'Note', where: {} } } } } }, 102, /one object/);
      await error({ op: 'subscribe', requestId: 1, query: { className: '_Session', where: {} } }, 209, /./);
      assert.equal((await ask({ op: 'subscribe', requestId: 1, query: { className: 'Note', where: {} } })).op, 'subscribed');
      socket.send('x'.repeat(300_000));
      const [code] = await once(socket, 'close');
      assert.equal(code, 1002);
    });

    test('more subscriptions than there may be, and a flood of frames, hurt nobody else', async () => {
      const { socket, ask, frames } = await raw();
      assert.equal((await ask({ op: 'connect', applicationId: 'x' })).op, 'connected');
      const heard = await listen(notes());
      const subscribe = (requestId) => ({ op: 'subscribe', requestId, query: { className: 'Note', where: { size: -requestId } } });
      for (let id = 1; id <= 1_001; id++) socket.send(JSON.stringify(subscribe(id)));
      for (let n = 0; n < 20_000; n++) socket.send('{"op":"unsubscribe","requestId":-1}');
      await note({ name: 'through' });
      await heard.heard('create through');
      const deadline = Date.now() + 30_000;
      while (frames.length < 21_001 && socket.readyState === WebSocket.OPEN) {
        assert.ok(Date.now() < deadline, `${frames.length} answers`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      const count = (op) => frames.filter((frame) => frame.op === op).length;
      // Whoever floods reads all answers, or is sent away as too slow.
      if (socket.readyState === WebSocket.OPEN) assert.deepEqual([count('subscribed'), count('error')], [1_000, 20_001]);
      socket.terminate();
    });

    test('a client that does not read is sent away, and nobody waits for it', async () => {
      const { socket, ask } = await raw();
      await ask({ op: 'connect', applicationId: 'x' });
      assert.equal((await ask({ op: 'subscribe', requestId: 1, query: { className: 'Note', where: { long: true } } })).op, 'subscribed');
      const heard = await listen(notes((query) => query.equalTo('name', 'last')));
      socket._socket.pause();
      const text = 'x'.repeat(20_000);
      const saves = Array.from({ length: 50 }, () => new Parse.Object('Note', { long: true, text }));
      const slow = async () => {
        const { text } = await server.rest('GET', '/parsimony/metrics', { master: true });
        return /^parsimony_live_closed_total\{reason="slow"\} [1-9]/m.test(text);
      };
      const until = async (what, is) => {
        const deadline = Date.now() + 60_000;
        while (!(await is())) {
          assert.ok(Date.now() < deadline, what);
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
      };
      // As many as may wait for a client, and those for which the sockets have room.
      for (let batch = 0; batch < 36 && !(await slow()); batch++) {
        for (const object of saves) object.increment('n');
        await Parse.Object.saveAll(saves);
      }
      await until('it is not sent away', slow);
      await note({ name: 'last' });
      await until('the others are not told', () => heard.events.length);
      await heard.heard('create last');
      socket._socket.resume();
      const [code] = await once(socket, 'close', { signal: AbortSignal.timeout(10_000) });
      assert.equal(code, 1013);
    });

    test('a ping whose length cannot be ends the socket at once', async () => {
      const { socket } = await raw();
      socket._socket.write(Buffer.from([0x89, 0xfe]));
      const [code] = await once(socket, 'close', { signal: AbortSignal.timeout(1_000) });
      assert.equal(code, 1002);
    });

    test('a class that is not told is quiet', async () => {
      const [quiet, loud] = [await listen(new Parse.Query('Quiet')), await listen(notes())];
      await new Parse.Object('Quiet', { name: 'q' }).save();
      await note({ name: 'n' });
      await loud.heard('create n');
      assert.equal(quiet.events.length, 0);
    });

    test('a class that comes after its subscription', async () => {
      const heard = await listen(new Parse.Query('Later').equalTo('room', 'a'));
      await new Parse.Object('Later', { name: 'x', room: 'b' }).save();
      await new Parse.Object('Later', { name: 'y', room: 'a' }).save();
      await heard.heard('create y');
    });

    test('cloud code that is asked', async () => {
      const asked = [];
      const hooked = (fields) => new Parse.Object('Hooked', fields).save();
      const hooks = {
        beforeConnect: ({ event, clients, installationId }) => {
          asked.push(`${event} ${clients} ${typeof installationId}`);
          return installationId === 'unwanted' ? { error: { code: 999, message: 'You may not.' } } : {};
        },
        beforeSubscribe: ({ op, query }) => {
          asked.push(`${op} ${JSON.stringify(query.where)}`);
          if (query.where.room === 'secret') return { error: 'Nobody may.' };
          return query.where.room === 'all' ? { success: { where: { name: 'changed' } } } : {};
        },
        afterEvent: ({ event, object, original, sessionToken }) => {
          asked.push(`${event} ${object.name} ${original?.name} ${sessionToken}`);
          if (object.name === 'held back') return { success: { sendEvent: false } };
          if (object.name === 'broken') return { error: { code: 1234, message: 'It broke.' } };
          return { success: { object: { ...object, name: `${object.name}!`, secret: 'shh' } } };
        },
      };
      const hookServer = createServer(async (request, response) => {
        const body = JSON.parse(Buffer.concat(await request.toArray()));
        response.setHeader('content-type', 'application/json').end(JSON.stringify(hooks[body.triggerName](body)));
      });
      await once(hookServer.listen(0, '127.0.0.1'), 'listening');
      const hookUrl = `http://127.0.0.1:${hookServer.address().port}/`;
      const registered = [['@Connect', 'beforeConnect'], ['Hooked', 'beforeSubscribe'], ['Hooked', 'afterEvent']];
      for (const hook of registered) await Parse.Hooks.createTrigger(...hook, hookUrl);
      try {
        const { socket, ask, frames } = await raw();
        const next = async () => {
          while (!frames.length) await once(socket, 'message');
          return frames.shift();
        };
        const refused = await ask({ op: 'connect', applicationId: 'x', installationId: 'unwanted' });
        assert.deepEqual([refused.op, refused.code, refused.error, refused.reconnect], ['error', 999, 'You may not.', false]);
        assert.equal((await ask({ op: 'connect', applicationId: 'x' })).op, 'connected');
        const subscribe = (requestId, where) => ask({ op: 'subscribe', requestId, query: { className: 'Hooked', where } });
        assert.deepEqual((await subscribe(1, { room: 'secret' })).error, 'Nobody may.');
        assert.equal((await subscribe(2, { room: 'all' })).op, 'subscribed');
        for (const name of ['other', 'changed']) await hooked({ name, room: 'all' });
        const told = await next();
        assert.deepEqual([told.op, told.requestId, told.object.name, told.object.secret], ['create', 2, 'changed!', 'shh']);
        assert.equal((await subscribe(3, { size: 5 })).op, 'subscribed');
        await hooked({ name: 'held back', size: 5 });
        await hooked({ name: 'broken', size: 5 });
        const broken = await next();
        assert.deepEqual([broken.op, broken.code, broken.error, broken.requestId], ['error', 1234, 'It broke.', 3]);
        assert.deepEqual(asked.slice(-5), [
          'subscribe {"room":"all"}',
          'create changed undefined undefined',
          'subscribe {"size":5}',
          'create held back undefined undefined',
          'create broken undefined undefined',
        ]);
        assert.match(asked[0], /^connect \d+ string$/);
        socket.close();
      } finally {
        for (const hook of registered) await Parse.Hooks.removeTrigger(...hook);
        hookServer.close();
      }
    });
  },
  { allowClientClassCreation: true, startLiveQueryServer: true, liveQuery: { classNames: ['Note', 'Guarded', 'Hooked', '_Session', 'Lat.*'] } },
);

// How a server ends is ours to say.
if (target !== 'oracle') {
  onEachStore('live queries and the end of a server', (server) => {
    test('a server that is told to end sends its clients away at once, and they come back', async (context) => {
      const subscription = await new Parse.Query('Note').subscribe();
      const heard = [];
      subscription.on('create', (object) => heard.push(object.get('name')));
      const socket = new WebSocket(server.url.replace(/^http/, 'ws'));
      await once(socket, 'open');
      const closed = once(socket, 'close');
      const told = Date.now();
      await server.kill('SIGTERM');
      context.diagnostic(`ended ${Date.now() - told} ms after the signal`);
      assert.ok(Date.now() - told < 15_000, `it took ${Date.now() - told} ms`);
      const [code, reason] = await closed;
      assert.deepEqual([code, String(reason)], [1001, 'The server ends.']);
      await server.start();
      for (const end = Date.now() + 60_000; heard.length === 0 && Date.now() < end; await sleep(200)) {
        await new Parse.Object('Note', { name: 'after' }).save();
      }
      assert.equal(heard[0], 'after');
    });
  }, { allowClientClassCreation: true, startLiveQueryServer: true, liveQuery: { classNames: ['Note'] } });
}
