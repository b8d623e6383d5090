//! How is a plan carried out? What adds first, what takes away last; each index on its own, because it may take long.

use indexmap::IndexMap;
use parking_lot::Mutex;
use parsimony_model::schema::Index;
use parsimony_model::{ClassName, ClassPermissions, ClassSchema, ErrorCode, ParseError};
use parsimony_store::ClassChange;

use super::Schemas;
use super::plan::{Alteration, Plan};

/// How far it has come.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    now: Mutex<Now>,
}

/// What is done now.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Now {
    /// How many parts are done.
    pub(crate) done: usize,
    /// How many there are.
    pub(crate) total: usize,
    /// What this one does, if it may take long.
    pub(crate) doing: Option<String>,
    /// The class of the index that is being made.
    pub(crate) indexing: Option<ClassName>,
}

impl Watched {
    /// How far it has come now.
    pub(crate) fn now(&self) -> Now {
        self.now.lock().clone()
    }
}

/// One part: a change of one class that a store makes whole or not at all.
enum Part {
    Create(Box<ClassSchema>),
    Change(ClassName, Box<ClassChange>),
    Drop(ClassName),
}

/// Carries a plan out. When a part fails, those before it stay done.
pub(crate) async fn apply(schemas: &Schemas, plan: &Plan, watched: &Watched) -> Result<(), ParseError> {
    let parts = parts(plan);
    watched.now.lock().total = parts.len();
    for part in parts {
        let (doing, indexing) = told(&part);
        {
            let mut now = watched.now.lock();
            (now.doing, now.indexing) = (doing, indexing);
        }
        carry_out(schemas, part).await?;
        watched.now.lock().done += 1;
    }
    Ok(())
}

async fn carry_out(schemas: &Schemas, part: Part) -> Result<(), ParseError> {
    match part {
        Part::Create(class) => {
            let name = class.name.clone();
            let (_, created) = schemas.create(*class).await?;
            if created { Ok(()) } else { Err(overtaken(&name)) }
        }
        Part::Change(class, change) => schemas.change(&class, &change).await.map(drop),
        Part::Drop(class) => match schemas.find(&class).await? {
            Some(class) => schemas.drop_class(&class).await,
            None => Ok(()),
        },
    }
}

/// Somebody else created the class a moment ago.
fn overtaken(class: &ClassName) -> ParseError {
    ParseError::new(ErrorCode::InvalidClassName, format!("Class {class} already exists."))
}

/// Whether it failed because somebody else created a class a moment ago.
pub(crate) fn was_overtaken(error: &ParseError) -> bool {
    error.code == ErrorCode::InvalidClassName
}

/// What may take long: an index, and whatever touches every object.
fn told(part: &Part) -> (Option<String>, Option<ClassName>) {
    let Part::Change(class, change) = part else { return (None, None) };
    if let Some((index, _)) = change.add_indexes.first() {
        return (Some(format!("making the index {index} of {class}")), Some(class.clone()));
    }
    let field = change.drop_fields.first();
    (field.map(|field| format!("dropping the field {field} of {class} with its values")), None)
}

fn parts(plan: &Plan) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for step in &plan.steps {
        if let Alteration::CreateClass(class) = &step.change {
            parts.push(Part::Create(class.clone()));
        }
    }
    parts.extend(each(plan, |change, alteration| match alteration {
        Alteration::AddField(name, field) | Alteration::SetOptions { name, to: field, .. } => {
            change.set_fields.push((name.clone(), field.clone()));
        }
        Alteration::SetPermissions { to, .. } => change.permissions = Some(ClassPermissions::clone(to)),
        Alteration::SetAppendOnly(append_only) => change.append_only = Some(*append_only),
        _ => {}
    }));
    parts.extend(each(plan, |change, alteration| match alteration {
        Alteration::RemakeField { name, .. } => change.drop_fields.push(name.clone()),
        Alteration::RemakeIndex { name, .. } => change.drop_indexes.push(name.to_string()),
        Alteration::DropIndex(name, index) if makes_room(plan, index) => change.drop_indexes.push(name.to_string()),
        _ => {}
    }));
    parts.extend(each(plan, |change, alteration| {
        if let Alteration::RemakeField { name, to, .. } = alteration {
            change.set_fields.push((name.clone(), to.clone()));
        }
    }));
    for step in &plan.steps {
        if let Alteration::AddIndex(name, index) | Alteration::RemakeIndex { name, to: index, .. } = &step.change {
            let add_indexes = vec![(name.to_string(), index.clone())];
            let change = ClassChange { add_indexes, ..ClassChange::default() };
            parts.push(Part::Change(step.class.clone(), Box::new(change)));
        }
    }
    parts.extend(each(plan, |change, alteration| match alteration {
        Alteration::DropIndex(name, index) if !makes_room(plan, index) => change.drop_indexes.push(name.to_string()),
        Alteration::DropField(name, _) => change.drop_fields.push(name.clone()),
        _ => {}
    }));
    let dropped = plan.steps.iter().filter(|step| step.change == Alteration::DropClass);
    parts.extend(dropped.map(|step| Part::Drop(step.class.clone())));
    parts
}

/// Whether an index goes because it comes back under another name: there cannot be both at a time.
fn makes_room(plan: &Plan, index: &Index) -> bool {
    let comes = |alteration: &Alteration| match alteration {
        Alteration::AddIndex(_, new) => new.keys == index.keys || (new.is_for_text() && index.is_for_text()),
        _ => false,
    };
    plan.steps.iter().any(|step| comes(&step.change))
}

/// One change for each class that the collector puts something into.
fn each(plan: &Plan, collect: impl Fn(&mut ClassChange, &Alteration)) -> Vec<Part> {
    let mut changes: IndexMap<ClassName, ClassChange> = IndexMap::new();
    for step in &plan.steps {
        collect(changes.entry(step.class.clone()).or_default(), &step.change);
    }
    let changes = changes.into_iter().filter(|(_, change)| *change != ClassChange::default());
    changes.map(|(class, change)| Part::Change(class, Box::new(change))).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::file::read;
    use super::super::plan::{Manner, OtherType, Unmentioned, plan};
    use super::*;
    use parsimony_model::FieldName;

    fn class(text: &str) -> Arc<ClassSchema> {
        let definition = read(text).unwrap();
        let mut class = ClassSchema::new(definition.name);
        class.fields.extend(definition.fields);
        class.indexes.extend(definition.indexes);
        Arc::new(class)
    }

    fn shown(part: &Part) -> String {
        let names = |list: Vec<&str>| list.join(" ");
        match part {
            Part::Create(class) => format!("create {}", class.name),
            Part::Drop(class) => format!("drop {class}"),
            Part::Change(class, change) => {
                let mut text = class.to_string();
                for (sign, list) in [
                    ("-", names(change.drop_fields.iter().map(FieldName::as_str).collect())),
                    ("-index ", names(change.drop_indexes.iter().map(String::as_str).collect())),
                    ("+", names(change.set_fields.iter().map(|(name, _)| name.as_str()).collect())),
                    ("+index ", names(change.add_indexes.iter().map(|(name, _)| name.as_str()).collect())),
                ] {
                    if !list.is_empty() {
                        text.extend([" ", sign, &list]);
                    }
                }
                text
            }
        }
    }

    #[test]
    fn what_adds_comes_first_and_what_takes_away_last() {
        let stored = [class(
            r#"{"className":"A","fields":{"x":{"type":"String"},"old":{"type":"String"},"y":{"type":"String"}},
                "indexes":{"i":{"x":1},"gone":{"y":1},"renamed":{"old":1}}}"#,
        )];
        let wanted = [
            read(
                r#"{"className":"A","fields":{"x":{"type":"Number"},"new":{"type":"String"},"y":{"type":"String"}},
                "indexes":{"i":{"x":-1},"i2":{"new":1},"name":{"y":1}}}"#,
            )
            .unwrap(),
            read(r#"{"className":"B"}"#).unwrap(),
        ];
        let manner = Manner {
            other_fields: Unmentioned::Goes,
            other_indexes: Unmentioned::Goes,
            other_type: OtherType::MadeAnew,
            remake_indexes: true,
            ..Manner::at_start()
        };
        let plan = plan(&wanted, &stored, &manner).unwrap();
        let parts: Vec<String> = parts(&plan).iter().map(shown).collect();
        assert_eq!(
            parts,
            [
                "create B",
                "A +new",
                "A -x -index i gone",
                "A +x",
                "A +index i",
                "A +index i2",
                "A +index name",
                "A -old -index renamed",
            ]
        );
    }
}
