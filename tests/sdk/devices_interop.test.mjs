// Do we and Parse Server take over each other's installations, beside users, sessions and files: in one database, by turns?

import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { after, describe, test } from 'node:test';
import Parse from 'parse/node';
import { as, master, signUp } from './lib/each-store.mjs';
import { Server, dropDatabase, mongoDatabase, stores, target } from './lib/server.mjs';

describe('devices of Parse Server and ours', { skip: target === 'oracle' || !stores.includes('mongodb') }, () => {
  const databaseURI = stores.includes('mongodb') && target !== 'oracle' && mongoDatabase(`devices_${randomBytes(6).toString('hex')}`);
  const options = { databaseURI, fileUpload: { enableForPublic: true } };
  const [theirs, ours] = ['oracle', 'parsimony'].map((kind) => new Server({ store: 'mongodb', target: kind, options }));

  after(async () => {
    for (const server of [theirs, ours]) await server.remove();
    await dropDatabase(databaseURI);
  });

  /// A device registers as the SDKs of devices do: with its own installation id and no user, or with a session.
  const register = (server, installationId, fields, { token, id } = {}) =>
    server.rest(id ? 'PUT' : 'POST', id ? `/installations/${id}` : '/installations', {
      body: { installationId, ...fields },
      token,
      headers: { 'X-Parse-Installation-Id': installationId },
    });

  const all = async (server) => {
    const { body } = await server.rest('GET', '/installations?order=createdAt', { master: true });
    return body.results;
  };

  /// A user at a device, with a file, on the server that the SDK points to.
  async function arrive(server, name) {
    const user = await signUp(name);
    const file = await new Parse.File(`${name}.txt`, { base64: Buffer.from(`of ${name}`).toString('base64') }).save(as(user));
    const installationId = randomUUID();
    const fields = { deviceType: 'ios', deviceToken: randomBytes(32).toString('hex'), channels: ['news'], badge: 3, timeZone: 'Europe/Vienna' };
    const made = await register(server, installationId, fields, { token: user.getSessionToken() });
    assert.equal(made.status, 201, made.text);
    const id = made.body.objectId;
    const whose = { user: user.toPointer(), face: file.toJSON(), more: { deep: [1, 'two'] } };
    const changed = await server.rest('PUT', `/installations/${id}`, { body: whose, master: true });
    assert.equal(changed.status, 200, changed.text);
    return { id, user, file, installationId, ...fields };
  }

  /// Everything of somebody who arrived at the other server goes on here.
  async function goOn(server, { id, user, file, installationId, deviceToken }) {
    const token = user.getSessionToken();
    assert.equal((await Parse.User.me(token)).id, user.id);
    const seen = (await all(server)).find(({ objectId }) => objectId === id);
    const { channels, badge, deviceType, timeZone, more, face } = seen;
    assert.deepEqual([seen.installationId, seen.deviceToken, seen.user.objectId], [installationId, deviceToken, user.id]);
    assert.deepEqual([channels, badge, deviceType, timeZone, more], [['news'], 3, 'ios', 'Europe/Vienna', { deep: [1, 'two'] }]);
    const shown = await fetch(`${server.url}/files/${server.appId}/${face.name}`);
    assert.equal(await shown.text(), `of ${user.get('username')}`);
    assert.equal(face.name, file.name());
    // It reports again as it does at each start, is no new one, and moves to another channel.
    const again = await register(server, installationId, { deviceType, deviceToken, channels: ['sport'] }, { token });
    assert.deepEqual([again.status, again.body.objectId ?? id], [200, id], again.text);
    const own = await register(server, installationId, { badge: { __op: 'Increment', amount: 2 } }, { token, id });
    assert.equal(own.status, 200, own.text);
    const after = (await all(server)).filter((device) => device.installationId === installationId);
    assert.deepEqual(after.map((device) => [device.objectId, device.channels, device.badge]), [[id, ['sport'], 5]]);
    // A row without an installation id gives way when its token comes with one.
    const bare = await server.rest('POST', '/installations', { body: { deviceType, deviceToken: `bare ${id}` }, master: true });
    const claimed = await register(server, `claims-${id}`.toLowerCase(), { deviceType, deviceToken: `bare ${id}` });
    assert.ok([200, 201].includes(claimed.status), claimed.text);
    const holders = (await all(server)).filter((device) => device.deviceToken === `bare ${id}`);
    assert.equal(holders.length, 1, JSON.stringify([bare.body, holders]));
  }

  test('what is registered with one is the same device with the other', async () => {
    await theirs.start();
    theirs.useSdk();
    const first = await arrive(theirs, 'ann');
    await theirs.kill();
    await ours.start();
    ours.useSdk();
    await goOn(ours, first);
    const second = await arrive(ours, 'ben');
    const kept = await all(ours);
    await ours.kill();
    await theirs.start();
    theirs.useSdk();
    // Each server says for itself where files are read.
    const plain = (devices) => devices.map(({ face, ...device }) => ({ ...device, face: face?.name }));
    assert.deepEqual(plain(await all(theirs)), plain(kept), 'taken back as it was left');
    await goOn(theirs, second);
    const session = await new Parse.Query(Parse.Session).equalTo('user', first.user).first(master);
    assert.equal(session.get('sessionToken'), first.user.getSessionToken());
    await Parse.User.logIn('ann', 'pw-ann');
  });
});
