// Does every job that is due run once, and does every run end with a status, when servers are killed?

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import Parse from 'parse/node';
import { master, onEachStore } from './lib/each-store.mjs';
import { dropDatabase, mongoDatabase, Server, stores } from './lib/server.mjs';

/// Within this time another server, or the same one after a new start, goes on: what docs/jobs.md says.
const TAKE_OVER_MILLIS_MAX = 20_000;

const scripts = mkdtempSync(join(tmpdir(), 'parsimony-jobs-'));
process.on('exit', () => rmSync(scripts, { recursive: true, force: true }));
writeFileSync(join(scripts, 'jobs.rhai'), `
  const PLAN = #{
    tick: #{ cron: "* * * * * *", overlap: "queue", catchUp: "all" },
    wait: #{ retries: 1, backOffSeconds: 1 },
  };
  fn tick(request) {
    Object("Tick", #{ run: request.jobId }).save();
    "done"
  }
  fn wait(request) {
    request.message(\`try \${request.attempt}\`);
    http(request.params.url);
    "done"
  }
`);
/// Somebody whom the job asks, and who does not answer before it is told to.
const held = [];
let open = false;
const outside = createServer((_, answer) => (open ? answer.end('here') : held.push(answer))).listen(0, '127.0.0.1');
await once(outside, 'listening');
outside.unref();
const host = `127.0.0.1:${outside.address().port}`;
const url = `http://${host}/`;
const options = { allowClientClassCreation: true, parsimony: { hooksDir: scripts, scriptHosts: [host] } };

async function eventually(what, millis, look) {
  const deadline = Date.now() + millis;
  for (;;) {
    const found = await look();
    if (found) return found;
    assert.ok(Date.now() < deadline, `in vain: ${what}`);
    await sleep(50);
  }
}

const all = (className, key, value) => new Parse.Query(className).equalTo(key, value).ascending('createdAt').limit(1000).find(master);
const waits = async () => (await all('_JobStatus', 'jobName', 'wait')).map((run) => [run.get('status'), run.get('message')]);

/// Whether each moment since the start was run once.
async function ranOnce(since) {
  const ticks = await new Parse.Query('Tick').limit(1000).find(master);
  const runs = new Set(ticks.map((tick) => tick.get('run')));
  assert.equal(runs.size, ticks.length, 'a run took place twice');
  const seconds = (Date.now() - since) / 1000;
  const ended = (await all('_JobStatus', 'jobName', 'tick')).filter((run) => run.get('status') !== 'running').length;
  assert.ok(ended > seconds - 4 && ended < seconds + 3, `${ended} runs in ${seconds} s`);
  // A kill may have hit one in the middle; all others did their work.
  assert.ok(ended - runs.size <= 1, `${ended} runs ended, ${runs.size} left a trace`);
}

/// The job that waited when its server was killed has failed, and was tried again.
async function wasTriedAgain(killed) {
  open = true;
  const runs = await eventually('the run is tried again', TAKE_OVER_MILLIS_MAX + 5_000, async () => {
    const runs = await waits();
    return runs.length === 2 && runs[1][0] === 'succeeded' && runs;
  });
  assert.deepEqual(runs, [['failed', 'The server that ran the job was lost.'], ['succeeded', 'done']]);
  const [lost] = await all('_JobStatus', 'jobName', 'wait');
  const took = lost.get('finishedAt') - killed;
  assert.ok(took < TAKE_OVER_MILLIS_MAX, `it took ${took} ms to be failed`);
  return took;
}

onEachStore('jobs of a server that is killed', (server) => {
  test('have a status, and none runs twice', { timeout: 120_000 }, async (context) => {
    open = false;
    const since = Date.now();
    await Parse.Cloud.startJob('wait', { url });
    await eventually('the job waits', 10_000, async () => (await waits())[0]?.[1] === 'try 1');
    await eventually('the clock ticks', 10_000, async () => (await new Parse.Query('Tick').count(master)) > 1);
    await server.kill('SIGKILL');
    const killed = Date.now();
    await server.start();
    context.diagnostic(`failed ${await wasTriedAgain(killed)} ms after the kill`);
    await eventually('what was missed is caught up with', 20_000, async () => {
      const ended = (await all('_JobStatus', 'jobName', 'tick')).filter((run) => run.get('status') !== 'running').length;
      return ended > (Date.now() - since) / 1000 - 3;
    });
    await ranOnce(since);
  });
}, options);

describe('jobs of two servers on one replica set', { skip: !stores.includes('mongodb') }, () => {
  const databaseURI = stores.includes('mongodb') && mongoDatabase(`sdk_jobs_${process.pid}`);
  const [one, other] = [0, 1].map(() => new Server({ store: 'mongodb', options: { ...options, databaseURI } }));

  before(async () => {
    await one.start();
    await other.start();
    one.useSdk();
  });
  after(async () => {
    await one.remove();
    await other.remove();
    await dropDatabase(databaseURI);
  });

  test('are taken over when the server that starts them is killed', { timeout: 120_000 }, async (context) => {
    open = false;
    const since = Date.now();
    await Parse.Cloud.startJob('wait', { url });
    await eventually('the job waits', 10_000, async () => (await waits())[0]?.[1] === 'try 1');
    const { runner, server } = (await one.rest('GET', '/parsimony/jobs', { master: true })).body;
    assert.equal(runner.server, server, 'the first server that started starts the jobs');
    await eventually('the clock ticks', 10_000, async () => (await new Parse.Query('Tick').count(master)) > 1);
    await one.kill('SIGKILL');
    const killed = Date.now();
    other.useSdk();
    context.diagnostic(`failed ${await wasTriedAgain(killed)} ms after the kill`);
    const now = (await other.rest('GET', '/parsimony/jobs', { master: true })).body;
    assert.deepEqual([now.runner.server, now.runner.token > runner.token], [now.server, true]);
    await sleep(3_000);
    await ranOnce(since);
  });

  test('go on at once when a server is told to end', { timeout: 60_000 }, async (context) => {
    await one.start();
    open = false;
    const id = await Parse.Cloud.startJob('wait', { url });
    await eventually('the job waits', 10_000, async () => (await waits()).at(-1)[1] === 'try 1');
    const asked = Date.now();
    await other.kill('SIGTERM');
    one.useSdk();
    const run = await Parse.Cloud.getJobStatus(id);
    assert.deepEqual([run.get('status'), run.get('message')], ['failed', 'The server was stopped while the job ran.']);
    open = true;
    await eventually('it is tried again', 5_000, async () => (await waits()).at(-1)[0] === 'succeeded');
    context.diagnostic(`went on ${Date.now() - asked} ms after the signal`);
  });
});
