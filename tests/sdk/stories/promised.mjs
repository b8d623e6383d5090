// What is promised to clients, services and administrators of these two applications, and was all of it seen?

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

const words = (text) => text.trim().split(/\s+/);

/// Names are contract: clients call them.
export const FUNCTIONS = words(`
  createIdentity submitVerification reviewVerification uploadDocument issueCredential revokeCredential getIdentityDashboard
  logAuditEvent sendNotification triggerPostVerificationActions erasePerson verifyAuditTrail
  createDigitalAsset deployAsset mintTokens transferTokens burnTokens getAssetPortfolio pauseAsset freezeHolding
  grantAssetPermission revokeAssetPermission createListing cancelListing buyListing
`);

/// What all applications share.
const SHARED = words(`
  setNotificationPreferences createWebhookSubscription rotateWebhookSecret endWebhookSubscription listWebhookEvents replayWebhookEvent
`);

const JOBS = words(`
  expireVerifications checkDocumentExpiry complianceRiskAssessment cleanupExpiredCredentials generateComplianceReports syncExternalKYC
  confirmTransactions syncMarketData valuePortfolios reconcileHoldings
`);

const WEBHOOKS = [
  ...words('jumio onfido sumsub shufti chain documents delivery').map((source) => `identity-management/${source}`),
  ...words('alchemy quicknode moralis prices').map((source) => `digital-assets/${source}`),
];

/// The functions in the tables of the applications' own page.
function documented() {
  const page = readFileSync(new URL('../../../cloud/README.md', import.meta.url), 'utf8');
  const tables = page.split(/^\| function \|/m).slice(1).map((rest) => rest.split('\n\n')[0]);
  return tables.flatMap((table) => [...table.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name));
}

export function assertAllSeen({ functions, jobs, webhooks }) {
  const page = documented();
  assert.ok(page.length >= 20, `the page names ${page.length} functions`);
  const missing = (names, seen) => names.filter((name) => !seen.has(name));
  assert.deepEqual({
    'promised, and never called': missing([...FUNCTIONS, ...SHARED], functions),
    'documented, and never called': missing(page, functions),
    'promised, and not documented': missing(FUNCTIONS, new Set(page)),
    'jobs that never ran': missing(JOBS, jobs),
    'webhooks that were never believed': missing(WEBHOOKS, webhooks),
  }, {
    'promised, and never called': [], 'documented, and never called': [], 'promised, and not documented': [],
    'jobs that never ran': [], 'webhooks that were never believed': [],
  });
}
