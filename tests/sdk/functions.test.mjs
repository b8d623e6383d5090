// Does a person get their identity verified, by somebody else, without strangers seeing any of it, and is all of it on record.

import assert from 'node:assert/strict';
import { before, describe, test as nodeTest } from 'node:test';
import Parse from 'parse/node';
import { as, master, onEachStore, refused, signUp } from './lib/each-store.mjs';
import { target } from './lib/server.mjs';

// These are functions of ours; Parse Server has none of them.
const test = target === 'oracle' ? nodeTest.skip : nodeTest;

const DAY = 86_400_000;
const PERSON = {
  type: 'INDIVIDUAL',
  legalName: 'Ada King',
  dateOfBirth: '1990-12-31',
  nationality: 'GB',
  countryOfResidence: 'DE',
  documentType: 'PASSPORT',
  documentNumber: 'P-123 456',
};
const SECRETS = ['Ada King', '1990-12-31', 'P-123 456'];
const passport = () => ({ type: 'PASSPORT', number: 'P-123 456', issuingCountry: 'GB', expiresAt: new Date(Date.now() + 900 * DAY) });

const run = (user, name, params = {}) => Parse.Cloud.run(name, params, user ? as(user) : {});

async function give(role, user) {
  const found = await new Parse.Query(Parse.Role).equalTo('name', role).first(master);
  found.getUsers().add(user);
  await found.save(null, master);
}

const trail = (options, where = {}) =>
  Object.entries(where)
    .reduce((query, [key, value]) => query.equalTo(key, value), new Parse.Query('AuditLog'))
    .ascending('sequence')
    .limit(1000)
    .find(options);

onEachStore('identity management', (server) => {
  let owner, verifier, officer, auditor, stranger;

  before(async () => {
    if (target === 'oracle') return;
    [owner, verifier, officer, auditor, stranger] = await Promise.all(['owner', 'verifier', 'officer', 'auditor', 'stranger'].map((name) => signUp(name)));
    await give('verifier', verifier);
    await give('compliance-officer', officer);
    await give('auditor', auditor);
  });

  /// A user with an identity, and a verification of it that is open.
  async function submitted(name) {
    const user = await signUp(name);
    const { identityId } = await run(user, 'createIdentity', PERSON);
    const { verificationId } = await run(user, 'submitVerification', { identityId, level: 'BASIC', provider: 'MANUAL' });
    return { user, identityId, verificationId };
  }

  test('the whole story', async () => {
    const created = await run(owner, 'createIdentity', PERSON);
    const { identityId } = created;
    assert.deepEqual(created, { identityId, type: 'INDIVIDUAL', status: 'DRAFT' });
    const request = { identityId, level: 'STANDARD', provider: 'MANUAL', documents: [passport(), { type: 'SELFIE' }] };
    const handedIn = await run(owner, 'submitVerification', request);
    const { verificationId, documentIds } = handedIn;
    assert.deepEqual(handedIn, { verificationId, identityId, documentIds, status: 'PENDING', identityStatus: 'SUBMITTED' });
    assert.equal(new Set(documentIds).size, 2);

    const queue = (await run(verifier, 'getIdentityDashboard')).overview;
    assert.deepEqual([queue.queueLength, queue.queueAgeing.under1Day, queue.identitiesByStatus.SUBMITTED], [1, 1, 1]);

    const review = { verificationId, decision: 'APPROVE', riskRating: 'LOW', comment: 'for colleagues', checks: [{ name: 'DOCUMENT_AUTHENTIC', result: 'PASS' }] };
    const reviewed = await run(verifier, 'reviewVerification', review);
    const { expiresAt } = reviewed;
    assert.deepEqual(reviewed, { verificationId, identityId, status: 'APPROVED', identityStatus: 'VERIFIED', expiresAt });
    assert.ok(expiresAt instanceof Date && Math.abs(expiresAt - Date.now() - 365 * DAY) < DAY);

    const { identities, overview } = await run(owner, 'getIdentityDashboard');
    assert.equal(overview, undefined);
    assert.equal(identities.length, 1);
    const [mine] = identities;
    assert.deepEqual([mine.identityId, mine.status, mine.legalName, mine.verificationLevel], [identityId, 'VERIFIED', 'Ada King', 'STANDARD']);
    assert.deepEqual([mine.verification.verificationId, mine.verification.status, mine.verification.reasons], [verificationId, 'APPROVED', []]);

    // The owner reads the objects, but not what is for colleagues; nobody writes them but the functions.
    const identity = await new Parse.Query('Identity').get(identityId, as(owner));
    assert.deepEqual([identity.get('legalName'), identity.get('status'), identity.has('riskRating'), identity.has('digestSalt')], ['Ada King', 'VERIFIED', false, false]);
    assert.deepEqual(identity.get('statusHistory').map(({ to, status }) => to ?? status).at(-1), 'VERIFIED');
    const verification = await new Parse.Query('IdentityVerification').include('identity').get(verificationId, as(owner));
    assert.deepEqual([verification.has('comment'), verification.has('riskRating'), verification.get('identity').get('legalName')], [false, false, 'Ada King']);
    const documents = await new Parse.Query('VerificationDocument').equalTo('user', owner).find(as(owner));
    assert.deepEqual(documents.map((each) => each.get('status')), ['ACCEPTED', 'ACCEPTED']);
    for (const options of [as(owner), as(verifier)]) {
      const change = Parse.Object.fromJSON({ className: 'Identity', objectId: identityId }).save({ status: 'SUSPENDED' }, options);
      await refused(change, 119);
    }
    assert.equal((await new Parse.Query('Identity').get(identityId, as(verifier))).get('legalName'), 'Ada King');
    assert.ok(!(await new Parse.Query('Identity').get(identityId, as(auditor))).has('legalName'));
  });

  test('a stranger sees nothing', async () => {
    const { identityId, verificationId } = await submitted('seen');
    const classes = ['Identity', 'IdentityVerification', 'VerificationDocument', 'VerifiableCredential', 'AuditLog', 'RequestKey'];
    for (const className of classes) {
      const query = () => new Parse.Query(className);
      const found = await query().find(as(stranger)).catch((error) => error.code);
      assert.ok(found === 119 || found.length === 0, className);
      assert.notEqual(await query().find().catch((error) => error.code), [], className);
      await refused(query().find(), ['AuditLog', 'RequestKey'].includes(className) ? 119 : 101);
      await refused(query().count(as(stranger)), 119);
      await refused(new Parse.Object(className).save({ status: 'VERIFIED' }, as(stranger)), 119);
    }
    await refused(new Parse.Query('Identity').get(identityId, as(stranger)), 101);
    await refused(new Parse.Query('Identity').equalTo('legalName', 'Ada King').find(as(stranger)), 119);
    await refused(new Parse.Query('IdentityVerification').get(verificationId, as(stranger)), 101);
    const { identities, overview } = await run(stranger, 'getIdentityDashboard');
    assert.deepEqual([identities, overview], [[], undefined]);
    await refused(run(stranger, 'submitVerification', { identityId, level: 'BASIC', provider: 'MANUAL' }), 101, /^Object not found\.$/);
    await refused(run(stranger, 'reviewVerification', { verificationId, decision: 'APPROVE' }), 119);
    for (const name of ['createIdentity', 'submitVerification', 'reviewVerification', 'getIdentityDashboard', 'logAuditEvent']) {
      await refused(run(undefined, name, PERSON), 142, /login/);
    }
  });

  test('an identity stays as long as something refers to it: a script says so', async () => {
    const destroy = (id) => Parse.Object.fromJSON({ className: 'Identity', objectId: id }).destroy(master);
    const { identityId } = await submitted('referred');
    await refused(destroy(identityId), 119, /still has 1 object\(s\) of the class IdentityVerification/);
    const { identityId: alone } = await run(await signUp('unreferred'), 'createIdentity', PERSON);
    await destroy(alone);
  });

  test('a wrong parameter is named', async () => {
    const create = (change) => run(stranger, 'createIdentity', { ...PERSON, ...change });
    for (const [field, value] of [
      ['type', 'ROBOT'], ['legalName', ''], ['legalName', 7], ['legalName', ' x'], ['legalName', undefined], ['nationality', 'XX'], ['nationality', 'gb'],
      ['countryOfResidence', null], ['dateOfBirth', '1990-02-30'], ['dateOfBirth', '2999-01-01'], ['dateOfBirth', new Date(0)], ['documentNumber', '<script>'],
      ['documentType', 'LIBRARY_CARD'], ['registrationNumber', 'HRB 1'], ['metadata', 'text'], ['requestKey', 'a b'], ['unheardOf', 1], ['$where', 1],
    ]) {
      await refused(create({ [field]: value }), 142, new RegExp(field.replace('$', '\\$')));
    }
    const submit = (change) => run(owner, 'submitVerification', { identityId: 'x', level: 'BASIC', provider: 'MANUAL', ...change });
    for (const [field, change] of [
      ['level', { level: 'BEST' }], ['provider', { provider: 'NOBODY' }], ['identityId', { identityId: { $ne: '' } }], ['documents', { documents: {} }],
      ['documents', { documents: Array(11).fill({ type: 'SELFIE' }) }], [/documents\[1\]\.expiresAt/, { documents: [{ type: 'SELFIE' }, { type: 'PASSPORT' }] }],
      [/documents\[0\]\.issuingCountry/, { documents: [{ type: 'SELFIE', issuingCountry: 'Atlantis' }] }], [/documents\[0\]\.expiresAt/, { documents: [{ ...passport(), expiresAt: new Date(0) }] }],
    ]) {
      await refused(submit(change), 142, new RegExp(field));
    }
    await refused(submit({}), 101);
    await refused(run(verifier, 'reviewVerification', { verificationId: 'x', decision: 'REJECT' }), 142, /reasons/);
    await refused(run(verifier, 'reviewVerification', { verificationId: 'x', decision: 'MAYBE' }), 142, /decision/);
    await refused(run(verifier, 'reviewVerification', { verificationId: 'x', decision: 'APPROVE' }), 101);
    await refused(run(stranger, 'getIdentityDashboard', { user: 'x' }), 142, /user/);
    assert.deepEqual((await run(stranger, 'getIdentityDashboard')).identities, []);
  });

  test('four eyes', async () => {
    const { identityId } = await run(verifier, 'createIdentity', PERSON);
    const { verificationId } = await run(verifier, 'submitVerification', { identityId, level: 'BASIC', provider: 'MANUAL' });
    await refused(run(verifier, 'reviewVerification', { verificationId, decision: 'APPROVE' }), 119, /own/);
    // Nor may who handed it in for somebody else.
    const other = await signUp('helped');
    const { identityId: theirs } = await run(other, 'createIdentity', PERSON);
    const { verificationId: second } = await run(officer, 'submitVerification', { identityId: theirs, level: 'BASIC', provider: 'MANUAL' });
    await refused(run(officer, 'reviewVerification', { verificationId: second, decision: 'APPROVE' }), 119);
    assert.equal((await run(officer, 'reviewVerification', { verificationId, decision: 'APPROVE' })).identityStatus, 'VERIFIED');
    assert.equal((await run(verifier, 'reviewVerification', { verificationId: second, decision: 'APPROVE' })).identityStatus, 'VERIFIED');
    // The master key is nobody, so it is no second person.
    const third = await submitted('masters');
    await refused(Parse.Cloud.run('reviewVerification', { verificationId: third.verificationId, decision: 'APPROVE' }, master), 142);
  });

  test('what happens once happens once', async () => {
    const { user, identityId, verificationId } = await submitted('once');
    await refused(run(user, 'createIdentity', PERSON), 137, /INDIVIDUAL/);
    await refused(run(user, 'submitVerification', { identityId, level: 'BASIC', provider: 'MANUAL' }), 142, /PENDING/);
    const decide = (decision) => run(verifier, 'reviewVerification', { verificationId, decision, reasons: ['DOCUMENT_UNREADABLE'] });
    const both = await Promise.allSettled([decide('APPROVE'), decide('REJECT'), decide('APPROVE'), decide('REJECT')]);
    assert.equal(both.filter(({ status }) => status === 'fulfilled').length, 1);
    both.filter(({ reason }) => reason).forEach(({ reason }) => assert.equal(reason.code, 142, reason.message));
    await refused(decide('REJECT'), 142, /cannot go from (APPROVED|REJECTED) to REJECTED/);
    await new Parse.Query('IdentityVerification').get(verificationId, as(user)).then((verification) => {
      assert.equal(verification.get('status'), both.find(({ status }) => status === 'fulfilled').value.status);
    });
  });

  test('a rejected identity may try again', async () => {
    const { user, identityId, verificationId } = await submitted('again');
    const review = (id, decision) => run(verifier, 'reviewVerification', { verificationId: id, decision, reasons: ['DOCUMENT_UNREADABLE'] });
    assert.equal((await review(verificationId, 'REJECT')).identityStatus, 'REJECTED');
    const [mine] = (await run(user, 'getIdentityDashboard')).identities;
    assert.deepEqual([mine.status, mine.verification.reasons], ['REJECTED', ['DOCUMENT_UNREADABLE']]);
    const second = await run(user, 'submitVerification', { identityId, level: 'BASIC', provider: 'MANUAL' });
    assert.equal((await review(second.verificationId, 'REQUEST_RESUBMISSION')).identityStatus, 'IN_REVIEW');
    const third = await run(user, 'submitVerification', { identityId, level: 'BASIC', provider: 'MANUAL' });
    assert.equal((await review(third.verificationId, 'APPROVE')).identityStatus, 'VERIFIED');
  });

  test('a request with a key is done once', async () => {
    const user = await signUp('keyed');
    const request = { ...PERSON, requestKey: 'key-1' };
    const answers = await Promise.all(Array.from({ length: 8 }, () => run(user, 'createIdentity', request)));
    assert.equal(new Set(answers.map(({ identityId }) => identityId)).size, 1);
    await refused(run(user, 'createIdentity', { ...request, legalName: 'Somebody Else' }), 142, /requestKey/);
    assert.equal(await new Parse.Query('Identity').equalTo('user', user).count(master), 1);
    const other = await signUp('keyed2');
    const theirs = await run(other, 'createIdentity', request);
    assert.notEqual(theirs.identityId, answers[0].identityId);
    const { identityId } = theirs;
    const submit = () => run(other, 'submitVerification', { identityId, level: 'BASIC', provider: 'MANUAL', requestKey: 'key-1' });
    const first = await submit();
    await server.restart();
    assert.deepEqual(await submit(), first);
  });

  describe('the audit trail', () => {
    test('has an entry of everything, without anything personal', async () => {
      const { user, identityId, verificationId } = await submitted('traced');
      await refused(run(stranger, 'reviewVerification', { verificationId, decision: 'APPROVE' }), 119);
      await run(verifier, 'reviewVerification', { verificationId, decision: 'APPROVE', comment: 'Ada King is fine' });
      // What follows from the approval is the job's, and may come meanwhile.
      const about = (await trail(as(auditor), { entityId: identityId })).filter((entry) => !entry.get('actor').startsWith('job:'));
      assert.deepEqual(about.map((entry) => entry.get('action')), ['createIdentity', 'submitVerification', 'reviewVerification']);
      assert.deepEqual(about.map((entry) => entry.get('outcome')), ['SUCCESS', 'SUCCESS', 'SUCCESS']);
      assert.ok(about[0].get('actor').includes(user.id) && about[2].get('actor').includes(verifier.id));
      assert.ok(about[0].has('afterDigest') && !about[0].has('beforeDigest') && about[2].has('beforeDigest'));
      const denied = await trail(as(auditor), { entityId: verificationId, outcome: 'DENIED' });
      assert.deepEqual(denied.map((entry) => [entry.get('action'), entry.get('actor').includes(stranger.id)]), [['reviewVerification', true]]);
      const everything = JSON.stringify(await trail(master));
      for (const secret of SECRETS) assert.ok(!everything.includes(secret), secret);
    });

    test('takes what staff report, and marks it', async () => {
      const { identityId } = await submitted('reported');
      const event = { action: 'phone.call', entityType: 'Identity', entityId: identityId, details: { minutes: 3 } };
      const logged = await run(verifier, 'logAuditEvent', event);
      const [entry] = await trail(as(auditor), { sequence: logged.sequence });
      assert.deepEqual([entry.id, entry.get('hash'), entry.get('origin'), entry.get('action')], [logged.auditLogId, logged.hash, 'REPORTED', 'phone.call']);
      for (const user of [stranger, auditor]) await refused(run(user, 'logAuditEvent', event), 119);
      await refused(run(verifier, 'logAuditEvent', { ...event, entityId: 'none' }), 101);
      await refused(run(verifier, 'logAuditEvent', { ...event, entityType: '$cmd' }), 142, /entityType/);
      await refused(run(verifier, 'logAuditEvent', { ...event, details: { legalName: 'Ada King' } }), 142, /details/);
    });

    test('cannot be changed, not by the master key either', async () => {
      await submitted('kept');
      const before = (await trail(master)).map((entry) => entry.toJSON());
      const { objectId } = before.at(-1);
      const tries = [
        ['PUT', `/classes/AuditLog/${objectId}`, { outcome: 'FAILED' }],
        ['PUT', `/classes/AuditLog/${objectId}`, { ACL: {} }],
        ['DELETE', `/classes/AuditLog/${objectId}`],
        ['DELETE', '/schemas/AuditLog'],
        ['PUT', '/schemas/AuditLog', { fields: { hash: { __op: 'Delete' } } }],
      ];
      for (const [method, path, body] of tries) {
        const { status, text } = await server.rest(method, path, { body, master: true });
        assert.ok(status >= 400 && status < 500, `${method} ${path}: ${status} ${text}`);
      }
      const parts = tries.slice(0, 3).map(([method, path, body]) => ({ method, path: `/parse${path}`, body }));
      const batch = await server.rest('POST', '/batch', { body: { requests: parts }, master: true });
      assert.ok(batch.body.every((part) => part.error), batch.text);
      // Jobs may have added to it meanwhile.
      assert.deepEqual((await trail(master)).map((entry) => entry.toJSON()).slice(0, before.length), before);
    });

    test('holds together from the first entry to the last', async () => {
      const [entries] = await Promise.all([trail(master), run(stranger, 'getIdentityDashboard')]);
      assert.deepEqual(entries.map((entry) => entry.get('sequence')), Array.from(entries, (_, n) => n + 1));
      entries.slice(1).forEach((entry, n) => assert.equal(entry.get('previousHash'), entries[n].get('hash')));
      const verdict = await run(auditor, 'verifyAuditTrail', { application: 'identity-management' });
      assert.deepEqual([verdict.intact, verdict.complete, verdict.from], [true, true, 1]);
      assert.ok(verdict.entries >= entries.length);
      await refused(run(stranger, 'verifyAuditTrail', { application: 'identity-management' }), 119);
      // An entry that the master key makes up gets its true place in the chain.
      const body = { application: 'identity-management', actor: 'x', action: 'x', origin: 'SERVER', entityType: 'X', outcome: 'SUCCESS', sequence: 1, hash: 'x', previousHash: 'x', occurredAt: { __type: 'Date', iso: '2001-01-01T00:00:00.000Z' } };
      await server.rest('POST', '/classes/AuditLog', { body, master: true });
      assert.equal((await run(auditor, 'verifyAuditTrail', { application: 'identity-management' })).intact, true);
    });
  });
});
