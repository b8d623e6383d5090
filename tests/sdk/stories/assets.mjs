// Tokens that only those may hold who are verified: made on a real chain, minted, moved, refused, frozen, sold, valued. After every
// step the holdings add up, and the chain has what the ledger says.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import Parse from 'parse/node';
import { as, master } from '../lib/each-store.mjs';
import * as sign from '../lib/signatures.mjs';
import { Chain } from '../lib/chain.mjs';
import { followed } from './identity.mjs';
import { SECRETS } from './world.mjs';

const ASSETS = 'digital-assets';
const pointer = (className, id) => Parse.Object.extend(className).createWithoutData(id);

/// The holdings of an asset add up to its supply, whatever the chain still has to do.
async function sumsUp(world, assetId) {
  const asset = await world.get('DigitalAsset', assetId);
  const rows = await new Parse.Query('AssetHolding').equalTo('asset', asset).limit(1_000).find(master);
  const sum = rows.reduce((sum, row) => sum + BigInt(row.get('balance')), 0n);
  assert.equal(String(sum), asset.get('totalSupply'));
  return { asset, rows, sum };
}

/// They add up, and each is what the chain says, as it answers anybody.
export async function addsUp(world, assetId) {
  const { asset, rows, sum } = await sumsUp(world, assetId);
  const address = asset.get('address');
  for (const row of rows) {
    const { wallet } = Object.values(world.people).find(({ id }) => id === row.get('holder').id);
    assert.deepEqual(await world.chain.call(address, 'holdingOf(address,uint256)', wallet, 0), [BigInt(row.get('balance'))]);
  }
  assert.deepEqual(await world.chain.call(address, 'totalSupply()'), [sum]);
  assert.match(await world.job('reconcileHoldings'), / 0 differences, 0 assets not asked/);
}

/// What somebody holds of an asset: all of it, and what of it is free.
async function held(world, assetId, who) {
  const query = new Parse.Query('AssetHolding').equalTo('asset', pointer('DigitalAsset', assetId)).equalTo('holder', who);
  const row = await query.first(as(who));
  return row ? [row.get('balance'), row.get('available')] : ['0', '0'];
}

/// A service that watches the chain tells of a transaction; gives the status of the answer.
const WATCHERS = {
  async alchemy(world, hash, secret = SECRETS.alchemy) {
    const body = JSON.stringify({ webhookId: 'wh', id: hash, type: 'MINED_TRANSACTION', event: { transaction: { hash } } });
    return world.deliver(ASSETS, 'alchemy', body, sign.alchemy(secret, body));
  },
  async quicknode(world, hash, secret = SECRETS.quicknode) {
    const body = JSON.stringify([{ transactionHash: hash, logs: [] }]);
    return world.deliver(ASSETS, 'quicknode', body, sign.quicknode(secret, body));
  },
  async moralis(world, hash, secret = SECRETS.moralis) {
    const body = JSON.stringify({ confirmed: true, chainId: '0x7a69', streamId: hash, block: { hash }, txs: [{ hash }], logs: [] });
    return world.deliver(ASSETS, 'moralis', body, await sign.moralis(secret, body, world.chain.keccak));
  },
};

/// What was decided is sent by the job, and settled because a service tells of it.
async function settledBy(world, source, { transactionId }) {
  await world.job('confirmTransactions');
  const sent = await world.get('AssetTransaction', transactionId);
  const hash = sent.get('transactionHash');
  assert.equal(sent.get('status'), 'SUBMITTED');
  await world.until('it is in a block', () => world.chain.ask('eth_getTransactionReceipt', hash));
  await world.chain.mine(2);
  assert.equal(await WATCHERS[source](world, hash, 'another secret'), 401);
  for (let turn = 0; turn < 2; turn += 1) assert.equal(await WATCHERS[source](world, hash), 200);
  await world.becomes('AssetTransaction', transactionId, 'CONFIRMED');
  await world.handled();
  const entries = await new Parse.Query('AuditLog').equalTo('actor', `webhook:${source}`).equalTo('entityId', transactionId).count(master);
  assert.equal(entries, 1, `${source} settled it once`);
}

/// Does something while `confirmTransactions` runs by hand only.
async function withoutJob(world, work) {
  const pause = (paused) => world.server.rest('PUT', '/parsimony/jobs/confirmTransactions', { master: true, body: { paused } });
  assert.equal((await pause(true)).status, 200);
  try {
    // What had begun before ends first.
    await world.job('confirmTransactions');
    const running = new Parse.Query('_JobStatus').equalTo('status', 'running').equalTo('jobName', 'confirmTransactions');
    await world.until('no run is under way', async () => (await running.count(master)) === 0);
    await work();
  } finally {
    await pause(false);
  }
}

export function assetStory(world) {
  const { told } = world;
  const transfer = (from, to, amount) => ({ assetId: told.gold, to: to.id, amount });

  test('an asset is described and its contract is made', async () => {
    const { max, nia } = world.people;
    const gold = {
      standard: 'ERC3643', name: 'Vault Gold', symbol: 'VGLD', decimals: 2, supplyCap: '1000000', priceFeed: 'gold',
      complianceRules: { maxBalance: '690', blockedCountries: ['FR'] },
    };
    await world.refused(nia, 'createDigitalAsset', gold, 119, /Only issuer or asset-manager/);
    told.gold = (await world.run(max, 'createDigitalAsset', gold)).assetId;
    told.coin = (await world.run(max, 'createDigitalAsset', { standard: 'ERC20', name: 'Coin', symbol: 'CN', decimals: 2 })).assetId;
    await world.refused(max, 'mintTokens', { assetId: told.gold, to: max.id, amount: '1' }, 119, /ASSET_NOT_ACTIVE/);
    const draft = await world.run(max, 'createDigitalAsset', { standard: 'ERC721', name: 'A mistake', symbol: 'OOPS' });
    assert.equal((await world.run(max, 'retireAsset', { assetId: draft.assetId })).status, 'RETIRED');
    await world.refused(max, 'deployAsset', { assetId: draft.assetId, chainId: Chain.id }, 142, /RETIRED/);
    const deployments = [told.gold, told.coin].map((assetId) => world.run(max, 'deployAsset', { assetId, chainId: Chain.id }));
    for (const deployment of await Promise.all(deployments)) await world.settle(deployment);
    const asset = await world.get('DigitalAsset', told.gold, nia);
    assert.equal(asset.get('status'), 'ACTIVE');
    assert.deepEqual(await world.chain.call(asset.get('address'), 'identityRegistry()'), [BigInt(told.contracts.identityRegistry)]);
    const deployment = await new Parse.Query('AssetDeployment').equalTo('asset', asset).first(as(nia));
    assert.deepEqual([deployment.get('status'), deployment.get('address'), deployment.get('facets').length], ['ACTIVE', asset.get('address'), 3]);
  });

  test('three services that watch the chain are believed as far as the chain', async () => {
    const { max, ada, bob } = world.people;
    const mint = { assetId: told.gold, to: ada.id, amount: '1000', requestKey: 'once' };
    await withoutJob(world, async () => {
      const sent = await world.listen(new Parse.Query('AssetTransaction').equalTo('from', ada), ada, 'status');
      const minted = await world.run(max, 'mintTokens', mint);
      assert.deepEqual(await world.run(max, 'mintTokens', mint), minted, 'asked twice, minted once');
      assert.deepEqual(await held(world, told.gold, ada), ['1000', '0'], 'it is pending');
      await sumsUp(world, told.gold);
      await settledBy(world, 'alchemy', minted);
      assert.deepEqual(await held(world, told.gold, ada), ['1000', '1000']);
      await settledBy(world, 'quicknode', await world.run(ada, 'transferTokens', transfer(ada, bob, '300')));
      await world.until('LiveQuery tells how it went', () => sent.at(-1) === 'CONFIRMED');
      assert.deepEqual(sent, ['CREATED', 'SUBMITTED', 'CONFIRMED']);
      await settledBy(world, 'moralis', await world.run(bob, 'burnTokens', { assetId: told.gold, amount: '50' }));
    });
    assert.deepEqual([await held(world, told.gold, ada), await held(world, told.gold, bob)], [['700', '700'], ['250', '250']]);
    await addsUp(world, told.gold);
  });

  test('what the rules refuse is refused in the order of ERC-3643, and a verified person gets it', async () => {
    const { max, olga, ada, carol, vera } = world.people;
    const { gold: assetId } = told;
    const why = (params, reason) => world.refused(ada, 'transferTokens', params, 119, new RegExp(reason));
    const freeze = (holder, frozen) => world.run(olga, 'freezeHolding', { assetId, holder: holder.id, frozen });
    await world.settle(await freeze(ada, true));
    await world.settle(await freeze(carol, true));
    await world.decided(max, 'pauseAsset', { assetId });
    const address = (await world.get('DigitalAsset', assetId)).get('address');
    assert.deepEqual(await world.chain.call(address, 'paused()'), [1n]);
    assert.deepEqual(await world.chain.call(address, 'isFrozen(address)', ada.wallet), [1n]);

    const much = transfer(ada, carol, '9000');
    await why(much, 'ASSET_NOT_ACTIVE');
    await world.decided(max, 'pauseAsset', { assetId, paused: false });
    await why(much, 'SENDER_FROZEN');
    await world.settle(await freeze(ada, false));
    await why(much, 'RECEIVER_FROZEN');
    await world.settle(await freeze(carol, false));
    await why(much, 'INSUFFICIENT_AVAILABLE');
    await why(transfer(ada, carol, '100'), 'RECEIVER_NOT_VERIFIED');
    await why(transfer(ada, vera, '100'), 'COUNTRY_NOT_ALLOWED');
    await told.approveCarol();
    // Known here, and not yet on the chain: that comes before the tokens do.
    await followed(world, 'carol', told.carol.identityId);
    await why(transfer(ada, carol, '700'), 'MAX_BALANCE');
    await world.decided(ada, 'transferTokens', transfer(ada, carol, '100'));
    assert.deepEqual([await held(world, assetId, ada), await held(world, assetId, carol)], [['600', '600'], ['100', '100']]);
    await addsUp(world, assetId);
  });

  test('of two transfers of the same tokens one wins, and a part can be frozen', async () => {
    const { olga, ada, bob } = world.people;
    const asked = await Promise.allSettled([1, 2].map(() => world.run(ada, 'transferTokens', transfer(ada, bob, '400'))));
    const won = asked.filter(({ status }) => status === 'fulfilled').map(({ value }) => value);
    assert.equal(won.length, 1, asked.map(({ reason }) => reason?.message).join());
    assert.match(asked.find(({ reason }) => reason).reason.message, /INSUFFICIENT_AVAILABLE/);
    await sumsUp(world, told.gold);
    await world.settle(won[0]);
    const part = { assetId: told.gold, holder: bob.id, amount: '600' };
    await world.decided(olga, 'freezeHolding', part);
    assert.deepEqual(await held(world, told.gold, bob), ['650', '50']);
    await world.refused(bob, 'transferTokens', transfer(bob, ada, '51'), 119, /INSUFFICIENT_AVAILABLE/);
    await world.decided(olga, 'freezeHolding', { ...part, frozen: false });
    await world.decided(bob, 'transferTokens', transfer(bob, ada, '400'));
    await addsUp(world, told.gold);
  });

  test('who is given a permission may, until it is revoked', async () => {
    const { max, sue, bob } = world.people;
    const mint = { assetId: told.coin, to: bob.id, amount: '10000' };
    await world.refused(sue, 'mintTokens', mint, 119);
    const granted = await world.run(max, 'grantAssetPermission', { assetId: told.coin, user: sue.id, permission: 'MINT' });
    await world.decided(sue, 'mintTokens', mint);
    const revoked = await world.run(max, 'revokeAssetPermission', { permissionId: granted.permissionId });
    assert.deepEqual([granted.status, revoked.status], ['ACTIVE', 'REVOKED']);
    await world.refused(sue, 'mintTokens', mint, 119);
    await addsUp(world, told.coin);
  });

  test('what is bought for tokens changes hands in one transaction of the chain', async () => {
    const { ada, bob, nia } = world.people;
    const offer = { assetId: told.gold, amount: '40', price: { amount: '2500', assetId: told.coin } };
    const withdrawn = await world.run(ada, 'createListing', offer);
    assert.deepEqual(await held(world, told.gold, ada), ['600', '560'], 'what is offered is reserved');
    await world.refused(nia, 'cancelListing', { listingId: withdrawn.listingId }, 119);
    const cancelled = await world.run(ada, 'cancelListing', { listingId: withdrawn.listingId });
    assert.deepEqual([cancelled.status, cancelled.released], ['CANCELLED', '40']);

    const { listingId } = await world.run(ada, 'createListing', offer);
    const bought = await world.run(bob, 'buyListing', { listingId });
    assert.equal(bought.status, 'RESERVED');
    for (const id of [told.gold, told.coin]) await sumsUp(world, id);
    const settled = await world.settle(bought);
    const { logs } = await world.chain.ask('eth_getTransactionReceipt', settled.get('transactionHash'));
    const assets = await Promise.all([told.gold, told.coin].map((id) => world.get('DigitalAsset', id)));
    const told_ = new Set(logs.map(({ address }) => address.toLowerCase()));
    for (const asset of assets) assert.ok(told_.has(asset.get('address').toLowerCase()), `${asset.get('symbol')} moved in it`);
    assert.equal((await world.get('AssetMarketplaceListing', listingId, nia)).get('status'), 'SOLD');
    assert.deepEqual([await held(world, told.gold, bob), await held(world, told.coin, ada)], [['290', '290'], ['2500', '2500']]);
    await world.refused(bob, 'buyListing', { listingId }, 142, /SOLD/);
    for (const asset of assets) await addsUp(world, asset.id);
  });

  test('what is bought for money is attested by who sees the payment', async () => {
    const { ada, carol, bea } = world.people;
    const offer = { assetId: told.gold, amount: '60', price: { amount: '1200.00', currency: 'USD' } };
    const { listingId } = await world.run(carol, 'createListing', offer);
    const buy = { listingId, buyer: ada.id, paymentReference: 'SEPA-2026-11-1' };
    await world.refused(ada, 'buyListing', buy, 119);
    const bought = await world.run(bea, 'buyListing', { ...buy, requestKey: 'paid' });
    await world.settle(bought);
    assert.deepEqual(await held(world, told.gold, ada), ['620', '620']);
    const next = await world.run(carol, 'createListing', { ...offer, amount: '10' });
    await world.refused(bea, 'buyListing', { ...buy, listingId: next.listingId }, 137);
    await addsUp(world, told.gold);
  });

  test('a portfolio is worth what sources agree on, day by day', async () => {
    const { ada, max, nia, aud } = world.people;
    const now = Math.floor(Date.now() / 1_000);
    // 8 digits behind the point, on the chain; CoinGecko and CoinMarketCap say a little less, and more.
    await world.chain.tell(world.feed, 'set(int256,uint256)', 200_100_000_000n, now);
    assert.match(await world.job('syncMarketData'), /^1 prices, 0 troubles; no price of desk$/);
    const quote = await new Parse.Query('PriceQuote').equalTo('feed', 'gold').first(as(nia));
    assert.deepEqual(quote.get('readings').map(({ source, verdict }) => [source, verdict]), [
      ['chainlink', 'USED'], ['coingecko', 'USED'], ['coinmarketcap', 'USED'],
    ]);
    assert.equal(quote.get('price'), '2001');
    const body = JSON.stringify({ prices: [{ feed: 'desk', price: '12.345', at: new Date().toISOString() }] });
    assert.equal(await world.deliver(ASSETS, 'prices', body, sign.standardWebhooks('whsec_b3RoZXI=', body)), 401);
    assert.equal(await world.deliver(ASSETS, 'prices', body, sign.standardWebhooks(SECRETS.prices, body)), 200);
    await world.until('the price that was told', async () => {
      return (await new Parse.Query('PriceQuote').equalTo('feed', 'desk').first(as(nia)))?.get('price') === '12.345';
    });

    const worth = ({ asset, value, balance }) => [asset.symbol, balance, value];
    // 6.20 of it, each 2001.
    const holdings = [['CN', '2500', undefined], ['VGLD', '620', { amount: '12406.20', currency: 'USD' }]];
    await world.job('valuePortfolios');
    for (const [who, params] of [[ada, {}], [max, { holder: ada.id }], [aud, { holder: ada.id }]]) {
      const portfolio = await world.run(who, 'getAssetPortfolio', params);
      assert.deepEqual(portfolio.holdings.map(worth).sort(), holdings);
      assert.deepEqual(portfolio.history.map(({ value, priced, unpriced }) => [value, priced, unpriced]), [[holdings[1][2], 1, 1]]);
    }
    await world.refused(nia, 'getAssetPortfolio', { holder: ada.id }, 119);
    assert.deepEqual((await world.run(nia, 'getAssetPortfolio')).holdings, []);
  });
}
