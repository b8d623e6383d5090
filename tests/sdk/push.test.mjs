// Does a push reach the devices it is for, each in its words and once, whatever happens to the server?

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import Parse from 'parse/node';
import { master, onEachStore, refused } from './lib/each-store.mjs';
import * as services from './lib/push/services.mjs';
import { dropDatabase, mongoDatabase, Server, stores } from './lib/server.mjs';

process.env.SSL_CERT_FILE = services.authority;

const [apns, fcm, web, expo, slow] = await Promise.all([
  services.apns(), services.fcm(), services.webPush(), services.expo(), services.expo({ pause: 40 }),
]);
const all = [apns, fcm, web, expo, slow];
const options = {
  allowClientClassCreation: true,
  push: { ios: apns.config, android: fcm.config, web: web.config, expo: expo.config },
  scheduledPush: true,
  parsimony: { cleanupInvalidInstallations: true },
};

async function eventually(what, millis, look) {
  const deadline = Date.now() + millis;
  for (;;) {
    const found = await look();
    if (found) return found;
    assert.ok(Date.now() < deadline, `in vain: ${what}`);
    await sleep(50);
  }
}

/// A device, as its own SDK introduces it.
async function device(server, fields) {
  const { status, body } = await server.rest('POST', '/installations', { body: fields });
  assert.equal(status, 201, JSON.stringify(body));
  return body.objectId;
}

const status = (id) => new Parse.Query('_PushStatus').get(id, master);

/// Sends, and waits until it is sent.
async function push(data) {
  const id = await Parse.Push.send(data, master);
  assert.match(id, /^\w{10}$/);
  return eventually('the push is sent', 20_000, async () => {
    const sent = await Parse.Push.getPushStatus(id, master);
    return ['succeeded', 'failed'].includes(sent.get('status')) && sent;
  });
}

const where = (key, ...values) => new Parse.Query(Parse.Installation).containedIn(key, values);
const noFaults = () => assert.deepEqual(all.flatMap(({ faults }) => faults), []);
const of = (got, group) => got.filter(({ payload, told, ...rest }) => JSON.stringify(payload ?? told ?? rest).includes(group));

onEachStore('the services', (server) => {
  const group = `group-${server.store}`;

  test('Apple is told over HTTP/2, with the headers of the app', async () => {
    const token = 'AB'.repeat(32);
    await device(server, { deviceType: 'ios', deviceToken: token, installationId: 'ios-1', appIdentifier: 'app', localeIdentifier: 'fr-CA' });
    const gone = await device(server, { deviceType: 'ios', deviceToken: 'dead01', installationId: 'ios-2', appIdentifier: 'app' });
    const expiration_time = new Date(Date.now() + 3_600_000);
    const data = { alert: `hi ${group}`, 'alert-fr': `salut ${group}`, title: 'T', badge: 'Increment', sound: 'ping', own: { a: 1 } };
    const sent = await push({ where: where('deviceType', 'ios'), data, expiration_time });
    assert.deepEqual([sent.get('status'), sent.get('numSent'), sent.get('numFailed')], ['succeeded', 1, 1]);
    assert.deepEqual([sent.get('sentPerType'), sent.get('failedPerType')], [{ ios: 1 }, { ios: 1 }]);
    assert.equal(sent.get('count'), undefined);
    const [told] = of(apns.got, group).filter((got) => got.device === token.toLowerCase());
    assert.deepEqual(told.payload, { own: { a: 1 }, aps: { alert: { body: `salut ${group}`, title: 'T' }, badge: 1, sound: 'ping' } });
    assert.equal(told.headers['apns-topic'], 'app');
    assert.equal(told.headers['apns-push-type'], 'alert');
    assert.equal(told.headers['apns-expiration'], String(Math.round(expiration_time / 1000)));
    assert.match(told.headers['apns-id'], /^[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}$/);
    const left = await new Parse.Query(Parse.Installation).get(gone, master);
    assert.equal(left.get('deviceToken'), undefined, 'the token of a device that is gone');
    noFaults();
  });

  test('Google is told as Parse tells it, and again when it was too busy', async () => {
    await device(server, { deviceType: 'android', deviceToken: `one-${group}`, installationId: 'a-1', channels: ['news'] });
    await device(server, { deviceType: 'android', deviceToken: `dead-${group}`, installationId: 'a-2', channels: ['news'] });
    await device(server, { deviceType: 'android', deviceToken: `other-${group}`, installationId: 'a-3', channels: ['else'] });
    const sent = await push({ channels: ['news'], data: { alert: 'hi', x: 1 }, notification: { title: 'N' } });
    assert.deepEqual([sent.get('numSent'), sent.get('numFailed')], [1, 1]);
    const told = fcm.got.filter(({ token }) => token.endsWith(group));
    assert.deepEqual(told.map(({ token }) => token).sort(), [`dead-${group}`, `one-${group}`]);
    const [{ android }] = told.filter(({ token }) => token.startsWith('one'));
    assert.deepEqual([android.priority, android.notification, JSON.parse(android.data.data)], ['high', { title: 'N' }, { alert: 'hi', x: 1 }]);
    assert.equal(android.data.push_id, sent.id);
    assert.ok(fcm.busy.waited >= 900, `Retry-After: ${fcm.busy.waited} ms`);
    noFaults();
  });

  test('a browser reads what was encrypted for it', async () => {
    await device(server, { deviceType: 'web', deviceToken: web.subscribe(), installationId: 'w-1' });
    const gone = await device(server, { deviceType: 'web', deviceToken: web.gone(), installationId: 'w-2' });
    // Whatever a client says is its service is not asked.
    const inside = JSON.stringify({ ...JSON.parse(web.subscribe()), endpoint: `${server.url}/health` });
    await device(server, { deviceType: 'web', deviceToken: inside, installationId: 'w-3' });
    const sent = await push({ where: where('deviceType', 'web'), data: { alert: `ü ${group}`, deep: [{ a: null }] } });
    assert.deepEqual([sent.get('numSent'), sent.get('numFailed')], [1, 2]);
    const [{ told, headers }] = of(web.got, group);
    assert.deepEqual(told, { alert: `ü ${group}`, deep: [{ a: null }] });
    assert.equal(headers.ttl, String(4 * 7 * 24 * 3600));
    assert.equal((await new Parse.Query(Parse.Installation).get(gone, master)).get('deviceToken'), undefined);
    noFaults();
  });

  test('Expo is told of all at once; who has no service fails', async () => {
    await device(server, { deviceType: 'ios', pushType: 'expo', deviceToken: `e1-${group}`, installationId: 'e-1', channels: ['mixed'] });
    await device(server, { deviceType: 'android', pushType: 'expo', deviceToken: `dead-${group}`, installationId: 'e-2', channels: ['mixed'] });
    await device(server, { deviceType: 'tvos', deviceToken: `tv-${group}`, installationId: 'e-3', channels: ['mixed'] });
    await device(server, { deviceType: 'fridge', deviceToken: `cold-${group}`, installationId: 'e-4', channels: ['mixed'] });
    const sent = await push({ channels: ['mixed'], data: { alert: 'hi', title: 'T', badge: 3 } });
    assert.deepEqual([sent.get('numSent'), sent.get('numFailed')], [1, 2]);
    assert.deepEqual([sent.get('sentPerType'), sent.get('failedPerType')], [{ ios: 1 }, { android: 1, tvos: 1 }]);
    const [told] = expo.got.filter(({ to }) => to === `e1-${group}`);
    assert.deepEqual(told, { to: `e1-${group}`, body: 'hi', title: 'T', badge: 3 });
    const badges = await where('installationId', 'e-1', 'e-4').find(master);
    assert.deepEqual(badges.map((row) => row.get('badge')), [3, 3]);
    noFaults();
  });

  test('a badge grows on each device, and each is told its own', async () => {
    const tokens = ['b0', 'b1', 'b2'].map((name) => `${name}-${group}`);
    await device(server, { deviceType: 'ios', pushType: 'expo', deviceToken: tokens[0], installationId: 'b-0', badge: 5 });
    await device(server, { deviceType: 'ios', pushType: 'expo', deviceToken: tokens[1], installationId: 'b-1', badge: 7 });
    await device(server, { deviceType: 'ios', pushType: 'expo', deviceToken: tokens[2], installationId: 'b-2' });
    await push({ where: where('deviceToken', ...tokens), data: { alert: 'x', badge: { __op: 'Increment', amount: 2 } } });
    const told = expo.got.filter(({ to }) => tokens.includes(to)).sort((a, b) => a.to.localeCompare(b.to));
    assert.deepEqual(told.map(({ badge }) => badge), [7, 9, 2]);
    const rows = await where('deviceToken', ...tokens).ascending('deviceToken').find(master);
    assert.deepEqual(rows.map((row) => row.get('badge')), [7, 9, 2]);
  });

  test('an audience is counted, and a push that means nobody is sent to nobody', async () => {
    const { body: audience } = await server.rest('POST', '/push_audiences', { master: true, body: { name: 'all', query: '{}' } });
    const sent = await push({ channels: ['nobody'], data: { alert: 'x' }, audience_id: audience.objectId });
    assert.deepEqual([sent.get('status'), sent.get('numSent'), sent.get('numFailed')], ['succeeded', 0, undefined]);
    const { body } = await server.rest('GET', `/push_audiences/${audience.objectId}`, { master: true });
    assert.equal(body.timesUsed, 1);
    assert.ok(Math.abs(new Date(body.lastUsed) - Date.now()) < 20_000);
    assert.deepEqual(body.query, {});
  });

  test('a condition that cannot be asked fails the push, and is told', async () => {
    const { body } = await server.rest('POST', '/push', { master: true, body: { where: { a: { $nope: 1 } }, data: {} } });
    assert.deepEqual(body, { result: true });
    const failed = await eventually('the push fails', 10_000, () => new Parse.Query('_PushStatus').equalTo('status', 'failed').first(master));
    assert.equal(failed.get('errorMessage').code, 107);
    await refused(Parse.Push.send({ data: {} }, master), 115, /either "channels" or a "where"/);
    const client = await server.rest('POST', '/push', { body: { channels: ['a'], data: {} } });
    assert.equal(client.status, 403);
  });

  test('a push for later is sent then', async () => {
    const token = `later-${group}`;
    await device(server, { deviceType: 'ios', pushType: 'expo', deviceToken: token, installationId: 'l-1' });
    const push_time = new Date(Date.now() + 2_500);
    const id = await Parse.Push.send({ where: where('deviceToken', token), push_time, data: { alert: 'now' } }, master);
    assert.equal((await status(id)).get('status'), 'scheduled');
    await eventually('the push is sent', 15_000, async () => (await status(id)).get('status') === 'succeeded');
    assert.ok(Date.now() >= push_time);
    assert.equal(expo.got.filter(({ to }) => to === token).length, 1);
  });

  test('a push at a local time is sent when it is that time where the device is', async () => {
    const tokens = ['kolkata', 'utc', 'tokyo', 'nowhere'].map((name) => `${name}-${group}`);
    const zones = ['Asia/Kolkata', 'Etc/UTC', 'Asia/Tokyo', undefined];
    for (const [place, deviceToken] of tokens.entries()) {
      await device(server, { deviceType: 'ios', pushType: 'expo', deviceToken, installationId: `z-${place}`, timeZone: zones[place] });
    }
    const moment = Date.now() + 3_000;
    const push_time = new Date(moment + 5.5 * 3_600_000).toISOString().replace('Z', '');
    const { body, headers } = await server.rest('POST', '/push', { master: true, body: { where: { deviceToken: { $in: tokens } }, push_time, data: { alert: 'noon' } } });
    assert.deepEqual(body, { result: true });
    const got = () => expo.got.map(({ to }) => to).filter((to) => tokens.includes(to));
    await eventually('Tokyo is told', 2_500, () => got().includes(tokens[2]));
    assert.deepEqual(got(), [tokens[2]]);
    await eventually('Kolkata is told', 15_000, () => got().includes(tokens[0]));
    assert.ok(Date.now() >= moment);
    await sleep(1_500);
    assert.deepEqual(got(), [tokens[2], tokens[0]]);
    const waits = await status(headers.get('x-parse-push-status-id'));
    assert.deepEqual([waits.get('status'), waits.get('sentPerUTCOffset')], ['running', { 9: 1, 330: 1 }]);
  });
}, options);

const DEVICES = Number(process.env.PARSIMONY_PUSH_DEVICES ?? 4_000);

for (const store of stores) {
  describe(`many devices on ${store}`, () => {
    const many = { ...options, push: { expo: slow.config }, databaseURI: store === 'mongodb' ? mongoDatabase(`sdk_push_${process.pid}`) : undefined };
    const server = new Server({ store, options: many });
    const second = new Server({ store, options: many });
    before(async () => {
      await server.start();
      server.useSdk();
      for (let from = 0; from < DEVICES; from += 500) {
        const one = (place) => ({ method: 'POST', path: '/parse/classes/_Installation', body: { deviceType: 'ios', pushType: 'expo', deviceToken: `${store}-${from + place}`, installationId: `m-${from + place}` } });
        const { body } = await server.rest('POST', '/batch', { master: true, body: { requests: Array.from({ length: Math.min(500, DEVICES - from) }, (_, place) => one(place)) } });
        assert.ok(body.every(({ success }) => success), JSON.stringify(body[0]));
      }
    });
    after(async () => {
      await Promise.all([server.remove(), second.remove()]);
      if (store === 'mongodb') await dropDatabase(many.databaseURI);
    });

    test('a push goes on when its server was killed, and nobody but those of one piece are told twice', async () => {
      const got = () => slow.got.filter(({ to }) => to.startsWith(`${store}-`));
      const id = await Parse.Push.send({ where: new Parse.Query(Parse.Installation), data: { alert: 'x', badge: 'Increment' } }, master);
      await eventually('a part is sent', 20_000, () => got().length >= DEVICES / 4);
      await server.kill('SIGKILL');
      const before = got().length;
      assert.ok(before < DEVICES, 'the server was killed too late');
      if (store === 'mongodb') await second.start();
      else await server.start();
      (store === 'mongodb' ? second : server).useSdk();
      const sent = await eventually('the push is sent', 90_000, async () => {
        const sent = await status(id);
        return sent.get('status') === 'succeeded' && sent;
      });
      assert.equal(sent.get('numSent'), DEVICES);
      const times = new Map();
      for (const { to } of got()) times.set(to, (times.get(to) ?? 0) + 1);
      assert.equal(times.size, DEVICES, 'everybody is told');
      const twice = [...times.values()].filter((time) => time > 1).length;
      assert.ok(twice <= 100, `${twice} are told twice`);
      const odd = await new Parse.Query(Parse.Installation).notEqualTo('badge', 1).count(master);
      assert.ok(odd <= 100, `${odd} have another badge`);
      noFaults();
    });

    test('of two servers one sends', { skip: store !== 'mongodb' }, async () => {
      await server.start();
      const before = slow.got.length;
      const sent = await push({ where: new Parse.Query(Parse.Installation).startsWith('deviceToken', 'mongodb-1'), data: { alert: 'y' } });
      const got = slow.got.slice(before).map(({ to }) => to);
      assert.equal(got.length, new Set(got).size, 'nobody is told twice');
      assert.equal(sent.get('numSent'), got.length);
    });
  });
}
