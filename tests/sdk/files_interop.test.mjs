// Do we and Parse Server read each other's files, in the clear and encrypted?

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, describe, test } from 'node:test';
import { Server, dropDatabase, mongoDatabase, stores, target } from './lib/server.mjs';

const CHUNK = 255 * 1024;
const contents = { 'small.txt': Buffer.from('ünïcode'), 'chunk.bin': randomBytes(CHUNK), 'long.bin': randomBytes(3 * CHUNK + 17) };

for (const fileKey of [undefined, 'a key of files']) {
  const skip = target === 'oracle' || !stores.includes('mongodb');
  describe(`files ${fileKey ? 'encrypted' : 'in the clear'}, under Parse Server and under ours`, { skip }, () => {
    const databaseURI = !skip && mongoDatabase(`interop_files_${randomBytes(6).toString('hex')}`);
    const options = { databaseURI, fileKey, fileUpload: { enableForPublic: true } };
    const [theirs, ours] = ['oracle', 'parsimony'].map((kind) => new Server({ store: 'mongodb', target: kind, options }));

    after(async () => {
      for (const server of [theirs, ours]) await server.remove();
      await dropDatabase(databaseURI);
    });

    const headers = (server) => ({ 'X-Parse-Application-Id': server.appId, 'Content-Type': 'application/octet-stream' });

    async function storeAll(server) {
      const names = [];
      for (const [name, content] of Object.entries(contents)) {
        const fileData = { metadata: { of: name, n: 1.5, deep: { a: [1, 'two'] } } };
        const sent = { _ApplicationId: server.appId, base64: content.toString('base64'), fileData };
        const answer = await fetch(`${server.url}/files/${name}`, { method: 'POST', body: JSON.stringify(sent) });
        names.push((await answer.json()).name);
        const raw = await fetch(`${server.url}/files/raw_${name}`, { method: 'POST', body: content, headers: headers(server) });
        names.push((await raw.json()).name);
      }
      return names;
    }

    async function readAll(server, names) {
      for (const name of names) {
        const original = name.replace(/^[0-9a-f]{32}_(raw_)?/, '');
        const answer = await fetch(`${server.url}/files/${server.appId}/${name}`);
        assert.equal(answer.status, 200, `${server.kind} ${name}`);
        assert.equal(Buffer.from(await answer.arrayBuffer()).compare(contents[original]), 0, `${server.kind} ${name}`);
        const told = await (await fetch(`${server.url}/files/${server.appId}/metadata/${name}`)).json();
        const metadata = name.includes('_raw_') ? {} : { of: original, n: 1.5, deep: { a: [1, 'two'] } };
        assert.deepEqual(told, { metadata }, `${server.kind} ${name}`);
      }
    }

    test('what one has stored the other reads and deletes', async () => {
      await theirs.start();
      const of_theirs = await storeAll(theirs);
      await theirs.kill();
      await ours.start();
      await readAll(ours, of_theirs);
      const part = await fetch(`${ours.url}/files/${ours.appId}/${of_theirs[4]}`, { headers: { Range: `bytes=${CHUNK - 2}-${CHUNK + 1}` } });
      assert.deepEqual(Buffer.from(await part.arrayBuffer()), contents['long.bin'].subarray(CHUNK - 2, CHUNK + 2));
      const of_ours = await storeAll(ours);
      const removed = await fetch(`${ours.url}/files/${of_theirs[0]}`, { method: 'DELETE', headers: { ...headers(ours), 'X-Parse-Master-Key': ours.masterKey } });
      assert.equal(removed.status, 200);
      await ours.kill();
      await theirs.start();
      await readAll(theirs, [...of_theirs.slice(1), ...of_ours]);
      assert.equal((await fetch(`${theirs.url}/files/${theirs.appId}/${of_theirs[0]}`)).status, 404);
    });
  });
}

describe('Parse Config under Parse Server and under ours', { skip: target === 'oracle' || !stores.includes('mongodb') }, () => {
  const databaseURI = stores.includes('mongodb') && target !== 'oracle' && mongoDatabase(`interop_config_${randomBytes(6).toString('hex')}`);
  const [theirs, ours] = ['oracle', 'parsimony'].map((kind) => new Server({ store: 'mongodb', target: kind, options: { databaseURI } }));

  after(async () => {
    for (const server of [theirs, ours]) await server.remove();
    await dropDatabase(databaseURI);
  });

  test('each changes what the other has written', async () => {
    const put = (server, params, masterKeyOnly) => server.rest('PUT', '/config', { body: { params, masterKeyOnly }, master: true });
    const read = async (server) => (await server.rest('GET', '/config', { master: true })).body;
    const date = { __type: 'Date', iso: '2024-01-01T00:00:00.000Z' };
    const place = { __type: 'GeoPoint', latitude: 1, longitude: 2 };
    await theirs.start();
    await put(theirs, { text: 'x', n: 1, when: date, place, o: { a: { b: 1 } } }, { n: true });
    const written = await read(theirs);
    await theirs.kill();
    await ours.start();
    assert.deepEqual(await read(ours), written);
    await put(ours, { n: { __op: 'Increment', amount: 2 }, text: { __op: 'Delete' }, also: date, list: [place, 1] });
    const changed = await read(ours);
    assert.deepEqual(changed.params, { n: 3, when: date, place, o: { a: { b: 1 } }, also: date, list: [place, 1] });
    await ours.kill();
    await theirs.start();
    assert.deepEqual(await read(theirs), changed);
  });
});
