// How does a test file run on every store: the same tests, each time with a new server and an empty database.

import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import Parse from 'parse/node';
import { Server, stores } from './server.mjs';

/// Runs `tests(server)` once for each store; `server` is started, and the SDK points to it, when a test runs.
export function onEachStore(title, tests, options = { allowClientClassCreation: true }) {
  for (const store of stores) {
    describe(`${title} on ${store}`, () => {
      const server = new Server({ store, options });
      before(async () => {
        await server.start();
        server.useSdk();
      });
      after(async () => {
        await stopListening();
        await server.remove();
      });
      tests(server);
    });
  }
}

/// Closes the LiveQuery socket of the SDK, which would come back for ever once its server is gone.
export async function stopListening() {
  const controller = Parse.CoreManager.getLiveQueryController();
  (await controller.getDefaultLiveQueryClient()).close();
  controller.setDefaultLiveQueryClient(null);
  // The SDK remembers where it listened, and the next server is elsewhere.
  Parse.CoreManager.set('LIVEQUERY_SERVER_URL', null);
}

export const master = { useMasterKey: true };

/// What the SDK sends as this user and not as anybody else.
export const as = (user) => ({ sessionToken: user.getSessionToken() });

/// The call is refused with this Parse error, and its text, if that is given, matches.
export async function refused(promise, code, text) {
  const error = await promise.then(
    (value) => assert.fail(`not refused: ${JSON.stringify(value)}`),
    (reason) => reason,
  );
  assert.ok(error instanceof Parse.Error, `no Parse error: ${error?.stack ?? error}`);
  assert.equal(error.code, code, `code ${error.code}: ${error.message}`);
  if (text !== undefined) assert.match(error.message, text);
  return error;
}

/// Signs up a user with this name; the password is `pw-NAME`.
export function signUp(username, fields = {}) {
  return new Parse.User({ ...fields, username, password: `pw-${username}` }).signUp();
}

/// A role with these users, which everybody may see and only the master key may change.
export async function makeRole(name, users = [], roles = []) {
  const acl = new Parse.ACL();
  acl.setPublicReadAccess(true);
  const role = new Parse.Role(name, acl);
  if (users.length) role.getUsers().add(users);
  if (roles.length) role.getRoles().add(roles);
  return role.save(null, master);
}

/// The fields of an answer that do not differ from run to run.
export const names = (objects, key = 'name') => objects.map((object) => object.get(key));
