// Do users get their letters, and what is in them does what it says; do guesses come to an end.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import Parse from 'parse/node';
import { as, master, refused, signUp } from './lib/each-store.mjs';
import { Server, stores, target } from './lib/server.mjs';
import { MailSink } from './lib/smtp.mjs';

const PAGE = { 'Content-Type': 'application/x-www-form-urlencoded' };

for (const store of target === 'oracle' ? [] : stores) {
  describe(`accounts on ${store}`, () => {
    let server, mail;
    before(async () => {
      mail = await MailSink.start();
      const options = {
        appName: 'Shop',
        publicServerURL: 'http://127.0.0.1:1/parse',
        verifyUserEmails: true,
        emailVerifyTokenValidityDuration: 600,
        accountLockout: { threshold: 3, duration: 5 },
        passwordPolicy: { validatorPattern: '^(?=.*[a-z]).{4,}$', maxPasswordHistory: 2, resetTokenValidityDuration: 600 },
        parsimony: { mail: mail.option },
      };
      server = await new Server({ store, options }).start();
      server.useSdk();
    });
    after(async () => {
      await server.remove();
      mail.stop();
    });

    const page = async (path, form, headers = {}) => {
      const method = form ? 'POST' : 'GET';
      const body = form && new URLSearchParams(form).toString();
      const answer = await fetch(`${server.url}/apps/${server.appId}/${path}`, { method, body, headers: { ...PAGE, ...headers }, redirect: 'manual' });
      return { status: answer.status, headers: answer.headers, text: await answer.text() };
    };

    test('an address is verified by its letter', async () => {
      const user = await signUp('ann', { email: 'ann@example.org' });
      const letter = await mail.next('ann@example.org');
      assert.equal(letter.subject, 'Please verify your e-mail for Shop');
      await Parse.User.requestEmailVerification('ann@example.org');
      const second = await mail.next('ann@example.org');
      assert.match((await page(`verify_email?token=${letter.token}`)).text, /does not work/);
      const done = await page(`verify_email?token=${second.token}`);
      assert.match(done.text, /is verified/);
      assert.equal(done.headers.get('x-parse-page-param-appname'), 'Shop');
      assert.equal((await user.fetch(as(user))).get('emailVerified'), true);
      await refused(user.save({ emailVerified: false }, as(user)), 119);
    });

    test('a forgotten password is set anew by a form', async () => {
      const user = await signUp('ben', { email: 'ben@example.org' });
      await mail.next('ben@example.org');
      await Parse.User.requestPasswordReset('ben@example.org');
      const { token, subject, text } = await mail.next('ben@example.org');
      assert.equal(subject, 'Password Reset for Shop');
      assert.match(text, new RegExp(`http://127.0.0.1:1/parse/apps/${server.appId}/request_password_reset\\?token=${token}`));
      assert.match((await page(`request_password_reset?token=${token}`)).text, /name="new_password"/);
      const weak = await page('request_password_reset', { token, new_password: 'NO' });
      assert.match(weak.text, /Password does not meet the Password Policy requirements/);
      const done = await page('request_password_reset', { token, new_password: 'brand new' });
      assert.match(done.text, /password is set/);
      await refused(Parse.User.me(user.getSessionToken()), 209);
      await refused(Parse.User.logIn('ben', 'pw-ben'), 101);
      await Parse.User.logIn('ben', 'brand new');
      const again = await page('request_password_reset', { token, new_password: 'once more' }, { 'X-Requested-With': 'XMLHttpRequest' });
      assert.deepEqual([again.status, JSON.parse(again.text)], [400, { code: -1, error: 'Failed to reset password: username / email / token is invalid' }]);
    });

    test('nobody learns from a request who has an account', async () => {
      await Parse.User.requestPasswordReset('nobody@example.org');
      await Parse.User.requestEmailVerification('nobody@example.org');
      await refused(Parse.User.requestPasswordReset(''), 204);
      assert.equal(mail.letters.filter(({ to }) => to.includes('nobody@example.org')).length, 0);
    });

    test('guesses close an account, and old passwords do not come back', async () => {
      const user = await signUp('dora');
      for (let guess = 0; guess < 3; guess++) await refused(Parse.User.logIn('dora', 'guess'), 101, /^Invalid username\/password\.$/);
      await refused(Parse.User.logIn('dora', 'pw-dora'), 101, /^Your account is locked due to multiple failed login attempts/);
      await refused(user.save({ password: 'pw-dora' }, as(user)), 142, /^New password should not be the same as last 2 passwords\.$/);
    });

    test('the master key opens a session for somebody', async () => {
      const user = await signUp('emil');
      const same = await Parse.User.loginAs(user.id);
      assert.equal(same.id, user.id);
      const session = await new Parse.Query(Parse.Session).equalTo('sessionToken', same.getSessionToken()).first(master);
      assert.deepEqual(session.get('createdWith'), { action: 'login', authProvider: 'masterkey' });
      assert.equal((await Parse.User.verifyPassword('emil', 'pw-emil')).objectId, user.id);
    });
  });
}
