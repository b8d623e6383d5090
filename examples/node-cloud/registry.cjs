// What does `Parse.Cloud` offer to a main.js, and what did it define? Validators that are data are the server's to check.

const Parse = require('parse/node');

/// The triggers of a class, by the names of the methods.
const OF_CLASSES = {
  beforeSave: 'beforeSave',
  afterSave: 'afterSave',
  beforeDelete: 'beforeDelete',
  afterDelete: 'afterDelete',
  beforeFind: 'beforeFind',
  afterFind: 'afterFind',
  beforeSubscribe: 'beforeSubscribe',
  afterLiveQueryEvent: 'afterEvent',
};

/// The triggers that need no class.
const OF_ONE_CLASS = {
  beforeLogin: '_User',
  afterLogin: '_User',
  afterLogout: '_Session',
  beforePasswordResetRequest: '_User',
  beforeConnect: '@Connect',
};

/// The rules that the server knows.
const RULES = [
  'requireUser',
  'requireMaster',
  'validateMasterKey',
  'skipWithMasterKey',
  'requireAnyUserRoles',
  'requireAllUserRoles',
  'requireUserKeys',
  'fields',
  'rateLimit',
];

class Registry {
  functions = new Map();
  triggers = new Map();
  jobs = new Map();

  /// What is put on `Parse.Cloud`.
  methods() {
    const methods = {
      define: (name, handler, validator) => this.functions.set(name, { kind: 'function', name, handler, ...split(validator) }),
      job: (name, handler) => this.jobs.set(name, { kind: 'job', name, handler, own: [] }),
      useMasterKey: () => {},
      sendEmail: () => Promise.reject(new Error('Parse.Cloud.sendEmail is not available in this process.')),
    };
    for (const [method, trigger] of Object.entries(OF_CLASSES)) {
      methods[method] = (target, handler, validator) => this.#trigger(trigger, classNameOf(target), handler, validator);
    }
    for (const [method, className] of Object.entries(OF_ONE_CLASS)) {
      methods[method] = (...args) => {
        const [handler, validator] = typeof args[0] === 'function' && !args[0].className ? args : args.slice(1);
        this.#trigger(method, className, handler, validator);
      };
    }
    return methods;
  }

  #trigger(trigger, className, handler, validator) {
    this.triggers.set(`${className} ${trigger}`, { kind: trigger, className, handler, ...split(validator) });
  }

  /// What the server asks for at a path.
  find([kind, ...names]) {
    const hooks = { functions: this.functions, triggers: this.triggers, jobs: this.jobs }[kind];
    return hooks?.get(names.join(' '));
  }

  /// What is defined, in the form of ParseCloud/1.0.
  manifest() {
    const with_ = (hook, entry) => (hook.validator ? { ...entry, validator: hook.validator } : entry);
    return {
      protocol: 'ParseCloud/1.0',
      hooks: {
        functions: [...this.functions.values()].map((hook) => with_(hook, { name: hook.name })),
        triggers: [...this.triggers.values()].map((hook) => with_(hook, { className: hook.className, triggerName: hook.kind })),
        jobs: [...this.jobs.keys()].map((name) => ({ name })),
      },
    };
  }
}

/// What stands in the place of a class where it is about files, or about Parse Config.
const FILE = '@File';
const CONFIG = '@Config';

function classNameOf(target) {
  if (target === Parse.File) return FILE;
  if (target === Parse.Config) return CONFIG;
  return typeof target === 'string' ? target : (target?.className ?? new target().className);
}

/// Parts a validator: what is data goes to the server (`validator`), what is code stays here (`own`).
function split(validator) {
  if (!validator) return { own: [] };
  if (typeof validator === 'function') return { own: [validator] };
  const own = [];
  const data = {};
  for (const [rule, value] of Object.entries(validator)) {
    if (!RULES.includes(rule)) {
      console.warn(`The rule ${rule} of a validator is not known and has no effect.`);
    } else if (rule === 'fields' || rule === 'requireUserKeys') {
      data[rule] = Array.isArray(value) ? value : fieldRules(rule, value, validator.validateMasterKey, own);
    } else if (typeof value === 'function') {
      console.warn(`The rule ${rule} of a validator is a function, which has no effect here.`);
    } else {
      data[rule] = value;
    }
  }
  return { validator: data, own };
}

function fieldRules(rule, fields, validateMasterKey, own) {
  const data = {};
  for (const [field, said] of Object.entries(fields)) {
    if (typeof said === 'function') {
      data[field] = { required: true, type: said.name };
      continue;
    }
    const { type, options, ...rest } = said;
    data[field] = rest;
    if (type) data[field].type = typeof type === 'function' ? type.name : type;
    if (typeof options === 'function' || options instanceof RegExp) {
      own.push((request) => {
        const skipped = request.master && !validateMasterKey;
        return skipped || checkOption(field, options, said.error, valueIn(request, rule, field));
      });
    } else if (options !== undefined) {
      data[field].options = options;
    }
  }
  return data;
}

function valueIn(request, rule, field) {
  if (rule === 'requireUserKeys') return request.user?.get(field);
  return request.params ? request.params[field] : request.object?.get(field);
}

async function checkOption(field, options, error, value) {
  if (value === undefined || value === null) return;
  const fits = options instanceof RegExp ? options.test(value) : await options(value);
  if (typeof fits === 'string') throw new Parse.Error(Parse.Error.VALIDATION_ERROR, fits);
  if (fits === false) throw new Parse.Error(Parse.Error.VALIDATION_ERROR, error ?? `Validation failed. Invalid value for ${field}.`);
}

module.exports = { Registry, FILE, CONFIG };
