// Does an existing main.js run beside the server: the example `node-cloud`, and what becomes of a process that ends?

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import Parse from 'parse/node';
import { as, master, onEachStore, refused, signUp } from './lib/each-store.mjs';

const path = (url) => fileURLToPath(new URL(url, import.meta.url));
const host = path('../../examples/node-cloud/host.cjs');
const main = path('./lib/hanging-main.cjs');

const options = {
  allowClientClassCreation: true,
  cloudCodeCommand: `NODE_PATH=${path('node_modules')} node ${host} ${main}`,
  cloudCodeOptions: { maxRestartDelay: 200 },
};

onEachStore(
  'a main.js',
  (server) => {
    const review = (fields, user) => new Parse.Object('Review', fields).save(null, as(user));
    const { SCRIPT_FAILED, OBJECT_NOT_FOUND, OPERATION_FORBIDDEN, VALIDATION_ERROR } = Parse.Error;

    test('has functions, with validators', async () => {
      const user = await signUp('ira');
      await refused(Parse.Cloud.run('whoAmI'), VALIDATION_ERROR, /Please login to continue/);
      const { user: me, ip } = await Parse.Cloud.run('whoAmI', {}, as(user));
      assert.deepEqual([me.id, me.get('username'), typeof ip], [user.id, 'ira', 'string']);
      await refused(Parse.Cloud.run('averageStars'), VALIDATION_ERROR, /Please specify data for book/);
      await refused(Parse.Cloud.run('averageStars', { book: 7 }), VALIDATION_ERROR, /Invalid type for book/);
      await refused(Parse.Cloud.run('averageStars', { book: '<b>' }), VALIDATION_ERROR, /That is no title/);
      await refused(Parse.Cloud.run('averageStars', { book: 'Emma' }), OBJECT_NOT_FOUND, /Nobody has read Emma/);
      for (const stars of [2, 5]) await review({ book: 'Emma', stars }, user);
      assert.equal(await Parse.Cloud.run('averageStars', { book: 'Emma' }), 3.5);
    });

    test('has triggers around saves', async () => {
      const user = await signUp('joe');
      await refused(new Parse.Object('Review', { book: 'Ulysses' }).save(), VALIDATION_ERROR);
      await refused(review({ stars: 4 }, user), VALIDATION_ERROR, /Please specify data for book/);
      await refused(review({ book: 'Ulysses', stars: 6 }, user), SCRIPT_FAILED, /Five stars/);
      const saved = await review({ book: 'Ulysses', text: '  long  ', tags: ['a'] }, user);
      assert.deepEqual([saved.get('stars'), saved.get('text'), saved.get('author').id], [3, 'long', user.id]);
      saved.increment('stars');
      saved.addUnique('tags', 'b');
      await saved.save({ text: ' very long ', book: 'Emma' }, as(user));
      const stored = await new Parse.Query('Review').get(saved.id, master);
      assert.deepEqual(
        ['stars', 'text', 'book', 'tags'].map((field) => stored.get(field)),
        [4, 'very long', 'Ulysses', ['a', 'b']],
      );
      const shelf = await new Parse.Query('Shelf').first(master);
      // What the hook before the save left in the context, the one after it counted.
      assert.deepEqual([shelf.get('latest'), shelf.get('blanks')], ['Ulysses', 4]);
    });

    test('has triggers around deletes and finds', async () => {
      const user = await signUp('kim');
      const pinned = await review({ book: 'Dune', pinned: true }, user);
      const hidden = await review({ book: 'Dune', hidden: true }, user);
      await refused(pinned.destroy(as(user)), OPERATION_FORBIDDEN, /It is pinned/);
      const dune = () => new Parse.Query('Review').equalTo('book', 'Dune');
      assert.deepEqual((await dune().find()).map((object) => object.get('shown')), ['Dune: ***']);
      assert.equal((await dune().find(master)).length, 2);
      for (const object of [hidden, pinned]) await object.destroy(master);
      assert.equal(await new Parse.Query('Trash').equalTo('was', 'Dune').count(master), 2);
    });

    test('has triggers of files', async () => {
      const { FILE_DELETE_ERROR } = Parse.Error;
      const store = (name, text) => new Parse.File(name, { base64: btoa(text) }, 'text/plain').save(master);
      const read = async (file) => {
        const answer = await fetch(file.url());
        return { status: answer.status, headers: answer.headers, text: await answer.text() };
      };
      const notes = async (what) => {
        const found = await new Parse.Query('FileNote').equalTo('what', what).ascending('createdAt').find(master);
        return found.map((object) => [object.get('file'), object.get('fileSize')]);
      };
      await refused(store('a.tmp', 'x'), SCRIPT_FAILED, /Nobody keeps those/);
      const plain = await store('plain.txt', 'hello');
      const metadata = await fetch(plain.url().replace(plain.name(), `metadata/${plain.name()}`));
      assert.deepEqual((await metadata.json()).metadata, { size: 5 });
      const page = await store('one.page.txt', 'a line');
      const shown = await read(page);
      assert.deepEqual([shown.status, shown.text], [200, 'The shelf\na line']);
      assert.equal(shown.headers.get('x-shelf'), 'yes');
      assert.match(shown.headers.get('content-disposition'), /^attachment/);
      assert.equal((await read(plain)).headers.get('content-disposition'), null);
      const secret = await store('secret.txt', 'x');
      const hidden = await read(secret);
      assert.match(hidden.text, /It is not for reading/);
      const kept = await store('kept.txt', 'x');
      await refused(kept.destroy(master), FILE_DELETE_ERROR, /It stays on the shelf|could not be deleted|Could not delete/i);
      assert.equal((await read(kept)).text, 'x');
      await plain.destroy(master);
      assert.equal((await read(plain)).status, 404);
      assert.deepEqual(await notes('deleted'), [['plain.txt', undefined]]);
      assert.deepEqual(
        await notes('stored'),
        [['plain.txt', 5], ['one.page.txt', 16], ['secret.txt', 1], ['kept.txt', 1]],
      );
    });

    test('has triggers of Parse Config', async () => {
      await Parse.Config.save({ starsMax: 7, when: new Date(0) }, {}, master);
      await refused(Parse.Config.save({ starsMax: 11 }, {}, master), SCRIPT_FAILED, /Nobody counts so many stars/);
      await Parse.Config.save({ starsMax: 9 }, {}, master);
      assert.equal((await Parse.Config.get(master)).get('starsMax'), 9);
      const notes = await new Parse.Query('ConfigNote').ascending('createdAt').find(master);
      assert.deepEqual(notes.map((note) => [note.get('now'), note.get('was')]), [[7, undefined], [9, 7]]);
    });

    test('has jobs', async () => {
      await Parse.Object.saveAll([1, 2, 3].map((was) => new Parse.Object('Trash', { was: String(was) })), master);
      const count = await new Parse.Query('Trash').count(master);
      const id = await Parse.Cloud.startJob('forgetTrash', { limit: 100 });
      const deadline = Date.now() + 10_000;
      let status;
      do {
        assert.ok(Date.now() < deadline, JSON.stringify(status));
        await sleep(20);
        status = await Parse.Cloud.getJobStatus(id);
      } while (status.get('status') === 'running');
      assert.deepEqual([status.get('status'), status.get('message')], ['succeeded', `${count} forgotten`]);
      assert.equal(await new Parse.Query('Trash').count(master), 0);
    });

    test('that is killed in the middle of a call refuses that call, and nothing runs twice', async () => {
      const begun = () => new Parse.Query('Begun').count(master);
      const called = Parse.Cloud.run('beginAndHang').catch((error) => error);
      const saved = new Parse.Object('Hanging', { name: 'x' }).save().catch((error) => error);
      const deadline = Date.now() + 10_000;
      while ((await begun()) < 2) {
        assert.ok(Date.now() < deadline, 'the calls did not begin');
        await sleep(20);
      }
      process.kill(await server.cloudPid(), 'SIGKILL');
      for (const error of await Promise.all([called, saved])) {
        assert.deepEqual([error.code, error.message], [SCRIPT_FAILED, 'The webhook could not be asked.']);
      }
      const user = await signUp('max');
      const back = Date.now() + 20_000;
      while (!(await Parse.Cloud.run('whoAmI', {}, as(user)).catch(() => false))) {
        assert.ok(Date.now() < back, 'it did not come back');
        await sleep(50);
      }
      assert.deepEqual([await begun(), await new Parse.Query('Hanging').count(master)], [2, 0]);
    });

    test('is started anew when it ends, and nothing passes by its hooks meanwhile', async () => {
      const user = await signUp('lou');
      const pid = Number(await Parse.Cloud.run('whoAmI', {}, as(user)).then(() => server.cloudPid()));
      process.kill(pid, 'SIGKILL');
      const deadline = Date.now() + 20_000;
      for (;;) {
        const outcome = await review({ book: 'Waiting', text: ' trimmed ' }, user).catch((error) => error);
        if (outcome instanceof Parse.Object) {
          assert.equal(outcome.get('text'), 'trimmed');
          break;
        }
        assert.equal(outcome.code, SCRIPT_FAILED, String(outcome));
        assert.ok(Date.now() < deadline, 'it did not come back');
        await sleep(50);
      }
    });
  },
  options,
);
