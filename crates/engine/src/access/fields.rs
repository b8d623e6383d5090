//! Which fields of an object may a caller see?

use compact_str::CompactString;
use parsimony_model::builtin::Builtin;
use parsimony_model::query::{Filter, Query};
use parsimony_model::update::top;
use parsimony_model::value::Map;
use parsimony_model::{ClassSchema, ErrorCode, FieldName, Object, ParseError};

use crate::caller::Caller;
use crate::options::Options;

/// The fields of a class that are hidden from a caller.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Hidden {
    /// Hidden in every object.
    fields: Vec<CompactString>,
    /// Hidden fields that come back in objects whose field names the caller: the field, and what stays hidden then.
    unless_named_in: Vec<(FieldName, Vec<CompactString>)>,
    /// The class is the users', and the caller's own row shows everything.
    own_row_is_open: bool,
}

impl Hidden {
    /// Puts together what the class and the options hide from a caller: the intersection of all groups that apply to it.
    pub(crate) fn from(caller: &Caller, class: &ClassSchema, options: &Options) -> Self {
        if caller.is_privileged() {
            return Self::default();
        }
        let stored = class.permissions.as_ref().map(|permissions| &permissions.protected_fields);
        let configured = options.protected_fields.get(&class.name);
        // Parse: the same group in class and options is united, then groups are intersected.
        let group = |name: &str| -> Option<Vec<CompactString>> {
            let lists = [stored.and_then(|groups| groups.get(name)), configured.and_then(|groups| groups.get(name))];
            lists.iter().any(Option::is_some).then(|| lists.into_iter().flatten().flatten().cloned().collect())
        };
        let mut applying = vec!["*".to_owned()];
        if let Some(user) = caller.user_id() {
            applying.push("authenticated".to_owned());
            applying.push(user.as_str().to_owned());
            applying.extend(caller.grants().iter().filter(|grant| grant.starts_with("role:")).cloned());
        }
        let fields = applying
            .iter()
            .filter_map(|name| group(name))
            .reduce(|first, second| intersect(first, &second))
            .unwrap_or_default();
        let named = stored.into_iter().flatten().filter_map(|(name, list)| {
            let field = FieldName::parse(name.strip_prefix("userField:")?).ok()?;
            Some((field, list.clone()))
        });
        let own = Builtin::of(&class.name) == Some(Builtin::User) && options.protected_fields_owner_exempt;
        Self { fields, unless_named_in: named.collect(), own_row_is_open: own }
    }

    /// Takes the hidden fields out of an object.
    pub(crate) fn remove_from(&self, caller: &Caller, object: &mut Object) {
        let hidden = self.within(caller, object);
        if !hidden.is_empty() {
            object.fields.retain(|field, _| !hidden.contains(field));
        }
    }

    /// Takes what is hidden in an object out of what is told of it.
    pub(crate) fn remove_from_answer(&self, caller: &Caller, object: &Object, answer: &mut Map) {
        let hidden = self.within(caller, object);
        answer.retain(|field, _| !hidden.contains(field));
    }

    /// The fields that are hidden in this object.
    fn within(&self, caller: &Caller, object: &Object) -> Vec<CompactString> {
        if self.fields.is_empty() || (self.own_row_is_open && caller.user_id() == Some(&object.id)) {
            return Vec::new();
        }
        let named = self.unless_named_in.iter().filter(|(field, _)| names(object, field, caller));
        named.map(|(_, list)| list.clone()).fold(self.fields.clone(), |hidden, list| intersect(hidden, &list))
    }

    /// Refuses a query that would tell hidden fields by asking for or sorting by them.
    pub(crate) fn refuse_use_in(&self, query: &Query, class: &ClassSchema) -> Result<(), ParseError> {
        // A text search looks into every field of the class's index, whatever field it names.
        let searched = query.filter.text().and_then(|_| class.text_index());
        let searched = searched.into_iter().flat_map(|(_, index)| index.text_fields());
        let ordered = query.order.iter().map(|order| top(&order.path));
        let mut used = ordered.chain(paths(&query.filter)).chain(searched);
        match used.find(|path| self.fields.iter().any(|field| field == path)) {
            None => Ok(()),
            Some(field) => Err(ParseError::denied(
                ErrorCode::OperationForbidden,
                format!("This user is not allowed to query {field} on class {}", class.name),
            )),
        }
    }

    /// The fields of an object that decide what of it is hidden.
    pub(crate) fn deciding(&self) -> impl Iterator<Item = &str> {
        self.unless_named_in.iter().map(|(field, _)| field.as_str())
    }

    /// Whether a field is hidden in every object.
    pub(crate) fn hides(&self, field: &str) -> bool {
        self.fields.iter().any(|hidden| hidden == field)
    }
}

fn intersect(first: Vec<CompactString>, second: &[CompactString]) -> Vec<CompactString> {
    first.into_iter().filter(|field| second.contains(field)).collect()
}

/// Whether a field of an object names the caller.
pub(crate) fn names(object: &Object, field: &FieldName, caller: &Caller) -> bool {
    let Some(user) = caller.user_pointer() else { return false };
    object.get(field.as_str()).is_some_and(|value| match value.as_array() {
        Some(list) => list.iter().any(|item| item.as_pointer().as_ref() == Some(&user)),
        None => value.as_pointer().as_ref() == Some(&user),
    })
}

/// The first path components that a filter asks about.
fn paths(filter: &Filter) -> Box<dyn Iterator<Item = &str> + '_> {
    match filter {
        Filter::And(parts) | Filter::Or(parts) | Filter::Nor(parts) => Box::new(parts.iter().flat_map(paths)),
        Filter::Field(path, _) => Box::new(std::iter::once(top(path))),
        Filter::Relates { field, .. } => Box::new(std::iter::once(field.as_str())),
        Filter::RelatedTo(_) => Box::new(std::iter::empty()),
    }
}
