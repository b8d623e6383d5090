#!/usr/bin/env node
// Runs a `cloud/main.js` as it is: node host.cjs [cloud/main.js]. Parsimony starts it (`cloudCodeCommand`) and asks it over
// HTTP what is defined there; the protocol is ParseCloud/1.0.

const { createServer } = require('node:http');
const { resolve } = require('node:path');
const { timingSafeEqual } = require('node:crypto');
const { pathToFileURL } = require('node:url');
const Parse = require('parse/node');
const { Registry } = require('./registry.cjs');
const { answerTo } = require('./requests.cjs');

const BODY_BYTES_MAX = 32 << 20;

const { PARSE_SERVER_URL, PARSE_APPLICATION_ID, PARSE_MASTER_KEY, PARSE_WEBHOOK_KEY, PARSE_CLOUD_PORT } = process.env;

/// Whether the request comes from our server.
function isTrusted(request) {
  const sent = Buffer.from(request.headers['x-parse-webhook-key'] ?? '');
  const key = Buffer.from(PARSE_WEBHOOK_KEY ?? '');
  return key.length > 0 && sent.length === key.length && timingSafeEqual(sent, key);
}

async function bodyOf(request) {
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > BODY_BYTES_MAX) throw new Error(`A request has more than ${BODY_BYTES_MAX} bytes.`);
    chunks.push(chunk);
  }
  return JSON.parse(Buffer.concat(chunks).toString() || '{}');
}

async function serve(registry, request) {
  if (!isTrusted(request)) return [401, { error: { code: 119, message: 'unauthorized' } }];
  const path = request.url.split('/').slice(1).map(decodeURIComponent);
  if (request.method === 'GET' && path[0] === '') return [200, registry.manifest()];
  if (request.method === 'GET' && path[0] === 'health') return [200, { status: 'ok' }];
  const hook = registry.find(path);
  if (request.method !== 'POST' || !hook) return [404, { error: { code: 141, message: `There is no ${path.join(' ')} here.` } }];
  return [200, await answerTo(hook, await bodyOf(request))];
}

async function main() {
  Parse.initialize(PARSE_APPLICATION_ID, undefined, PARSE_MASTER_KEY);
  Parse.serverURL = PARSE_SERVER_URL;
  const registry = new Registry();
  Object.assign(Parse.Cloud, registry.methods());
  globalThis.Parse = Parse;
  // What was written for Parse Server has `Parse` as a global; what imports it gets the same one, if it is installed here.
  await import(pathToFileURL(resolve(process.argv[2] ?? 'cloud/main.js')));

  const server = createServer((request, response) => {
    serve(registry, request)
      .catch((error) => [500, { error: { code: 1, message: String(error?.message ?? error) } }])
      .then(([status, body]) => {
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
      });
  });
  server.listen(Number(PARSE_CLOUD_PORT ?? 0), '127.0.0.1', () => {
    process.stdout.write(`PARSE_CLOUD_READY:${server.address().port}\n`);
  });
  // The server holds our input open: when it is no more, so are we.
  process.stdin.on('end', () => process.exit()).resume();
  process.on('SIGTERM', () => {
    server.close(() => process.exit());
    server.closeIdleConnections();
  });
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
