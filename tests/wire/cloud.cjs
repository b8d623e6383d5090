'use strict';
// The cloud code of the scenarios for Parse Server; `application.rs` has the same for this one.

module.exports = Parse => {
  Parse.Cloud.define('echo', request => request.params);
  Parse.Cloud.job('clean', () => 'all is clean');

  Parse.Cloud.beforeSave('Traced', request => {
    request.object.set('seen', request.context);
  });

  Parse.Cloud.beforeSave('Watched', ({ object, original }) => {
    if (object.get('asked')) object.set('seen', String(original?.get('secret')));
  });
};
