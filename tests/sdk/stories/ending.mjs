// What is taken back, who is forgotten, and what nobody can alter: credentials, a suspension, an erasure, the audit trail.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { MongoClient } from 'mongodb';
import Parse from 'parse/node';
import { as, master, stopListening } from '../lib/each-store.mjs';
import { isRevoked, verified } from '../lib/holder.mjs';
import { assertHidden, left } from '../lib/places.mjs';
import { addsUp } from './assets.mjs';
import { PERSONAL, RED, registered, sumsubTells } from './identity.mjs';

export function endingStory(world) {
  const { told } = world;

  /// Nothing of anybody, nor any of these texts, is in a file, in a collection or in a line of the log.
  async function assertNothingOfAnybody(...gone) {
    // The token of a credential has the name in it, in base64.
    const token = told.issued.credential.split('.')[1];
    const { identityId } = told.ada;
    assertHidden(await left(world.server, world.logged), [...PERSONAL, ...gone, token, token.slice(200, 260)], ['pii1.', identityId, told.bob.identityId]);
  }

  test('while all of them are there, nobody who has the files or the log reads anything of them', () => assertNothingOfAnybody());

  test('a credential that is revoked is so for everybody who looks', async () => {
    const { ada, olga, nia } = world.people;
    const { credentialId, credential, said } = told.issued;
    const revoke = { credentialId, reason: 'HOLDER_LOST_IT' };
    await world.refused(nia, 'revokeCredential', revoke, 119);
    await world.run(olga, 'revokeCredential', revoke);
    assert.deepEqual([await isRevoked(said), await isRevoked(told.credential)], [true, false]);
    assert.equal((await verified(credential)).jti, said.id, 'what was signed stays signed');
    const own = await world.get('VerifiableCredential', credentialId, ada);
    assert.deepEqual([own.get('status'), own.get('revocationReason')], ['REVOKED', 'HOLDER_LOST_IT']);
  });

  test('the provider takes its approval back: suspended here and on the chain, and nothing comes to her any more', async () => {
    const { ada, bob, olga } = world.people;
    const { identityId, verificationId } = told.ada;
    assert.equal(await sumsubTells(world, told.applicant, RED), 200);
    await world.becomes('IdentityVerification', verificationId, 'REJECTED');
    await world.becomes('Identity', identityId, 'SUSPENDED');
    await registered(world, identityId, 'SUSPENDED');
    const { identityRegistry } = told.contracts;
    assert.deepEqual(await world.chain.call(identityRegistry, 'isVerified(address)', ada.wallet), [0n]);
    assert.equal(await isRevoked(told.credential), true, 'and what rested on it');
    const [assetId, amount] = [told.gold, '1'];
    await world.refused(bob, 'transferTokens', { assetId, to: ada.id, amount }, 119, /RECEIVER_NOT_VERIFIED/);
    const address = (await world.get('DigitalAsset', assetId)).get('address');
    const may = (from, to) => world.chain.call(address, 'canTransfer(address,address,uint256,uint256)', from.wallet, to.wallet, 0, 1);
    await assert.rejects(may(bob, ada), await world.chain.refusal('NotVerified(address)', ada.wallet));
    assert.deepEqual(await may(ada, bob), [1n]);
    // ERC-3643 asks who receives. That nothing leaves either is for an officer to say.
    await world.decided(olga, 'freezeHolding', { assetId, holder: ada.id });
    await world.refused(ada, 'transferTokens', { assetId, to: bob.id, amount }, 119, /SENDER_FROZEN/);
    await assert.rejects(may(ada, bob), await world.chain.refusal('Frozen(address)', ada.wallet));
    await addsUp(world, assetId);
  });

  test('a person is erased: what remains is told, and why', async () => {
    const { ada, olga, aud } = world.people;
    const { identityId } = told.ada;
    const erase = { identityId, reason: 'ORDER_OF_A_COURT' };
    await world.refused(ada, 'erasePerson', erase, 119);
    await world.refused(olga, 'erasePerson', erase, 119, /have to be kept until/);
    const [mine, others] = await Promise.all([identityId, told.bob.identityId].map((id) => world.get('PersonKey', id)));
    Object.assign(told, { destroyed: mine.get('secret'), kept: others.get('secret') });
    const file = (await world.get('VerificationDocument', told.ada.documentIds[0])).get('file').url();
    const erased = await world.run(olga, 'erasePerson', { ...erase, despiteRetention: true });
    assert.deepEqual([erased.secretDestroyed, erased.filesDeleted], [true, 2]);
    const remains = Object.fromEntries(erased.remains.map(({ class: name, objects }) => [name, objects]));
    assert.ok(remains.AuditLog > 0 && erased.remains.every(({ why }) => why.length > 20));
    delete remains.AuditLog;
    assert.deepEqual(remains, { Identity: 1, IdentityVerification: 1, VerificationDocument: 2, VerifiableCredential: 2, 'the chain': 1 });
    for (const eyes of [as(ada), as(aud), master]) {
      const identity = await new Parse.Query('Identity').get(identityId, eyes);
      for (const field of ['legalName', 'dateOfBirth', 'documentNumber', 'metadata']) assert.equal(identity.get(field), undefined, field);
      assert.equal(identity.get('status'), 'SUSPENDED');
    }
    assert.equal((await fetch(file)).status, 404);
    assert.equal(await new Parse.Query('Notification').equalTo('user', ada).count(master), 0);
    assert.deepEqual((await world.run(ada, 'getIdentityDashboard')).identities[0].legalName, null);
    await addsUp(world, told.gold);
  });

  test('who subscribed was told of all that happened, once, and nothing of anybody', async () => {
    const { delivered, faults } = world.vendors;
    for (const application of ['identity-management', 'digital-assets']) {
      // The job runs by itself: by hand beside it, it would tell some twice.
      await world.until(`${application} has told everything`, async () => {
        const entries = new Parse.Query('AuditLog').equalTo('application', application).equalTo('outcome', 'SUCCESS');
        const happened = await entries.greaterThan('createdAt', told.subscribedAt).count(master);
        return delivered.filter((event) => event.application === application).length === happened;
      });
    }
    assert.ok(delivered.length > 100, `only ${delivered.length}`);
    assert.deepEqual(faults, []);
    assert.equal(new Set(delivered.map(({ id }) => id)).size, delivered.length, 'each has an id of its own');
    const types = new Set(delivered.map(({ type }) => type));
    for (const type of ['Identity.createIdentity', 'IdentityVerification.reviewVerification', 'DigitalAsset.createDigitalAsset', 'Identity.erasePerson']) {
      assert.ok(types.has(type), `${type} is not among ${[...types]}`);
    }
    for (const text of PERSONAL) assert.ok(!JSON.stringify(delivered).includes(text), text);
  });

  test('an administrator has an event handled again, which moves nothing, and gives a subscriber another secret', async () => {
    const { root, vera, nia } = world.people;
    const ask = { application: 'identity-management', source: 'onfido' };
    await world.refused(nia, 'listWebhookEvents', ask, 142, /required roles/);
    const { events: [event] } = await world.run(root, 'listWebhookEvents', ask);
    assert.deepEqual([event.status, event.body, event.headers], ['PROCESSED', undefined, undefined]);
    await world.run(root, 'replayWebhookEvent', { objectId: event.objectId });
    await world.handled();
    assert.equal((await world.get('IdentityVerification', told.carol.verificationId)).get('status'), 'APPROVED');

    const { delivered, secrets } = world.vendors;
    const subscriptionId = told.subscriptions['identity-management'];
    const { secret } = await world.run(root, 'rotateWebhookSecret', { subscriptionId, overlapHours: 1 });
    const called = (number) => world.run(vera, 'logAuditEvent', { action: `call${number}`, entityType: 'Identity', entityId: told.bob.identityId });
    await called(1);
    const heard = await world.until('it is told', () => delivered.find(({ type }) => type === 'Identity.call1'));
    assert.ok(heard.signedWith(secrets['identity-management']) && heard.signedWith(secret), 'both sign');
    await world.run(root, 'endWebhookSubscription', { subscriptionId });
    await called(2);
    const events = new Parse.Query('OutboundEvent').equalTo('type', 'Identity.call2');
    assert.equal(await events.count(master), 0, 'nobody is told any more');
  });

  test('the audit trail of every application holds, and one byte that is altered is found', async () => {
    const { aud, olga } = world.people;
    const applications = await new Parse.Query('AuditLog').distinct('application');
    assert.deepEqual(applications.sort(), ['digital-assets', 'identity-management', 'kit']);
    const verify = (application) => world.run(aud, 'verifyAuditTrail', { application });
    await world.refused(olga, 'verifyAuditTrail', { application: 'kit' }, 119);
    for (const application of applications) {
      const { intact, complete, brokenAt, entries } = await verify(application);
      assert.deepEqual([intact, complete, brokenAt ?? null], [true, true, null], application);
      const query = new Parse.Query('AuditLog').equalTo('application', application);
      const entry = await query.equalTo('sequence', Math.ceil(entries / 2)).first(master);
      const action = entry.get('action');
      // Not even with the master key through the server.
      await assert.rejects(entry.save({ action: 'nothing' }, master), { code: 119 });
      await assert.rejects(entry.destroy(master), { code: 119 });

      const altered = (action[0] === 'a' ? 'b' : 'a') + action.slice(1);
      await alter(world.server, entry.id, altered);
      const verdict = await verify(application);
      assert.deepEqual([verdict.intact, verdict.brokenAt, verdict.fault], [false, entry.get('sequence'), 'ALTERED'], application);
      await alter(world.server, entry.id, action);
      const again = await verify(application);
      assert.deepEqual([again.intact, again.entries >= entries], [true, true], application);
    }
  });

  test('nor does anybody in the end, when the secret of who was erased is nowhere either', async () => {
    const { destroyed, kept } = told;
    assert.ok(destroyed.length > 30 && destroyed !== kept);
    await assert.rejects(world.get('PersonKey', told.ada.identityId), { code: 101 });
    // The file beside the one of SQLite is written anew at the latest when the server ends.
    await stopListening();
    await world.server.kill('SIGTERM');
    await assertNothingOfAnybody(destroyed);
    assert.ok((await left(world.server, world.logged)).some(([, content]) => content.includes(kept)), 'the secret of somebody else is found');
  });
}

/// Writes an action into an entry of the audit trail past the server, as somebody would who has the database.
async function alter(server, id, action) {
  if (server.store === 'mongodb') {
    const client = await new MongoClient(server.databaseURI).connect();
    const { modifiedCount } = await client.db().collection('AuditLog').updateOne({ _id: id }, { $set: { action } });
    await client.close();
    assert.equal(modifiedCount, 1);
    return;
  }
  const script = `
import sqlite3, sys
file, id, action = sys.argv[1:]
with sqlite3.connect(file, timeout=30) as database:
    print(database.execute('UPDATE "AuditLog" SET "action" = ? WHERE "objectId" = ?', (action, id)).rowcount)
`;
  const { stdout } = await promisify(execFile)('python3', ['-c', script, join(server.folder, 'parse.db'), id, action]);
  assert.equal(stdout.trim(), '1');
}
