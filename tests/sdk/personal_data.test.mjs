// Does anything of a person stand anywhere in clear? A whole story is told, then the files of the database, every collection, and all
// that was logged are searched for what only the person should be able to read.

import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { before, test } from 'node:test';
import Parse from 'parse/node';
import { as, master, onEachStore, refused, signUp } from './lib/each-store.mjs';
import { assertHidden, left } from './lib/places.mjs';
import { standardWebhooks } from './lib/signatures.mjs';

const SECRETS = ['Zwischenfall', 'Adaobi', '1987-03-14', 'QX99ZZ771', 'BILL-4711', 'adaobi@personal.example', 'a very private note'];

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const key = privateKey.export({ type: 'pkcs8', format: 'pem' });
const webhookSecret = Buffer.from('documents are read here').toString('base64');

const options = ({ url }) => ({
  parsimony: {
    settings: { 'identity-management': { publicUrl: url, credentials: { key }, documents: { webhookSecret: `whsec_${webhookSecret}` } } },
  },
});

onEachStore('Personal data', (server) => {
  let logged = '';

  before(() => {
    server.hear = (text) => (logged += text);
  });

  async function member(name, role) {
    const user = await signUp(name);
    const found = await new Parse.Query(Parse.Role).equalTo('name', role).first(master);
    found.getUsers().add(user);
    await found.save(null, master);
    return user;
  }

  /// What a reader of documents sends.
  async function read(data) {
    const body = JSON.stringify({ type: 'document.processed', data });
    const headers = { 'content-type': 'application/json', ...standardWebhooks(webhookSecret, body) };
    return (await fetch(`${server.url}/webhooks/identity-management/documents`, { method: 'POST', headers, body })).status;
  }

  test('is in no file, in no collection and in no line of the log', async () => {
    const [owner, officer, issuer] = [await signUp('person'), await member('officer', 'compliance-officer'), await member('clerk', 'issuer')];
    const run = (user, name, params) => Parse.Cloud.run(name, params, as(user));
    const person = {
      type: 'INDIVIDUAL', legalName: 'Adaobi Zwischenfall', dateOfBirth: '1987-03-14', nationality: 'GB', countryOfResidence: 'DE',
      documentType: 'PASSPORT', documentNumber: 'QX99ZZ771', metadata: { mail: 'adaobi@personal.example', note: 'a very private note' },
      requestKey: 'once',
    };
    const { identityId } = await run(owner, 'createIdentity', person);
    await run(owner, 'createIdentity', person);
    await refused(run(owner, 'createIdentity', { ...person, requestKey: 'again' }), 137);
    await refused(run(owner, 'createIdentity', { ...person, legalName: 7 }), 142);
    const documents = [{ type: 'PROOF_OF_ADDRESS', number: 'BILL-4711' }];
    const { verificationId, documentIds: [documentId] } = await run(owner, 'submitVerification', { identityId, level: 'STANDARD', provider: 'MANUAL', documents });
    const picture = Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), Buffer.alloc(500, 7)]);
    const file = await new Parse.File('bill.png', [...picture], 'image/png').save(as(owner));
    const { sha256 } = await run(owner, 'uploadDocument', { documentId, file });
    assert.equal(await read({
      documentId, sha256, result: 'READABLE', processedAt: new Date().toISOString(), fields: { number: 'BILL-4711', name: 'Adaobi Zwischenfall' },
    }), 200);
    await run(officer, 'reviewVerification', { verificationId, decision: 'APPROVE', riskRating: 'LOW' });
    const { credential, credentialId } = await run(issuer, 'issueCredential', { identityId, claims: ['legalName', 'dateOfBirth'], requestKey: 'once' });
    await run(officer, 'revokeCredential', { credentialId, reason: 'TEST' });
    await run(officer, 'triggerPostVerificationActions', { identityId });
    await run(officer, 'getIdentityDashboard');
    for (const job of ['complianceRiskAssessment', 'generateComplianceReports', 'cleanupExpiredCredentials']) {
      await Parse.Cloud.startJob(job, {});
    }
    const ended = async () => (await new Parse.Query('_JobStatus').equalTo('status', 'running').count(master)) === 0;
    for (let tries = 0; tries < 200 && !(await ended()); tries += 1) await new Promise((wake) => setTimeout(wake, 50));
    await refused(new Parse.Query('Identity').equalTo('legalName', 'Adaobi Zwischenfall').find(as(owner)), 119);

    // Who may read it does.
    const own = await new Parse.Query('Identity').get(identityId, as(owner));
    assert.deepEqual([own.get('legalName'), own.get('documentNumber')], ['Adaobi Zwischenfall', 'QX99ZZ771']);
    const read1 = await new Parse.Query('VerificationDocument').get(documentId, as(owner));
    assert.equal(read1.get('ocrResult').fields.name, 'Adaobi Zwischenfall');

    // The token of the credential has the name in it, in base64.
    const secrets = [...SECRETS, credential.split('.')[1], credential.split('.')[1].slice(200, 260)];
    assertHidden(await left(server, logged), secrets, ['pii1.', identityId]);
  });
}, options);
