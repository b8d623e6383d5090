// Who reads which class, and what of it is hidden from them: every class of both applications, with the eyes of every role.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import Parse from 'parse/node';
import { as, master } from '../lib/each-store.mjs';

const STAFF = ['root', 'vera', 'olga', 'ian', 'max', 'bea', 'aud', 'sue'];
const EVERYBODY = [...STAFF, 'ada', 'bob', 'nia'];

/// Of each class who sees all of it, who sees what is their own, and who is refused. Everybody else sees nothing of others.
const READERS = {
  Identity: { all: ['root', 'olga', 'vera', 'aud', 'sue'], own: ['ada', 'bob'] },
  IdentityVerification: { all: ['root', 'olga', 'vera', 'aud', 'sue'], own: ['ada', 'bob'] },
  VerificationDocument: { all: ['root', 'olga', 'vera', 'aud', 'sue'], own: ['ada'] },
  VerifiableCredential: { all: ['root', 'olga', 'vera', 'aud', 'sue', 'ian'], own: ['ada', 'bob'] },
  PostVerificationAction: { all: ['root', 'olga', 'vera', 'aud', 'sue'], own: ['ada', 'bob'] },
  Notification: { all: [], own: ['ada', 'bob', 'vera'] },
  AuditLog: { all: ['root', 'aud'], refused: ['vera', 'olga', 'ian', 'max', 'bea', 'sue', 'ada', 'bob', 'nia'] },
  ComplianceReport: { all: ['root', 'olga', 'aud'], refused: ['vera', 'ian', 'max', 'bea', 'sue', 'ada', 'bob', 'nia'] },
  CredentialStatusList: { all: [], refused: EVERYBODY },
  WebhookEvent: { all: [], refused: EVERYBODY },
  DigitalAsset: { all: EVERYBODY },
  AssetDeployment: { all: EVERYBODY },
  AssetMarketplaceListing: { all: EVERYBODY },
  PriceQuote: { all: EVERYBODY },
  AssetTransaction: { all: ['root', 'olga', 'max', 'aud', 'sue'], own: ['ada', 'bob'] },
  AssetHolding: { all: ['root', 'olga', 'max', 'aud', 'sue'], own: ['ada', 'bob'] },
  AssetPermission: { all: ['root', 'olga', 'max', 'aud', 'sue'], own: [] },
  PortfolioSnapshot: { all: ['root', 'olga', 'max', 'aud', 'sue'], own: ['ada', 'bob'] },
};

/// Which fields of an object of ada's somebody reads, of those that matter.
const FIELDS = {
  Identity: {
    matter: ['legalName', 'dateOfBirth', 'documentNumber', 'nationality', 'riskRating', 'digestSalt'],
    ada: ['legalName', 'dateOfBirth', 'documentNumber', 'nationality'],
    vera: ['legalName', 'dateOfBirth', 'documentNumber', 'nationality', 'riskRating'],
    olga: ['legalName', 'dateOfBirth', 'documentNumber', 'nationality', 'riskRating'],
    aud: ['nationality', 'riskRating'],
    sue: [],
  },
  VerificationDocument: {
    matter: ['number', 'file', 'ocrResult', 'ocrMatches', 'digestSalt'],
    ada: ['number', 'file', 'ocrResult'], vera: ['number', 'file', 'ocrResult', 'ocrMatches'], aud: [], sue: [],
  },
  VerifiableCredential: {
    matter: ['jwt', 'claims', 'digestSalt'],
    ada: ['jwt', 'claims'], vera: ['jwt', 'claims'], ian: ['jwt', 'claims'], aud: ['claims'], sue: ['claims'],
  },
};

export function readersStory(world) {
  const all = (className) => new Parse.Query(className).limit(1_000);

  for (const [className, { all: everything = [], own = [], refused = [] }] of Object.entries(READERS)) {
    test(`${className} is read by whom it is for`, async () => {
      const total = (await all(className).find(master)).length;
      assert.ok(total > 0, 'there is something to read');
      for (const name of EVERYBODY) {
        const user = world.people[name];
        const found = await all(className).find(as(user)).catch((error) => error);
        const seen = found instanceof Error ? `refused ${found.code}` : found.length;
        if (refused.includes(name)) assert.equal(seen, 'refused 119', name);
        else if (everything.includes(name)) assert.equal(seen, total, name);
        else if (own.includes(name)) assert.ok(seen > 0, `${name} reads ${seen} of ${total}`);
        else if (name === 'nia') assert.equal(seen, 0, name);
        else if (!(found instanceof Error)) for (const object of found) assert.ok(isOf(object, user), `${name} reads ${object.id} of somebody else`);
        if (own.includes(name)) for (const object of found) assert.ok(isOf(object, user), `${name} reads ${object.id} of somebody else`);
      }
      const nobody = await all(className).find().catch((error) => error);
      assert.ok(nobody instanceof Error || nobody.length === 0 || className === 'PriceQuote', 'without a session');
    });
  }

  for (const [className, { matter, ...readers }] of Object.entries(FIELDS)) {
    test(`of a ${className} each reads what is for them`, async () => {
      const { ada } = world.people;
      for (const [name, expected] of Object.entries(readers)) {
        const object = await all(className).equalTo('user', ada).ascending('createdAt').first(as(world.people[name]));
        assert.deepEqual(matter.filter((field) => object.get(field) !== undefined), expected, name);
      }
      const object = await all(className).equalTo('user', ada).first(as(ada));
      await assert.rejects(object.save({ status: 'VERIFIED' }, as(ada)), { code: 119 });
    });
  }
}

/// Whether somebody is named by an object.
function isOf(object, user) {
  return ['user', 'holder', 'from', 'to', 'seller', 'issuer'].some((field) => object.get(field)?.id === user.id);
}
