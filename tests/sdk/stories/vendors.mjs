// Stand-ins for the services that the applications ask and tell: four that verify people, two that know prices, and one that
// subscribed to webhooks. Each looks at what it is shown as the real one would.

import assert from 'node:assert/strict';
import { createHmac, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { isStandard } from '../lib/signatures.mjs';

const basic = (id, secret) => `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`;

export class Vendors {
  /// What each service calls the verification of ours with this id: `sumsub VERIFICATION`.
  references = {};
  /// What Jumio says of a workflow execution when it is asked.
  decisions = {};
  /// What one of it costs, by the names of each service; a text, as money has no floats.
  prices = { 'pax-gold': '2000.25', 4705: '2001.75' };
  /// What was sent to who subscribed, and believed.
  delivered = [];
  /// With what deliveries are signed, by the path that they go to.
  secrets = {};
  /// What was not as it should be.
  faults = [];

  static async start() {
    const vendors = new Vendors();
    vendors.server = createServer((request, response) => vendors.#serve(request, response));
    await once(vendors.server.listen(0, '127.0.0.1'), 'listening');
    vendors.server.unref();
    vendors.url = `http://127.0.0.1:${vendors.server.address().port}`;
    return vendors;
  }

  /// The settings of identity management that lead here.
  get kyc() {
    const { url } = this;
    return {
      sumsub: { appToken: 'token', appSecret: 'app secret', level: 'basic', webhookSecret: 'sumsub secret', baseUrl: `${url}/sumsub` },
      onfido: { apiToken: 'api token', workflow: 'flow', webhookToken: 'onfido token', baseUrl: `${url}/onfido` },
      shufti: { clientId: 'client', secretKey: 'shufti secret', baseUrl: `${url}/shufti` },
      jumio: { clientId: 'client', clientSecret: 'jumio secret', workflow: '10011', webhookSecret: 'in-the-url', baseUrl: `${url}/jumio` },
    };
  }

  async #serve(request, response) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const [body, [, service], path] = [Buffer.concat(chunks).toString(), request.url.split('/'), request.url.replace(/^\/[^/]+/, '')];
    try {
      const answer = this[`_${service}`](`${request.method} ${path}`, request.headers, body);
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(typeof answer === 'string' ? answer : JSON.stringify(answer));
    } catch (error) {
      this.faults.push(`${request.method} ${request.url}: ${error.stack ?? error}`);
      response.writeHead(400).end('{}');
    }
  }

  #begun(service, verification) {
    // Nobody is given more than our own id.
    assert.match(verification, /^[A-Za-z0-9]{10,}$/);
    return (this.references[`${service} ${verification}`] ??= randomUUID());
  }

  _sumsub(what, headers, body) {
    const [method, path] = what.split(' ');
    const at = headers['x-app-access-ts'];
    const signature = createHmac('sha256', 'app secret').update(at + method + path + body).digest('hex');
    assert.deepEqual([headers['x-app-token'], headers['x-app-access-sig']], ['token', signature]);
    if (what === 'POST /resources/applicants?levelName=basic') return { id: this.#begun('sumsub', JSON.parse(body).externalUserId) };
    assert.equal(what, 'POST /resources/sdkIntegrations/levels/-/websdkLink');
    return { url: 'https://in.sumsub.example/go' };
  }

  _onfido(what, headers, body) {
    assert.equal(headers.authorization, 'Token token=api token');
    if (what === 'POST /applicants') return { id: 'applicant' };
    assert.equal(what, 'POST /workflow_runs');
    return { id: this.#begun('onfido', JSON.parse(body).customer_user_id), link: { url: 'https://onfido.example/go' } };
  }

  _shufti(what, headers, body) {
    assert.deepEqual([what, headers.authorization], ['POST /', basic('client', 'shufti secret')]);
    const { reference } = JSON.parse(body);
    this.references[`shufti ${reference.replace('parsimony-', '')}`] = reference;
    return { reference, event: 'request.pending', verification_url: 'https://shufti.example/go' };
  }

  _jumio(what, headers, body) {
    if (what === 'POST /auth/oauth2/token') {
      assert.deepEqual([headers.authorization, body], [basic('client', 'jumio secret'), 'grant_type=client_credentials']);
      return { access_token: 'bearer' };
    }
    assert.equal(headers.authorization, 'Bearer bearer');
    if (what === 'POST /account/api/v1/accounts') {
      const run = this.#begun('jumio', JSON.parse(body).customerInternalReference);
      return { account: { id: 'account' }, workflowExecution: { id: run }, web: { href: 'https://jumio.example/go' } };
    }
    const [, run] = what.match(/^GET \/retrieval\/api\/v1\/accounts\/account\/workflow-executions\/(.+)$/);
    return this.decisions[decodeURIComponent(run)];
  }

  _gecko(what, headers) {
    assert.equal(headers['x-cg-demo-api-key'], 'gecko key');
    assert.ok(decodeURIComponent(what).startsWith('GET /simple/price?ids=pax-gold&vs_currencies=usd'), what);
    return `{"pax-gold":{"usd":${this.prices['pax-gold']},"last_updated_at":${Math.floor(Date.now() / 1000)}}}`;
  }

  _cmc(what, headers) {
    assert.equal(headers['x-cmc_pro_api_key'], 'cmc key');
    assert.ok(what.startsWith('GET /v2/cryptocurrency/quotes/latest?id=4705&convert=USD'), what);
    const quote = `{"price":${this.prices[4705]},"last_updated":"${new Date().toISOString()}"}`;
    return `{"status":{"error_code":0},"data":{"4705":{"quote":{"USD":${quote}}}}}`;
  }

  _told(what, headers, body) {
    const application = what.replace('POST /', '');
    assert.ok(isStandard(this.secrets[application], headers, body), `signed for ${application}`);
    assert.ok(!isStandard('whsec_b3RoZXI=', headers, body) && !isStandard(this.secrets[application], headers, `${body} `));
    const signedWith = (secret) => isStandard(secret, headers, body);
    this.delivered.push({ id: headers['webhook-id'], application, signedWith, ...JSON.parse(body) });
    return {};
  }

  stop() {
    this.server.close();
    this.server.closeAllConnections();
  }
}
