//! Objects in the place of their pointers: one find per class and level, through the same gate as any other find.

use std::collections::{HashMap, HashSet};

use compact_str::CompactString;
use futures::future::{BoxFuture, try_join_all};
use indexmap::IndexMap;
use parsimony_model::query::{Advice, ReadPreference};
use parsimony_model::schema::{ClassSchema, FieldType};
use parsimony_model::update::top;
use parsimony_model::{ErrorCode, Filter, Object, ParseError, Pointer, Query, Value};

use super::lookup;
use crate::work::Work;

/// The paths to include, as a tree: what is below `a` in `a.b` and `a.c`.
#[derive(Debug, Default)]
struct Tree(IndexMap<CompactString, Tree>);

impl Tree {
    fn of(paths: &[CompactString]) -> Self {
        let mut root = Self::default();
        for path in paths {
            let mut node = &mut root;
            for part in path.split('.') {
                node = node.0.entry(part.into()).or_default();
            }
        }
        root
    }

    /// How many paths it has, those on the way to others too.
    fn len(&self) -> usize {
        self.0.values().map(|below| 1 + below.len()).sum()
    }
}

/// `includeAll` and `include=*`: every Pointer and Array field, one level.
pub(super) fn expand_all(query: &mut Query, class: &ClassSchema) {
    if !query.include_all {
        return;
    }
    for (name, field) in &class.fields {
        let includable = matches!(field.kind, FieldType::Pointer(_) | FieldType::Array);
        if includable && !query.include.iter().any(|path| path == name.as_str()) {
            query.include.push(name.as_str().into());
            // Parse: what is included is wanted, whatever else is.
            if !query.keys.is_empty() && !query.keys.iter().any(|key| top(key) == name.as_str()) {
                query.keys.push(name.as_str().into());
            }
        }
    }
}

/// Refuses includes that are too deep or too many. Parse: the way to a path counts too.
pub(super) fn check_limits(work: &Work, query: &Query) -> Result<(), ParseError> {
    if query.include.is_empty() {
        return Ok(());
    }
    let refusal = |text: String| Err(ParseError::new(ErrorCode::InvalidQuery, text));
    let (limits, complexity) = (&work.engine.options.limits, &work.engine.options.complexity);
    let (mut depth_max, mut paths_max) = (limits.include_depth_max, limits.include_paths_max);
    if !work.caller.is_privileged() {
        depth_max = complexity.include_depth_max.unwrap_or(depth_max);
        paths_max = complexity.include_paths_max.unwrap_or(paths_max);
    }
    let depth = query.include.iter().map(|path| path.split('.').count()).max().unwrap_or(0);
    if depth > depth_max {
        return refusal(format!("Include depth of {depth} exceeds maximum allowed depth of {depth_max}"));
    }
    let count = Tree::of(&query.include).len();
    if count > paths_max {
        return refusal(format!("Number of include fields ({count}) exceeds maximum allowed ({paths_max})"));
    }
    Ok(())
}

/// Puts objects in the place of the pointers that the query's paths name.
///
/// Parse: a pointer whose object is missing or may not be read disappears.
pub(super) async fn include(work: &Work, objects: &mut [Object], query: &Query) -> Result<(), ParseError> {
    let tree = Tree::of(&query.include);
    let preference = query.include_read_preference.or(query.advice.read_preference);
    into_all(work, objects.iter_mut().collect(), &tree, preference).await
}

fn into_all<'a>(
    work: &'a Work,
    objects: Vec<&'a mut Object>,
    tree: &'a Tree,
    preference: Option<ReadPreference>,
) -> BoxFuture<'a, Result<(), ParseError>> {
    Box::pin(async move {
        let mut objects = objects;
        for (field, below) in &tree.0 {
            let mut wanted: IndexMap<_, HashSet<Pointer>> = IndexMap::new();
            for object in &objects {
                if let Some(value) = object.fields.get(field) {
                    collect(value, below, &mut wanted);
                }
            }
            let fetches = wanted.into_iter().map(|(class, pointers)| async move {
                let ids: Vec<_> = pointers.into_iter().map(|pointer| pointer.id).collect();
                let filter = if let [only] = ids.as_slice() { Filter::id(only) } else { Filter::ids(&ids) };
                let advice = Advice { read_preference: preference, ..Advice::default() };
                lookup(work, &class, Query { advice, ..Query::new(filter) }).await
            });
            let mut found: Vec<Object> = try_join_all(fetches).await?.into_iter().flatten().collect();
            if !below.0.is_empty() {
                into_all(work, found.iter_mut().collect(), below, preference).await?;
            }
            let found: HashMap<Pointer, Object> = found.into_iter().map(|object| (object.pointer(), object)).collect();
            for object in &mut objects {
                replace_field(object, field, below, &found);
            }
        }
        Ok(())
    })
}

/// The pointers in a value: itself, the elements of an array, or what a path goes through in a plain object.
fn collect(value: &Value, below: &Tree, wanted: &mut IndexMap<parsimony_model::ClassName, HashSet<Pointer>>) {
    match value {
        Value::Pointer(pointer) => {
            wanted.entry(pointer.class.clone()).or_default().insert(pointer.clone());
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, below, wanted)),
        Value::Object(map) => {
            for (field, deeper) in &below.0 {
                if let Some(value) = map.get(field) {
                    collect(value, deeper, wanted);
                }
            }
        }
        _ => {}
    }
}

fn replace_field(object: &mut Object, field: &CompactString, below: &Tree, found: &HashMap<Pointer, Object>) {
    let Some(value) = object.fields.get_mut(field) else { return };
    if !replace(value, below, found) {
        object.fields.shift_remove(field);
    }
}

/// Replaces the pointers in a value; `false` if the value itself was a pointer to nothing.
fn replace(value: &mut Value, below: &Tree, found: &HashMap<Pointer, Object>) -> bool {
    match value {
        Value::Pointer(pointer) => match found.get(pointer) {
            Some(object) => {
                *value = Value::Included(Box::new(object.clone()));
                true
            }
            None => false,
        },
        Value::Array(items) => {
            items.retain_mut(|item| replace(item, below, found));
            true
        }
        Value::Object(map) => {
            for (field, deeper) in &below.0 {
                let gone = map.get_mut(field).is_some_and(|value| !replace(value, deeper, found));
                if gone {
                    map.shift_remove(field);
                }
            }
            true
        }
        _ => true,
    }
}
