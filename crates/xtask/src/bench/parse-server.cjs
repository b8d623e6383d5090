'use strict';
// Starts Parse Server for the bench, with the options given as JSON and one cloud function.
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
