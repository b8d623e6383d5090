// What does `parsimony schema` do to a running server, as a deploy script uses it?

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import Parse from 'parse/node';
import { Server, binary, stores, target } from './lib/server.mjs';

const OPEN = { '*': true };

/// Runs the binary; gives its exit code and what it wrote.
function parsimony(args, { cwd, env = {} }) {
  return new Promise((resolve, reject) => {
    const child = spawn(binary, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    let [out, err] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text) => (out += text));
    child.stderr.setEncoding('utf8').on('data', (text) => (err += text));
    child.once('error', reject).once('close', (code) => resolve({ code, out, err }));
  });
}

for (const store of target === 'parsimony' ? stores : []) {
  describe(`parsimony schema on ${store}`, () => {
    const server = new Server({ store });
    let folder;
    const schema = (...args) => parsimony(['schema', ...args, '--config', server.config], { cwd: folder });
    const json = async (...args) => JSON.parse((await schema(...args, '--json')).out);
    const define = async (path, definition) => {
      await mkdir(join(folder, 'schemas', path, '..'), { recursive: true });
      await writeFile(join(folder, 'schemas', path), JSON.stringify(definition));
    };
    const letter = {
      className: 'Letter',
      fields: { text: { type: 'String', required: true }, pages: { type: 'Number', defaultValue: 1 } },
      classLevelPermissions: { find: OPEN, get: OPEN, create: OPEN },
      indexes: { by_pages: { pages: -1 } },
    };

    before(async () => {
      await server.start();
      server.useSdk();
      folder = await mkdtemp(join(tmpdir(), 'parsimony-schema-'));
    });
    after(async () => {
      await server.remove();
      await rm(folder, { recursive: true, force: true });
    });

    test('a deploy: plan, push, and nothing more to do', async () => {
      await define('app/Letter.json', letter);
      const plan = await schema('plan', '--exit-code');
      assert.equal(plan.code, 3, plan.err);
      assert.match(plan.out, /^\+ class Letter$/m);
      assert.match(plan.out, /^ {4}\+ field text String required$/m);
      assert.equal((await schema('plan')).code, 0);

      const unasked = await schema('push');
      assert.equal(unasked.code, 1);
      assert.match(unasked.err, /--yes/);
      await assert.rejects(new Parse.Schema('Letter').get(), { code: 103 });

      const push = await schema('push', '--yes', '--author', 'ci');
      assert.equal(push.code, 0, push.err);
      assert.match(push.out, /Done: push 1, 1 step\./);
      const saved = await new Parse.Object('Letter').save({ text: 'x' });
      assert.equal(saved.get('pages'), 1);
      const again = await schema('plan', '--exit-code');
      assert.deepEqual([again.code, again.out.trim().split('\n').pop()], [0, 'Nothing is to change.']);
      assert.equal((await json('push', '--yes')).steps.length, 0);
    });

    test('the data is asked first', async () => {
      await define('app/Letter.json', {
        ...letter,
        fields: { ...letter.fields, pages: { type: 'String' }, sender: { type: 'String', required: true } },
      });
      const refused = await schema('push', '--yes');
      assert.equal(refused.code, 4);
      assert.match(refused.out, /! Letter\.pages: 1 object has a value that would be lost, such as \w+ \(--allow-destructive\)/);
      assert.match(refused.out, /! Letter\.sender: 1 object has no value, and one is required, .*\(--allow-missing\)/);
      const told = await json('plan');
      assert.deepEqual(told.findings.map(({ finding, count }) => [finding, count]), [['valuesLost', 1], ['valuesMissing', 1]]);
      assert.equal((await new Parse.Schema('Letter').get()).fields.pages.type, 'Number', 'nothing was changed');
      const push = await schema('push', '--yes', '--allow-destructive', '--allow-missing');
      assert.equal(push.code, 0, push.err);
      assert.equal((await new Parse.Schema('Letter').get()).fields.pages.type, 'String');
    });

    test('the history, and the way back', async () => {
      const history = await schema('history');
      assert.equal(history.code, 0, history.err);
      const lines = history.out.trim().split('\n');
      assert.equal(lines.length, 2);
      assert.match(lines[1], /^ +1 {2}\S+ {2}done +1 step {2}push by ci {2}[0-9a-f]{12}$/);
      const whole = await json('history', '1');
      assert.deepEqual([whole.before.Letter, whole.after.Letter.fields.text.required], [null, true]);
      assert.equal((await schema('history', '9')).code, 1);

      const rollback = await schema('rollback', '--yes');
      assert.equal(rollback.code, 0, rollback.err);
      assert.deepEqual((await new Parse.Schema('Letter').get()).fields.pages, { type: 'Number', defaultValue: 1 });
      const further = await schema('rollback', '--yes');
      assert.equal(further.code, 4, 'there is a letter');
      assert.match(further.out, /! Letter: 1 object would be lost/);
      assert.equal((await json('history')).results[0].undoes, 2);
    });

    test('pull writes what differs, where it belongs', async () => {
      await new Parse.Schema('Other').addString('name').save();
      const pull = await schema('pull');
      assert.equal(pull.code, 0, pull.err);
      const files = (await readdir(join(folder, 'schemas'), { recursive: true })).filter((name) => name.endsWith('.json'));
      assert.ok(files.includes('Other.json') && files.includes(join('app', 'Letter.json')), files.join());
      const pulled = JSON.parse(await readFile(join(folder, 'schemas', 'app', 'Letter.json'), 'utf8'));
      assert.deepEqual(pulled.fields, letter.fields);
      assert.equal((await schema('plan', '--exit-code')).code, 0, 'what was pulled is what is there');
      assert.equal((await schema('pull')).out, 'Nothing differs.\n');
      const user = await schema('pull', '_User');
      assert.match(user.out, /_User\.json/);
      assert.equal((await schema('plan', '--exit-code')).code, 0);
    });

    test('mistakes are told in a sentence', async () => {
      const elsewhere = { cwd: folder };
      const keys = ['--app-id', server.appId, '--master-key', server.masterKey];
      for (const [args, code, text] of [
        [['schema', 'plan', '--url', server.url, '--app-id', server.appId, '--master-key', 'wrong'], 1, /is the application id right/],
        [['schema', 'plan', '--url', 'http://127.0.0.1:9/parse', ...keys], 1, /does not answer/],
        [['schema', 'plan', '--url', server.url.replace('/parse', '/nope'), ...keys], 1, /is the URL right/],
        [['schema', 'plan', '--url', server.url], 1, /There is no application id or no master key/],
        [['schema', 'plan', '--url', server.url, ...keys, '--dir', 'nowhere'], 1, /nowhere cannot be read/],
        [['schema', 'plan', '--nope'], 2, /--nope/],
      ]) {
        const run = await parsimony(args, elsewhere);
        assert.equal(run.code, code, `${args.join(' ')}: ${run.err}`);
        assert.match(run.err, text);
        assert.doesNotMatch(run.out, /STARTUP-ERROR/);
      }
      await define('Broken.json', { className: 'Broken', fields: { a: { type: 'Nope' } } });
      const broken = await schema('push', '--yes');
      assert.deepEqual([broken.code, broken.err], [1, 'Broken: invalid field type: Nope\n']);
      await rm(join(folder, 'schemas', 'Broken.json'));
    });

    test('the keys may come from the environment', async () => {
      const env = { PARSE_SERVER_APPLICATION_ID: server.appId, PARSE_SERVER_MASTER_KEY: server.masterKey, PARSE_SERVER_URL: server.url };
      const run = await parsimony(['schema', 'history', '--json'], { cwd: folder, env });
      assert.equal(run.code, 0, run.err);
      assert.ok(JSON.parse(run.out).results.length > 2);
    });

    test('of two pushes at one time one is carried out', async () => {
      await define('app/Letter.json', { ...letter, fields: { ...letter.fields, color: { type: 'String' } } });
      const runs = await Promise.all([1, 2, 3].map(() => schema('push', '--yes')));
      const codes = runs.map(({ code }) => code).sort();
      // Whoever comes later finds nothing to do, or another push under way.
      assert.ok(codes.every((code) => code === 0 || code === 5), runs.map(({ err }) => err).join());
      const { results } = await json('history');
      const adding = results.filter(({ steps }) => steps.some(({ name }) => name === 'color'));
      assert.equal(adding.length, 1);
    });
  });
}

describe('parsimony schema beside a server that nothing was told', { skip: target !== 'parsimony' }, () => {
  const server = new Server({ options: null });
  before(() => server.start());
  after(() => server.remove());

  test('finds the keys in the data folder', async () => {
    const run = await parsimony(['schema', 'history', '--port', String(server.port)], { cwd: server.folder });
    assert.deepEqual([run.code, run.out], [0, 'Nothing was pushed yet.\n'], run.err);
  });
});
