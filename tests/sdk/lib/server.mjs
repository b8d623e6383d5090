// How does a test get a server: a process of its own, with a database of its own, that it may kill and start again.

import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { MongoClient } from 'mongodb';
import Parse from 'parse/node';

const START_MILLIS_MAX = 30_000;
const LOG_CHARS_MAX = 20_000;

/// What personal data is sealed with in tests.
const PII_KEY = { id: 'test', key: 'cGVyc29uYWwgZGF0YSBvZiB0ZXN0cywgc2VhbGVkLi4=' };

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
export const binary = process.env.PARSIMONY_BIN ?? here('../../../target/debug/parsimony');

/// Which server the tests drive: `parsimony`, or `oracle`, which is Parse Server.
export const target = process.env.PARSIMONY_SDK_TARGET ?? 'parsimony';

/// The stores that each test runs on. Parse Server has no SQLite.
export const stores = target === 'oracle' ? ['mongodb'] : (process.env.PARSIMONY_SDK_STORES ?? 'sqlite,mongodb').split(',');

const children = new Set();
process.on('exit', () => children.forEach((child) => child.kill('SIGKILL')));

export class Server {
  appId = 'sdk-tests';
  masterKey = 'the-master-key';
  /// The end of what it said. Who wants all of it sets `hear`.
  log = '';

  /// `options` are Parse Server's, or a function of this server that gives them, now or later, once its URL is known. With a
  /// `databaseURI` among them the database is the caller's to remove. Without any (`null`) ours is started as a newcomer does: it
  /// makes its own keys, and keeps them with its data.
  constructor({ store, target: kind = target, options = {} }) {
    this.store = store;
    this.kind = kind;
    this.options = options;
  }

  async start() {
    if (!this.folder) await this.#prepare();
    const oracle = [process.execPath, here('../node_modules/parse-server/bin/parse-server'), this.config];
    const ours = this.options ? [binary, 'serve', '--config', this.config] : [binary, '--port', this.port];
    const [command, ...args] = this.kind === 'oracle' ? oracle : ours;
    const env = { ...process.env, PARSE_SERVER_LOGS_FOLDER: 'null' };
    const child = spawn(command, args, { cwd: this.folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
    children.add(child);
    this.child = child;
    this.exited = new Promise((resolve) => {
      child.once('error', (error) => this.#note(String(error)));
      child.once('close', resolve);
    }).finally(() => children.delete(child));
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => this.#note(text));
    await this.#healthy();
    return this;
  }

  async #prepare() {
    this.folder = await mkdtemp(join(tmpdir(), 'parsimony-sdk-'));
    this.port = await freePort();
    this.url = `http://127.0.0.1:${this.port}/parse`;
    if (typeof this.options === 'function') this.options = await this.options(this);
    if (!this.options) return;
    this.config = join(this.folder, 'config.json');
    this.ownDatabase = !this.options.databaseURI;
    this.databaseURI = this.options.databaseURI ?? this.#freshDatabase();
    await this.configure(this.options);
  }

  /// Writes down the options that hold from the next start on; the database stays.
  async configure(options) {
    this.options = options;
    const { appId, masterKey, port, url, databaseURI } = this;
    const config = { appId, masterKey, port, host: '127.0.0.1', serverURL: url, ...options, databaseURI };
    if (this.kind !== 'oracle') config.parsimony = { pii: { keys: [PII_KEY] }, ...config.parsimony };
    await writeFile(this.config, JSON.stringify(config));
  }

  #freshDatabase() {
    if (this.store === 'sqlite') return `sqlite:${join(this.folder, 'parse.db')}`;
    return mongoDatabase(`sdk_${randomBytes(6).toString('hex')}`);
  }

  #note(text) {
    this.hear?.(text);
    this.log = (this.log + text).slice(-LOG_CHARS_MAX);
  }

  async #healthy() {
    let gone = false;
    this.exited.then(() => (gone = true));
    for (const end = Date.now() + START_MILLIS_MAX; Date.now() < end && !gone; await sleep(20)) {
      const answer = await fetch(`${this.url}/health`).catch(() => undefined);
      if (answer?.status === 200) return;
    }
    await this.kill('SIGKILL');
    throw new Error(`The server (${this.kind}, ${this.store}) does not start:\n${this.log}`);
  }

  /// Sends the signal and waits until the process is gone.
  async kill(signal = 'SIGTERM') {
    this.child?.kill(signal);
    await this.exited;
  }

  async restart(signal = 'SIGTERM') {
    await this.kill(signal);
    await this.start();
  }

  /// The id of the process that runs its cloud code.
  async cloudPid() {
    const { stdout } = await promisify(execFile)('pgrep', ['-f', '-P', String(this.child.pid), 'host.cjs']);
    return Number(stdout.trim().split('\n')[0]);
  }

  /// Stops the server and removes what it left.
  async remove() {
    await this.kill('SIGKILL');
    if (!this.folder) return;
    if (this.ownDatabase && this.store === 'mongodb') await dropDatabase(this.databaseURI);
    await rm(this.folder, { recursive: true, force: true });
  }

  /// Points the SDK, of which there is one in a process, to this server.
  useSdk() {
    Parse.initialize(this.appId, undefined, this.masterKey);
    Parse.serverURL = this.url;
    // The SDK asks again after an answer 5xx. Ours must not need that; Parse Server does, for transactions.
    Parse.CoreManager.set('REQUEST_ATTEMPT_LIMIT', this.kind === 'oracle' ? 5 : 1);
    return Parse;
  }

  /// One request as a client without an SDK makes it; `body` is sent as it is when it is text or bytes.
  async rest(method, path, { body, token, master, headers = {} } = {}) {
    const all = { 'X-Parse-Application-Id': this.appId, 'Content-Type': 'application/json', ...headers };
    if (token !== undefined) all['X-Parse-Session-Token'] = token;
    if (master) all['X-Parse-Master-Key'] = this.masterKey;
    const raw = body === undefined || typeof body === 'string' || body instanceof Uint8Array;
    const ask = () => fetch(this.url + path, { method, headers: all, body: raw ? body : JSON.stringify(body) });
    // Parse Server closes the connection after some of its refusals, without saying so.
    const answer = await ask().catch((error) => (this.kind === 'oracle' ? ask() : Promise.reject(error)));
    const text = await answer.text();
    return { status: answer.status, headers: answer.headers, text, body: readJson(text) };
  }
}

function readJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/// The URI of a database on the replica set that `cargo xtask test` starts.
export function mongoDatabase(name) {
  const uri = process.env.PARSIMONY_TEST_MONGO_RS;
  if (!uri) throw new Error('PARSIMONY_TEST_MONGO_RS names no replica set; `cargo xtask test` starts one and says which');
  const [hosts, query] = uri.split('?');
  return `${hosts.replace(/(?<=[^/])\/$/, '')}/${name}${query ? `?${query}` : ''}`;
}

export async function dropDatabase(uri) {
  const client = await MongoClient.connect(uri);
  // A transaction that died with its server keeps its collections locked for a minute: then the database stays.
  await client.db().dropDatabase({ maxTimeMS: 3000 }).catch(() => {});
  await client.close();
}

export function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}
