// A stand-in for identity providers: it signs tokens with real keys, exchanges codes, explains tokens and takes messages to
// telephones, each on the wire as the real ones do.

import { createHmac, createSign, generateKeyPairSync, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';

const encoded = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

/// A key pair with the name by which tokens call it.
function makeKey(kind = 'rsa') {
  const pair = kind === 'rsa' ? generateKeyPairSync('rsa', { modulusLength: 2048 }) : generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { ...pair, kind, kid: randomUUID() };
}

export class IdentityProvider {
  /// How often each path was asked.
  asked = {};
  /// Whom a code or a token is of.
  people = {};
  /// What was sent to telephones: code and number.
  messages = [];
  keys = [makeKey()];

  async start() {
    this.server = createServer((request, response) => this.#answer(request, response));
    await new Promise((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    this.url = `http://127.0.0.1:${this.server.address().port}`;
    this.server.unref();
    return this;
  }

  /// Signs with a new key from now on, and forgets the old one.
  rotate() {
    this.keys = [makeKey()];
  }

  /// A token that says this, signed as it says. `by` signs in the place of the newest key.
  sign(claims, { by = this.keys.at(-1), header = {}, alg = by.kind === 'rsa' ? 'RS256' : 'ES256' } = {}) {
    const now = Math.floor(Date.now() / 1000);
    const head = { alg, typ: 'JWT', kid: by.kid, ...header };
    const signed = `${encoded(head)}.${encoded({ iat: now, exp: now + 600, ...claims })}`;
    if (head.alg === 'none') return `${signed}.`;
    if (head.alg === 'HS256') {
      const secret = by.publicKey.export({ type: 'spki', format: 'pem' });
      return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
    }
    const signature = createSign('sha256').update(signed).sign({ key: by.privateKey, dsaEncoding: 'ieee-p1363' });
    return `${signed}.${signature.toString('base64url')}`;
  }

  /// A key that nobody has been told of.
  stranger = makeKey();

  static elliptic = () => makeKey('ec');

  async #answer(request, response) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString();
    const url = new URL(request.url, this.url);
    this.asked[url.pathname] = (this.asked[url.pathname] ?? 0) + 1;
    const answer = this.#at(url, request, body);
    response.writeHead(answer ? 200 : 404, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify(answer ?? { error: 'not found' }));
  }

  #at(url, request, body) {
    const form = body.startsWith('{') ? new Map(Object.entries(JSON.parse(body))) : new URLSearchParams(body);
    const bearer = (request.headers.authorization ?? '').replace('Bearer ', '');
    const token = form.get('token') ?? url.searchParams.get('access_token') ?? bearer;
    switch (url.pathname) {
      case '/keys':
        return { keys: this.keys.map(({ kid, publicKey }) => ({ ...publicKey.export({ format: 'jwk' }), kid, use: 'sig' })) };
      case '/.well-known/openid-configuration':
        return { issuer: this.url, jwks_uri: `${this.url}/keys` };
      case '/token':
        if (form.get('client_secret') !== 'our-secret' || !this.people[form.get('code')]) return { error: 'bad_verification_code' };
        return { access_token: form.get('code'), token_type: 'bearer' };
      case '/user':
        return this.people[token] && { id: this.people[token], login: 'somebody' };
      case '/introspect':
        return this.people[token] ? { active: true, sub: this.people[token], aud: ['our-app'] } : { active: false };
      case '/graph/app':
        return this.people[token] && { id: token.startsWith('foreign') ? 'their-app' : 'our-app' };
      case '/graph/me': {
        const proof = createHmac('sha256', 'app-secret').update(token).digest('hex');
        return url.searchParams.get('appsecret_proof') === proof && this.people[token] && { id: this.people[token] };
      }
      case '/adapter': {
        const { method, args } = JSON.parse(body);
        if (method === 'sendSMS') this.messages.push({ code: args[0], mobile: args[1] });
        if (method === 'validateAuthData' && args[0].word !== args[1].word) return { error: { code: 101, message: 'not the word' } };
        return { result: method === 'validateAuthData' ? { response: { by: 'elsewhere' } } : null };
      }
      default:
        return undefined;
    }
  }
}

/// The one-time code of a secret in base 32, RFC 6238; `steps` from now.
export function oneTimeCode(secret, steps = 0, digits = 6, period = 30) {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
  const bits = [...secret].map((letter) => letters.indexOf(letter).toString(2).padStart(5, '0')).join('');
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 1000 / period) + steps));
  const mac = createHmac('sha1', key).update(counter).digest();
  const number = mac.readUInt32BE(mac.at(-1) & 15) & 0x7fffffff;
  return String(number % 10 ** digits).padStart(digits, '0');
}
