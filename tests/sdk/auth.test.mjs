// Do identity providers vouch for users, with real keys and over the real wire, and does each second factor count once.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { after, describe, test } from 'node:test';
import Parse from 'parse/node';
import { as, master, onEachStore, refused, signUp } from './lib/each-store.mjs';
import { IdentityProvider, oneTimeCode } from './lib/identity-provider.mjs';
import { Server, dropDatabase, mongoDatabase, stores, target } from './lib/server.mjs';

const provider = await new IdentityProvider().start();
const { url } = provider;
const elliptic = IdentityProvider.elliptic();
provider.keys.unshift(elliptic);

const auth = {
  apple: { clientId: ['our-app', 'our-other-app'], urls: { keys: `${url}/keys` } },
  google: { clientId: 'our-app', urls: { keys: `${url}/keys` } },
  facebook: { appIds: ['our-app'], appSecret: 'app-secret', urls: { keys: `${url}/keys`, graph: `${url}/graph` } },
  keycloak: { config: { 'auth-server-url': url, realm: 'r', 'client-id': 'our-app' }, urls: { keys: `${url}/keys` } },
  company: { oidc: true, issuer: url, clientId: 'our-app', algorithms: ['RS256', 'ES256'] },
  github: { clientId: 'our-app', clientSecret: 'our-secret', urls: { token: `${url}/token`, user: `${url}/user` } },
  one: { oauth2: true, tokenIntrospectionEndpointUrl: `${url}/introspect`, appidField: 'aud', appIds: ['our-app'] },
  two: { oauth2: true, tokenIntrospectionEndpointUrl: `${url}/introspect`, appidField: 'aud', appIds: ['another-app'] },
  elsewhere: { webhook: { url: `${url}/adapter`, methods: ['validateAuthData', 'validateAppId'], props: { word: 'sesame' } } },
  mfa: { options: ['TOTP', 'SMS'], webhook: { url: `${url}/adapter`, methods: ['sendSMS'] } },
  disabled: { oauth2: true, tokenIntrospectionEndpointUrl: `${url}/introspect`, enabled: false },
};

const options = { allowClientClassCreation: true, auth };

/// What every provider of signed tokens refuses, and what it takes.
const signing = {
  apple: { issuer: 'https://appleid.apple.com', sent: (id, token) => ({ id, token }) },
  google: { issuer: 'https://accounts.google.com', sent: (id, id_token) => ({ id, id_token }) },
  facebook: { issuer: 'https://www.facebook.com', sent: (id, token) => ({ id, token }) },
  keycloak: { issuer: `${url}/realms/r`, sent: (id, access_token) => ({ id, access_token }), forUs: { azp: 'our-app' }, forThem: { azp: 'x' } },
  company: { issuer: url, sent: (id, id_token) => ({ id, id_token }) },
};

const secret = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP';

onEachStore(
  'identity providers',
  (server) => {
    const post = (authData, more = {}) => server.rest('POST', '/users', { body: { authData, ...more } });
    const refusal = async (authData) => {
      const { status, body } = await post(authData);
      assert.ok(status >= 400 && status < 500, `${status} ${JSON.stringify(body)}`);
      assert.equal(body.code, 101, JSON.stringify(body));
      return body.error;
    };

    for (const [name, { issuer, sent, forUs = { aud: 'our-app' }, forThem = { aud: 'x' } }] of Object.entries(signing)) {
      test(`GHSA-x6fw-778m-wr9v: ${name} vouches by a token that is signed, in time and for us`, async () => {
        const id = randomUUID();
        const claims = { iss: issuer, sub: id, ...forUs };
        const by = (token) => ({ [name]: sent(id, token) });
        const { status, body } = await post(by(provider.sign(claims)));
        assert.equal(status, 201, JSON.stringify(body));
        assert.equal((await post(by(provider.sign(claims)))).status, 200);
        const now = Math.floor(Date.now() / 1000);
        const sign = (more, how) => provider.sign({ ...claims, ...more }, how);
        for (const [token, text] of [
          [sign(forThem), name === 'keycloak' ? /not authorized for this client/ : /^jwt audience invalid\. expected: our-app/],
          [sign(Object.fromEntries(Object.keys(forUs).map((claim) => [claim, undefined]))), name === 'keycloak' ? /not authorized for this client/ : /^jwt audience invalid\. expected: our-app/],
          [sign({ iss: 'https://evil.example' }), /expected: .* \| from: https:\/\/evil\.example$/],
          [sign({ exp: now - 1 }), /^jwt expired$/],
          [sign({ exp: undefined }), /^jwt has no exp$/],
          [sign({ nbf: now + 60 }), /^jwt not active$/],
          [sign({ sub: 'somebody else' }), /^auth data is invalid for this user\.$/],
          [sign({}, { header: { alg: 'none' } }), /^jwt signature is required$/],
          [sign({}, { alg: 'none' }) + 'x', /^(invalid algorithm|provided token)/],
          [sign({}, { header: { alg: 'HS256' } }), /^invalid algorithm$/],
          [sign({}, { by: provider.stranger }), /^Unable to find matching key for Key ID: /],
          [sign({}, { by: { ...provider.stranger, kid: provider.keys.at(-1).kid } }), /^invalid signature$/],
          [`${sign({}).split('.')[0]}.${sign({ sub: 'x' }).split('.')[1]}.${sign({}).split('.')[2]}`, /^invalid signature$/],
          ['x.y.z', /^provided token does not decode as JWT$/],
          ['nonsense', /^provided token does not decode as JWT$/],
        ]) {
          assert.match(await refusal(by(token)), text, token);
        }
        assert.match(await refusal({ [name]: { id } }), /^(id token is invalid for this user\.|Missing access token|Facebook auth)/);
        const signedOtherwise = by(sign({}, { by: elliptic }));
        if (name === 'company') assert.equal((await post(signedOtherwise)).status, 200, 'a way of signing that is configured');
        else assert.equal(await refusal(signedOtherwise), 'invalid algorithm');
      });
    }

    test('keys that change are fetched again, but not for each name that somebody makes up', async () => {
      const vouched = () => ({ google: { id: 'rotating', id_token: provider.sign({ iss: 'accounts.google.com', aud: 'our-app', sub: 'rotating' }) } });
      assert.ok((await post(vouched())).status < 300);
      await sleep(2_100);
      provider.rotate();
      provider.keys.unshift(elliptic);
      assert.equal((await post(vouched())).status, 200, 'a key that came later');
      const before = provider.asked['/keys'];
      const claims = { iss: 'accounts.google.com', aud: 'our-app', sub: 'x' };
      const made = () => refusal({ google: { id: 'x', id_token: provider.sign(claims, { header: { kid: randomUUID() } }) } });
      await Promise.all(Array.from({ length: 20 }, made));
      assert.ok(provider.asked['/keys'] - before <= 1, `${provider.asked['/keys'] - before} times`);
      await sleep(2_100);
    });

    test('Facebook explains a token, and only one of our application counts', async () => {
      Object.assign(provider.people, { 'fb-token': '77', 'foreign-token': '77' });
      assert.equal((await post({ facebook: { id: '77', access_token: 'fb-token' } })).status, 201);
      for (const sent of [{ id: '78', access_token: 'fb-token' }, { id: '77', access_token: 'foreign-token' }, { id: '77', access_token: 'x' }, { id: '77' }]) {
        assert.equal(await refusal({ facebook: sent }), 'Facebook auth is invalid for this user.');
      }
    });

    test('a code is exchanged, and what the client shows of it is the id alone', async () => {
      Object.assign(provider.people, { 'code-1': 4711, 'code-2': 4711 });
      const { status, body } = await post({ github: { code: 'code-1' } });
      assert.equal(status, 201, JSON.stringify(body));
      const again = await post({ github: { code: 'code-2', id: '4711' } });
      assert.deepEqual([again.status, again.body.objectId, again.body.authData], [200, body.objectId, { github: { id: '4711' } }]);
      assert.deepEqual((await post({ github: { code: 'code-2', id: '1' } })).body, { code: 101, error: 'GitHub auth is invalid for this user.' });
      assert.deepEqual((await post({ github: { id: '4711' } })).body, { code: 142, error: 'GitHub code is required.' });
      assert.equal((await post({ github: { code: 'stolen' } })).body.error, 'bad_verification_code');
      const eve = await signUp('eve');
      const login = (github) => server.rest('POST', '/login', { body: { username: 'eve', password: 'pw-eve', authData: { github } } });
      assert.equal((await login({ id: '4711' })).body.code, 142);
      assert.equal((await login({ code: 'code-1' })).body.code, 208);
      await eve.fetch(master);
      assert.equal(eve.get('authData'), undefined);
    });

    test('GHSA-2cjm-2gwv-m892, GHSA-fr88-w35c-r596: two services that explain tokens are two, and say whose they are', async () => {
      provider.people['token-9'] = '9';
      const sent = { id: '9', access_token: 'token-9' };
      const many = await Promise.all(Array.from({ length: 40 }, (_, n) => post({ [n % 2 ? 'one' : 'two']: sent })));
      many.forEach(({ status, body }, n) => {
        if (n % 2) assert.ok(status < 300 || body.code === 208, JSON.stringify(body));
        else assert.deepEqual(body, { code: 101, error: 'OAuth2: Invalid app ID.' });
      });
      assert.match(await refusal({ one: { id: 'victim', access_token: 'token-9' } }), /^OAuth2 access token is invalid/);
    });

    test('GHSA-3f5f-xgrj-97pf: where a service stands is never for a client to say', async () => {
      const elsewhere = await new IdentityProvider().start();
      const places = Object.fromEntries(['apiURL', 'url', 'host', 'baseUrl', 'tokenIntrospectionEndpointUrl', 'jwksUri'].map((name) => [name, elsewhere.url]));
      for (const name of Object.keys(auth).filter((name) => name !== 'elsewhere')) {
        const sent = { id: '1', access_token: 't', id_token: 'a.b.c', token: 'a.b.c', code: 'c', ...places, urls: { keys: elsewhere.url, token: elsewhere.url, user: elsewhere.url } };
        assert.ok((await post({ [name]: sent })).status >= 400, name);
      }
      assert.deepEqual(elsewhere.asked, {});
    });

    test('an adapter in JavaScript goes on elsewhere', async () => {
      const { status, body } = await post({ elsewhere: { id: '1', word: 'sesame' } });
      assert.deepEqual([status, body.authDataResponse], [201, { elsewhere: { by: 'elsewhere' } }]);
      assert.equal(await refusal({ elsewhere: { id: '1', word: 'open' } }), 'not the word');
    });

    test('a provider that is not there, or not any more, is refused', async () => {
      for (const name of ['nobody', 'disabled', 'twitter', 'spotify']) assert.equal((await post({ [name]: { id: '1' } })).body.code, 252, name);
      assert.match(await refusal({ ldap: { id: 'a', password: 'b' } }), /^LDAP auth configuration missing$/);
    });

    test('the SDK logs in with, links and unlinks providers', async () => {
      provider.people['token-sdk'] = 'sdk';
      const authData = { id: 'sdk', access_token: 'token-sdk' };
      const first = await Parse.User.logInWith('one', { authData });
      const user = await Parse.User.logInWith('one', { authData });
      assert.equal(user.id, first.id);
      const own = as(user);
      await user.linkWith('elsewhere', { authData: { id: 'sdk', word: 'sesame' } }, own);
      await user.fetch(master);
      assert.deepEqual(Object.keys(user.get('authData')).sort(), ['elsewhere', 'one']);
      await user._unlinkFrom('one', own);
      await user.fetch(master);
      assert.deepEqual(user.get('authData'), { elsewhere: { id: 'sdk', word: 'sesame' } });
      const other = await signUp('other');
      await refused(other.linkWith('elsewhere', { authData: { id: 'sdk', word: 'sesame' } }, as(other)), 208);
    });

    test('the SDK makes somebody of an anonymous user', async () => {
      const user = await Parse.AnonymousUtils.logIn();
      assert.ok(Parse.AnonymousUtils.isLinked(user));
      user.setUsername('upgraded');
      user.setPassword('pw');
      await user.save(null, as(user));
      await user.fetch(master);
      assert.equal(user.get('authData'), undefined);
      assert.equal((await Parse.User.logIn('upgraded', 'pw')).id, user.id);
    });

    /// A user with the second factor of an application.
    const withTotp = async (name) => {
      const user = await signUp(name);
      await user.save({ authData: { mfa: { secret, token: oneTimeCode(secret) } } }, as(user));
      const codes = user.get('authDataResponse').mfa.recovery.split(', ');
      return { user, codes, login: (mfa) => server.rest('POST', '/login', { body: { username: name, password: `pw-${name}`, ...(mfa && { authData: { mfa } }) } }) };
    };

    test('GHSA-wp76-gg32-8258: a second factor is set up, asked for, changed and hidden', async () => {
      const { user, codes, login } = await withTotp('totp');
      assert.deepEqual(codes.map((code) => code.length), [30, 30]);
      await user.fetch(as(user));
      assert.deepEqual(user.get('authData'), { mfa: { status: 'enabled' } });
      const asked = { username: 'totp', password: 'pw-totp' };
      for (const { body } of [
        await server.rest('POST', '/verifyPassword', { body: asked }),
        await server.rest('GET', `/verifyPassword?${new URLSearchParams(asked)}`),
      ]) {
        assert.deepEqual(body.authData, { mfa: { status: 'enabled' } });
      }
      assert.deepEqual((await login()).body, { code: -1, error: 'Missing additional authData mfa' });
      for (const token of ['000000x', undefined, 7, [codes[0]], oneTimeCode(secret, 9)]) {
        assert.deepEqual((await login({ token, n: 1 })).body, { code: 141, error: 'Invalid MFA token' }, String(token));
      }
      const token = oneTimeCode(secret);
      const { status, body } = await login({ token });
      assert.equal(status, 200, JSON.stringify(body));
      assert.deepEqual([body.authData, body.authDataResponse], [{ mfa: { status: 'enabled' } }, {}]);
      assert.equal((await login({ token })).body.error, 'Invalid MFA token', 'a code counts once');
      const fresh = 'KRSXG5BAKRSXG5BAKRSXG5BAKRSXG5BA';
      const change = (old) => user.save({ authData: { mfa: { secret: fresh, token: oneTimeCode(fresh), old } } }, as(user));
      await refused(change('123'), 141, /^Invalid MFA token$/);
      await change(codes[0]);
      assert.equal((await login({ token: oneTimeCode(fresh) })).status, 200);
      assert.equal((await login({ token: codes[1] })).body.code, 141, 'recovery codes of the old secret are gone');
    });

    test('what is no second factor is refused', async () => {
      const user = await signUp('nofactor');
      for (const mfa of [{}, { secret: 'SHORT', token: '1' }, { secret }, { token: '1' }, { secret: 5, token: 5 }]) {
        await refused(user.save({ authData: { mfa } }, as(user)), 141, /^Invalid MFA data$/);
        user.revert();
      }
      await refused(user.save({ authData: { mfa: { secret, token: '000' } } }, as(user)), 141, /^Invalid MFA token$/);
    });

    test('a second factor on a telephone', async () => {
      const user = await signUp('phone');
      const login = (mfa) => server.rest('POST', '/login', { body: { username: 'phone', password: 'pw-phone', ...(mfa && { authData: { mfa } }) } });
      await refused(user.save({ authData: { mfa: { mobile: 'not a number' } } }, as(user)), 141, /^Invalid mobile number\.$/);
      user.revert();
      await user.save({ authData: { mfa: { mobile: '+43 1 234' } } }, as(user));
      const { code, mobile } = provider.messages.at(-1);
      assert.deepEqual([mobile, code.length], ['+43 1 234', 6]);
      assert.equal((await login()).status, 200, 'what is not confirmed is not asked for');
      await refused(user.save({ authData: { mfa: { mobile, token: 'x' } } }, as(user)), 141, /^Invalid MFA token$/);
      user.revert();
      await user.save({ authData: { mfa: { mobile, token: code } } }, as(user));
      await user.fetch(as(user));
      assert.deepEqual(user.get('authData'), { mfa: { status: 'enabled' } });
      assert.equal((await login()).body.code, -1);
      assert.deepEqual((await login({ token: 'request' })).body, { code: 141, error: 'Please enter the token' });
      assert.equal((await login({ token: 'x' })).body.code, 141);
      const sent = provider.messages.at(-1).code;
      const many = await Promise.all(Array.from({ length: 16 }, () => login({ token: sent })));
      assert.equal(many.filter(({ status }) => status === 200).length, 1);
    });

    test('GHSA-4hf6-3x24-c9m8, GHSA-w73w-g5xw-rwhf: each code counts once, here and on another server', async () => {
      const { user, codes, login } = await withTotp('raced');
      const other = new Server({ store: server.store, options: { ...options, databaseURI: server.databaseURI } });
      await other.start();
      after(() => other.remove());
      const elsewhere = (token) => other.rest('POST', '/login', { body: { username: 'raced', password: 'pw-raced', authData: { mfa: { token } } } });
      for (const token of [codes[0], codes[1], oneTimeCode(secret)]) {
        const many = await Promise.all(Array.from({ length: 32 }, (_, n) => (n % 2 ? login({ token }) : elsewhere(token))));
        assert.equal(many.filter(({ status }) => status === 200).length, 1, JSON.stringify(many.map(({ body }) => body)));
        assert.ok(many.every(({ status, body }) => status === 200 || body.code === 141));
      }
      await user.fetch(master);
      assert.deepEqual(user.get('authData').mfa.recovery, []);
    });

    test('GHSA-w73w-g5xw-rwhf: nor do they count twice beside a provider, or for a new secret', async () => {
      provider.people['token-raced'] = 'raced';
      const { user, codes } = await withTotp('raced by a provider');
      const one = { id: 'raced', access_token: 'token-raced' };
      await user.save({ authData: { one } }, as(user));
      const logins = await Promise.all(Array.from({ length: 32 }, () => post({ one, mfa: { token: codes[0] } })));
      assert.equal(logins.filter(({ status }) => status === 200).length, 1, JSON.stringify(logins.map(({ body }) => body)));
      assert.deepEqual((await post({ one })).body, { code: -1, error: 'Missing additional authData mfa' });
      const token = logins.find(({ status }) => status === 200).body.sessionToken;
      const change = () => {
        const mfa = { secret, token: oneTimeCode(secret), old: codes[1] };
        return server.rest('PUT', `/users/${user.id}`, { token, body: { authData: { mfa } } });
      };
      const changes = await Promise.all(Array.from({ length: 32 }, change));
      assert.equal(changes.filter(({ status }) => status === 200).length, 1, JSON.stringify(changes.map(({ body }) => body)));
    });
  },
  options,
);

describe('one MongoDB under Parse Server and under ours', { skip: target === 'oracle' || !stores.includes('mongodb') }, () => {
  const databaseURI = stores.includes('mongodb') && mongoDatabase(`interop_auth_${randomUUID().slice(0, 8)}`);
  const { one } = auth;
  const both = { databaseURI, auth: { one, mfa: { options: ['TOTP'] } } };
  const [theirs, ours] = ['oracle', 'parsimony'].map((kind) => new Server({ store: 'mongodb', target: kind, options: both }));

  after(async () => {
    for (const server of [theirs, ours]) await server.remove();
    await dropDatabase(databaseURI);
  });

  const by = (server, authData) => server.rest('POST', '/users', { body: { authData } });
  const login = (server, name, token) =>
    server.rest('POST', '/login', { body: { username: name, password: 'pw', ...(token && { authData: { mfa: { token } } }) } });
  /// Signs up with a second factor; gives the recovery codes.
  const withFactor = async (server, username) => {
    const { body } = await server.rest('POST', '/users', { body: { username, password: 'pw' } });
    const mfa = { secret, token: oneTimeCode(secret) };
    const put = await server.rest('PUT', `/users/${body.objectId}`, { token: body.sessionToken, body: { authData: { mfa } } });
    return put.body.authDataResponse.mfa.recovery.split(', ');
  };

  test('users keep their providers and second factors, there and back', async () => {
    provider.people['token-moved'] = 'moved';
    const moved = { one: { id: 'moved', access_token: 'token-moved' } };
    const anonymous = { anonymous: { id: randomUUID() } };
    await theirs.start();
    const ids = [(await by(theirs, moved)).body.objectId, (await by(theirs, anonymous)).body.objectId];
    const codes = await withFactor(theirs, 'of theirs');
    await theirs.kill();

    await ours.start();
    assert.deepEqual([(await by(ours, moved)).body.objectId, (await by(ours, anonymous)).body.objectId], ids);
    assert.equal((await login(ours, 'of theirs')).body.code, -1);
    assert.equal((await login(ours, 'of theirs', codes[0])).status, 200);
    assert.equal((await login(ours, 'of theirs', oneTimeCode(secret))).status, 200);
    const own = await withFactor(ours, 'of ours');
    await ours.kill();

    await theirs.start();
    assert.equal((await by(theirs, moved)).body.objectId, ids[0]);
    assert.equal((await login(theirs, 'of theirs', codes[0])).body.code, 141);
    assert.equal((await login(theirs, 'of theirs', codes[1])).status, 200);
    assert.equal((await login(theirs, 'of theirs', oneTimeCode(secret))).status, 200);
    assert.equal((await login(theirs, 'of ours')).body.code, -1);
    assert.equal((await login(theirs, 'of ours', own[0])).status, 200);
    assert.equal((await login(theirs, 'of ours', oneTimeCode(secret))).status, 200);
  });
});

describe('what cannot be is refused at the start', () => {
  const start = async (auth) => {
    const server = new Server({ store: 'sqlite', target: 'parsimony', options: { auth } });
    const told = await server.start().then(() => 'started', ({ message }) => message);
    await server.remove();
    return told;
  };

  for (const [auth, text] of [
    [{ gooogle: { clientId: 'x' } }, /auth\.gooogle: there is no such provider/],
    // GHSA-r657-33vp-gp22: what is no list of applications is not searched for a part of a name.
    [{ facebook: { appIds: { a: 'abc' } } }, /auth\.facebook\.appIds: this must be a text or a list of texts/],
    [{ google: { clientid: 'x' } }, /auth\.google\.clientid: this provider has no such option/],
    [{ github: { clientId: 'x' } }, /auth\.github\.clientSecret: this is required/],
    [{ mfa: { options: ['SMS'] } }, /mfa\.sendSMS callback must be defined/],
    [{ mfa: { options: ['TOTP'], digits: 3 } }, /mfa\.digits must be between 4 and 10/],
    [{ meetup: {} }, /auth\.meetup\.enableInsecureAuth/],
    [{ github: { enableInsecureAuth: true } }, /needs enableInsecureAuthAdapters/],
    [{ 'a.b': { oauth2: true } }, /auth\.a\.b: a provider has a letter first/],
    [{ x: { oauth2: true } }, /OAuth2 token introspection endpoint URL is missing/],
  ]) {
    test(JSON.stringify(auth), async () => assert.match(await start(auth), text));
  }
});
