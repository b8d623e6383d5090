// Are the parameters of an application, its log and its weak options told as Parse Server tells them?

import assert from 'node:assert/strict';
import { test } from 'node:test';
import Parse from 'parse/node';
import { master, onEachStore } from './lib/each-store.mjs';
import { target } from './lib/server.mjs';

onEachStore('Parse Config', (server) => {
  test('parameters are saved and read with their types', async () => {
    const params = { text: 'ünïcode', n: 1.5, yes: true, list: [1, 'two'], when: new Date('2024-01-01'), place: new Parse.GeoPoint(1, 2), inner: { a: { b: 1 } } };
    await Parse.Config.save({ ...params, secret: 's' }, { secret: true });
    const seen = await Parse.Config.get();
    for (const [name, value] of Object.entries(params)) assert.deepEqual(seen.get(name), value, name);
    assert.equal(seen.get('secret'), undefined);
    assert.equal((await Parse.Config.get(master)).get('secret'), 's');
  });

  test('a parameter is deleted, and others stay', async () => {
    const put = (params) => server.rest('PUT', '/config', { body: { params }, master: true });
    await put({ a: 1, b: 2 });
    assert.deepEqual((await put({ a: { __op: 'Delete' } })).body, { result: true });
    const seen = await Parse.Config.get();
    assert.deepEqual([seen.get('a'), seen.get('b')], [undefined, 2]);
  });

  test('only the master key changes it', async () => {
    const { status } = await server.rest('PUT', '/config', { body: { params: { a: 1 } } });
    assert.equal(status, 403);
  });

  test('it outlives the server', async () => {
    await Parse.Config.save({ lasting: 'yes' });
    await server.restart('SIGKILL');
    server.useSdk();
    assert.equal((await Parse.Config.get()).get('lasting'), 'yes');
  });
});

onEachStore('operations', (server) => {
  test('events are taken', async () => {
    await Parse.Analytics.track('search', { what: 'x' });
    assert.deepEqual((await server.rest('POST', '/events/AppOpened', { body: {} })).body, {});
  });

  test('the log is for the master key', { skip: target === 'oracle' }, async () => {
    assert.equal((await server.rest('GET', '/scriptlog')).status, 403);
    await server.rest('GET', '/classes/Nothing?where=%7B%22password%22%3A%22hunter2%22%7D');
    const { body } = await server.rest('GET', '/scriptlog?size=5', { master: true });
    assert.ok(body.length > 0 && body.length <= 5 && body.every(({ timestamp, level, message }) => timestamp && level && message));
    const times = body.map(({ timestamp }) => timestamp);
    assert.deepEqual(times, times.toSorted().reverse());
    const { text } = await server.rest('GET', '/scriptlog?size=1000', { master: true });
    assert.ok(!text.includes('hunter2') && !text.includes(server.masterKey));
  });

  test('weak options are told', async () => {
    assert.equal((await server.rest('GET', '/security')).status, 403);
    const { body } = await server.rest('GET', '/security', { master: true });
    const checks = body.report.groups.flatMap(({ checks }) => checks);
    assert.equal(body.report.state, 'fail');
    const found = (title) => checks.find((check) => check.title === title);
    assert.equal(found('Client class creation disabled').state, 'fail');
    assert.ok(found('Client class creation disabled').solution);
    assert.deepEqual(found('Users are created without public access'), { title: 'Users are created without public access', state: 'success' });
  });

  test('receipts need a receipt and a product', async () => {
    const ask = (body) => server.rest('POST', '/validate_purchase', { body });
    for (const body of [{ receipt: 'x' }, { productIdentifier: 'p' }, {}]) {
      const answer = await ask(body);
      assert.deepEqual([answer.status, answer.body.code], [400, 107]);
    }
  });
}, { allowClientClassCreation: true, security: { enableCheck: true } });
