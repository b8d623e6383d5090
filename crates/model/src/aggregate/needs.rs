//! Which fields of the rows does a pipeline look at?

use std::collections::BTreeSet;

use super::accumulate::Accumulator;
use super::expression::{Expression, Name};
use super::matching::{Condition, Test};
use super::path::Path;
use super::stage::Stage;

/// What is looked at.
#[derive(Debug, Default)]
pub(super) struct Needs {
    /// First names of paths, as on disk.
    names: BTreeSet<String>,
    /// Whether whole rows are.
    all: bool,
}

/// The fields of the class that stages look at; none at all means every one.
pub(super) fn fields(stages: &[Stage]) -> Vec<String> {
    let mut needs = Needs::default();
    if !through(stages, &mut needs) || needs.all {
        return Vec::new();
    }
    // Where nothing is looked at, the columns that every row has are enough.
    needs.names.insert("_id".to_owned());
    let mut fields: BTreeSet<String> = needs.names.iter().map(|name| field(name).to_owned()).collect();
    if fields.len() > 1 {
        fields.remove("objectId");
    }
    fields.into_iter().collect()
}

/// The field with this name on disk.
fn field(name: &str) -> &str {
    match name {
        "_id" | "_created_at" | "_updated_at" | "_rperm" | "_wperm" | "_acl" => "objectId",
        "_session_token" => "sessionToken",
        "_last_used" => "lastUsed",
        "times_used" => "timesUsed",
        _ if name.starts_with("_auth_data_") => "authData",
        _ => name.strip_prefix("_p_").unwrap_or(name),
    }
}

/// Notes what stages look at, and tells whether the rows end in them: if not, they go out whole.
fn through(stages: &[Stage], needs: &mut Needs) -> bool {
    for stage in stages {
        match stage {
            Stage::Match(condition) => condition.note(needs),
            Stage::Project(projection) => {
                projection.note(needs);
                if projection.keeps_only_what_it_names() {
                    return true;
                }
            }
            Stage::Replace(root) => {
                root.note(needs);
                return true;
            }
            Stage::Sort(by) => by.keys().iter().for_each(|key| needs.path(&key.path)),
            Stage::Skip(_) | Stage::Limit(_) | Stage::Sample(_) | Stage::Union { .. } => {}
            Stage::Unwind(unwind) => needs.path(&unwind.path),
            Stage::Group(group) => {
                group.key.note(needs);
                group.fields.iter().for_each(|(_, field)| field.note(needs));
                return true;
            }
            Stage::Buckets(buckets) => {
                buckets.key.note(needs);
                buckets.fields.iter().for_each(|(_, field)| field.note(needs));
                return true;
            }
            Stage::Count(_) => return true,
            Stage::Facet(facets) => {
                let mut end = true;
                for (_, stages) in facets {
                    end &= through(stages, needs);
                }
                return end;
            }
            // The stages inside look at other rows; of these they see what the variables hold.
            Stage::Lookup(lookup) => {
                lookup.equal.iter().for_each(|(local, _)| needs.path(local));
                lookup.variables.iter().for_each(|(_, value)| value.note(needs));
            }
        }
    }
    false
}

impl Needs {
    /// Notes a path.
    pub(super) fn path(&mut self, path: &Path) {
        self.name(path.top());
    }

    /// Notes the first name of a path.
    pub(super) fn name(&mut self, name: &str) {
        if !self.names.contains(name) {
            self.names.insert(name.to_owned());
        }
    }
}

impl Expression {
    /// Notes what it looks at.
    pub(super) fn note(&self, needs: &mut Needs) {
        match self {
            Self::Constant(_) | Self::Chance | Self::Variable(Name::Now | Name::Remove | Name::Own(_), _) => {}
            Self::Field(path) => needs.path(path),
            Self::Variable(Name::Root, path) => match path.first() {
                Some(name) => needs.name(name),
                None => needs.all = true,
            },
            _ => self.parts().into_iter().for_each(|part| part.note(needs)),
        }
    }
}

impl Condition {
    fn note(&self, needs: &mut Needs) {
        match self {
            Self::All(parts) | Self::Any(parts) | Self::None(parts) => parts.iter().for_each(|part| part.note(needs)),
            Self::Holds(expression) => expression.note(needs),
            Self::At(path, test) => {
                needs.path(path);
                test.note(needs);
            }
        }
    }
}

impl Test {
    /// What is inside a list is of the list; but an expression in there looks at the element, which may hide a field.
    fn note(&self, needs: &mut Needs) {
        match self {
            Self::Element(condition) => condition.note(needs),
            Self::Every(tests) | Self::ElementIs(tests) | Self::Not(tests) => {
                for test in tests {
                    test.note(needs);
                }
            }
            _ => {}
        }
    }
}

impl Accumulator {
    fn note(&self, needs: &mut Needs) {
        self.expressions().for_each(|expression| expression.note(needs));
        self.sort_keys().for_each(|key| needs.path(&key.path));
    }
}
