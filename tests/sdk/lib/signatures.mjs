// How do services sign what they tell? Each gives the headers of a delivery with this body, as the real one does.

import { createHash, createHmac, randomUUID } from 'node:crypto';

const hmac = (secret, text) => createHmac('sha256', secret).update(text);
const seconds = () => String(Math.floor(Date.now() / 1000));

/// Standard Webhooks; the secret is `whsec_…`.
export function standardWebhooks(secret, body, { id = randomUUID(), at = seconds() } = {}) {
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  const signature = `v1,${hmac(key, `${id}.${at}.${body}`).digest('base64')}`;
  return { 'webhook-id': id, 'webhook-timestamp': at, 'webhook-signature': signature };
}

/// Whether a delivery is signed by Standard Webhooks with this secret, by any of its signatures.
export function isStandard(secret, headers, body) {
  const expected = standardWebhooks(secret, body, { id: headers['webhook-id'], at: headers['webhook-timestamp'] })['webhook-signature'];
  const recent = Math.abs(Date.now() / 1000 - Number(headers['webhook-timestamp'])) < 300;
  return recent && (headers['webhook-signature'] ?? '').split(' ').includes(expected);
}

export const sumsub = (secret, body) => ({
  'x-payload-digest': hmac(secret, body).digest('hex'), 'x-payload-digest-alg': 'HMAC_SHA256_HEX',
});

export const onfido = (token, body) => ({ 'x-sha2-signature': hmac(token, body).digest('hex') });

/// Of an account whose secret is hashed first.
export function shufti(secret, body) {
  const hashed = createHash('sha256').update(secret).digest('hex');
  return { signature: createHash('sha256').update(body + hashed).digest('hex') };
}

export const alchemy = (key, body) => ({ 'x-alchemy-signature': hmac(key, body).digest('hex') });

export function quicknode(token, body) {
  const [nonce, at] = [randomUUID(), seconds()];
  return { 'x-qn-nonce': nonce, 'x-qn-timestamp': at, 'x-qn-signature': hmac(token, nonce + at + body).digest('hex') };
}

/// Moralis signs with Keccak-256, which Node has not; `keccak` gives it, of hexadecimal digits.
export const moralis = async (secret, body, keccak) => ({ 'x-signature': await keccak(`0x${Buffer.from(body + secret).toString('hex')}`) });

/// Mailgun signs in the body, and not what it tells.
export function mailgun(key, event) {
  const [timestamp, token] = [seconds(), randomUUID().replaceAll('-', '')];
  return { signature: { timestamp, token, signature: hmac(key, timestamp + token).digest('hex') }, 'event-data': event };
}
