//! What does the data say to a plan? Asked before anything changes: counts, and the ids of a few objects.

use std::sync::Arc;

use parsimony_model::schema::{Field, FieldType, Index};
use parsimony_model::{ClassName, ClassSchema, Constraint, FieldName, Filter, ObjectId, ParseError, Value};
use parsimony_store::{Join, Scope, Selection, Store};

use super::plan::{Alteration, Plan, Step, is_on};

/// How many objects a finding names.
const SAMPLES_MAX: u64 = 5;

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// Values that go with their field.
    ValuesLost,
    /// Objects that go with their class.
    ObjectsLost,
    /// Objects that can be changed again.
    Unsealed,
    /// Objects without the value that will be required.
    ValuesMissing,
    /// Objects that a unique index could not tell apart.
    Duplicates,
}

/// Why a plan is not carried out unless somebody says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Objection {
    /// It loses data.
    Destructive,
    /// Objects that are there do not meet it.
    Missing,
    /// It cannot be done.
    Impossible,
}

impl Objection {
    /// What somebody has to say; `None` if nothing helps.
    pub(crate) const fn flag(self) -> Option<&'static str> {
        match self {
            Self::Destructive => Some("allowDestructive"),
            Self::Missing => Some("allowMissing"),
            Self::Impossible => None,
        }
    }
}

impl What {
    /// Its name in JSON.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::ValuesLost => "valuesLost",
            Self::ObjectsLost => "objectsLost",
            Self::Unsealed => "unsealed",
            Self::ValuesMissing => "valuesMissing",
            Self::Duplicates => "duplicates",
        }
    }

    /// Why it stands in the way.
    pub(crate) const fn objection(self) -> Objection {
        match self {
            Self::ValuesLost | Self::ObjectsLost | Self::Unsealed => Objection::Destructive,
            Self::ValuesMissing => Objection::Missing,
            Self::Duplicates => Objection::Impossible,
        }
    }
}

/// Something that the data says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) what: What,
    pub(crate) class: ClassName,
    /// The field or the index.
    pub(crate) name: Option<String>,
    pub(crate) count: u64,
    pub(crate) samples: Vec<ObjectId>,
}

impl Finding {
    /// A sentence.
    pub(crate) fn text(&self) -> String {
        let Self { class, count, .. } = self;
        let name = self.name.as_deref().unwrap_or_default();
        let (objects, have, they_are) =
            if *count == 1 { ("object", "has", "it is") } else { ("objects", "have", "they are") };
        let samples: Vec<&str> = self.samples.iter().map(ObjectId::as_str).collect();
        let like = if samples.is_empty() { String::new() } else { format!(", such as {}", samples.join(", ")) };
        match self.what {
            What::ValuesLost => format!("{class}.{name}: {count} {objects} {have} a value that would be lost{like}"),
            What::ObjectsLost => format!("{class}: {count} {objects} would be lost{like}"),
            What::Unsealed => format!("{class}: {count} {objects} could be changed and deleted again"),
            What::ValuesMissing => {
                format!("{class}.{name}: {count} {objects} {have} no value, and one is required{like}")
            }
            What::Duplicates => {
                format!(
                    "{class}: {count} {objects} cannot be told apart by the unique index {name}; {they_are}{}",
                    like.replacen(", such as", " among others", 1)
                )
            }
        }
    }
}

/// Asks the data about each step.
pub(crate) async fn check(
    store: &dyn Store,
    classes: &[Arc<ClassSchema>],
    plan: &Plan,
) -> Result<Vec<Finding>, ParseError> {
    let mut findings = Vec::new();
    for Step { class, change } in &plan.steps {
        let Some(class) = classes.iter().find(|known| known.name == *class) else { continue };
        let asking = Asking { store, class };
        findings.extend(asking.about(change, plan).await?.filter(|finding| finding.count > 0));
    }
    Ok(findings)
}

/// Questions about one class.
struct Asking<'a> {
    store: &'a dyn Store,
    class: &'a Arc<ClassSchema>,
}

impl Asking<'_> {
    async fn about(&self, change: &Alteration, plan: &Plan) -> Result<Found, ParseError> {
        Ok(match change {
            Alteration::DropClass => Found::one(self.objects(What::ObjectsLost, None, Filter::everything()).await?),
            Alteration::SetAppendOnly(false) => {
                Found::one(self.objects(What::Unsealed, None, Filter::everything()).await?)
            }
            Alteration::DropField(name, field) => Found::one(self.values(name, field).await?),
            Alteration::RemakeField { name, from, to } => Found {
                first: Some(self.values(name, from).await?),
                // All values go, so all are missing.
                second: self.missing_everywhere(name, to).await?,
            },
            Alteration::AddField(name, field) => {
                Found { first: None, second: self.missing_everywhere(name, field).await? }
            }
            Alteration::SetOptions { name, from, to } if to.required && !from.required => {
                Found::one(self.objects(What::ValuesMissing, Some(name), missing(name, to)).await?)
            }
            Alteration::AddIndex(name, index) | Alteration::RemakeIndex { name, to: index, .. } if index.unique => {
                Found { first: self.duplicates(name, index, plan).await?, second: None }
            }
            Alteration::CreateClass(_)
            | Alteration::SetOptions { .. }
            | Alteration::SetPermissions { .. }
            | Alteration::SetAppendOnly(true)
            | Alteration::AddIndex(..)
            | Alteration::RemakeIndex { .. }
            | Alteration::DropIndex(..) => Found { first: None, second: None },
        })
    }

    async fn missing_everywhere(&self, name: &FieldName, field: &Field) -> Result<Option<Finding>, ParseError> {
        if !field.required {
            return Ok(None);
        }
        self.objects(What::ValuesMissing, Some(name), Filter::everything()).await.map(Some)
    }

    /// The values that a field has.
    async fn values(&self, name: &FieldName, field: &Field) -> Result<Finding, ParseError> {
        if let FieldType::Relation(_) = field.kind {
            let join = Join { class: self.class.name.clone(), field: name.clone() };
            let count = self.store.members(&join).await?;
            let class = self.class.name.clone();
            let name = Some(name.as_str().to_owned());
            return Ok(Finding { what: What::ValuesLost, class, name, count, samples: Vec::new() });
        }
        let there = Filter::Field(name.as_str().into(), Constraint::NotEquals(Value::Null));
        self.objects(What::ValuesLost, Some(name), there).await
    }

    async fn objects(&self, what: What, name: Option<&FieldName>, filter: Filter) -> Result<Finding, ParseError> {
        let selection = Selection::new(Arc::clone(self.class), filter, Scope::Everything);
        let count = self.store.count(&selection).await?;
        let some = selection.range(0, Some(SAMPLES_MAX)).only(vec!["objectId".to_owned()]);
        let samples = if count > 0 { self.store.find(&some).await? } else { Vec::new() };
        Ok(Finding {
            what,
            class: self.class.name.clone(),
            name: name.map(|name| name.as_str().to_owned()),
            count,
            samples: samples.into_iter().map(|object| object.id).collect(),
        })
    }

    /// The objects that a unique index could not tell apart. Fields that are made anew have no values by then.
    async fn duplicates(&self, name: &str, index: &Index, plan: &Plan) -> Result<Option<Finding>, ParseError> {
        let is_emptied = |step: &Step| match &step.change {
            Alteration::RemakeField { name, .. } => step.class == self.class.name && is_on(index, name),
            _ => false,
        };
        if plan.steps.iter().any(is_emptied) {
            return Ok(None);
        }
        let found = self.store.duplicates(self.class, index).await?;
        Ok(Some(Finding {
            what: What::Duplicates,
            class: self.class.name.clone(),
            name: Some(name.to_owned()),
            count: found.objects,
            samples: found.samples,
        }))
    }
}

/// What was found about one step.
struct Found {
    first: Option<Finding>,
    second: Option<Finding>,
}

impl Found {
    fn one(finding: Finding) -> Self {
        Self { first: Some(finding), second: None }
    }

    fn filter(self, is_one: impl Fn(&Finding) -> bool) -> impl Iterator<Item = Finding> {
        self.first.into_iter().chain(self.second).filter(move |finding| is_one(finding))
    }
}

/// Parse: null and the empty text count as missing.
fn missing(name: &FieldName, field: &Field) -> Filter {
    let is = |value: Value| Filter::Field(name.as_str().into(), Constraint::Equals(value));
    match field.kind {
        FieldType::String => Filter::Or(vec![is(Value::Null), is("".into())]),
        _ => is(Value::Null),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_sentences() {
        let finding = |what, name: Option<&str>, count, samples: &[&str]| Finding {
            what,
            class: ClassName::parse("C").unwrap(),
            name: name.map(str::to_owned),
            count,
            samples: samples.iter().map(|id| ObjectId::parse(id).unwrap()).collect(),
        };
        for (finding, text) in [
            (
                finding(What::ValuesLost, Some("f"), 1, &["a"]),
                "C.f: 1 object has a value that would be lost, such as a",
            ),
            (finding(What::ObjectsLost, None, 2, &[]), "C: 2 objects would be lost"),
            (
                finding(What::ValuesMissing, Some("f"), 7, &["a", "b"]),
                "C.f: 7 objects have no value, and one is required, such as a, b",
            ),
            (
                finding(What::Duplicates, Some("i"), 4, &["a", "b"]),
                "C: 4 objects cannot be told apart by the unique index i; they are among others a, b",
            ),
            (finding(What::Unsealed, None, 2, &["a"]), "C: 2 objects could be changed and deleted again"),
        ] {
            assert_eq!(finding.text(), text);
        }
    }
}
