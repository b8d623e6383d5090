// How do the tests learn what Parse Server writes to users: its mail adapter adds each letter to a file.

const { appendFileSync } = require('node:fs');

module.exports = ({ path }) => ({
  sendMail: async (mail) => appendFileSync(path, `${JSON.stringify(mail)}\n`),
});
