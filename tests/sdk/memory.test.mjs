// Does the memory of the server stay flat while it answers with many rows?

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import Parse from 'parse/node';
import { master, onEachStore } from './lib/each-store.mjs';
import { target } from './lib/server.mjs';

const ROWS = 10_000;
const READERS = 16;
// Three answers that are held as objects take more.
const GROWTH_KB_MAX = 48 << 10;

// Only Linux tells how much a process had at most.
const skip = target !== 'parsimony' || !existsSync('/proc/self/clear_refs');

onEachStore('great answers', (server) => {
  const kilobytes = async (name) => {
    const status = await readFile(`/proc/${server.child.pid}/status`, 'utf8');
    return Number(status.match(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm'))[1]);
  };

  async function read() {
    const headers = { 'X-Parse-Application-Id': server.appId, 'X-Parse-Master-Key': server.masterKey };
    const answer = await fetch(`${server.url}/classes/Row?limit=${ROWS}`, { headers });
    let bytes = 0;
    for await (const piece of answer.body) bytes += piece.length;
    return bytes;
  }

  test('many rows for many readers take no more memory than few', { skip }, async () => {
    const text = 'x'.repeat(200);
    const rows = Array.from({ length: ROWS }, (_, n) => new Parse.Object('Row', { n, text, name: `row ${n}`, tags: ['a', 'b'] }));
    await Parse.Object.saveAll(rows, { ...master, batchSize: 500 });
    const whole = await read();
    assert.ok(whole > ROWS * 300, `${whole} bytes`);
    const before = await kilobytes('VmRSS');
    await writeFile(`/proc/${server.child.pid}/clear_refs`, '5');
    const sizes = await Promise.all(Array.from({ length: READERS }, read));
    assert.deepEqual(new Set(sizes), new Set([whole]));
    const growth = (await kilobytes('VmHWM')) - before;
    assert.ok(growth < GROWTH_KB_MAX, `grew by ${growth} kB over ${before} kB`);
  });
});
