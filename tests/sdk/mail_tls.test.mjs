// Do letters get out to a mail server that wants TLS and a login, and to no other than the one that is meant?

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { SMTPServer } from 'smtp-server';
import { signUp } from './lib/each-store.mjs';
import { Server, stores, target } from './lib/server.mjs';

const fixture = (name) => fileURLToPath(new URL(`lib/mail/${name}`, import.meta.url));
const [authority, certificate, key] = ['authority.pem', 'server.pem', 'server.key.pem'].map(fixture);

/// A mail server with a certificate that only `authority.pem` vouches for. It takes letters from `shop` alone, and only
/// over TLS; the first `refusals` of them later.
async function mailServer({ secure, refusals = 0 }) {
  const seen = { letters: [], refused: 0, plain: 0 };
  const server = new SMTPServer({
    secure,
    cert: readFileSync(certificate),
    key: readFileSync(key),
    authMethods: ['PLAIN', 'LOGIN'],
    allowInsecureAuth: false,
    disableReverseLookup: true,
    onAuth({ username, password }, session, done) {
      if (!session.secure) seen.plain += 1;
      const known = username === 'shop' && password === 'p@ss word/1';
      done(known ? null : new Error('Invalid username or password'), known ? { user: username } : undefined);
    },
    onRcptTo(_address, _session, done) {
      if (seen.refused >= refusals) return done();
      seen.refused += 1;
      return done(Object.assign(new Error('Come back later'), { responseCode: 451 }));
    },
    async onData(stream, session, done) {
      let text = '';
      for await (const piece of stream) text += piece;
      seen.letters.push({ text, secure: session.secure, user: session.user, to: session.envelope.rcptTo.map(({ address }) => address) });
      done();
    },
  });
  server.on('error', () => {});
  server.listen(0, '127.0.0.1');
  await once(server.server, 'listening');
  return { seen, port: server.server.address().port, stop: () => new Promise((resolve) => server.close(resolve)) };
}

const LOGIN = 'shop:p%40ss%20word%2F1';

async function arrives(mail) {
  for (const end = Date.now() + 20_000; Date.now() < end; await sleep(20)) {
    if (mail.seen.letters.length) return mail.seen.letters[0];
  }
  return assert.fail('no letter arrives');
}

for (const [kind, secure, url] of [
  ['implicit TLS', true, (port) => `smtps://${LOGIN}@localhost:${port}`],
  ['STARTTLS', false, (port) => `smtp://${LOGIN}@localhost:${port}`],
]) {
  describe(`a mail server with ${kind}`, { skip: target === 'oracle' }, () => {
    let mail;
    const servers = [];
    before(async () => {
      mail = await mailServer({ secure });
    });
    after(async () => {
      for (const server of servers) await server.remove();
      await mail.stop();
    });

    async function serverWith(smtp) {
      const parsimony = { mail: { from: 'Shop <shop@example.org>', smtp } };
      const options = { appName: 'Shop', publicServerURL: 'http://127.0.0.1:1/parse', verifyUserEmails: true, parsimony };
      const server = await new Server({ store: stores[0], options }).start();
      servers.push(server);
      server.useSdk();
      return server;
    }

    /// What the log says of a letter that does not go out.
    async function says(server, pattern) {
      for (const end = Date.now() + 20_000; Date.now() < end; await sleep(20)) {
        if (pattern.test(server.log)) return;
      }
      assert.fail(`nothing of ${pattern} in\n${server.log}`);
    }

    test('nobody vouches for its certificate: no letter, no password', async () => {
      const server = await serverWith({ url: url(mail.port) });
      await signUp('ann', { email: 'ann@example.org' });
      await says(server, /UnknownIssuer|unknown issuer|self.signed|certificate/i);
      assert.deepEqual(mail.seen.letters, []);
    });

    test('a certificate of another host is none', async () => {
      const server = await serverWith({ url: url(mail.port).replace('localhost', '127.0.0.1'), caFile: authority });
      await signUp('ben', { email: 'ben@example.org' });
      await says(server, /NotValidForName|not valid for name|certificate/i);
      assert.deepEqual(mail.seen.letters, []);
    });

    test('a wrong password is told in the log, and not shown there', async () => {
      const server = await serverWith({ url: url(mail.port), password: 'wrong secret', caFile: authority });
      await signUp('cat', { email: 'cat@example.org' });
      await says(server, /Invalid username or password/);
      assert.doesNotMatch(server.log, /wrong secret/);
      assert.deepEqual(mail.seen.letters, []);
    });

    test('a letter goes out over TLS, with the login', async () => {
      await serverWith({ url: url(mail.port), caFile: authority });
      await signUp('dan', { email: 'dan@example.org' });
      const letter = await arrives(mail);
      assert.deepEqual([letter.to, letter.secure, letter.user], [['dan@example.org'], true, 'shop']);
      assert.match(letter.text, /^From: Shop <shop@example\.org>/m);
      assert.equal(mail.seen.plain, 0);
    });
  });
}
