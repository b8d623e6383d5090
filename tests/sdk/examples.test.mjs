// Do the examples do what they say: the client of `first-light`, as a newcomer runs it.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { after, before, describe, test as nodeTest } from 'node:test';
import { fileURLToPath } from 'node:url';
import { onEachStore } from './lib/each-store.mjs';
import { Server, stores, target } from './lib/server.mjs';

// It calls functions of ours; Parse Server has none of them.
const test = target === 'oracle' ? nodeTest.skip : nodeTest;

const client = fileURLToPath(new URL('../../examples/first-light/client.mjs', import.meta.url));

function run(args, cwd) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [client, ...args], { cwd });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (said += text));
    child.on('error', reject).on('close', (code) => resolve({ code, said }));
  });
}

onEachStore('the client of first-light', (server) => {
  const arguments_ = () => ['--url', server.url, '--app-id', server.appId, '--master-key', server.masterKey];

  test('tells the whole story, and again', async () => {
    for (let turn = 0; turn < 2; turn += 1) {
      const { code, said } = await run(arguments_(), server.folder);
      assert.equal(code, 0, said);
      const lines = said.trim().split('\n').map((line) => line.replace(/ +/, ': ').replace(/-[0-9a-f]{6}\b/, '-x').replace(/until [0-9-]+/, 'until then'));
      assert.deepEqual(lines, [
        `Server: ${server.url}`,
        'Ada: signed up as ada-x',
        'Ada: created her identity: it is DRAFT',
        'Ada: handed in her passport: the verification is PENDING, the identity SUBMITTED',
        'Ada: may not approve it herself: error 119, Only verifier or compliance-officer may review a verification.',
        'Vera: signed up as vera-x, and the master key made her a verifier',
        'Vera: sees a queue of 1 on her dashboard',
        'Vera: approved it: the verification is APPROVED, the identity VERIFIED until then',
        'Ada: sees on her dashboard: Ada King, VERIFIED, STANDARD',
        "Sten: a stranger, finds nothing, and to Ada's identity by its id gets: error 101, Object not found.",
      ]);
    }
  });

  test('says what is missing', async () => {
    const alone = await run(['--url', server.url, '--data', 'nowhere'], server.folder);
    assert.deepEqual([alone.code, /no keys in nowhere/.test(alone.said)], [1, true], alone.said);
    const silent = await run([...arguments_(), '--url', 'http://127.0.0.1:9/parse'], server.folder);
    assert.deepEqual([silent.code, /No server answers/.test(silent.said)], [1, true], silent.said);
    const wrong = await run([...arguments_(), '--app-id', 'other'], server.folder);
    assert.deepEqual([wrong.code, /unauthorized/.test(wrong.said)], [1, true], wrong.said);
  });
});

describe('a server with nothing configured', { skip: target === 'oracle' || !stores.includes('sqlite') }, () => {
  const server = new Server({ store: 'sqlite', options: null });
  before(() => server.start());
  after(() => server.remove());

  test('is found by the client, with its keys, before and after a restart', async () => {
    for (const again of [false, true]) {
      if (again) await server.restart();
      const { code, said } = await run(['--url', server.url], server.folder);
      assert.equal(code, 0, said);
    }
  });
});
