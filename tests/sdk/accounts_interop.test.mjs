// Do we and Parse Server take over each other's accounts: tokens under way, counts of guesses, old passwords.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import Parse from 'parse/node';
import { as, refused, signUp } from './lib/each-store.mjs';
import { Server, dropDatabase, mongoDatabase, stores, target } from './lib/server.mjs';
import { MailSink } from './lib/smtp.mjs';

const LOCKED = /^Your account is locked due to multiple failed login attempts/;
const REPEATED = /^New password should not be the same as last 3 passwords\.$/;

describe('accounts of Parse Server and ours', { skip: target === 'oracle' || !stores.includes('mongodb') }, () => {
  const name = `accounts_${randomBytes(6).toString('hex')}`;
  const databaseURI = stores.includes('mongodb') && mongoDatabase(name);
  const letters = join(tmpdir(), `${name}.letters`);
  const common = {
    databaseURI,
    appName: 'Shop',
    publicServerURL: 'http://127.0.0.1:1/parse',
    verifyUserEmails: true,
    emailVerifyTokenValidityDuration: 6000,
    accountLockout: { threshold: 3, duration: 50 },
    passwordPolicy: { maxPasswordHistory: 3, maxPasswordAge: 90, resetTokenValidityDuration: 6000 },
  };
  const module = fileURLToPath(new URL('lib/file_mailer.cjs', import.meta.url));
  let theirs, ours, mail;

  /// The token of the newest letter that Parse Server wrote to an address.
  async function theirToken(address) {
    for (let tries = 0; tries < 500; tries++) {
      const text = await readFile(letters, 'utf8').catch(() => '');
      const letter = text.trim().split('\n').filter(Boolean).map((line) => JSON.parse(line)).findLast(({ to }) => to === address);
      if (letter) return letter.text.match(/token=(\w+)/)[1];
      await sleep(10);
    }
    throw new Error(`no letter to ${address}`);
  }

  const page = (server, path, form) =>
    fetch(`${server.url}/apps/${server.appId}/${path}`, {
      method: form ? 'POST' : 'GET',
      body: form && new URLSearchParams(form),
      headers: { 'X-Requested-With': 'XMLHttpRequest' },
    });

  /// People in the midst of something, on the server that the SDK points to. Gives who they are.
  async function people(prefix) {
    const names = ['verifying', 'resetting', 'locked', 'changed'].map((what) => `${prefix}-${what}`);
    const users = {};
    for (const name of names) users[name.slice(prefix.length + 1)] = await signUp(name, { email: `${name}@example.org` });
    await Parse.User.requestPasswordReset(`${prefix}-resetting@example.org`);
    for (let guess = 0; guess < 3; guess++) await refused(Parse.User.logIn(`${prefix}-locked`, 'guess'), 101);
    for (const password of ['second', 'third']) {
      await users.changed.save({ password }, as(users.changed));
    }
    return users;
  }

  /// Everybody goes on, on the server that the SDK points to now.
  async function goOn(server, prefix, users, token) {
    const verified = await page(server, `verify_email?token=${await token(`${prefix}-verifying@example.org`)}`);
    assert.equal(verified.status, 200);
    assert.equal((await users.verifying.fetch(as(users.verifying))).get('emailVerified'), true);
    const form = { token: await token(`${prefix}-resetting@example.org`), new_password: 'brand new' };
    const reset = await page(server, 'request_password_reset', form);
    assert.deepEqual([reset.status, await reset.json()], [200, 'Password successfully reset']);
    await Parse.User.logIn(`${prefix}-resetting`, 'brand new');
    await refused(Parse.User.logIn(`${prefix}-locked`, `pw-${prefix}-locked`), 101, LOCKED);
    const changed = await Parse.User.logIn(`${prefix}-changed`, 'third');
    for (const password of [`pw-${prefix}-changed`, 'second', 'third']) {
      await refused(changed.save({ password }, as(changed)), 142, REPEATED);
    }
    await changed.save({ password: 'fourth' }, as(changed));
    await Parse.User.logIn(`${prefix}-changed`, 'fourth');
  }

  before(async () => {
    mail = await MailSink.start();
    const emailAdapter = { module, options: { path: letters } };
    theirs = new Server({ store: 'mongodb', target: 'oracle', options: { ...common, emailAdapter } });
    ours = new Server({ store: 'mongodb', target: 'parsimony', options: { ...common, parsimony: { mail: mail.option } } });
  });
  after(async () => {
    await theirs.remove();
    await ours.remove();
    await dropDatabase(databaseURI);
    mail.stop();
  });

  test('what began there ends here, and what began here ends there', async () => {
    await theirs.start();
    theirs.useSdk();
    const first = await people('theirs');
    // The letters are written before the answers, or soon after.
    const tokens = {};
    for (const what of ['verifying', 'resetting']) tokens[`theirs-${what}@example.org`] = await theirToken(`theirs-${what}@example.org`);
    await theirs.kill();

    await ours.start();
    ours.useSdk();
    await goOn(ours, 'theirs', first, (address) => tokens[address]);
    const second = await people('ours');
    const mine = {};
    for (const what of ['verifying', 'resetting']) {
      const address = `ours-${what}@example.org`;
      let letter = await mail.next(address);
      while (what === 'resetting' && letter.subject !== 'Password Reset for Shop') letter = await mail.next(address);
      mine[address] = letter.token;
    }
    await ours.kill();

    await theirs.start();
    theirs.useSdk();
    await goOn(theirs, 'ours', second, (address) => mine[address]);
    await Parse.User.logIn('theirs-changed', 'fourth');
  });
});
