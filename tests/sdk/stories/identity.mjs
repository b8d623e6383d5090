// A person signs up, is verified by a provider and by two pairs of eyes, and gets what follows from that.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import Parse from 'parse/node';
import { as, master } from '../lib/each-store.mjs';
import { isRevoked, verified } from '../lib/holder.mjs';
import * as sign from '../lib/signatures.mjs';
import { pdf, png } from './documents.mjs';
import { SECRETS } from './world.mjs';

const IDENTITY = 'identity-management';
const STEPS = ['ACTIVATE_IDENTITY', 'ISSUE_CREDENTIAL', 'NOTIFY', 'REGISTER_ON_CHAIN'];

export const ADA = {
  type: 'INDIVIDUAL', legalName: 'Adaobi Zwischenfall', dateOfBirth: '1987-03-14', nationality: 'GB', countryOfResidence: 'DE',
  documentType: 'PASSPORT', documentNumber: 'QX99ZZ771', metadata: { note: 'a very private note' },
};

/// What nobody should find anywhere.
export const PERSONAL = [
  'Adaobi', 'Zwischenfall', '1987-03-14', 'QX99ZZ771', 'BILL-4711', 'a very private note', 'Quellwasser', 'Nebelhorn', 'Verwandlung',
  'HRB99881X', 'Dear reader, this is between us',
];

const person = (legalName, countryOfResidence) => ({
  type: 'INDIVIDUAL', legalName, dateOfBirth: '1990-12-10', nationality: 'GB', countryOfResidence,
});

const inDays = (days) => ({ __type: 'Date', iso: new Date(Date.now() + days * 86_400_000).toISOString() });

/// A moment as Sumsub writes it, so many seconds from now.
const moment = (seconds = 0) => new Date(Date.now() + seconds * 1_000).toISOString().replace('T', ' ').replace('Z', '');

/// What Sumsub tells of an applicant.
export function sumsubTells(world, applicantId, said) {
  const body = JSON.stringify({ applicantId, correlationId: 'story', externalUserId: 'ours', createdAtMs: moment(), ...said });
  return world.deliver(IDENTITY, 'sumsub', body, sign.sumsub('sumsub secret', body));
}

const reviewed = (answer, labels) => ({
  type: 'applicantReviewed', reviewStatus: 'completed',
  reviewResult: { reviewAnswer: answer, ...(labels && { rejectLabels: labels, reviewRejectType: 'FINAL' }) },
});
export const GREEN = reviewed('GREEN');
export const RED = reviewed('RED', ['FORGERY']);

/// Gives somebody's identity the address on the chain, as an administrator does.
const setWallet = (identityId, wallet) => Parse.Object.extend('Identity').createWithoutData(identityId).save({ onChainAddress: wallet }, master);

/// Somebody describes themselves and is handed in, by themselves or by staff; gives the ids.
async function submit(world, name, described, provider, by) {
  const user = world.people[name];
  const { identityId, status } = await world.run(user, 'createIdentity', described);
  assert.equal(status, 'DRAFT');
  await setWallet(identityId, user.wallet);
  const told = await world.run(by ?? user, 'submitVerification', { identityId, level: 'STANDARD', provider });
  assert.deepEqual([told.status, told.identityStatus], ['PENDING', 'SUBMITTED']);
  return { ...told, identityId };
}

/// The service that watches the chain tells of a transaction of an identity; gives the status of the answer.
export function chainTells(world, hash, secret = SECRETS.alchemy) {
  const event = { activity: [{ hash, log: { removed: false } }] };
  const body = JSON.stringify({ webhookId: 'wh', id: hash, type: 'ADDRESS_ACTIVITY', event });
  return world.deliver(IDENTITY, 'chain', body, sign.alchemy(secret, body));
}

/// What is sent to the chain of an identity is told by the service that watches it once it is final, until the chain says `status`.
export async function registered(world, identityId, status) {
  const told = new Set();
  const identity = Parse.Object.extend('Identity').createWithoutData(identityId);
  await world.until(`the chain says ${status}`, async () => {
    await world.job('runPostVerificationActions');
    const sent = new Parse.Query('PostVerificationAction').equalTo('identity', identity).equalTo('status', 'SUBMITTED');
    const hash = (await sent.first(master))?.get('transactionHash');
    if (hash && !told.has(hash) && (await world.chain.ask('eth_getTransactionReceipt', hash))) {
      await world.chain.mine(2);
      assert.equal(await chainTells(world, hash, 'another secret'), 401);
      assert.equal(await chainTells(world, hash), 200);
      told.add(hash);
    }
    return (await world.get('Identity', identityId)).get('onChainStatus') === status;
  });
}

/// Everything that follows from an approval is done, and the chain says so to whoever asks it.
export async function followed(world, name, identityId) {
  await registered(world, identityId, 'VERIFIED');
  await world.until(`what follows for ${name}`, async () => {
    await world.job('runPostVerificationActions');
    const pointer = Parse.Object.extend('Identity').createWithoutData(identityId);
    const steps = await new Parse.Query('PostVerificationAction').equalTo('identity', pointer).ascending('action').find(as(world.people[name]));
    assert.deepEqual(steps.map((step) => step.get('action')), STEPS);
    return steps.every((step) => step.get('status') === 'DONE');
  });
  const identity = await world.get('Identity', identityId);
  const until = BigInt(Math.floor(identity.get('expiresAt').getTime() / 1_000));
  const { identityRegistry } = world.told.contracts;
  assert.deepEqual(await world.chain.call(identityRegistry, 'statusOf(address)', world.people[name].wallet), [1n, until]);
  assert.deepEqual(await world.chain.call(identityRegistry, 'isVerified(address)', world.people[name].wallet), [1n]);
  assert.deepEqual([identity.get('status'), identity.get('onChainStatus')], ['VERIFIED', 'VERIFIED']);
}

export function identityStory(world) {
  const { told } = world;
  const upload = async (who, documentId, [name, content, type]) => {
    const file = await new Parse.File(name, [...content], type).save(as(who));
    const sha256 = createHash('sha256').update(content).digest('hex');
    return world.run(who, 'uploadDocument', { documentId, file, sha256 });
  };

  test('a person describes herself and hands in documents, which are what their bytes say', async () => {
    const { ada, nia } = world.people;
    const created = await world.run(ada, 'createIdentity', { ...ADA, requestKey: 'once' });
    assert.deepEqual(await world.run(ada, 'createIdentity', { ...ADA, requestKey: 'once' }), created);
    await world.refused(ada, 'createIdentity', ADA, 137);
    const { identityId } = (told.ada = { identityId: created.identityId });
    await setWallet(identityId, ada.wallet);
    told.statuses = await world.listen(new Parse.Query('IdentityVerification').equalTo('user', ada), ada, 'status');
    told.news = await world.listen(new Parse.Query('Notification'), ada, 'kind');
    told.overheard = await world.listen(new Parse.Query('IdentityVerification'), nia, 'status');
    const documents = [
      { type: 'PASSPORT', number: ADA.documentNumber, issuingCountry: 'GB', expiresAt: inDays(10) },
      { type: 'PROOF_OF_ADDRESS', number: 'BILL-4711' },
    ];
    const submitted = await world.run(ada, 'submitVerification', { identityId, level: 'STANDARD', provider: 'SUMSUB', documents });
    Object.assign(told.ada, submitted);
    const [passport, bill] = submitted.documentIds;
    const disguised = new Parse.File('passport.png', [...Buffer.from('<script>alert(1)</script>')], 'image/png');
    await world.refused(ada, 'uploadDocument', { documentId: passport, file: await disguised.save(as(ada)) }, 142, /for file/);
    const picture = await upload(ada, passport, ['passport.png', png('Adaobi Zwischenfall'), 'image/png']);
    const paper = await upload(ada, bill, ['bill.pdf', pdf('BILL-4711 Zwischenfall'), 'application/pdf']);
    assert.deepEqual([picture.contentType, paper.contentType], ['image/png', 'application/pdf']);
    await world.refused(nia, 'submitVerification', { identityId, level: 'BASIC', provider: 'MANUAL' }, 101);

    // The service that reads documents tells what stands there; what somebody else says is not believed.
    const data = {
      documentId: passport, sha256: picture.sha256, result: 'READABLE', processedAt: new Date().toISOString(),
      fields: { number: 'qx-99 zz 771', name: 'Adaobi Zwischenfall' },
    };
    const body = JSON.stringify({ type: 'document.processed', data });
    assert.equal(await world.deliver(IDENTITY, 'documents', body, sign.standardWebhooks('whsec_b3RoZXI=', body)), 401);
    assert.equal(await world.deliver(IDENTITY, 'documents', body, sign.standardWebhooks(SECRETS.documents, body)), 200);
    const seen = await world.until('what was read', async () => {
      const document = await world.get('VerificationDocument', passport, world.people.vera);
      return document.get('processingResult') && document;
    });
    assert.deepEqual([seen.get('processingResult'), seen.get('ocrMatches')], ['READABLE', true]);
    const bytes = Buffer.from(await (await fetch((await world.get('VerificationDocument', bill, ada)).get('file').url())).arrayBuffer());
    assert.equal(bytes.toString('latin1', 0, 8), '%PDF-1.4');
  });

  test('the provider is given no name and tells by signed webhooks; forged, twice and late ones move nothing', async () => {
    const { ada, vera } = world.people;
    const { verificationId } = told.ada;
    await world.job('syncExternalKYC');
    const applicant = (told.applicant = world.vendors.references[`sumsub ${verificationId}`]);
    assert.ok(applicant, 'the provider was asked');
    assert.equal((await world.get('IdentityVerification', verificationId, ada)).get('providerUrl'), 'https://in.sumsub.example/go');

    const hold = JSON.stringify({ applicantId: applicant, type: 'applicantOnHold', reviewStatus: 'onHold', createdAtMs: moment() });
    const forged = [
      {}, sign.sumsub('another secret', hold), sign.sumsub('sumsub secret', `${hold} `),
      { ...sign.sumsub('sumsub secret', hold), 'x-payload-digest-alg': 'HMAC_SHA512_HEX' },
    ];
    for (const headers of forged) assert.equal(await world.deliver(IDENTITY, 'sumsub', hold, headers), 401);
    assert.equal(await world.deliver(IDENTITY, 'sumsub', hold, sign.sumsub('sumsub secret', hold)), 200);
    await world.becomes('IdentityVerification', verificationId, 'IN_REVIEW');
    for (let turn = 0; turn < 2; turn += 1) {
      assert.equal(await world.deliver(IDENTITY, 'sumsub', hold, sign.sumsub('sumsub secret', hold)), 200);
    }
    // It was said before the review was asked for, and comes after it.
    assert.equal(await sumsubTells(world, applicant, { ...GREEN, createdAtMs: moment(-600) }), 200);
    await world.handled();
    const events = new Parse.Query('WebhookEvent').equalTo('source', 'sumsub');
    assert.equal(await events.count(master), 2, 'the same event is kept once');
    assert.equal((await world.get('IdentityVerification', verificationId)).get('status'), 'IN_REVIEW');
    const queue = await world.run(vera, 'getIdentityDashboard');
    assert.deepEqual([queue.overview.queueLength, queue.overview.identitiesByStatus.IN_REVIEW], [1, 1]);
  });

  test('a second officer reviews: nobody decides what is their own', async () => {
    const { ada, vera, olga } = world.people;
    const { verificationId, identityId } = told.ada;
    const approve = { verificationId, decision: 'APPROVE', riskRating: 'LOW', checks: [{ name: 'FACE_MATCH', result: 'PASS' }] };
    await world.refused(ada, 'reviewVerification', approve, 119, /Only verifier or compliance-officer/);
    const own = (told.vera = await submit(world, 'vera', person('Vera Verwandlung', 'FR'), 'MANUAL'));
    await world.refused(vera, 'reviewVerification', { verificationId: own.verificationId, decision: 'APPROVE' }, 119, /one's own verification/);
    const bob = (told.bob = await submit(world, 'bob', person('Bertrand Quellwasser', 'DE'), 'MANUAL', olga));
    await world.refused(olga, 'reviewVerification', { verificationId: bob.verificationId, decision: 'APPROVE' }, 119, /one's own verification/);

    const done = await world.run(vera, 'reviewVerification', approve);
    assert.deepEqual([done.status, done.identityStatus, done.identityId], ['APPROVED', 'VERIFIED', identityId]);
    await world.run(olga, 'reviewVerification', { verificationId: own.verificationId, decision: 'APPROVE' });
    await world.refused(vera, 'reviewVerification', { ...approve, decision: 'REJECT', reasons: ['FORGERY'] , checks: [] }, 142, /APPROVED/);
    await world.until('LiveQuery tells all of it', () => told.statuses.at(-1) === 'APPROVED');
    assert.deepEqual(told.statuses, ['PENDING', 'IN_REVIEW', 'APPROVED']);
    assert.deepEqual(told.overheard, [], 'a stranger hears nothing');
    // The provider comes to the same, later.
    assert.equal(await sumsubTells(world, told.applicant, GREEN), 200);
    await world.handled();
    assert.equal((await world.get('IdentityVerification', verificationId)).get('reviewer').id, vera.id);
  });

  test('three other providers decide, each by its own signature', async () => {
    const { bob, carol, dora, olga } = world.people;
    await world.run(world.people.vera, 'reviewVerification', {
      verificationId: told.bob.verificationId, decision: 'REQUEST_RESUBMISSION', reasons: ['DOCUMENT_UNREADABLE'],
    });
    const again = await world.run(bob, 'submitVerification', { identityId: told.bob.identityId, level: 'ENHANCED', provider: 'JUMIO' });
    Object.assign(told.bob, again);
    told.carol = await submit(world, 'carol', person('Caroline Nebelhorn', 'AT'), 'ONFIDO', olga);
    const company = { type: 'ORGANIZATION', legalName: 'Nebelhorn GmbH', registrationNumber: 'HRB99881X', nationality: 'DE', countryOfResidence: 'DE' };
    told.dora = await submit(world, 'dora', company, 'SHUFTI');
    await world.job('syncExternalKYC');
    const reference = (provider, { verificationId }) => world.vendors.references[`${provider} ${verificationId}`];

    // Anybody could have written Jumio's event: it is asked.
    const run = reference('jumio', told.bob);
    world.vendors.decisions[run] = { workflow: { status: 'PROCESSED' }, decision: { type: 'PASSED', details: { label: 'PASSED' } } };
    const jumio = JSON.stringify({
      account: { id: 'account' }, workflowExecution: { id: run, status: 'PROCESSED' }, decision: { type: 'REJECTED' }, callbackSentAt: new Date(),
    });
    assert.equal(await world.deliver(IDENTITY, 'jumio', jumio), 401);
    assert.equal(await world.deliver(IDENTITY, 'jumio', jumio, {}, '?secret=in-the-url'), 200);
    await world.becomes('IdentityVerification', told.bob.verificationId, 'APPROVED');

    const shufti = JSON.stringify({ reference: reference('shufti', told.dora), event: 'verification.declined', declined_codes: ['SPDR07'] });
    assert.equal(await world.deliver(IDENTITY, 'shufti', shufti, sign.shufti('another', shufti)), 401);
    assert.equal(await world.deliver(IDENTITY, 'shufti', shufti, sign.shufti('shufti secret', shufti)), 200);
    const declined = await world.becomes('IdentityVerification', told.dora.verificationId, 'REJECTED');
    assert.deepEqual(declined.get('reasons'), ['SPDR07']);

    told.approveCarol = async () => {
      const object = { id: reference('onfido', told.carol), status: 'approved', completed_at_iso8601: new Date().toISOString() };
      const onfido = JSON.stringify({ payload: { resource_type: 'workflow_run', action: 'workflow_run.completed', object } });
      assert.equal(await world.deliver(IDENTITY, 'onfido', onfido, sign.onfido('another', onfido)), 401);
      assert.equal(await world.deliver(IDENTITY, 'onfido', onfido, sign.onfido('onfido token', onfido)), 200);
      await world.becomes('IdentityVerification', told.carol.verificationId, 'APPROVED');
    };
    await world.refused(dora, 'issueCredential', { identityId: told.dora.identityId }, 119);
    assert.equal((await world.get('Identity', told.carol.identityId, carol)).get('status'), 'SUBMITTED');
  });

  test('what follows from an approval is done: active, vouched for, on the chain, and told', async () => {
    const { ada, olga } = world.people;
    const { identityId } = told.ada;
    for (const name of ['ada', 'bob', 'vera']) await followed(world, name, told[name].identityId);
    const { actions } = await world.run(olga, 'triggerPostVerificationActions', { identityId });
    assert.deepEqual(actions.map(({ status }) => status), ['DONE', 'DONE', 'DONE', 'DONE'], 'nothing is done twice');
    await world.refused(ada, 'triggerPostVerificationActions', { identityId }, 119);

    const [credential, ...others] = await new Parse.Query('VerifiableCredential').equalTo('user', ada).find(as(ada));
    assert.equal(others.length, 0);
    const said = (told.credential = await verified(credential.get('jwt')));
    assert.deepEqual([said.credentialSubject.verificationLevel, await isRevoked(said)], ['STANDARD', false]);
    await world.until('LiveQuery tells the news', () => told.news.length === 2);
    assert.deepEqual([...told.news].sort(), ['CREDENTIAL_ISSUED', 'IDENTITY_VERIFIED']);
    const identity = await world.get('Identity', identityId, ada);
    assert.deepEqual([identity.get('legalName'), identity.get('riskRating')], [ADA.legalName, undefined]);
  });

  test('letters arrive, and the service that brought them says so', async () => {
    const { ada, sue, nia } = world.people;
    const titles = (await new Parse.Query('Notification').find(as(ada))).map((one) => one.get('title'));
    const letters = [await world.mail.next('ada@example.org'), await world.mail.next('ada@example.org')];
    assert.deepEqual(letters.map(({ subject }) => subject).sort(), titles.sort());
    const notice = { identityId: told.ada.identityId, kind: 'GREETING', title: 'Welcome', body: 'Dear reader, this is between us' };
    await world.refused(nia, 'sendNotification', notice, 119);
    const { notificationId } = await world.run(sue, 'sendNotification', notice);
    const own = await world.get('Notification', notificationId, ada);
    assert.deepEqual([own.get('title'), own.get('body')], [notice.title, notice.body]);
    await own.save({ readAt: new Date() }, as(ada));
    const letter = await world.mail.next('ada@example.org');
    assert.equal(letter.subject, 'Welcome');

    const pointer = Parse.Object.extend('Notification').createWithoutData(notificationId);
    const delivery = () => new Parse.Query('NotificationDelivery').equalTo('notification', pointer).equalTo('channel', 'EMAIL').first(as(sue));
    const told_ = { event: 'delivered', message: { headers: { 'message-id': letter.id.replace(/[<>]/g, '') } } };
    assert.equal(await world.deliver(IDENTITY, 'delivery', JSON.stringify(sign.mailgun('another', told_))), 401);
    assert.equal(await world.deliver(IDENTITY, 'delivery', JSON.stringify(sign.mailgun(SECRETS.mailgun, told_))), 200);
    await world.until('it is delivered', async () => (await delivery()).get('status') === 'DELIVERED');
    assert.deepEqual(await world.run(nia, 'setNotificationPreferences', { channels: [] }), { channels: [] });
  });

  test('an issuer vouches for what is asked, and nobody else does', async () => {
    const { ian, olga, vera } = world.people;
    const issue = { identityId: told.ada.identityId, claims: ['legalName', 'ageOver18'], requestKey: 'one' };
    await world.refused(olga, 'issueCredential', issue, 119, /Only issuer may/);
    const issued = (told.issued = await world.run(ian, 'issueCredential', issue));
    const said = (told.issued.said = await verified(issued.credential));
    assert.deepEqual(said.credentialSubject, { legalName: ADA.legalName, ageOver18: true });
    assert.equal(await isRevoked(said), false);
    await world.refused(ian, 'issueCredential', { identityId: told.carol.identityId }, 142, /SUBMITTED/);
    const entry = { action: 'callCustomer', entityType: 'Identity', entityId: told.ada.identityId, details: { outcome: 'REACHED' } };
    const { sequence, hash } = await world.run(vera, 'logAuditEvent', entry);
    assert.ok(sequence > 1 && /^[0-9a-f]{64}$/.test(hash));
  });

  test('the dashboard counts right, and each sees their own', async () => {
    const { ada, olga, aud, nia } = world.people;
    const mine = await world.run(ada, 'getIdentityDashboard');
    assert.deepEqual([mine.overview, mine.identities.map(({ status, legalName }) => [status, legalName])], [undefined, [['VERIFIED', ADA.legalName]]]);
    assert.deepEqual(await world.run(nia, 'getIdentityDashboard'), { identities: [] });
    for (const officer of [olga, aud]) {
      const { overview } = await world.run(officer, 'getIdentityDashboard');
      const some = (counts) => Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));
      assert.deepEqual(some(overview.identitiesByStatus), { VERIFIED: 3, SUBMITTED: 1, REJECTED: 1 });
      assert.deepEqual(some(overview.verificationsByStatus), { APPROVED: 3, PENDING: 1, REJECTED: 1, RESUBMISSION_REQUIRED: 1 });
      assert.deepEqual([overview.queueLength, some(overview.queueAgeing)], [1, { under1Day: 1 }]);
      assert.deepEqual(some(overview.riskDistribution), { LOW: 1, UNRATED: 4 });
    }
  });

  test('the night comes: risk, expiry, reports', async () => {
    const { ada, olga, aud } = world.people;
    await world.job('complianceRiskAssessment');
    const risky = await world.get('Identity', told.ada.identityId, olga);
    assert.ok(risky.get('riskScore') >= 0 && risky.get('riskRating'), 'every factor is weighed');
    assert.match(await world.job('checkDocumentExpiry'), /^1 owners told, 0 documents/);
    const soon = await new Parse.Query('Notification').equalTo('kind', 'DOCUMENT_EXPIRES').first(as(ada));
    assert.equal(soon.get('data').days, 14);
    assert.match(await world.job('expireVerifications'), /^0 undecided verifications, 0 approvals and 0 identities/);
    await world.job('cleanupExpiredCredentials');
    await world.job('generateComplianceReports');
    const report = await new Parse.Query('ComplianceReport').first(as(aud));
    assert.deepEqual([report.get('auditTrailIntact'), report.get('complete')], [true, true]);
    for (const format of ['csv', 'json', 'pdf']) {
      const content = Buffer.from(await (await fetch(report.get(format).url())).arrayBuffer());
      assert.equal(createHash('sha256').update(content).digest('hex'), report.get('sha256')[format]);
      for (const text of PERSONAL) assert.ok(!content.includes(text), `${text} is in the ${format}`);
    }
  });
}
