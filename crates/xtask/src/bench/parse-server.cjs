'use strict';
// Starts Parse Server for the bench, with the options given as JSON and one cloud function.
// It makes a folder for its logs where it is started, before it reads that it shall not.
process.env.PARSE_SERVER_LOGS_FOLDER = 'null';
const { ParseServer } = require('parse-server');

ParseServer.startApp({
  ...JSON.parse(process.argv[2]),
  allowClientClassCreation: true,
  silent: true,
  logsFolder: null,
  cloud: Parse => Parse.Cloud.define('hello', () => 'Hello'),
}).catch(error => {
  console.error(error);
  process.exit(1);
});
