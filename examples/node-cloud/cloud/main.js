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
