// What can a client do with a server that was just started: Ada gets her identity verified by Vera, and a stranger sees
// none of it. The SDK is Parse's own.
//
//     node examples/first-light/client.mjs [--url URL] [--app-id ID] [--master-key KEY] [--data FOLDER]

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const PARTS = ['./', '../../tests/sdk/'];
const ONE_YEAR = 365 * 24 * 60 * 60 * 1000;

const say = (who, what) => console.log(`${who.padEnd(8)} ${what}`);

/// The SDK: installed here, or with the tests of the server.
function loadParse() {
  for (const folder of PARTS) {
    try {
      return createRequire(new URL(`${folder}package.json`, import.meta.url))('parse/node');
    } catch (error) {
      if (error.code !== 'MODULE_NOT_FOUND') throw error;
    }
  }
  throw new Error('The package `parse` is not installed. Run: npm install --prefix examples/first-light');
}

/// Where the server is, and its keys: as told, or as the server keeps them in its data folder.
async function whereIsTheServer() {
  const text = { type: 'string' };
  const { values } = parseArgs({ options: { url: text, 'app-id': text, 'master-key': text, data: text } });
  const { env } = process;
  const url = values.url ?? env.PARSIMONY_URL ?? 'http://127.0.0.1:1337/parse';
  let appId = values['app-id'] ?? env.PARSIMONY_APP_ID;
  let masterKey = values['master-key'] ?? env.PARSIMONY_MASTER_KEY;
  if (!appId || !masterKey) {
    const path = join(values.data ?? env.PARSIMONY_DATA ?? 'data', 'keys.json');
    const kept = await readFile(path, 'utf8').catch(() => {
      throw new Error(`There are no keys in ${path}. Run this where the server was started, or give --app-id and --master-key.`);
    });
    ({ appId, masterKey } = { ...JSON.parse(kept), ...(appId && { appId }), ...(masterKey && { masterKey }) });
  }
  const health = await fetch(`${url}/health`).catch(() => undefined);
  if (!health?.ok) throw new Error(`No server answers at ${url}. Start one: cargo run --release`);
  return { url, appId, masterKey };
}

async function main() {
  const { url, appId, masterKey } = await whereIsTheServer();
  const Parse = loadParse();
  Parse.initialize(appId, undefined, masterKey);
  Parse.serverURL = url;
  say('Server', url);

  const run = randomBytes(3).toString('hex');
  const signUp = (name) => new Parse.User({ username: `${name}-${run}`, password: randomBytes(16).toString('hex') }).signUp();
  const as = (user) => ({ sessionToken: user.getSessionToken() });
  /// The error of a call that has to be refused.
  const refusal = async (promise, code) => {
    const error = await promise.then(() => assert.fail('This should have been refused.'), (reason) => reason);
    assert.equal(error.code, code, error.message);
    return `error ${error.code}, ${error.message}`;
  };

  const ada = await signUp('ada');
  say('Ada', `signed up as ${ada.get('username')}`);

  const created = await Parse.Cloud.run(
    'createIdentity',
    { type: 'INDIVIDUAL', legalName: 'Ada King', dateOfBirth: '1990-12-31', nationality: 'GB', countryOfResidence: 'DE' },
    as(ada),
  );
  assert.equal(created.status, 'DRAFT');
  say('Ada', `created her identity: it is ${created.status}`);

  const passport = { type: 'PASSPORT', number: 'P-123 456', issuingCountry: 'GB', expiresAt: new Date(Date.now() + 3 * ONE_YEAR) };
  const submitted = await Parse.Cloud.run(
    'submitVerification',
    { identityId: created.identityId, level: 'STANDARD', provider: 'MANUAL', documents: [passport] },
    as(ada),
  );
  assert.equal(submitted.status, 'PENDING');
  say('Ada', `handed in her passport: the verification is ${submitted.status}, the identity ${submitted.identityStatus}`);

  const approval = { verificationId: submitted.verificationId, decision: 'APPROVE', riskRating: 'LOW' };
  say('Ada', `may not approve it herself: ${await refusal(Parse.Cloud.run('reviewVerification', approval, as(ada)), 119)}`);

  const vera = await signUp('vera');
  const verifiers = await new Parse.Query(Parse.Role).equalTo('name', 'verifier').first({ useMasterKey: true });
  verifiers.getUsers().add(vera);
  await verifiers.save(null, { useMasterKey: true });
  say('Vera', `signed up as ${vera.get('username')}, and the master key made her a verifier`);

  const { overview } = await Parse.Cloud.run('getIdentityDashboard', {}, as(vera));
  assert.ok(overview.queueLength >= 1);
  say('Vera', `sees a queue of ${overview.queueLength} on her dashboard`);

  const reviewed = await Parse.Cloud.run('reviewVerification', approval, as(vera));
  assert.deepEqual([reviewed.status, reviewed.identityStatus], ['APPROVED', 'VERIFIED']);
  const until = reviewed.expiresAt.toISOString().slice(0, 10);
  say('Vera', `approved it: the verification is ${reviewed.status}, the identity ${reviewed.identityStatus} until ${until}`);

  const { identities } = await Parse.Cloud.run('getIdentityDashboard', {}, as(ada));
  assert.deepEqual(identities.map(({ status }) => status), ['VERIFIED']);
  say('Ada', `sees on her dashboard: ${identities[0].legalName}, ${identities[0].status}, ${identities[0].verificationLevel}`);

  const sten = await signUp('sten');
  const seen = await Promise.all(['Identity', 'IdentityVerification', 'VerificationDocument'].map((name) => new Parse.Query(name).find(as(sten))));
  const dashboard = await Parse.Cloud.run('getIdentityDashboard', {}, as(sten));
  assert.deepEqual([seen.flat(), dashboard.identities, dashboard.overview], [[], [], undefined]);
  const direct = await refusal(new Parse.Query('Identity').get(created.identityId, as(sten)), 101);
  say('Sten', `a stranger, finds nothing, and to Ada's identity by its id gets: ${direct}`);
}

main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
