// Are files kept in a bucket as the S3 adapter of Parse Server keeps them? Against moto, which speaks what S3 speaks.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import Parse from 'parse/node';
import { master } from './lib/each-store.mjs';
import { Server, freePort, stores, target } from './lib/server.mjs';

const moto = fileURLToPath(new URL('../../target/tools/moto/bin/moto_server', import.meta.url));
const LONG_BYTES = 10 << 20;

describe('files in a bucket', { skip: target === 'oracle' }, () => {
  let s3, endpoint;

  before(async () => {
    const port = await freePort();
    endpoint = `http://127.0.0.1:${port}`;
    s3 = spawn(moto, ['--host', '127.0.0.1', '--port', String(port)], { stdio: 'ignore' });
    const failed = new Promise((_, reject) => s3.once('error', reject));
    const answers = async () => {
      for (const end = Date.now() + 30_000; Date.now() < end; await sleep(50)) {
        if ((await fetch(`${endpoint}/moto-api/`).catch(() => undefined))?.ok) return;
      }
      assert.fail('moto does not start');
    };
    await Promise.race([answers(), failed]);
    assert.equal((await fetch(`${endpoint}/shelf`, { method: 'PUT' })).status, 200);
  });
  after(() => s3.kill('SIGKILL'));

  /// What is in the bucket, by name.
  async function names() {
    const text = await (await fetch(`${endpoint}/shelf?list-type=2`)).text();
    return [...text.matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, key]) => key);
  }

  const uploads = async () => /<Upload>/.test(await (await fetch(`${endpoint}/shelf?uploads`)).text());

  for (const fileKey of [undefined, 'a key of files']) {
    test(`they are stored, read, in parts too, and deleted, ${fileKey ? 'encrypted' : 'in the clear'}`, async (context) => {
      const filesAdapter = {
        module: '@parse/s3-files-adapter',
        options: {
          bucket: 'shelf',
          region: 'eu-central-1',
          bucketPrefix: fileKey ? 'sealed/' : 'open/',
          s3overrides: { endpoint, credentials: { accessKeyId: 'id', secretAccessKey: 'secret' } },
        },
      };
      const options = { filesAdapter, fileKey, maxUploadSize: '64mb', fileUpload: { enableForPublic: true, fileExtensions: ['*'] } };
      const server = new Server({ store: stores[0], options });
      context.after(() => server.remove());
      await server.start();
      server.useSdk();
      const read = async (file, headers = {}) => {
        const answer = await fetch(file.url(), { headers });
        return { status: answer.status, headers: answer.headers, bytes: Buffer.from(await answer.arrayBuffer()) };
      };

      const text = new Parse.File('words.txt', { base64: Buffer.from('ünïcode').toString('base64') }, 'text/plain');
      text.addMetadata('by', 'ann');
      text.addTag('kind', 'note');
      await text.save();
      const seen = await read(text);
      assert.deepEqual([seen.status, seen.bytes.toString()], [200, 'ünïcode']);
      assert.match(seen.headers.get('content-type'), /^text\/plain/);
      const key = `${filesAdapter.options.bucketPrefix}${text.name()}`;
      assert.ok((await names()).includes(key), `${await names()}`);
      // Nobody without a name reads it; moto takes any name.
      assert.equal((await fetch(`${endpoint}/shelf/${key}`)).status, 403);
      const Authorization = 'AWS4-HMAC-SHA256 Credential=id/20260101/eu-central-1/s3/aws4_request, SignedHeaders=host, Signature=x';
      const stored = await fetch(`${endpoint}/shelf/${key}`, { headers: { Authorization } });
      assert.equal(stored.headers.get('x-amz-meta-by'), 'ann');
      assert.equal(Buffer.from(await stored.arrayBuffer()).includes('code'), !fileKey);
      const metadata = await (await fetch(text.url().replace(text.name(), `metadata/${text.name()}`))).json();
      assert.deepEqual(metadata.metadata, { by: 'ann' });

      // In several parts, sent as it comes.
      const content = randomBytes(LONG_BYTES);
      const sent = await fetch(`${server.url}/files/long.bin`, {
        method: 'POST',
        body: content,
        headers: { 'X-Parse-Application-Id': server.appId, 'Content-Type': 'application/octet-stream' },
      });
      assert.equal(sent.status, 201, await sent.clone().text());
      const { name, url } = await sent.json();
      const long = { url: () => url };
      assert.equal((await read(long)).bytes.compare(content), 0);
      for (const [range, from, to] of [
        ['bytes=8388600-8388620', 8_388_600, 8_388_621],
        [`bytes=-5`, LONG_BYTES - 5, LONG_BYTES],
        [`bytes=${LONG_BYTES - 3}-`, LONG_BYTES - 3, LONG_BYTES],
      ]) {
        const part = await read(long, { Range: range });
        assert.equal(part.status, 206, range);
        // As Parse Server says it, one byte too far.
        assert.equal(part.headers.get('content-range'), `bytes ${from}-${to}/${LONG_BYTES}`);
        assert.equal(part.bytes.compare(content.subarray(from, to)), 0, range);
      }

      const gone = await server.rest('DELETE', `/files/${name}`, { master: true });
      assert.equal(gone.status, 200, gone.text);
      await text.destroy(master);
      assert.deepEqual([(await read(long)).status, (await read(text)).status], [404, 404]);
      assert.deepEqual((await names()).filter((stored) => stored.startsWith(filesAdapter.options.bucketPrefix)), []);
      const again = await server.rest('DELETE', `/files/${name}`, { master: true });
      assert.deepEqual([again.status, again.body.code], [400, 153]);
    });
  }

  test('an upload that breaks off leaves no parts', async (context) => {
    const s3overrides = { endpoint, credentials: { accessKeyId: 'id', secretAccessKey: 'secret' } };
    const filesAdapter = { module: '@parse/s3-files-adapter', options: { bucket: 'shelf', region: 'eu-central-1', s3overrides } };
    const options = { filesAdapter, maxUploadSize: '12mb', fileUpload: { enableForPublic: true, fileExtensions: ['*'] } };
    const server = new Server({ store: stores[0], options });
    context.after(() => server.remove());
    await server.start();
    const piece = randomBytes(1 << 20);
    const pieces = new ReadableStream({
      pull(controller) {
        this.sent = (this.sent ?? 0) + 1;
        if (this.sent > 14) controller.close();
        else controller.enqueue(piece);
      },
    });
    const headers = { 'X-Parse-Application-Id': server.appId, 'Content-Type': 'application/octet-stream' };
    const refused = await fetch(`${server.url}/files/endless.bin`, { method: 'POST', body: pieces, headers, duplex: 'half' }).catch((error) => error);
    assert.ok(refused instanceof Error || refused.status >= 400, `${refused.status}`);
    assert.deepEqual((await names()).filter((name) => name.includes('endless')), []);
    assert.equal(await uploads(), false);
  });
});
