// The example's cloud code, and hooks that begin something and never end.

require('../../../examples/node-cloud/cloud/main.js');

const begin = async () => {
  await new Parse.Object('Begun', {}).save(null, { useMasterKey: true });
  await new Promise(() => {});
};

Parse.Cloud.define('beginAndHang', begin);

Parse.Cloud.beforeSave('Hanging', begin);
