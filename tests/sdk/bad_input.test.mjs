// What does nonsense do: a refusal with the right code, no fault of the server, and nothing written.

import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, before, test as nodeTest } from 'node:test';
import Parse from 'parse/node';
import { as, master, onEachStore, signUp } from './lib/each-store.mjs';
import { target } from './lib/server.mjs';

const MEGABYTE = 1024 * 1024;
const UPLOAD_BYTES_MAX = 20 * MEGABYTE;
const DEPTH = 100_000;

const long = 'x'.repeat(MEGABYTE);
const nested = (open, inner, close) => open.repeat(DEPTH) + inner + close.repeat(DEPTH);

// Parse Server answers many of these with 500 or takes them (docs/differences.md), so it is no oracle here.
const test = target === 'oracle' ? nodeTest.skip : nodeTest;

onEachStore('bad input', (server) => {
  let user, kept;

  before(async () => {
    user = await signUp('bystander');
    kept = await new Parse.Object('Kept', { n: 1, text: 'x', list: [1], object: {} }).save();
  });

  // After each piece of nonsense the server works, and nothing was written.
  afterEach(async () => {
    const health = await server.rest('GET', '/health');
    assert.equal(health.status, 200);
    const { objectId } = (await server.rest('POST', '/classes/Alive', { body: { n: 1 } })).body;
    assert.equal((await server.rest('GET', `/classes/Alive/${objectId}`)).body.n, 1);
    assert.equal(await new Parse.Query('Bad').count(master), 0);
    assert.equal(await new Parse.Query('Kept').count(master), 1);
    assert.equal(await new Parse.Query(Parse.User).count(master), 1);
    assert.equal(server.child.exitCode, null);
  });

  /// The request is refused with one of these codes; `undefined` is a refusal without a code, for missing keys.
  const refuses = async (what, request, ...codes) => {
    const { status, body, text } = await request;
    const shown = `${what}: ${status} ${text.slice(0, 300)}`;
    assert.ok(status >= 400 && status < 500, shown);
    assert.ok(codes.includes(body?.code), `${shown}; expected ${codes}`);
    assert.equal(typeof body.error, 'string', shown);
    assert.ok(text.length < 2000, `an answer of ${text.length} characters`);
  };
  const post = (body, options) => server.rest('POST', '/classes/Bad', { body, ...options });
  const ask = (where) => server.rest('GET', `/classes/Kept?where=${encodeURIComponent(where)}`);

  test('bodies that are no JSON', async () => {
    const bodies = ['{', '{"a":}', '{"a":1', '{"a":1}}', '{"a":1,}', "{'a':1}", '{a:1}', 'null', '1', '"text"', '[]', '[1]', 'NaN',
      '{"a":NaN}', '{"a":Infinity}', '{"a":01}', '{"a":"\t"}', '{"a":"\\x"}', '{"a":"\\u12"}', '\ufeff\ufeff{"a":1}', '<xml/>', 'undefined', '\0'];
    for (const body of bodies) await refuses(JSON.stringify(body), post(body), 107);
    for (const path of ['/users', '/login', '/functions/nothing', '/batch', '/schemas']) {
      await refuses(path, server.rest('POST', path, { body: '{"a":', master: true }), 107);
    }
  });

  test('texts that are no Unicode', async () => {
    const bytes = (...parts) => Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part))));
    const invalid = [[0xff], [0xc3, 0x28], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf8, 0x88, 0x80, 0x80, 0x80], [0xe2, 0x82]];
    for (const sequence of invalid) {
      const shown = sequence.map((byte) => byte.toString(16)).join(' ');
      await refuses(`${shown} in a text`, post(bytes('{"a":"', sequence, '"}')), 107);
      await refuses(`${shown} in a key`, post(bytes('{"a', sequence, '":1}')), 107);
    }
    for (const lone of ['\\ud800', '\\udfff', '\\ud800x', '\\udc00\\ud800']) {
      await refuses(`${lone} in a text`, post(`{"a":"${lone}"}`), 107);
      await refuses(`${lone} in a key`, post(`{"o":{"${lone}":1}}`), 107);
      await refuses(`${lone} in a query`, ask(`{"text":"${lone}"}`), 107);
    }
    const pair = await server.rest('PUT', `/classes/Kept/${kept.id}`, { body: '{"text":"\\ud83e\\udd80"}' });
    assert.equal(pair.status, 200);
    assert.equal((await new Parse.Query('Kept').get(kept.id)).get('text'), '🦀');
  });

  test('the character NUL', async () => {
    await refuses('in a field name', post('{"a\\u0000b":1}'), 105);
    await refuses('in a class name', server.rest('POST', '/classes/Ba%00d', { body: { a: 1 } }), 103, 105, 107);
    await refuses('in an id', server.rest('GET', '/classes/Kept/a%00b'), 101, 104, 105);
    await refuses('in a where key', ask('{"a\\u0000b":1}'), 105);
    await refuses('in a user name', server.rest('POST', '/login', { body: { username: 'a\0b', password: 'x' } }), 101);
    await refuses('in a token', server.rest('POST', '/classes/Bad', { body: { _ApplicationId: server.appId, _SessionToken: 'r:\0', a: 1 }, headers: { 'X-Parse-Application-Id': '' } }), 209, undefined);
    // In a text it is a character like any other: stored as it is, or refused; never cut off.
    const { status, body } = await server.rest('PUT', `/classes/Kept/${kept.id}`, { body: { text: 'a\0b', object: { k: 'c\0d' } } });
    if (status === 200) {
      const object = await new Parse.Query('Kept').get(kept.id);
      assert.deepEqual([object.get('text'), object.get('object')], ['a\0b', { k: 'c\0d' }]);
      assert.equal(await new Parse.Query('Kept').equalTo('text', 'a\0b').count(), 1);
      assert.equal(await new Parse.Query('Kept').equalTo('text', 'a').count(), 0);
    } else assert.deepEqual([status, typeof body.code], [400, 'number']);
    await refuses('in a nested key', server.rest('PUT', `/classes/Kept/${kept.id}`, { body: { object: { 'a\0b': 1 } } }), 105, 107, 121);
    await refuses('in a pattern', ask('{"text":{"$regex":"a\\u0000("}}'), 102, 107);
  });

  test('depth', async () => {
    await refuses('arrays', post(`{"a":${nested('[', '1', ']')}}`), 107);
    await refuses('objects', post(`{"a":${nested('{"a":', '1', '}')}}`), 107);
    await refuses('unclosed arrays', post(`{"a":${'['.repeat(DEPTH)}`), 107);
    await refuses('a where', server.rest('POST', '/classes/Kept', { body: `{"_method":"GET","where":${nested('{"$or":[', '{}', ']}')}}` }), 102, 107);
    await refuses('a where as text', server.rest('POST', '/classes/Kept', { body: { _method: 'GET', where: nested('[', '', ']') } }), 102, 107);
    await refuses('parameters', server.rest('POST', '/functions/nothing', { body: `{"a":${nested('[', '', ']')}}` }), 107, 141);
    await refuses('a query string', server.rest('GET', `/classes/Kept?where${'[a]'.repeat(5000)}=1`), 102, 105, 107, 111);
    await refuses('a dotted key', server.rest('PUT', `/classes/Kept/${kept.id}`, { body: { [`object${'.a'.repeat(1000)}`]: { $bad: 1 } } }), 105, 107, 111, 121);
    const or = (depth) => (depth ? { $or: [or(depth - 1)] } : { n: 1 });
    await refuses('conditions', ask(JSON.stringify(or(40))), 102);
    await refuses('more of them', ask(JSON.stringify(or(1000))), 102, 107);
    const inside = (depth) => ({ p: { $inQuery: { className: 'Kept', where: depth ? inside(depth - 1) : {} } } });
    await refuses('subqueries', ask(JSON.stringify(inside(40))), 102, 107);
  });

  test('size', { timeout: 120_000 }, async () => {
    await refuses('a body', post(`{"a":"${'x'.repeat(UPLOAD_BYTES_MAX)}"}`), 116);
    const { status } = await server.rest('GET', '/health');
    assert.equal(status, 200);
    const bomb = gzipSync(`{"a":"${'x'.repeat(UPLOAD_BYTES_MAX * 2)}"}`);
    await refuses('an unpacked body', post(bomb, { headers: { 'Content-Encoding': 'gzip' } }), 116);
    await refuses('no gzip at all', post('{"a":1}', { headers: { 'Content-Encoding': 'gzip' } }), 107);
    await refuses('another packing', post('{"a":1}', { headers: { 'Content-Encoding': 'brotli?' } }), 107);
    const streamed = await chunked(`POST /parse/classes/Bad HTTP/1.1\r\nHost: x\r\nX-Parse-Application-Id: ${server.appId}\r\nTransfer-Encoding: chunked\r\n\r\n`, 24);
    assert.match(streamed, /^HTTP\/1\.1 413 /);
    assert.match(streamed, /"code":116/);
  });

  /// Sends the head and megabytes in chunks until the server answers.
  function chunked(head, megabytes) {
    return new Promise((resolve, reject) => {
      let answer = '';
      const socket = connect(server.port, '127.0.0.1', () => {
        socket.write(`${head}a\r\n{"a":"xxxx\r\n`);
        for (let n = 0; n < megabytes; n += 1) socket.write(`100000\r\n${long}\r\n`);
      });
      socket.setEncoding('utf8').on('data', (text) => {
        answer += text;
        if (answer.includes('}')) socket.destroy();
      });
      socket.on('error', (error) => (answer ? undefined : reject(error)));
      socket.on('close', () => resolve(answer));
    });
  }

  test('a megabyte where a word should be', async () => {
    const sdk = (fields) => server.rest('POST', '/classes/Bad', { body: { _ApplicationId: server.appId, ...fields }, headers: { 'X-Parse-Application-Id': '' } });
    await refuses('session token', sdk({ _SessionToken: long }), 209);
    await refuses('application id', sdk({ _ApplicationId: long }), undefined);
    await refuses('method', sdk({ _method: long }), 107, 101, undefined);
    await refuses('field name', post({ [long]: 1 }), 105);
    await refuses('class in a body', server.rest('POST', '/schemas', { body: { className: long }, master: true }), 103);
    await refuses('class of a pointer', post({ p: { __type: 'Pointer', className: long, objectId: 'x' } }), 103, 105, 107, 111);
    await refuses('type', post({ p: { __type: long } }), 107, 111);
    await refuses('operation', post({ p: { __op: long } }), 107);
    await refuses('batch path', server.rest('POST', '/batch', { body: { requests: [{ method: 'GET', path: `/${long}` }] } }), 107);
    await refuses('where key', server.rest('POST', '/classes/Kept', { body: { _method: 'GET', where: { [long]: 1 } } }), 105);
    await refuses('operator', server.rest('POST', '/classes/Kept', { body: { _method: 'GET', where: { n: { [`$${long}`]: 1 } } } }), 107);
    await refuses('user name', server.rest('POST', '/login', { body: { username: long, password: 'x' } }), 101);
    await refuses('password', server.rest('POST', '/login', { body: { username: 'bystander', password: long } }), 101);
    await refuses('email', server.rest('POST', '/users', { body: { username: 'u', password: 'p', email: long } }), 125);
    await refuses('Date', post({ d: { __type: 'Date', iso: long } }), 107, 111);
    await refuses('include', server.rest('POST', '/classes/Kept', { body: { _method: 'GET', order: `-${long}!` } }), 105);
    const path = await fetch(`${server.url}/classes/${'x'.repeat(60_000)}`, { headers: { 'X-Parse-Application-Id': server.appId } });
    assert.ok(path.status >= 400 && path.status < 500, `class in a path: ${path.status}`);
    await path.text();
  });

  test('headers that are too large, or none', async () => {
    for (const [name, length] of [['X-Parse-Session-Token', 8_000], ['X-Parse-Session-Token', MEGABYTE], ['X-Anything', 4 * MEGABYTE]]) {
      const answer = await exchange(`GET /parse/classes/Kept HTTP/1.1\r\nHost: x\r\nX-Parse-Application-Id: ${server.appId}\r\n${name}: ${'x'.repeat(length)}\r\n\r\n`);
      assert.match(answer, /^(HTTP\/1\.1 4\d\d |$)/, `${name}: ${length}`);
    }
    for (const request of ['GARBAGE\r\n\r\n', 'GET / HTTP/9.9\r\n\r\n', '\0\0\0\0\r\n\r\n', 'GET /parse/classes/%zz HTTP/1.1\r\nHost: x\r\n\r\n']) {
      assert.match(await exchange(request), /^(HTTP\/1\.1 4\d\d |$)/, JSON.stringify(request));
    }
  });

  /// What the server sends until it has no more to say, or closes.
  function exchange(request) {
    return new Promise((resolve) => {
      let answer = '';
      const socket = connect(server.port, '127.0.0.1', () => socket.write(request));
      socket.setTimeout(1500, () => socket.destroy());
      socket.setEncoding('utf8').on('data', (text) => {
        answer += text;
        socket.setTimeout(200);
      });
      socket.on('error', () => {});
      socket.on('close', () => resolve(answer));
    });
  }

  test('keys and sessions that are none', async () => {
    const get = (headers) => server.rest('GET', '/classes/Kept', { headers });
    await refuses('no application', get({ 'X-Parse-Application-Id': '' }), undefined);
    await refuses('another application', get({ 'X-Parse-Application-Id': 'other' }), undefined);
    await refuses('no session', get({ 'X-Parse-Session-Token': 'r:none' }), 209);
    for (const value of [1, {}, ['r:x'], true]) {
      const body = { _ApplicationId: server.appId, _SessionToken: value, a: 1 };
      await refuses(`session ${JSON.stringify(value)}`, server.rest('POST', '/classes/Bad', { body, headers: { 'X-Parse-Application-Id': '' } }), undefined);
    }
    // What is null is not there.
    const absent = { _method: 'GET', _ApplicationId: server.appId, _SessionToken: null, _MasterKey: null, _InstallationId: null };
    const open = await server.rest('POST', '/classes/Kept', { body: absent, headers: { 'X-Parse-Application-Id': '' } });
    assert.equal(open.body.results?.length, 1, open.text);
    // A wrong master key is no error, and no master key.
    for (const key of ['wrong', server.masterKey.slice(0, -1), `${server.masterKey}x`, '']) {
      await refuses('master key', server.rest('GET', '/schemas', { headers: { 'X-Parse-Master-Key': key } }), undefined);
    }
    await refuses('context', get({ 'X-Parse-Cloud-Context': '[1' }), 107);
  });

  test('content types do not matter, but what is in the body does', async () => {
    for (const type of ['text/plain', 'application/json; charset=utf-8', 'application/octet-stream', 'nonsense', '']) {
      const { status } = await server.rest('PUT', `/classes/Kept/${kept.id}`, { body: '{"n":1}', headers: { 'Content-Type': type } });
      assert.equal(status, 200, type);
      await refuses(type, post('n=1', { headers: { 'Content-Type': type } }), 107);
    }
    await refuses('multipart', post('--x\r\n\r\n{}\r\n--x--', { headers: { 'Content-Type': 'multipart/form-data; boundary=x' } }), 107, undefined);
  });

  test('paths that lead nowhere', async () => {
    const { appId } = server;
    for (const [method, path] of [['GET', '/nothing'], ['PATCH', '/classes/Kept'], ['POST', '/classes/Kept/x'], ['GET', '/classes'], ['GET', '/classes/Kept/a/b'], ['GET', '/../../etc/passwd'], ['GET', '/classes/%2e%2e/%2e%2e']]) {
      const { status } = await server.rest(method, path, { headers: { 'X-Parse-Application-Id': appId } });
      assert.ok(status >= 400 && status < 500, `${method} ${path}: ${status}`);
    }
    await refuses('an unknown function', server.rest('POST', '/functions/nothing', { body: {} }), 141);
    await refuses('an internal class', server.rest('GET', '/classes/_Join:users:_Role'), 119);
    await refuses('another', server.rest('GET', '/classes/_SCHEMA'), 103, 119);
    for (const name of ['no-name', '1st', '$cmd', 'a b', 'system.users', "x'; DROP TABLE Kept; --", '"', '']) {
      await refuses(name, server.rest('GET', `/classes/${encodeURIComponent(name)}?limit=1`), 103, 119, undefined);
    }
  });

  test('operations that make no sense', async () => {
    const put = (body) => server.rest('PUT', `/classes/Kept/${kept.id}`, { body });
    const cases = [
      [{ n: { __op: 'Increment', amount: 'x' } }, 107], [{ n: { __op: 'Increment' } }, 107], [{ text: { __op: 'Increment', amount: 1 } }, 111],
      [{ n: { __op: 'Add', objects: [1] } }, 111], [{ list: { __op: 'Add', objects: 1 } }, 107], [{ list: { __op: 'Remove' } }, 107],
      [{ n: { __op: 'Explode' } }, 107], [{ n: { __op: 1 } }, 107, 111],
      [{ r: { __op: 'AddRelation', objects: [1] } }, 107, 111], [{ r: { __op: 'Batch', ops: 1 } }, 107], [{ n: { __type: 'Pointer' } }, 107, 111],
      [{ n: { __type: 'Date', iso: 'never' } }, 107, 111], [{ n: { __type: 'GeoPoint', latitude: 'x' } }, 107, 111],
      [{ g: { __type: 'GeoPoint', latitude: 1e9, longitude: 0 } }, 107, 111], [{ p: { __type: 'Polygon', coordinates: [[0, 0]] } }, 107, 111],
      [{ ACL: 'x' }, 111, 123], [{ ACL: { '*unresolved': { read: true } } }, 123], [{ 'a..b': 1 }, 105], [{ '.a': 1 }, 105], [{ 'text.a': 1 }, 105, 111],
      [{ _rperm: ['*'] }, 105], [{ _id: 'x' }, 105], [{ $set: { n: 1 } }, 105],
    ];
    for (const [body, ...codes] of cases) {
      await refuses(JSON.stringify(body), put(body), ...codes);
    }
    assert.equal((await new Parse.Query('Kept').get(kept.id)).get('n'), 1);
  });

  test('queries that make no sense', async () => {
    const cases = [
      ['{"n":{"$gt":{}}}', 107], ['{"n":{"$in":{}}}', 107], ['{"n":{"$all":1}}', 107], ['{"$or":1}', 102], ['{"$or":[]}', 102], ['{"$or":[1]}', 102],
      ['{"text":{"$regex":"("}}', 102], ['{"text":{"$regex":"[z-a]"}}', 102], ['{"text":{"$regex":"a","$options":"q"}}', 102],
      ['{"list":{"$containedBy":1}}', 107], ['{"text":{"$text":{}}}', 107], ['{"g":{"$nearSphere":1}}', 102, 107], ['{"g":{"$within":{"$box":[]}}}', 107],
      ['{"$relatedTo":{}}', 102], ['{"p":{"$inQuery":1}}', 102], ['{"p":{"$select":{"key":"x"}}}', 102], ['{"n":{"$gt":{"$relativeTime":"soon"}}}', 107],
      ['{"constructor":{"$function":1}}', 105, 107], ['{"n":{"$where":"1"}}', 107], ['{"n":{"$expr":1}}', 107], ['[]', 107], ['1', 107],
    ];
    for (const [where, ...codes] of cases) await refuses(where, ask(where), ...codes);
    for (const [option, ...codes] of [['limit=x', 102, 107], ['limit=-1', 102, 107], ['skip=-1', 102, 107], ['order=$x', 105], ['explain=x', 102], ['readPreference=x', 102], ['nonsense=1', 102]]) {
      const { status, body, text } = await server.rest('GET', `/classes/Kept?${option}`);
      if (status !== 200) await refuses(option, Promise.resolve({ status, body, text }), ...codes);
    }
    // A pattern that takes a careless engine for ever.
    await server.rest('PUT', `/classes/Kept/${kept.id}`, { body: { text: `${'a'.repeat(40)}!` } });
    const started = Date.now();
    await ask('{"text":{"$regex":"^(a+)+$"}}');
    assert.ok(Date.now() - started < 5_000);
  });

  test('batches that make no sense', async () => {
    const batch = (body) => server.rest('POST', '/batch', { body });
    for (const requests of [undefined, 1, 'x', {}, [{ method: 'GET', path: 1 }], [{ method: 'GET' }], [{ method: 'POST', path: '/parse/batch', body: { requests: [] } }], [{ method: 'GET', path: '/elsewhere/classes/Kept' }]]) {
      await refuses(JSON.stringify(requests), batch({ requests }), 107);
    }
    const bodies = [1, 'x', true, [1]].map((body) => ({ method: 'POST', path: '/parse/classes/Bad', body }));
    const good = { method: 'POST', path: '/parse/classes/Bad', body: {} };
    for (const nowhere of [{ method: 'FLY', path: '/parse/classes/Bad' }, { method: 'GET', path: '/parse/nothing' }]) {
      await refuses('a part that leads nowhere', batch({ requests: [good, nowhere] }), 107);
    }
    const { status, body } = await batch({ requests: bodies });
    assert.equal(status, 200);
    assert.ok(body.length === bodies.length && body.every((part) => part.error?.code === 107), JSON.stringify(body));
  });

  test('a session is worth nothing beside nonsense', async () => {
    const token = as(user).sessionToken;
    await refuses('another user', server.rest('PUT', '/users/nobody', { body: { n: 1 }, token }), 101, 206);
    await refuses('nothing to change', server.rest('PUT', '/classes/Kept/nothing', { body: {}, token }), 101);
  });
});
