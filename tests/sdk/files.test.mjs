// Do files come and go with the SDK as they do with Parse Server?

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import Parse from 'parse/node';
import { as, master, onEachStore, refused, signUp } from './lib/each-store.mjs';
import { Server, stores, target } from './lib/server.mjs';

const open = { allowClientClassCreation: true, fileUpload: { enableForPublic: true } };
const ours = target === 'parsimony' ? test : test.skip;

/// A body of so many bytes, sent piece by piece.
function* pieces(bytes) {
  const piece = randomBytes(1 << 20);
  for (let sent = 0; sent < bytes; sent += piece.length) yield piece.subarray(0, Math.min(piece.length, bytes - sent));
}

async function sizeOf(url, headers = {}) {
  const answer = await fetch(url, { headers });
  let bytes = 0;
  for await (const piece of answer.body) bytes += piece.length;
  return bytes;
}

onEachStore('files', (server) => {
  const headers = () => ({ 'X-Parse-Application-Id': server.appId });
  const send = (name, body, more = {}) =>
    fetch(`${server.url}/files/${name}`, { method: 'POST', body, headers: { ...headers(), ...more }, duplex: 'half' });

  test('bytes, Base64 and text are stored and read', async () => {
    for (const [name, data] of [
      ['bytes.bin', [1, 2, 253, 254, 255]],
      ['text.txt', { base64: Buffer.from('ünïcode').toString('base64') }],
    ]) {
      const file = await new Parse.File(name, data).save();
      assert.match(file.name(), new RegExp(`^[0-9a-f]{32}_${name}$`));
      assert.equal(file.url(), `${server.url}/files/${server.appId}/${file.name()}`);
      const expected = Buffer.from(data.base64 ?? data, data.base64 ? 'base64' : undefined);
      assert.deepEqual(Buffer.from(await (await fetch(file.url())).arrayBuffer()), expected);
      assert.equal(Buffer.from(await file.getData(), 'base64').compare(expected), 0);
    }
  });

  test('a file in an object keeps its name and gets its URL', async () => {
    const file = new Parse.File('paper.pdf', [1, 2, 3], 'application/pdf');
    const saved = await new Parse.Object('Paper', { file, list: [file] }).save();
    const found = await new Parse.Query('Paper').get(saved.id);
    assert.equal(found.get('file').name(), file.name());
    assert.equal(found.get('file').url(), file.url());
    const answer = await fetch(found.get('file').url());
    assert.equal(answer.headers.get('content-type'), 'application/pdf');
    assert.equal(answer.headers.get('x-content-type-options'), 'nosniff');
  });

  test('metadata, tags and folders', async () => {
    const file = new Parse.File('about.txt', [1], 'text/plain', { who: 'me' }, { kind: 'test' });
    await file.save();
    const told = await fetch(`${server.url}/files/${server.appId}/metadata/${file.name()}`);
    assert.deepEqual(await told.json(), { metadata: { who: 'me' } });
    const body = { _ApplicationId: server.appId, _MasterKey: server.masterKey, base64: 'AA==', fileData: { directory: 'a/b' } };
    const raw = await fetch(`${server.url}/files/x.txt`, { method: 'POST', body: JSON.stringify(body) });
    const { name, url } = await raw.json();
    assert.match(name, /^a\/b\/[0-9a-f]{32}_x\.txt$/);
    assert.equal(await sizeOf(url), 1);
    delete body._MasterKey;
    const other = await fetch(`${server.url}/files/x.txt`, { method: 'POST', body: JSON.stringify(body) });
    assert.deepEqual([other.status, (await other.json()).code], [400, 119]);
  });

  test('a file is deleted by the master key alone', async () => {
    const file = await new Parse.File('gone.txt', [1]).save();
    const without = await fetch(`${server.url}/files/${file.name()}`, { method: 'DELETE', headers: headers() });
    assert.equal(without.status, 403);
    await file.destroy(master);
    const answer = await fetch(file.url());
    assert.deepEqual([answer.status, await answer.text()], [404, 'File not found.']);
    assert.match(answer.headers.get('content-type'), /^text\/plain/);
  });

  test('active content is refused, and a known extension decides the type', async () => {
    for (const [name, kind, code] of [
      ['a.html', 'text/plain', 130],
      ['a.SVG', 'image/png', 130],
      ['a', 'text/html', 130],
      ['a.zzz', 'image/svg+xml;charset=utf-8', 130],
      ['a b.c@d~e_f-g.txt', 'text/plain', undefined],
      ['x'.repeat(129), 'text/plain', 122],
      ['..%2Fa.txt', 'text/plain', 122],
      ['a%00.txt', 'text/plain', 122],
    ]) {
      const answer = await send(encodeURIComponent(decodeURIComponent(name)), 'x', { 'Content-Type': kind });
      assert.equal((await answer.json()).code, code, name);
    }
    const { url } = await (await send('a.txt', '<script>', { 'Content-Type': 'text/html' })).json();
    assert.match((await fetch(url)).headers.get('content-type'), /^text\/plain/);
  });

  test('without an extension the type gives one', async () => {
    const { name } = await (await send('picture', 'x', { 'Content-Type': 'image/png' })).json();
    assert.match(name, /_picture\.png$/);
  });

  test('parts of a file', async () => {
    const bytes = randomBytes(700_000);
    const { url } = await (await send('parts.bin', bytes)).json();
    for (const [range, start, end] of [['0-9', 0, 10], ['261119-261121', 261119, 261122], ['-5', 699_995, 700_000], ['699999-', 699_999, 700_000]]) {
      const answer = await fetch(url, { headers: { Range: `bytes=${range}` } });
      assert.equal(answer.status, 206);
      assert.equal(answer.headers.get('content-range'), `bytes ${start}-${end}/700000`);
      assert.deepEqual(Buffer.from(await answer.arrayBuffer()), bytes.subarray(start, end), range);
    }
    const head = await fetch(url, { method: 'HEAD' });
    assert.deepEqual([head.status, head.headers.get('content-length')], [200, '700000']);
  });

  test('an upload that breaks off leaves nothing', async () => {
    const name = `broken${randomBytes(4).toString('hex')}.bin`;
    const { port } = new URL(server.url);
    const asked = request({ port, method: 'POST', path: `/parse/files/${name}`, headers: { ...headers(), 'Content-Length': 10 << 20, 'X-Parse-Upload-Mode': 'stream' } });
    asked.on('error', () => {});
    asked.write(randomBytes(3 << 20));
    await sleep(300);
    asked.destroy();
    await sleep(700);
    const file = await new Parse.File('still.txt', [1]).save();
    assert.equal(await sizeOf(file.url()), 1);
    if (server.store === 'mongodb') {
      const { MongoClient } = await import('mongodb');
      const client = await MongoClient.connect(server.databaseURI);
      assert.equal(await client.db().collection('fs.files').countDocuments({ filename: new RegExp(name) }), 0);
      const files = await client.db().collection('fs.files').distinct('_id');
      assert.equal(await client.db().collection('fs.chunks').countDocuments({ files_id: { $nin: files } }), 0);
      await client.close();
    }
  });

  test('what is stored and deleted at the same time does not mix', async () => {
    const files = await Promise.all(Array.from({ length: 20 }, (_, n) => new Parse.File(`n${n}.txt`, [n, n]).save()));
    const deleted = files.filter((_, n) => n % 2);
    await Promise.all([
      ...deleted.map((file) => file.destroy(master)),
      ...files.filter((file) => !deleted.includes(file)).map(async (file) => assert.equal(await sizeOf(file.url()), 2)),
    ]);
    for (const file of deleted) assert.equal((await fetch(file.url())).status, 404);
  });

  test('a file that is too large is refused, streamed or not', async () => {
    for (const [more, status, code] of [[{}, 413, target === 'oracle' ? undefined : 116], [{ 'X-Parse-Upload-Mode': 'stream' }, 400, 130]]) {
      const answer = await send('large.bin', Buffer.alloc(21 << 20), more).catch(() => undefined);
      // Parse Server may close the connection before it is heard.
      if (answer) assert.deepEqual([answer.status, (await answer.json()).code], [status, code]);
    }
    const allowed = { 'X-Parse-Master-Key': server.masterKey, 'X-Parse-File-Max-Upload-Size': '30mb' };
    assert.equal((await send('large.bin', Buffer.alloc(21 << 20), allowed)).status, 201);
    assert.equal((await send('large.bin', 'x', { 'X-Parse-File-Max-Upload-Size': '30mb' })).status, 403);
  });
}, open);

onEachStore('files of users', (server) => {
  test('users may store files, and the public may not', async () => {
    await refused(new Parse.File('a.txt', [1]).save({ sessionToken: '' }), 130, /public is disabled/);
    const user = await signUp('ada');
    await new Parse.File('a.txt', [1]).save(as(user));
    await Parse.User.logOut();
    await new Parse.File('a.txt', [1]).save(master);
  });
}, { allowClientClassCreation: true });

onEachStore('large files', (server) => {
  const skip = target !== 'parsimony' || !existsSync('/proc/self/clear_refs');
  const kilobytes = async (name) => {
    const status = await readFile(`/proc/${server.child.pid}/status`, 'utf8');
    return Number(status.match(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm'))[1]);
  };

  test('go up and down in little memory', { skip }, async () => {
    const bytes = 256 << 20;
    const headers = { 'X-Parse-Application-Id': server.appId, 'X-Parse-Upload-Mode': 'stream', 'Content-Type': 'application/octet-stream' };
    const upload = (size) => fetch(`${server.url}/files/large.bin`, { method: 'POST', headers, body: ReadableStream.from(pieces(size)), duplex: 'half' });
    await (await upload(8 << 20)).json();
    const before = await kilobytes('VmRSS');
    await writeFile(`/proc/${server.child.pid}/clear_refs`, '5');
    const { url } = await (await upload(bytes)).json();
    assert.equal(await sizeOf(url), bytes);
    const growth = (await kilobytes('VmHWM')) - before;
    assert.ok(growth < 64 << 10, `grew by ${growth} kB over ${before} kB`);
  });
}, { fileUpload: { enableForPublic: true }, maxUploadSize: '1gb' });

describe('files in a folder', { skip: target !== 'parsimony' || !stores.includes('sqlite') }, () => {
  ours('are plain files, and whole', async () => {
    const options = { fileUpload: { enableForPublic: true }, preserveFileName: true, filesAdapter: { module: '@parse/fs-files-adapter', options: { filesSubDirectory: 'here' } } };
    const server = new Server({ store: 'sqlite', options });
    try {
      await server.start();
      server.useSdk();
      const file = await new Parse.File('plain.txt', [104, 105]).save();
      assert.equal(file.name(), 'plain.txt');
      assert.deepEqual(await readdir(join(server.folder, 'files/here')), ['plain.txt']);
      assert.equal(await (await fetch(file.url())).text(), 'hi');
      await file.destroy(master);
      assert.equal((await fetch(file.url())).status, 404);
    } finally {
      await server.remove();
    }
  });
});
