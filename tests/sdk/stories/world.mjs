// What do the stories stand on: a server with a chain, a mail server and the services around it, people, and what they may do.

import assert from 'node:assert/strict';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import Parse from 'parse/node';
import { Chain } from '../lib/chain.mjs';
import { as, master, refused, signUp } from '../lib/each-store.mjs';
import { MailSink } from '../lib/smtp.mjs';
import { Vendors } from './vendors.mjs';

/// How long anything may take on a busy machine.
const WAIT_MILLIS_MAX = 60_000;

const secret = (text) => `whsec_${Buffer.from(text).toString('base64')}`;

/// With what services sign.
export const SECRETS = {
  documents: secret('who reads documents'),
  prices: secret('who tells prices'),
  alchemy: 'whsec_alchemy',
  quicknode: 'quicknode token',
  moralis: 'moralis secret',
  mailgun: 'mailgun key',
};

export class World {
  /// Everybody, by name.
  people = {};
  /// What one chapter leaves for the next.
  told = {};
  /// Which functions have answered, which jobs have run, and which webhooks were believed.
  seen = { functions: new Set(), jobs: new Set(), webhooks: new Set() };
  logged = '';

  constructor(server) {
    this.server = server;
    server.hear = (text) => (this.logged += text);
  }

  /// Starts what is outside of the server; gives the server's options.
  async open() {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    this.key = privateKey.export({ type: 'pkcs8', format: 'pem' });
    [this.chain, this.mail, this.vendors] = await Promise.all([Chain.start(), MailSink.start(), Vendors.start()]);
    this.feed = await this.chain.make('LocalPriceFeed', 8);
    return this.options();
  }

  close() {
    for (const part of [this.chain, this.mail, this.vendors]) part?.stop();
  }

  /// `contracts` says where the contracts are, once they are.
  options(contracts) {
    const { chain, vendors, feed, mail, server } = this;
    const place = { id: Chain.id, endpoints: ['http://127.0.0.1:9/', chain.url], confirmations: 2, signerKey: Chain.richKey };
    const { factory, identityRegistry, identityFactory, settlement } = contracts ?? {};
    const identity = {
      publicUrl: server.url,
      credentials: { key: this.key },
      documents: { webhookSecret: SECRETS.documents },
      delivery: { mailgunSigningKey: SECRETS.mailgun },
      ...vendors.kyc,
      ...(contracts && { chain: { ...place, identityFactory, identityRegistry, webhook: { service: 'alchemy', secret: SECRETS.alchemy } } }),
    };
    const assets = {
      chains: [{ ...place, factory, identityRegistry, settlement }],
      webhooks: { alchemy: SECRETS.alchemy, quicknode: SECRETS.quicknode, moralis: SECRETS.moralis },
      prices: {
        webhookSecret: SECRETS.prices,
        coinGecko: { apiKey: 'gecko key', baseUrl: `${vendors.url}/gecko` },
        coinMarketCap: { apiKey: 'cmc key', baseUrl: `${vendors.url}/cmc` },
        feeds: {
          gold: { coinGecko: 'pax-gold', coinMarketCap: 4705, chainlink: { chainId: Chain.id, address: feed, ageSecondsMax: 86_400 } },
          desk: {},
        },
      },
    };
    return {
      fileKey: 'what files are encrypted with',
      startLiveQueryServer: true,
      liveQuery: { classNames: ['Identity', 'IdentityVerification', 'Notification', 'AssetTransaction'] },
      parsimony: { mail: mail.option, settings: { 'identity-management': identity, 'digital-assets': assets } },
    };
  }

  /// Somebody new, with an address for letters, in these roles.
  async person(name, ...roles) {
    const user = await signUp(name, { email: `${name}@example.org` });
    for (const role of roles) {
      const found = await new Parse.Query(Parse.Role).equalTo('name', role).first(master);
      found.getUsers().add(user);
      await found.save(null, master);
    }
    user.wallet = `0x${randomBytes(20).toString('hex')}`;
    return (this.people[name] = user);
  }

  /// Calls a function; gives what it answers.
  async run(who, name, params = {}) {
    const answer = await Parse.Cloud.run(name, params, as(who)).catch((error) => {
      throw new Error(`${name} ${JSON.stringify(params)}: ${error.code} ${error.message}`, { cause: error });
    });
    this.seen.functions.add(name);
    return answer;
  }

  /// Calls a function that refuses.
  refused = (who, name, params, code, text) => refused(Parse.Cloud.run(name, params, as(who)), code, text);

  /// Runs a job to its end; gives what it said.
  async job(name, params = {}) {
    const id = await Parse.Cloud.startJob(name, params);
    const run = await this.until(`the end of ${name}`, async () => {
      const run = await Parse.Cloud.getJobStatus(id);
      return run.get('status') !== 'running' && run;
    });
    assert.equal(run.get('status'), 'succeeded', `${name}: ${run.get('message')}`);
    this.seen.jobs.add(name);
    return run.get('message') ?? '';
  }

  /// Looks again and again until there is something.
  async until(what, look) {
    for (const end = Date.now() + WAIT_MILLIS_MAX; Date.now() < end; await sleep(50)) {
      const found = await look();
      if (found) return found;
    }
    const said = this.logged.split('\n').filter((line) => /"level":"(WARN|ERROR)"/.test(line));
    throw new Error(`in vain: ${what}\n${said.slice(-5).join('\n')}\n${this.vendors.faults.join('\n')}`);
  }

  /// An object, with the eyes of the master key, or of somebody.
  get = (className, id, who) => new Parse.Query(className).get(id, who ? as(who) : master);

  becomes = (className, id, status) => this.until(`${className} ${id} is ${status}`, async () => {
    const object = await this.get(className, id);
    return object.get('status') === status && object;
  });

  /// What everything that somebody is told of by LiveQuery has in this field, as often as it changes.
  async listen(query, who, field) {
    const subscription = await query.subscribe(who.getSessionToken());
    const heard = [];
    const note = (object) => heard.at(-1) !== object.get(field) && heard.push(object.get(field));
    for (const event of ['create', 'update', 'enter']) subscription.on(event, note);
    return heard;
  }

  /// A service tells something; gives the status of the answer.
  async deliver(application, source, body, headers = {}, query = '') {
    const url = `${this.server.url}/webhooks/${application}/${source}${query}`;
    const answer = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body });
    if (answer.status === 200) this.seen.webhooks.add(`${application}/${source}`);
    return answer.status;
  }

  /// Waits until every event that came has been handled, and none in vain.
  handled = () => this.until('all events are handled', async () => {
    const events = await new Parse.Query('WebhookEvent').notEqualTo('status', 'PROCESSED').find(master);
    for (const event of events) assert.notEqual(event.get('status'), 'DEAD', event.get('message'));
    return events.length === 0;
  });

  /// Sends what was decided to the chain, and follows it until it is settled there.
  async settle({ transactionId }, status = 'CONFIRMED') {
    const settled = await this.until(`${transactionId} is settled`, async () => {
      await this.job('confirmTransactions');
      await this.chain.mine();
      const transaction = await this.get('AssetTransaction', transactionId);
      return ['CONFIRMED', 'FAILED'].includes(transaction.get('status')) && transaction;
    });
    assert.equal(settled.get('status'), status, settled.get('failure'));
    return settled;
  }

  /// Calls a function that decides something about tokens, and has the chain do it.
  decided = async (who, name, params) => this.settle(await this.run(who, name, params));
}
