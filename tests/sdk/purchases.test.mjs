// Is a receipt verified where the App Store says, and the file of the product answered?

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before, describe, test } from 'node:test';
import Parse from 'parse/node';
import { master } from './lib/each-store.mjs';
import { Server, stores, target } from './lib/server.mjs';

/// What stands in for the App Store: a receipt says what becomes of it.
const answers = {
  '/production': { bought: { status: 0 }, tried: { status: 21007 }, forged: { status: 21003 }, text: { status: '0' }, silent: {} },
  '/sandbox': { tried: { status: 0 } },
};

for (const kind of target === 'oracle' ? [] : stores) {
  describe(`purchases on ${kind}`, () => {
    const asked = [];
    const appStore = createServer(async (request, response) => {
      let text = '';
      for await (const piece of request) text += piece;
      const receipt = Buffer.from(JSON.parse(text)['receipt-data'], 'base64').toString();
      asked.push(`${request.method} ${request.url} ${receipt}`);
      const answer = answers[request.url][receipt];
      response.writeHead(answer ? 200 : 503, { 'Content-Type': 'application/json' }).end(answer ? JSON.stringify(answer) : 'busy');
    });
    let server;

    before(async () => {
      await once(appStore.listen(0, '127.0.0.1'), 'listening');
      const at = (path) => `http://127.0.0.1:${appStore.address().port}${path}`;
      const parsimony = { receiptUrl: at('/production'), sandboxReceiptUrl: at('/sandbox') };
      server = await new Server({ store: kind, options: { parsimony, fileUpload: { enableForPublic: true } } }).start();
      server.useSdk();
    });
    after(async () => {
      await server.remove();
      appStore.close();
    });

    const ask = (receipt, productIdentifier = 'song') =>
      server.rest('POST', '/validate_purchase', { body: { receipt: { __type: 'Bytes', base64: btoa(receipt) }, productIdentifier } });

    test('a receipt is verified, in the sandbox if it is from there, and brings the file', async () => {
      const file = await new Parse.File('song.txt', { base64: btoa('la la') }).save();
      const product = { productIdentifier: 'song', title: 'A song', subtitle: 'of two', order: 1, icon: file, download: file };
      await new Parse.Object('_Product', product).save(null, master);
      for (const receipt of ['bought', 'tried', 'text']) {
        const seen = await ask(receipt);
        assert.deepEqual([seen.status, seen.body.__type, seen.body.name], [200, 'File', file.name()], receipt);
        assert.equal(await (await fetch(seen.body.url)).text(), 'la la');
      }
      assert.deepEqual(
        asked.splice(0),
        ['POST /production bought', 'POST /production tried', 'POST /sandbox tried', 'POST /production text'],
      );
    });

    test('what the App Store says against it is told', async () => {
      const forged = await ask('forged');
      assert.deepEqual([forged.status, forged.body], [200, { status: 21003, error: 'The receipt could not be authenticated.' }]);
      for (const receipt of ['silent', 'unknown']) {
        assert.deepEqual((await ask(receipt)).body, { status: null, error: 'unknown error.' }, receipt);
      }
      const none = await ask('bought', 'nothing');
      assert.deepEqual([none.status, none.body.code], [404, 101]);
    });
  });
}
