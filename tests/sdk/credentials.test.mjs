// Can others check what this server vouches for? Two libraries that know nothing of it do: one for signatures, one for status lists.

import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { before, test } from 'node:test';
import { createRemoteJWKSet, errors, jwtVerify } from 'jose';
import Parse from 'parse/node';
import { as, master, onEachStore, refused, signUp } from './lib/each-store.mjs';
import { isRevoked, resolved, verified } from './lib/holder.mjs';

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const key = privateKey.export({ type: 'pkcs8', format: 'pem' });

const options = ({ url }) => ({
  parsimony: { settings: { 'identity-management': { publicUrl: url, credentials: { key } } } },
});

onEachStore('Credentials', (server) => {
  let ada, issuer, officer, identityId;

  async function staff(role) {
    const user = await signUp(role);
    const found = await new Parse.Query(Parse.Role).equalTo('name', role).first(master);
    found.getUsers().add(user);
    await found.save(null, master);
    return user;
  }

  before(async () => {
    [ada, issuer, officer] = [await signUp('ada'), await staff('issuer'), await staff('compliance-officer')];
    ({ identityId } = await Parse.Cloud.run('createIdentity', {
      type: 'INDIVIDUAL', legalName: 'Ada Lovelace', dateOfBirth: '1990-12-10', nationality: 'GB', countryOfResidence: 'DE',
    }, as(ada)));
    const { verificationId } = await Parse.Cloud.run('submitVerification', { identityId, level: 'STANDARD', provider: 'MANUAL' }, as(ada));
    await Parse.Cloud.run('reviewVerification', { verificationId, decision: 'APPROVE' }, as(officer));
  });

  const issue = (params = {}) => Parse.Cloud.run('issueCredential', { identityId, ...params }, as(issuer));

  test('a credential is verified by the keys of the issuer, who is found by the DID', async () => {
    const { credential, credentialId, validUntil } = await issue({ claims: ['legalName', 'ageOver18'], subject: 'did:key:z6MkAda' });
    const said = await verified(credential);
    assert.deepEqual(said.credentialSubject, { legalName: 'Ada Lovelace', ageOver18: true, id: 'did:key:z6MkAda' });
    assert.equal(said['@context'][0], 'https://www.w3.org/ns/credentials/v2');
    assert.deepEqual(said.type, ['VerifiableCredential', 'VerifiedIdentityCredential']);
    assert.equal(new Date(said.validUntil).getTime(), new Date(validUntil.iso ?? validUntil).getTime());
    const keys = createRemoteJWKSet(new URL(resolved(said.iss).replace('did.json', 'jwks.json')));
    assert.equal((await jwtVerify(credential, keys)).payload.jti, said.id);
    const own = await new Parse.Query('VerifiableCredential').get(credentialId, as(ada));
    assert.equal(own.get('jwt'), credential);
  });

  test('one letter of it that is altered is found', async () => {
    const { credential } = await issue();
    const [head, body, signature] = credential.split('.');
    const raised = JSON.parse(Buffer.from(body, 'base64url'));
    raised.credentialSubject.verificationLevel = 'ENHANCED';
    const altered = Buffer.from(JSON.stringify(raised)).toString('base64url');
    await assert.rejects(verified([head, altered, signature].join('.')), errors.JWSSignatureVerificationFailed);
  });

  test('the status list says at once what is revoked, and of nothing else', async () => {
    const [one, other] = [await issue(), await issue()];
    const credentials = await Promise.all([one, other].map(({ credential }) => verified(credential)));
    for (const credential of credentials) assert.equal(await isRevoked(credential), false);
    const { statusListCredential } = credentials[0].credentialStatus;
    const tag = (await fetch(statusListCredential)).headers.get('etag');
    assert.equal((await fetch(statusListCredential, { headers: { 'If-None-Match': tag } })).status, 304);

    await Parse.Cloud.run('revokeCredential', { credentialId: one.credentialId, reason: 'HOLDER_LOST_IT' }, as(officer));
    assert.equal((await fetch(statusListCredential, { headers: { 'If-None-Match': tag } })).status, 200);
    assert.equal(await isRevoked(credentials[0]), true);
    assert.equal(await isRevoked(credentials[1]), false);
    assert.ok((await verified(one.credential)).jti, 'what was signed stays signed');
    await refused(Parse.Cloud.run('revokeCredential', { credentialId: one.credentialId, reason: 'AGAIN' }, as(officer)), 142);
  });

  test('nobody but an issuer issues', async () => {
    for (const user of [ada, officer]) {
      await refused(Parse.Cloud.run('issueCredential', { identityId }, as(user)), 119, /Only issuer may/);
    }
  });

  test('after a new start the same keys speak for the same issuer', async () => {
    const { credential } = await issue();
    await server.restart('SIGKILL');
    assert.equal(await isRevoked(await verified(credential)), false);
  });
}, options);
