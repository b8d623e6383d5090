// Does all of it go together: people who are verified, tokens that only they may hold, and a trail that nobody can alter? Told with
// the official SDK, on a real chain, with services that sign what they tell.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import Parse from 'parse/node';
import { onEachStore } from './lib/each-store.mjs';
import { Chain } from './lib/chain.mjs';
import { target } from './lib/server.mjs';
import { assetStory } from './stories/assets.mjs';
import { endingStory } from './stories/ending.mjs';
import { identityStory } from './stories/identity.mjs';
import { assertAllSeen } from './stories/promised.mjs';
import { readersStory } from './stories/readers.mjs';
import { World } from './stories/world.mjs';

const worlds = new WeakMap();

function stories(server) {
  const world = new World(server);
  worlds.set(server, world);
  after(() => world.close());

  test('an administrator puts the contracts on the chain, and gives everybody their roles', async () => {
    const said = await world.job('installContracts', { chainId: Chain.id });
    const contracts = Object.fromEntries([...said.matchAll(/(\w+) (0x[0-9a-fA-F]{40})/g)].map(([, name, address]) => [name, address]));
    assert.deepEqual(Object.keys(contracts), ['factory', 'identityRegistry', 'identityFactory', 'settlement']);
    world.told.contracts = contracts;
    await server.configure(world.options(contracts));
    await server.restart();
    const people = {
      root: ['admin'], vera: ['verifier'], olga: ['compliance-officer'], ian: ['issuer'], max: ['asset-manager'], bea: ['bank-officer'],
      aud: ['auditor'], sue: ['support'], ada: [], bob: [], carol: [], dora: [], nia: [],
    };
    for (const [name, roles] of Object.entries(people)) await world.person(name, ...roles);
    const { root, nia } = world.people;
    world.told.subscriptions = {};
    for (const application of ['identity-management', 'digital-assets']) {
      const subscription = { application, url: `${world.vendors.url}/told/${application}`, eventTypes: ['*'] };
      await world.refused(nia, 'createWebhookSubscription', subscription, 119);
      const { subscriptionId, secret } = await world.run(root, 'createWebhookSubscription', subscription);
      [world.vendors.secrets[application], world.told.subscriptions[application]] = [secret, subscriptionId];
    }
    world.told.subscribedAt = new Date();
    Parse.CoreManager.set('LIVEQUERY_SERVER_URL', null);
  });
  identityStory(world);
  assetStory(world);
  readersStory(world);
  endingStory(world);
  test('every function, job and webhook that is promised has answered', () => assertAllSeen(world.seen));
}

if (target !== 'oracle') onEachStore('stories', stories, (server) => worlds.get(server).open());
