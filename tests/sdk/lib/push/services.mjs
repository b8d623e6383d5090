// Stand-ins for the services that bring pushes to devices. Each speaks the service's real wire, and checks what it is shown.

import assert from 'node:assert/strict';
import { createDecipheriv, createECDH, createPublicKey, generateKeyPairSync, hkdfSync, randomBytes, verify } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createSecureServer } from 'node:http2';
import { fileURLToPath } from 'node:url';

const file = (name) => fileURLToPath(new URL(name, import.meta.url));
/// What a server has to trust to reach the stand-in of APNs.
export const authority = file('authority.crt');

const base64url = (bytes) => Buffer.from(bytes).toString('base64url');
const pem = (key) => key.export({ type: 'pkcs8', format: 'pem' });

/// Reads a signed token; its signature has to be that of the key.
function token(text, key, algorithm) {
  const [head, claims, signature] = text.split('.');
  const options = algorithm === 'ES256' ? { key, dsaEncoding: 'ieee-p1363' } : key;
  assert.ok(verify('sha256', Buffer.from(`${head}.${claims}`), options, Buffer.from(signature, 'base64url')), 'the signature');
  const read = (part) => JSON.parse(Buffer.from(part, 'base64url').toString());
  assert.equal(read(head).alg, algorithm);
  return { head: read(head), claims: read(claims) };
}

async function body(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts);
}

async function listening(server) {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  server.unref();
  return server.address().port;
}

/// A service over HTTP. `answer(request, body)` gives a status, a JSON body and headers; what goes wrong in it is kept.
async function service(answer) {
  const faults = [];
  const server = createServer(async (request, response) => {
    try {
      const [status, told = {}, headers = {}] = await answer(request, await body(request));
      response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(told));
    } catch (error) {
      faults.push(error);
      response.writeHead(400).end();
    }
  });
  return { port: await listening(server), faults, server };
}

/// Apple's service: HTTP/2 only, over TLS, signed in by a token of ES256. Tokens that begin with `dead` are of devices that are
/// gone.
export async function apns() {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const got = [];
  const faults = [];
  const server = createSecureServer({ key: readFileSync(file('localhost.key')), cert: readFileSync(file('localhost.crt')), allowHTTP1: false });
  server.on('stream', async (stream, headers) => {
    const payload = JSON.parse(await body(stream));
    try {
      const { head, claims } = token(headers.authorization.replace('bearer ', ''), publicKey, 'ES256');
      assert.equal(head.kid, 'KEYID00000');
      assert.equal(claims.iss, 'TEAMID0000');
      assert.ok(Math.abs(claims.iat - Date.now() / 1000) < 60, 'the time');
    } catch (error) {
      faults.push(error);
    }
    const device = headers[':path'].replace('/3/device/', '');
    got.push({ device, headers, payload });
    const dead = device.startsWith('dead');
    stream.respond({ ':status': dead ? 410 : 200, 'apns-id': headers['apns-id'] });
    stream.end(dead ? JSON.stringify({ reason: 'Unregistered', timestamp: Date.now() }) : undefined);
  });
  const port = await listening(server);
  const account = { key: pem(privateKey), keyId: 'KEYID00000', teamId: 'TEAMID0000' };
  return { got, faults, config: { token: account, topic: 'app', endpoint: `https://localhost:${port}` } };
}

/// Google's service, with its server of tokens. It is too busy for the first message. Tokens that begin with `dead` are of
/// devices that are gone.
export async function fcm() {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const got = [];
  // When the first message was refused, and how long it took to come again.
  const busy = {};
  let tokens = 0;
  const made = await service(async (request, sent) => {
    if (request.url === '/token') {
      const form = new URLSearchParams(sent.toString());
      assert.equal(form.get('grant_type'), 'urn:ietf:params:oauth:grant-type:jwt-bearer');
      const { claims } = token(form.get('assertion'), publicKey, 'RS256');
      assert.equal(claims.scope, 'https://www.googleapis.com/auth/firebase.messaging');
      assert.equal(claims.iss, 'push@example.com');
      tokens += 1;
      return [200, { access_token: `token-${tokens}`, expires_in: 3600, token_type: 'Bearer' }];
    }
    assert.equal(request.url, '/v1/projects/project/messages:send');
    assert.equal(request.headers.authorization, `Bearer token-${tokens}`);
    const { message } = JSON.parse(sent);
    if (!busy.token) {
      Object.assign(busy, { token: message.token, at: Date.now() });
      return [503, { error: { status: 'UNAVAILABLE' } }, { 'retry-after': '1' }];
    }
    if (busy.token === message.token) busy.waited ??= Date.now() - busy.at;
    got.push(message);
    if (!message.token.startsWith('dead')) return [200, { name: `projects/project/messages/${got.length}` }];
    const details = [{ '@type': 'type.googleapis.com/google.firebase.fcm.v1.FcmError', errorCode: 'UNREGISTERED' }];
    return [404, { error: { code: 404, message: 'Requested entity was not found.', status: 'NOT_FOUND', details } }];
  });
  const endpoint = `http://127.0.0.1:${made.port}`;
  const account = { project_id: 'project', client_email: 'push@example.com', private_key: pem(privateKey), token_uri: `${endpoint}/token` };
  return { got, busy, faults: made.faults, config: { firebaseServiceAccount: account, endpoint } };
}

/// The service of a browser, and the browser: it can read what was encrypted for it.
export async function webPush() {
  const vapid = createECDH('prime256v1');
  vapid.generateKeys();
  const point = vapid.getPublicKey();
  const jwk = { kty: 'EC', crv: 'P-256', x: base64url(point.subarray(1, 33)), y: base64url(point.subarray(33)) };
  const vapidKey = createPublicKey({ key: jwk, format: 'jwk' });
  const browsers = new Map();
  const got = [];
  const made = await service(async (request, sent) => {
    const browser = browsers.get(request.url);
    if (!browser) return [410];
    const [, signed, key] = /^vapid t=([^,]+), k=(.+)$/.exec(request.headers.authorization);
    assert.equal(key, base64url(point));
    const { claims } = token(signed, vapidKey, 'ES256');
    assert.equal(claims.aud, `http://127.0.0.1:${made.port}`);
    assert.equal(claims.sub, 'mailto:push@example.com');
    assert.ok(claims.exp > Date.now() / 1000 && claims.exp < Date.now() / 1000 + 86_400, 'the end');
    assert.equal(request.headers['content-encoding'], 'aes128gcm');
    got.push({ headers: request.headers, told: JSON.parse(browser.read(sent)) });
    return [201];
  });
  const subscribe = () => {
    const keys = createECDH('prime256v1');
    keys.generateKeys();
    const auth = randomBytes(16);
    const path = `/push/${randomBytes(8).toString('hex')}`;
    browsers.set(path, { read: (sent) => decrypt(sent, keys, auth) });
    const p256dh = base64url(keys.getPublicKey());
    return JSON.stringify({ endpoint: `http://127.0.0.1:${made.port}${path}`, keys: { p256dh, auth: base64url(auth) } });
  };
  const gone = () => {
    const subscription = JSON.parse(subscribe());
    browsers.delete(new URL(subscription.endpoint).pathname);
    return JSON.stringify(subscription);
  };
  const vapidDetails = { subject: 'mailto:push@example.com', publicKey: base64url(point), privateKey: base64url(vapid.getPrivateKey()) };
  return { got, faults: made.faults, subscribe, gone, config: { vapidDetails, hosts: [`127.0.0.1:${made.port}`] } };
}

/// What RFC 8291 has a browser do.
function decrypt(sent, keys, auth) {
  const salt = sent.subarray(0, 16);
  const length = sent[20];
  const sender = sent.subarray(21, 21 + length);
  const record = sent.subarray(21 + length);
  const info = Buffer.concat([Buffer.from('WebPush: info\0'), keys.getPublicKey(), sender]);
  const input = Buffer.from(hkdfSync('sha256', keys.computeSecret(sender), auth, info, 32));
  const key = Buffer.from(hkdfSync('sha256', input, salt, 'Content-Encoding: aes128gcm\0', 16));
  const nonce = Buffer.from(hkdfSync('sha256', input, salt, 'Content-Encoding: nonce\0', 12));
  const cipher = createDecipheriv('aes-128-gcm', key, nonce);
  cipher.setAuthTag(record.subarray(-16));
  const plain = Buffer.concat([cipher.update(record.subarray(0, -16)), cipher.final()]);
  assert.equal(plain.at(-1), 2, 'the last record');
  return plain.subarray(0, -1);
}

/// Expo's service. Tokens that begin with `dead` are of devices that are gone. `pause` is how long it takes for each request.
export async function expo({ pause = 0 } = {}) {
  const got = [];
  const made = await service(async (request, sent) => {
    assert.equal(request.url, '/--/api/v2/push/send');
    assert.equal(request.headers.authorization, 'Bearer expo-token');
    const messages = JSON.parse(sent);
    assert.ok(messages.length <= 100, `${messages.length} messages at once`);
    await new Promise((resolve) => setTimeout(resolve, pause));
    got.push(...messages);
    const ticket = ({ to }) =>
      to.startsWith('dead')
        ? { status: 'error', message: `"${to}" is not a registered push notification recipient`, details: { error: 'DeviceNotRegistered' } }
        : { status: 'ok', id: to };
    return [200, { data: messages.map(ticket) }];
  });
  return { got, faults: made.faults, config: { accessToken: 'expo-token', endpoint: `http://127.0.0.1:${made.port}` } };
}
