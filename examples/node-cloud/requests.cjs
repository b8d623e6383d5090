// From the JSON of a request to what a handler is given, and from what it did to the JSON of the answer.

const { isDeepStrictEqual } = require('node:util');
const Parse = require('parse/node');
const { FILE, CONFIG } = require('./registry.cjs');

const COLUMNS = ['className', '__type', 'objectId', 'createdAt', 'updatedAt'];

/// Runs a hook on a request; an error is an answer, too.
async function answerTo(hook, body) {
  try {
    const { prepare, answer } = kindOf(hook);
    const request = { ...requestFor(hook, body), ...prepare(hook, body) };
    // The state that `answer` compares with is that before the handler.
    const finish = answer?.(request, body);
    for (const check of hook.own) await validated(check, request);
    const result = await hook.handler(request);
    const success = await finish?.(result);
    return { ...(success !== undefined && { success }), ...left(request, body) };
  } catch (error) {
    return { error: errorJson(error) };
  }
}

/// What the handler leaves in the context to those that come after, if it changed anything there.
function left({ context }, body) {
  const after = encoded(context) ?? {};
  return isDeepStrictEqual(after, body.context ?? {}) ? {} : { context: after };
}

function errorJson(error) {
  if (error instanceof Parse.Error) return { code: error.code, message: error.message };
  if (typeof error === 'string') return { code: Parse.Error.SCRIPT_FAILED, message: error };
  if (error instanceof Error) console.error(error);
  return { code: Parse.Error.SCRIPT_FAILED, message: error?.message ?? 'Script failed.' };
}

/// A validator that is code refuses by what it throws, or by `false`.
async function validated(check, request) {
  let fits;
  try {
    fits = await check(request);
  } catch (error) {
    if (error instanceof Parse.Error) throw error;
    throw new Parse.Error(Parse.Error.VALIDATION_ERROR, error?.message ?? String(error));
  }
  if (fits === false) throw new Parse.Error(Parse.Error.VALIDATION_ERROR, 'Validation failed.');
}

/// What every request has.
function requestFor(hook, body) {
  const { user, headers = {}, installationId, ip, master = false, isReadOnly = false } = body;
  const context = structuredClone(body.context ?? {});
  const request = { headers, context, installationId, ip, master, isReadOnly, log: console, triggerName: body.triggerName };
  if (user) request.user = objectFrom({ ...user, className: '_User' });
  if (hook.className) request.className = hook.className;
  return request;
}

function objectFrom(json) {
  return Parse.Object.fromJSON({ ...json, __type: undefined });
}

/// An object of this class as it came.
function given(hook, json) {
  return json && objectFrom({ className: hook.className, ...json });
}

const full = (object) => (object instanceof Parse.Object ? object._toFullJSON() : object);

/// What a value of a handler is in JSON.
const encoded = (value) => (value === undefined ? undefined : Parse._encode(value, false, false));

/// The object as it would be saved, with what changes marked as such.
function drafted(hook, { object, original }) {
  const draft = original ? given(hook, original) : objectFrom({ className: hook.className });
  if (object.objectId) draft.id = object.objectId;
  draft._setExisted(Boolean(original));
  for (const [field, value] of Object.entries(object)) {
    if (COLUMNS.includes(field) || isDeepStrictEqual(value, original?.[field])) continue;
    if (value?.__type === 'Relation' || value?.__op) continue;
    if (field === 'ACL') draft.setACL(new Parse.ACL(value));
    else draft.set(field, Parse._decode(field, value), { ignoreValidation: true });
  }
  for (const field of Object.keys(original ?? {})) {
    if (!(field in object) && !COLUMNS.includes(field)) draft.unset(field);
  }
  return draft;
}

/// The object that the request is about, and as it was before.
const objects = (hook, body) => ({ object: given(hook, body.object), original: given(hook, body.original) });

/// Hooks that are told, and whose answer counts for nothing.
const TOLD = { prepare: objects };

/// By the kind of a hook: what it is given besides what every request has; and, before it runs, what will be made of its
/// result.
const KINDS = {
  function: {
    prepare: (hook, body) => ({ functionName: hook.name, params: Parse._decode(null, body.params ?? {}) }),
    answer: () => encoded,
  },

  job: {
    prepare: (hook, body) => ({
      jobName: hook.name,
      jobId: body.jobId,
      params: Parse._decode(null, body.params ?? {}),
      message(message) {
        const status = Parse.Object.extend('_JobStatus').createWithoutData(body.jobId);
        return status.save({ message: String(message) }, { useMasterKey: true });
      },
    }),
    answer: () => encoded,
  },

  beforeSave: {
    prepare: (hook, body) => ({ object: drafted(hook, body), original: given(hook, body.original) }),
    answer({ object }, { original }) {
      const before = object._getSaveJSON();
      return () => {
        const after = object._getSaveJSON();
        const changes = Object.entries(after).filter(([field, value]) => !isDeepStrictEqual(value, before[field]));
        // What was to change, and shall not any more.
        const undone = Object.keys(before).filter((field) => !(field in after));
        const back = undone.map((field) => [field, original?.[field] ?? { __op: 'Delete' }]);
        return Object.fromEntries([...changes, ...back]);
      };
    },
  },

  afterSave: {
    prepare: objects,
    answer: () => (result) =>
      result && !(result instanceof Parse.Object) && typeof result === 'object' ? encoded(result) : undefined,
  },

  beforeFind: {
    prepare: (hook, body) => ({
      query: Parse.Query.fromJSON(hook.className, body.query),
      count: Boolean(body.count),
      isGet: Boolean(body.isGet),
    }),
    answer: ({ query }) => (result) => {
      if (Array.isArray(result)) return result.map(full);
      if (result instanceof Parse.Object) return [full(result)];
      return (result instanceof Parse.Query ? result : query).toJSON();
    },
  },

  afterFind: {
    prepare: (hook, body) => ({
      objects: body.objects.map((json) => given(hook, json)),
      query: Parse.Query.fromJSON(hook.className, body.query),
    }),
    answer: (request) => (result) => (Array.isArray(result) ? result : request.objects).map(full),
  },

  beforeConnect: {
    prepare: (_, { event, client, clients, subscriptions, useMasterKey, sessionToken }) => ({
      ...{ event, client, clients, subscriptions, useMasterKey, sessionToken },
    }),
  },

  beforeSubscribe: {
    prepare: (hook, { op, requestId, sessionToken, query }) => ({
      ...{ op, requestId, sessionToken },
      query: Parse.Query.fromJSON(hook.className, query),
    }),
    answer: (request) => (result) => (result instanceof Parse.Query ? result : request.query).toJSON(),
  },

  afterEvent: {
    prepare: (hook, body) => {
      const { event, clients, subscriptions, sessionToken, useMasterKey, sendEvent } = body;
      return { event, clients, subscriptions, sessionToken, useMasterKey, sendEvent, ...objects(hook, body) };
    },
    answer: (request) => () => {
      const { sendEvent, event, object, original } = request;
      return { sendEvent, event, object: full(object), original: original && full(original) };
    },
  },
};

/// A file as it came, with its content if that came too.
function fileFrom({ name, url, base64, contentType, metadata, tags, directory }) {
  const file = base64 === undefined ? new Parse.File(name) : new Parse.File(name, { base64 }, contentType);
  file._url = url;
  file.setMetadata(metadata ?? {});
  file.setTags(tags ?? {});
  if (directory) file.setDirectory(directory);
  return file;
}

/// A file as a handler leaves it; the content of another one than it was given.
async function fileJson(file, isOther) {
  const json = { name: file.name(), metadata: file.metadata(), tags: file.tags(), directory: file.directory() };
  if (file.url()) json.url = file.url();
  if (isOther && file._source) Object.assign(json, { base64: await file.getData(), contentType: file._source.type });
  return json;
}

/// What is made of a file: the one that the handler answers, or the one it was given.
const fileLeft = (given, result) => {
  const file = result instanceof Parse.File ? result : given;
  return fileJson(file, file !== given);
};

/// The file that the request is about.
const aboutFile = (_, { file, fileSize }) => ({ file: fileFrom(file), fileSize });

/// As [`KINDS`], of files.
const FILE_KINDS = {
  beforeSave: { prepare: aboutFile, answer: ({ file }) => (result) => fileLeft(file, result) },
  beforeFind: { prepare: aboutFile, answer: ({ file }) => (result) => fileLeft(file, result) },
  afterFind: {
    prepare: (hook, body) => ({ ...aboutFile(hook, body), forceDownload: false, responseHeaders: body.responseHeaders }),
    answer: (request) => {
      const given = request.file;
      return async (result) => {
        const { file = request.file, forceDownload, responseHeaders } = { ...request, ...result };
        return { file: await fileLeft(given, file), forceDownload, responseHeaders };
      };
    },
  },
};

/// Hooks about files that are told.
const FILE_TOLD = { prepare: aboutFile };

/// Of Parse Config: what is to change or has changed, and what there was.
const CONFIG_TOLD = {
  prepare: (_, { object, original }) => {
    const config = (params) => {
      const made = new Parse.Config();
      for (const [name, value] of Object.entries(params ?? {})) made.attributes[name] = Parse._decode(name, value);
      return made;
    };
    return { object: config(object), original: original && config(original) };
  },
};

/// How a hook is asked and answers.
function kindOf({ kind, className }) {
  if (className === FILE) return FILE_KINDS[kind] ?? FILE_TOLD;
  if (className === CONFIG) return CONFIG_TOLD;
  return KINDS[kind] ?? TOLD;
}

module.exports = { answerTo };
