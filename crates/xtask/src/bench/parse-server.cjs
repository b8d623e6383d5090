'use strict';
// Starts Parse Server for the bench, with the options given as JSON and one cloud function,
// and one trigger: what the script of seed.rs does.
// It makes a folder for its logs where it is started, before it reads that it shall not.
process.env.PARSE_SERVER_LOGS_FOLDER = 'null';
const { ParseServer } = require('parse-server');

ParseServer.startApp({
  ...JSON.parse(process.argv[2]),
  allowClientClassCreation: true,
  silent: true,
  logsFolder: null,
  cloud: Parse => {
    Parse.Cloud.define('hello', () => 'Hello');
    Parse.Cloud.beforeSave('BenchScripted', ({ object }) => {
      if (object.get('score') < 0) throw new Parse.Error(142, 'A score is not negative.');
      const title = object.get('title');
      if (title === undefined) throw 'A title is missing.';
      if (title.length > 200) object.set('title', title.slice(0, 200));
      object.set('label', `${object.get('title')} (${object.get('score')})`);
      if (object.isNew()) object.set('revision', 1);
    });
  },
}).catch(error => {
  console.error(error);
  process.exit(1);
});
