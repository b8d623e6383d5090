// The page of `examples/portal` as a person uses it: an identity from its creation to its verification, told live, and a portfolio.

import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { Server, stores } from '../sdk/lib/server.mjs';
import { launch, picture } from './lib/browser.mjs';

process.env.PARSE_SDK = new URL('../sdk/node_modules/parse/dist/parse.min.js', import.meta.url).href;
const { pages } = await import('../../examples/portal/serve.mjs');

const DAY = 86_400_000;
const options = { liveQuery: { classNames: ['Identity', 'AssetHolding', 'Notification'] } };

for (const store of stores) {
  describe(`the portal on ${store}`, () => {
    const server = new Server({ store, options });
    const faults = [];
    let browser;
    let page;

    before(async () => {
      await server.start();
      await new Promise((resolve) => pages.listen(0, '127.0.0.1', resolve));
      browser = await launch();
      page = await browser.newPage();
      page.setDefaultTimeout(10_000);
      page.on('pageerror', (error) => faults.push(String(error)));
      const query = new URLSearchParams({ serverURL: server.url, appId: server.appId });
      await page.goto(`http://127.0.0.1:${pages.address().port}/?${query}`, { waitUntil: 'networkidle2' });
    });
    after(async () => {
      await browser?.close();
      await new Promise((resolve) => pages.close(resolve));
      await server.remove();
    });
    afterEach((test) => picture(page, `${store}-portal-${test.name}`));

    const ask = async (method, path, body, session) => {
      const answer = await server.rest(method, path, { body, master: !session, token: session });
      assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${answer.text}`);
      return answer.body;
    };
    const says = (selector, text) =>
      page.waitForFunction((selector, text) => document.querySelector(selector)?.textContent.includes(text), {}, selector, text);
    const write = async (form, values) => {
      for (const [name, value] of Object.entries(values)) {
        await page.waitForSelector(`#${form}:not([hidden]) [name=${name}]`, { visible: true });
        // A date is written as the browser wants it, whatever its language.
        await page.$eval(`#${form} [name=${name}]`, (field, value) => (field.value = value), value);
      }
    };

    it('signs somebody up', async () => {
      await write('enter', { username: 'ada', password: 'a good one' });
      await page.click('#enter [name=signup]');
      await says('#who', 'ada');
      await page.waitForSelector('#nothing', { visible: true });
    });

    it('shows what a refusal says', async () => {
      const person = { legalName: 'Ada King', dateOfBirth: '2990-12-31', nationality: 'GB', countryOfResidence: 'DE', documentNumber: 'P-1' };
      await write('create', person);
      await page.click('#create button');
      await says('#fault', 'dateOfBirth');
    });

    it('creates an identity and has it verified, and tells at once when it is', async () => {
      await write('create', { dateOfBirth: '1990-12-31' });
      await page.click('#create button');
      await says('#identity', 'DRAFT');
      await write('submit', { number: 'P-1', expiresAt: new Date(Date.now() + 900 * DAY).toISOString().slice(0, 10) });
      await page.click('#submit button');
      await says('#identity', 'SUBMITTED');
      const staff = (await server.rest('POST', '/users', { body: { username: 'vera', password: 'a good one' } })).body;
      const [role] = (await ask('GET', `/roles?where=${encodeURIComponent('{"name":"verifier"}')}`)).results;
      const member = { __type: 'Pointer', className: '_User', objectId: staff.objectId };
      await ask('PUT', `/roles/${role.objectId}`, { users: { __op: 'AddRelation', objects: [member] } });
      const [verification] = (await ask('GET', '/classes/IdentityVerification')).results;
      const approval = { verificationId: verification.objectId, decision: 'APPROVE', riskRating: 'LOW' };
      await ask('POST', '/functions/reviewVerification', approval, staff.sessionToken);
      // Nobody touches the page.
      await says('#identity', 'VERIFIED');
      await says('#news', 'verified');
    });

    it('shows what somebody holds, and what comes to them', async () => {
      const [ada] = (await ask('GET', `/users?where=${encodeURIComponent('{"username":"ada"}')}`)).results;
      const pointer = (className, objectId) => ({ __type: 'Pointer', className, objectId });
      const hold = async (symbol, balance) => {
        const asset = { name: symbol, symbol, standard: 'ERC20', decimals: 2, issuer: pointer('_User', ada.objectId), chainId: 31337, totalSupply: balance };
        const { objectId } = await ask('POST', '/classes/DigitalAsset', asset);
        const holding = { asset: pointer('DigitalAsset', objectId), holder: pointer('_User', ada.objectId), tokenId: '0', balance, frozen: '0', reserved: '0', pending: '0' };
        await ask('POST', '/classes/AssetHolding', { ...holding, ACL: { [ada.objectId]: { read: true } } });
      };
      await hold('GOLD', '150050');
      await says('#holdings', '1500.5');
      await page.waitForSelector('#chart', { visible: true });
      await hold('OIL', '50000');
      await page.waitForFunction(() => document.querySelectorAll('#chart path').length === 2);
      assert.deepEqual(await page.$$eval('#holdings tbody tr', (rows) => rows.map((row) => row.cells[1].textContent).sort()), ['GOLD', 'OIL']);
    });

    it('knows somebody again, until they leave', async () => {
      await page.reload({ waitUntil: 'networkidle2' });
      await says('#who', 'ada');
      await page.click('#leave');
      await page.waitForSelector('#enter', { visible: true });
      assert.deepEqual(faults, []);
    });
  });
}
