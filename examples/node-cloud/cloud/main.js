// Cloud code as Parse Server runs it, unchanged: a shelf of books and what people think of them.

Parse.Cloud.define(
  'averageStars',
  async ({ params }) => {
    const reviews = await new Parse.Query('Review').equalTo('book', params.book).find({ useMasterKey: true });
    if (!reviews.length) throw new Parse.Error(Parse.Error.OBJECT_NOT_FOUND, `Nobody has read ${params.book} yet.`);
    return reviews.reduce((sum, review) => sum + review.get('stars'), 0) / reviews.length;
  },
  { fields: { book: { type: String, required: true, options: /^[^<>]+$/, error: 'That is no title.' } } },
);

Parse.Cloud.define('whoAmI', ({ user, ip }) => ({ user, ip }), { requireUser: true });

Parse.Cloud.beforeSave(
  'Review',
  ({ object, user, context }) => {
    if (!object.existed()) object.set('author', user);
    const text = object.get('text') ?? '';
    object.set('text', object.get('text')?.trim());
    context.blanks = text.length - text.trim().length;
    if (object.get('stars') > 5) throw 'Five stars are the most there are.';
  },
  { requireUser: true, fields: { stars: { type: Number, default: 3 }, book: { required: true, constant: true } } },
);

Parse.Cloud.afterSave('Review', async ({ object, original, context }) => {
  if (original) return;
  const shelf = (await new Parse.Query('Shelf').first({ useMasterKey: true })) ?? new Parse.Object('Shelf', { reviews: 0 });
  shelf.increment('reviews');
  shelf.increment('blanks', context.blanks);
  shelf.set('latest', object.get('book'));
  await shelf.save(null, { useMasterKey: true });
});

Parse.Cloud.beforeDelete('Review', ({ object, master }) => {
  if (object.get('pinned') && !master) throw new Parse.Error(Parse.Error.OPERATION_FORBIDDEN, 'It is pinned.');
});

Parse.Cloud.afterDelete('Review', async ({ object }) => {
  await new Parse.Object('Trash', { was: object.get('book') }).save(null, { useMasterKey: true });
});

Parse.Cloud.beforeFind('Review', ({ query, master }) => {
  if (!master) query.notEqualTo('hidden', true);
});

Parse.Cloud.afterFind('Review', ({ objects }) => {
  for (const review of objects) review.set('shown', `${review.get('book')}: ${'*'.repeat(review.get('stars'))}`);
});

Parse.Cloud.job('forgetTrash', async ({ params, message }) => {
  const trash = await new Parse.Query('Trash').limit(params.limit ?? 1000).find({ useMasterKey: true });
  await message(`${trash.length} to forget`);
  await Parse.Object.destroyAll(trash, { useMasterKey: true });
  return `${trash.length} forgotten`;
});

Parse.Cloud.beforeSave(Parse.File, async ({ file, user, fileSize }) => {
  if (file.name().endsWith('.tmp')) throw 'Nobody keeps those.';
  file.addMetadata('size', fileSize);
  if (user) file.addMetadata('by', user.id);
  // A page has the same first line, whoever sends it.
  if (!file.name().endsWith('.page.txt')) return file;
  const page = new Parse.File(file.name(), { base64: btoa(`The shelf\n${atob(await file.getData())}`) }, 'text/plain');
  page.setMetadata(file.metadata());
  return page;
});

Parse.Cloud.afterSave(Parse.File, ({ file, fileSize }) => note('stored', file, { fileSize }));

Parse.Cloud.beforeDelete(Parse.File, ({ file }) => {
  if (file.name().endsWith('kept.txt')) throw new Parse.Error(Parse.Error.FILE_DELETE_ERROR, 'It stays on the shelf.');
});

Parse.Cloud.afterDelete(Parse.File, ({ file }) => note('deleted', file));

Parse.Cloud.beforeFind(Parse.File, ({ file }) => {
  if (file.name().endsWith('secret.txt')) throw new Parse.Error(Parse.Error.OPERATION_FORBIDDEN, 'It is not for reading.');
});

Parse.Cloud.afterFind(Parse.File, ({ file, responseHeaders }) => ({
  forceDownload: file.name().endsWith('.page.txt'),
  responseHeaders: { ...responseHeaders, 'X-Shelf': 'yes' },
}));

const note = (what, file, more) =>
  new Parse.Object('FileNote', { what, file: file.name().replace(/^[0-9a-f]{32}_/, ''), ...more }).save(null, { useMasterKey: true });

Parse.Cloud.beforeSave(Parse.Config, ({ object, original }) => {
  const most = object.get('starsMax') ?? original?.get('starsMax') ?? 5;
  if (most > 10) throw 'Nobody counts so many stars.';
});

Parse.Cloud.afterSave(Parse.Config, ({ object, original }) =>
  new Parse.Object('ConfigNote', { now: object.get('starsMax'), was: original?.get('starsMax') }).save(null, { useMasterKey: true }),
);
