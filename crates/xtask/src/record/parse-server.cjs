'use strict';
// Starts Parse Server for a recording, with the options given as JSON and the cloud code of this file.
// It makes a folder for its logs where it is started, before it reads that it shall not.
process.env.PARSE_SERVER_LOGS_FOLDER = 'null';
const { ParseServer } = require('parse-server');

ParseServer.startApp({
  ...JSON.parse(process.argv[2]),
  silent: true,
  logsFolder: null,
  verifyServerUrl: false,
  cloud: require(process.argv[3]),
}).catch(error => {
  console.error(error);
  process.exit(1);
});
