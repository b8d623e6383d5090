// The page: who somebody is, whether that is verified, and what they hold. Everything is asked of cloud functions; LiveQuery tells
// when it is time to ask again.

/* global Parse, document, location, localStorage */

const COLOURS = ['#2364aa', '#ea7317', '#3da5a0', '#73bfb8', '#fec601', '#8d5a97', '#c44536'];

const settings = new URLSearchParams(location.search);
const setting = (name, usual) => settings.get(name) ?? localStorage.getItem(name) ?? usual;
const serverURL = setting('serverURL', 'http://127.0.0.1:1337/parse');
Parse.initialize(setting('appId', ''));
Parse.serverURL = serverURL;
Parse.liveQueryServerURL = serverURL.replace(/^http/, 'ws');
for (const [name, value] of settings) localStorage.setItem(name, value);

const at = (id) => document.getElementById(id);
const show = (element, shown) => element.toggleAttribute('hidden', !shown);
const make = (tag, text, attributes = {}) => {
  const element = document.createElementNS(tag === 'path' ? 'http://www.w3.org/2000/svg' : 'http://www.w3.org/1999/xhtml', tag);
  // As text: what others have written is never markup here.
  if (text !== undefined) element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
};

/// Does something that may be refused, and shows the refusal.
async function attempt(work) {
  show(at('fault'), false);
  try {
    return await work();
  } catch (error) {
    at('fault').textContent = error.message;
    show(at('fault'), true);
    if (error.code === Parse.Error.INVALID_SESSION_TOKEN) await leave();
  }
}

/// Has a form do something with what is written in it.
const on = (form, work) =>
  at(form).addEventListener('submit', (event) => {
    event.preventDefault();
    attempt(() => work(Object.fromEntries(new FormData(at(form))), event.submitter?.name));
  });

let listening = [];

async function listen() {
  const user = Parse.User.current();
  for (const [className, told] of [['Identity', showIdentity], ['AssetHolding', showPortfolio], ['Notification', showNews]]) {
    const mine = new Parse.Query(className).equalTo(className === 'AssetHolding' ? 'holder' : 'user', user);
    const subscription = await mine.subscribe();
    for (const event of ['open', 'create', 'update']) subscription.on(event, () => attempt(told));
    listening.push(subscription);
  }
}

async function showNews() {
  const news = await new Parse.Query('Notification').doesNotExist('readAt').descending('createdAt').limit(5).find();
  at('news').replaceChildren(...news.map((one) => make('li', one.get('title'))));
}

const WORDS = { identityId: 'Id', legalName: 'Name', status: 'Status', verificationLevel: 'Level', expiresAt: 'Valid until' };

async function showIdentity() {
  const { identities } = await Parse.Cloud.run('getIdentityDashboard');
  const [identity] = identities;
  show(at('create'), !identity);
  show(at('identity'), identity);
  show(at('submit'), identity && ['DRAFT', 'REJECTED', 'EXPIRED'].includes(identity.status));
  if (!identity) return;
  at('identity').dataset.status = identity.status;
  at('identity').dataset.id = identity.identityId;
  const rows = Object.entries(WORDS).filter(([field]) => identity[field]);
  const text = (value) => (value instanceof Date ? value.toLocaleDateString() : value);
  at('identity').replaceChildren(...rows.flatMap(([field, word]) => [make('dt', word), make('dd', text(identity[field]))]));
}

/// Base units as people write them: `150000`, of which 1000 make one, is `150`.
function amount(units, decimals = 0) {
  const digits = units.padStart(decimals + 1, '0');
  const [whole, part] = [digits.slice(0, digits.length - decimals), digits.slice(digits.length - decimals).replace(/0+$/, '')];
  return part ? `${whole}.${part}` : whole;
}

async function showPortfolio() {
  const { holdings } = await Parse.Cloud.run('getAssetPortfolio', { limit: 100 });
  show(at('nothing'), !holdings.length);
  show(at('holdings'), holdings.length);
  show(at('chart'), holdings.length);
  const rows = holdings.map(({ asset, balance, available }, index) => {
    const cells = [make('td', '', { style: `--colour: ${COLOURS[index % COLOURS.length]}` }), make('td', asset.symbol ?? asset.name)];
    cells.push(make('td', amount(balance, asset.decimals)), make('td', amount(available, asset.decimals)));
    const row = make('tr');
    row.append(...cells);
    return row;
  });
  at('holdings').tBodies[0].replaceChildren(...rows);
  at('chart').replaceChildren(...slices(holdings.map(({ asset, balance }) => Number(amount(balance, asset.decimals)))));
}

/// A circle, cut into these parts. Only the picture is made of floating numbers.
function slices(parts) {
  const whole = parts.reduce((sum, part) => sum + part, 0) || 1;
  let from = 0;
  return parts.map((part, index) => {
    // A full circle has no two ends.
    const to = from + Math.min(part / whole, 0.9999);
    const point = (share) => `${Math.sin(2 * Math.PI * share)} ${-Math.cos(2 * Math.PI * share)}`;
    const d = `M ${point(from)} A 1 1 0 ${to - from > 0.5 ? 1 : 0} 1 ${point(to)} L 0 0 Z`;
    from = to;
    return make('path', undefined, { d, fill: COLOURS[index % COLOURS.length] });
  });
}

async function enter() {
  const user = Parse.User.current();
  show(at('enter'), !user);
  show(document.querySelector('main'), user);
  show(at('leave'), user);
  at('who').textContent = user?.getUsername() ?? '';
  if (!user) return;
  await Promise.all([showIdentity(), showPortfolio(), showNews()]);
  await listen();
}

async function leave() {
  for (const subscription of listening.splice(0)) await subscription.unsubscribe();
  await Parse.User.logOut().catch(() => undefined);
  await enter();
}

on('enter', async ({ username, password }, button) => {
  await (button === 'signup' ? Parse.User.signUp(username, password) : Parse.User.logIn(username, password));
  await enter();
});

on('create', async (written) => {
  await Parse.Cloud.run('createIdentity', { type: 'INDIVIDUAL', documentType: 'PASSPORT', ...written });
  await showIdentity();
});

on('submit', async ({ number, expiresAt }) => {
  const { id } = at('identity').dataset;
  const passport = { type: 'PASSPORT', number, expiresAt: new Date(expiresAt) };
  await Parse.Cloud.run('submitVerification', { identityId: id, level: 'BASIC', provider: 'MANUAL', documents: [passport] });
  await showIdentity();
});

at('leave').addEventListener('click', () => attempt(leave));
attempt(enter);
