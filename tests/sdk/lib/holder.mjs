// What does somebody do who is shown a credential: look whose keys sign it and whether it is revoked, by public documents alone.

import assert from 'node:assert/strict';
import { checkStatus } from '@digitalbazaar/vc-bitstring-status-list';
import { decodeJwt, decodeProtectedHeader, importJWK, jwtVerify } from 'jose';

/// Where a did:web says that its document is; the servers of tests have no certificates.
export function resolved(did) {
  const [host, ...path] = did.replace(/^did:web:/, '').split(':').map(decodeURIComponent);
  return `http://${[host, ...path].join('/')}/did.json`;
}

/// The credential in a token, if it is signed with a key that its issuer's DID document names for that.
export async function verified(token) {
  const { iss } = decodeJwt(token);
  const document = await (await fetch(resolved(iss))).json();
  assert.equal(document.id, iss);
  const { kid } = decodeProtectedHeader(token);
  assert.ok(document.assertionMethod.includes(kid));
  const method = document.verificationMethod.find(({ id }) => id === kid);
  const { payload } = await jwtVerify(token, await importJWK(method.publicKeyJwk, 'ES256'), { issuer: iss, typ: 'vc+jwt' });
  assert.equal(payload.issuer, iss);
  return payload;
}

/// Whether a credential is revoked, as its status list says, which is a signed credential itself.
export async function isRevoked(credential) {
  const documentLoader = async (url) => {
    const answer = await fetch(url);
    assert.equal(answer.headers.get('content-type'), 'application/vc+jwt');
    return { documentUrl: url, document: await verified(await answer.text()) };
  };
  const checked = await checkStatus({ credential, documentLoader, verifyBitstringStatusListCredential: false });
  assert.ok(checked.verified, checked.error);
  assert.equal(checked.results.length, 1);
  return checked.results[0].status;
}
