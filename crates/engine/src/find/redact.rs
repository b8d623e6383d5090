//! What of an object goes out: the one gate every object passes on its way to a caller.

use parsimony_model::internal;
use parsimony_model::schema::ClassSchema;
use parsimony_model::update::top;
use parsimony_model::{FieldType, Map, Object, Query, Value};

use crate::access::fields::Hidden;
use crate::classes::{ClassRules, rules_for};
use crate::files::url_of;
use crate::options::Options;
use crate::work::Work;

/// What is taken out of, and added to, each object of a find.
pub(super) struct Redaction<'a> {
    work: &'a Work,
    class: &'a ClassSchema,
    hidden: &'a Hidden,
    query: &'a Query,
    rules: &'static dyn ClassRules,
}

impl<'a> Redaction<'a> {
    pub(super) fn new(work: &'a Work, class: &'a ClassSchema, hidden: &'a Hidden, query: &'a Query) -> Self {
        Self { work, class, hidden, query, rules: rules_for(&class.name) }
    }

    pub(super) fn apply(&self, object: &mut Object) {
        if self.work.caller.is_maintenance() {
            self.rules.redact_internal(object);
            let internal = shown_internal(object);
            finish(&self.work.engine.options, self.class, object);
            object.fields.extend(internal);
        } else {
            finish(&self.work.engine.options, self.class, object);
        }
        self.hidden.remove_from(&self.work.caller, object);
        self.rules.redact(&self.work.caller, object);
        shape(object, &self.query.keys, &self.query.exclude_keys);
    }
}

/// The internal fields of an object, as the maintenance key sees them. Parse: their dates are bare texts.
fn shown_internal(object: &Object) -> Map {
    let internal = object.fields.iter().filter(|(name, _)| internal::field(name).is_some());
    let shown = |value: &Value| match value {
        Value::Date(date) => date.to_iso().into(),
        other => other.clone(),
    };
    internal.map(|(name, value)| (name.clone(), shown(value))).collect()
}

/// A user as that user may see itself.
pub(crate) fn own_user(work: &Work, class: &ClassSchema, mut user: Object) -> Object {
    rules_for(&class.name).redact(&work.caller, &mut user);
    finish(&work.engine.options, class, &mut user);
    user
}

/// Takes internal fields out, shows every relation of the class, and says where files are.
pub(crate) fn finish(options: &Options, class: &ClassSchema, object: &mut Object) {
    // Parse: names that start with `_` are the server's own.
    if object.fields.keys().any(|field| field.starts_with('_')) {
        object.fields.retain(|field, _| !field.starts_with('_'));
    }
    for (field, target) in class.relations() {
        object.fields.insert(field.as_str().into(), Value::Relation(target.clone()));
    }
    if class.fields.values().any(|field| field.kind == FieldType::File) {
        locate_files(options, &mut object.fields);
    }
}

/// Says where files are.
pub(crate) fn locate_files(options: &Options, fields: &mut Map) {
    fields.values_mut().for_each(|value| locate_file(options, value));
}

/// Says where a file is, if the value is one.
pub(crate) fn locate_file(options: &Options, value: &mut Value) {
    if let Value::File(file) = value
        && file.url.is_none()
    {
        file.url = Some(url_of(options, &file.name));
    }
}

/// Keeps what is wanted. Parse: `objectId`, `createdAt`, `updatedAt`, `ACL` and every relation always are.
fn shape(object: &mut Object, keys: &[compact_str::CompactString], exclude: &[compact_str::CompactString]) {
    let relation = |value: &Value| matches!(value, Value::Relation(_));
    if !keys.is_empty() {
        object.fields.retain(|field, value| relation(value) || keys.iter().any(|key| top(key) == field));
    }
    if !exclude.is_empty() {
        object.fields.retain(|field, value| relation(value) || !exclude.iter().any(|key| key == field));
    }
}

/// `keys=a.b` and `excludeKeys=a.b`, for the object that was put in the place of the pointer `a`.
pub(super) fn shape_included(objects: &mut [Object], query: &Query) {
    if query.include.is_empty() || (query.keys.is_empty() && query.exclude_keys.is_empty()) {
        return;
    }
    for object in objects {
        shape_below(object, "", query);
    }
}

fn shape_below(object: &mut Object, prefix: &str, query: &Query) {
    for (field, value) in &mut object.fields {
        let path = format!("{prefix}{field}.");
        let below = |paths: &[compact_str::CompactString]| {
            paths.iter().filter_map(|key| key.strip_prefix(path.as_str()).map(Into::into)).collect::<Vec<_>>()
        };
        // `keys=a` and `keys=a,a.b` both want all of `a`'s siblings, but only the latter narrows `a` itself.
        let (keys, exclude) = (below(&query.keys), below(&query.exclude_keys));
        let one = |included: &mut Object| {
            shape(included, &keys, &exclude);
            shape_below(included, &path, query);
        };
        match value {
            Value::Included(included) => one(included),
            Value::Array(items) => {
                for item in items {
                    if let Value::Included(included) = item {
                        one(included);
                    }
                }
            }
            _ => {}
        }
    }
}
