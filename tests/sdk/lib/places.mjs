// Where does a server leave anything that somebody else could read: its files, every collection, and what it logged.

import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { MongoClient } from 'mongodb';

/// Everything in the server's folder but its configuration, whatever it is.
async function files(path) {
  const entries = await readdir(path, { withFileTypes: true, recursive: true });
  const found = entries.filter((entry) => entry.isFile() && entry.name !== 'config.json');
  return Promise.all(found.map(async (file) => [file.name, await readFile(join(file.parentPath ?? file.path, file.name), 'latin1')]));
}

/// Every document of every collection. Bytes, such as the pieces of files, are read as the letters that they may be.
async function collections(uri) {
  const client = await new MongoClient(uri, { promoteBuffers: true }).connect();
  const readable = (_, value) => (value?.type === 'Buffer' ? Buffer.from(value.data).toString('latin1') : value);
  try {
    const found = await client.db().listCollections().toArray();
    return await Promise.all(found.filter(({ type }) => type === 'collection').map(async ({ name }) => {
      return [name, JSON.stringify(await client.db().collection(name).find().toArray(), readable)];
    }));
  } finally {
    await client.close();
  }
}

/// All that a server left, each place with its name; `logged` is what it said.
export async function left(server, logged) {
  const places = [...await files(server.folder), ['log', logged]];
  if (server.store === 'mongodb') places.push(...await collections(server.databaseURI));
  assert.ok(places.length > 1 && logged.includes('request'), 'there is something to search');
  return places;
}

/// None of these texts stands in any of the places, and each of `there` stands in one.
export function assertHidden(places, secrets, there) {
  for (const text of there) assert.ok(places.some(([, content]) => content.includes(text)), `${text} should be found`);
  for (const [name, content] of places) {
    for (const secret of secrets) assert.ok(!content.includes(secret), `${secret} is in ${name}`);
  }
}
