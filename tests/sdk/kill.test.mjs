// Is everything that was acknowledged still there when the process is killed in the middle of the work.

import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import Parse from 'parse/node';
import { onEachStore } from './lib/each-store.mjs';

const CLIENTS = 32;
const ROUNDS = 10;

onEachStore('a server that is killed', (server) => {
  let counters;

  before(async () => {
    await Parse.Object.saveAll([new Parse.Object('Saved', { round: -1, key: 'first' }), new Parse.Object('Pair', { round: -1, key: 'first' })]);
    counters = await Parse.Object.saveAll(Array.from({ length: CLIENTS }, () => new Parse.Object('Tally', { n: 0 })));
  });

  /// Works until the server is gone: each client saves, counts up, and saves pairs that are all or nothing.
  async function work(round) {
    const seen = { tried: new Set(), saved: new Map(), counted: [], pairs: new Set() };
    const client = async (n) => {
      for (let turn = 0; ; turn += 1) {
        const key = `${round}.${n}.${turn}`;
        seen.tried.add(key);
        const { id } = await new Parse.Object('Saved').save({ round, key });
        seen.saved.set(key, id);
        await Parse.Object.fromJSON({ className: 'Tally', objectId: counters[n].id }).increment('n').save();
        seen.counted[n] = (seen.counted[n] ?? 0) + 1;
        if (turn % 4 === n % 4) {
          await Parse.Object.saveAll([1, 2].map((half) => new Parse.Object('Pair', { round, key, half })), { transaction: true });
          seen.pairs.add(key);
        }
      }
    };
    const clients = Array.from({ length: CLIENTS }, (_, n) => client(n).catch((error) => error));
    await sleep(300 + (round * 137) % 500);
    await server.kill('SIGKILL');
    const errors = await Promise.all(clients);
    // Until the server was gone nothing was refused.
    errors.forEach((error) => assert.equal(error.code ?? Parse.Error.CONNECTION_FAILED, Parse.Error.CONNECTION_FAILED, error.message));
    return seen;
  }

  const all = (className, round) => new Parse.Query(className).equalTo('round', round).limit(1_000_000).find();

  async function check(round, seen) {
    const saved = await all('Saved', round);
    const ids = new Map(saved.map((object) => [object.get('key'), object.id]));
    assert.equal(ids.size, saved.length, 'something was saved twice');
    for (const [key, id] of seen.saved) assert.equal(ids.get(key), id, `${key} was acknowledged`);
    for (const key of ids.keys()) assert.ok(seen.tried.has(key), `nobody saved ${key}`);
    // What was under way may be there or not: one object of each client.
    assert.ok(saved.length - seen.saved.size <= CLIENTS);

    const halves = new Map();
    for (const pair of await all('Pair', round)) halves.set(pair.get('key'), (halves.get(pair.get('key')) ?? 0) + 1);
    for (const [key, count] of halves) assert.equal(count, 2, `half a transaction: ${key}`);
    for (const key of seen.pairs) assert.equal(halves.get(key), 2, `${key} was acknowledged`);
  }

  test('keeps what it acknowledged, ten times over', { timeout: 300_000 }, async (context) => {
    const rounds = [];
    const counted = Array(CLIENTS).fill(0);
    for (let round = 0; round < ROUNDS; round += 1) {
      const seen = await work(round);
      assert.ok(seen.saved.size > 0, 'nothing was saved, so nothing was tested');
      await server.start();
      await check(round, seen);
      rounds.push(seen);
      const tallies = await new Parse.Query('Tally').containedIn('objectId', counters.map(({ id }) => id)).limit(CLIENTS).find();
      const n = new Map(tallies.map((tally) => [tally.id, tally.get('n')]));
      counters.forEach(({ id }, index) => {
        const least = counted[index] + (seen.counted[index] ?? 0);
        assert.ok(n.get(id) === least || n.get(id) === least + 1, `counted ${n.get(id)}, acknowledged ${least}`);
        counted[index] = n.get(id);
      });
    }
    for (const [round, seen] of rounds.entries()) await check(round, seen);
    const total = rounds.reduce((sum, { saved }) => sum + saved.size, 0);
    context.diagnostic(`${total} objects acknowledged in ${ROUNDS} rounds by ${CLIENTS} clients, none lost`);
  });
});
