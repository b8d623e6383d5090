//! What has to change so that the classes are as they are wanted? Computed from definitions and classes alone.

use std::collections::HashSet;
use std::sync::Arc;

use compact_str::CompactString;
use indexmap::IndexMap;
use parsimony_model::builtin;
use parsimony_model::permissions::UserIds;
use parsimony_model::schema::{Field, FieldType, Index};
use parsimony_model::{ClassName, ClassPermissions, ClassSchema, ErrorCode, FieldName, ParseError};

use super::definitions::with_builtin_indexes;
use super::file::{Definition, effective_permissions};
use super::rules::{self, check_geo_points, refuse_append_only, refuse_twin};
use crate::users::auth_data;

/// What becomes of something that a class has and its definition does not mention.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unmentioned {
    /// It stays.
    Stays,
    /// It goes.
    Goes,
    /// It goes if it is one of these, by class and name.
    GoesIfListed(HashSet<(ClassName, CompactString)>),
}

impl Unmentioned {
    fn goes(&self, class: &ClassName, name: &str) -> bool {
        match self {
            Self::Stays => false,
            Self::Goes => true,
            Self::GoesIfListed(listed) => listed.contains(&(class.clone(), name.into())),
        }
    }
}

/// What becomes of a field whose type is not the one that is defined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OtherType {
    /// It is a mistake.
    Refused,
    /// It stays as it is.
    Stays,
    /// It is dropped with its values and made anew.
    MadeAnew,
}

/// Which permissions are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Permissions {
    /// Those that the definition mentions, if it does.
    AsMentioned,
    /// Parse's `schema` option: what is not mentioned is for the master key alone, and so is `addField` in any case, also in
    /// classes without a definition.
    Locked,
}

/// How definitions are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Manner {
    pub(crate) other_fields: Unmentioned,
    pub(crate) other_indexes: Unmentioned,
    pub(crate) other_type: OtherType,
    /// Whether an index that is not as it is defined is made anew; otherwise it stays.
    pub(crate) remake_indexes: bool,
    pub(crate) permissions: Permissions,
    /// What the ids of users look like, which permissions name.
    pub(crate) user_ids: UserIds,
}

impl Manner {
    /// The applications' own definitions at start: what is missing is added, and nothing goes.
    pub(crate) fn at_start() -> Self {
        Self {
            other_fields: Unmentioned::Stays,
            other_indexes: Unmentioned::Stays,
            other_type: OtherType::Refused,
            remake_indexes: false,
            permissions: Permissions::AsMentioned,
            user_ids: UserIds::Made,
        }
    }
}

/// One change of one class.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Step {
    pub(crate) class: ClassName,
    pub(crate) change: Alteration,
}

/// What changes in a class.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Alteration {
    /// It is new.
    CreateClass(Box<ClassSchema>),
    /// It goes, with its objects.
    DropClass,
    /// It gets a field.
    AddField(FieldName, Field),
    /// A field keeps its type and gets other options.
    SetOptions { name: FieldName, from: Field, to: Field },
    /// A field is dropped with its values, and made anew with another type.
    RemakeField { name: FieldName, from: Field, to: Field },
    /// A field goes, with its values.
    DropField(FieldName, Field),
    /// It gets other permissions.
    SetPermissions { from: Box<ClassPermissions>, to: Box<ClassPermissions> },
    /// Its objects can only be added from now on, or can be changed again.
    SetAppendOnly(bool),
    /// It gets an index.
    AddIndex(CompactString, Index),
    /// An index is dropped and made anew.
    RemakeIndex { name: CompactString, from: Index, to: Index },
    /// An index goes.
    DropIndex(CompactString, Index),
}

/// Something that differs from its definition, or has none, and stays as it is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kept {
    /// A class without a definition.
    Class(ClassName),
    /// A field that the definition does not mention.
    Field(ClassName, FieldName, Field),
    /// A field of another type than the one that is defined.
    Type { class: ClassName, name: FieldName, from: FieldType, to: FieldType },
    /// An index that the definition does not mention, or that it wants otherwise.
    Index(ClassName, CompactString, Index),
}

/// What has to change, in the order of class names, and what stays.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Plan {
    pub(crate) steps: Vec<Step>,
    pub(crate) kept: Vec<Kept>,
}

/// Compares. Each class is defined once; `stored` are all classes there are.
pub(crate) fn plan(wanted: &[Definition], stored: &[Arc<ClassSchema>], manner: &Manner) -> Result<Plan, ParseError> {
    let mut plan = Plan::default();
    let mut wanted: Vec<&Definition> = wanted.iter().collect();
    wanted.sort_by(|one, other| one.name.cmp(&other.name));
    for definition in &wanted {
        let in_class = |error: ParseError| ParseError {
            message: format!("{}: {}", definition.name, error.message).into(),
            ..error
        };
        match stored.iter().find(|class| class.name == definition.name) {
            Some(class) => change(&mut plan, definition, class, manner).map_err(in_class)?,
            None => create(&mut plan, definition, manner).map_err(in_class)?,
        }
    }
    for class in stored.iter().filter(|class| wanted.iter().all(|definition| definition.name != class.name)) {
        plan.kept.push(Kept::Class(class.name.clone()));
        if manner.permissions == Permissions::Locked {
            let locked = without_add_field(effective_permissions(class));
            set_permissions(&mut plan, class, locked);
        }
    }
    Ok(plan)
}

fn create(plan: &mut Plan, definition: &Definition, manner: &Manner) -> Result<(), ParseError> {
    let mut class = ClassSchema::new(definition.name.clone());
    class.fields.extend(definition.fields.iter().map(|(name, field)| (name.clone(), field.clone())));
    check_geo_points(&class)?;
    class.permissions = permissions(definition, &class.fields, manner)?;
    class.append_only = definition.append_only.unwrap_or(false);
    let given = with_builtin_indexes(ClassSchema::new(definition.name.clone())).indexes;
    for (name, index) in definition.indexes.iter().filter(|(name, _)| !given.contains_key(*name)) {
        check_index(&class, name, index)?;
        class.indexes.insert(name.clone(), index.clone());
    }
    let class = Alteration::CreateClass(Box::new(class));
    plan.steps.push(Step { class: definition.name.clone(), change: class });
    Ok(())
}

/// The permissions that are wanted, if any are.
fn permissions(
    definition: &Definition,
    fields: &IndexMap<FieldName, Field>,
    manner: &Manner,
) -> Result<Option<ClassPermissions>, ParseError> {
    let written = definition.permissions.as_ref().map(|map| ClassPermissions::validated(map, fields, manner.user_ids));
    let written = written.transpose()?;
    Ok(match manner.permissions {
        Permissions::AsMentioned => written,
        Permissions::Locked => Some(without_add_field(written.unwrap_or_default())),
    })
}

fn without_add_field(mut permissions: ClassPermissions) -> ClassPermissions {
    permissions.rules.shift_remove(parsimony_model::Operation::AddField.name());
    permissions
}

fn check_index(class: &ClassSchema, name: &str, index: &Index) -> Result<(), ParseError> {
    rules::check_index(class, name, index)?;
    refuse_twin(name, index, class.indexes.iter().map(|(name, index)| (name.as_str(), index)))
}

/// The work on one class that is there.
struct Comparison<'a> {
    stored: &'a ClassSchema,
    /// The class as it will be.
    after: ClassSchema,
    changes: Vec<Alteration>,
    kept: Vec<Kept>,
}

fn change(plan: &mut Plan, definition: &Definition, stored: &ClassSchema, manner: &Manner) -> Result<(), ParseError> {
    let mut work = Comparison { stored, after: stored.clone(), changes: Vec::new(), kept: Vec::new() };
    work.fields(definition, manner)?;
    work.other_fields(definition, manner)?;
    check_geo_points(&work.after)?;
    work.indexes(definition, manner)?;
    let wanted = permissions(definition, &work.after.fields, manner)?;
    let Comparison { changes, kept, .. } = work;
    plan.kept.extend(kept);
    plan.steps.extend(changes.into_iter().map(|change| Step { class: stored.name.clone(), change }));
    if let Some(wanted) = wanted {
        set_permissions(plan, stored, wanted);
    }
    if let Some(append_only) = definition.append_only.filter(|append_only| *append_only != stored.append_only) {
        plan.steps.push(Step { class: stored.name.clone(), change: Alteration::SetAppendOnly(append_only) });
    }
    Ok(())
}

fn set_permissions(plan: &mut Plan, class: &ClassSchema, wanted: ClassPermissions) {
    let from = effective_permissions(class);
    // What is written differently and means the same is no change.
    if from.to_value() != wanted.to_value() {
        let change = Alteration::SetPermissions { from: Box::new(from), to: Box::new(wanted) };
        plan.steps.push(Step { class: class.name.clone(), change });
    }
}

impl Comparison<'_> {
    /// The fields that are defined.
    fn fields(&mut self, definition: &Definition, manner: &Manner) -> Result<(), ParseError> {
        for (name, wanted) in &definition.fields {
            let (name, to) = (name.clone(), wanted.clone());
            let change = match self.stored.fields.get(&name) {
                Some(there) if there == wanted => continue,
                None => Alteration::AddField(name.clone(), to),
                Some(there) if there.kind == wanted.kind => {
                    Alteration::SetOptions { name: name.clone(), from: there.clone(), to }
                }
                Some(there) => match manner.other_type {
                    OtherType::Refused => return Err(other_type(self.stored, &name, &there.kind, &wanted.kind)),
                    OtherType::Stays => {
                        let (class, from) = (self.stored.name.clone(), there.kind.clone());
                        self.kept.push(Kept::Type { class, name, from, to: to.kind });
                        continue;
                    }
                    OtherType::MadeAnew => {
                        refuse_append_only(self.stored)?;
                        Alteration::RemakeField { name: name.clone(), from: there.clone(), to }
                    }
                },
            };
            self.changes.push(change);
            self.after.fields.insert(name, wanted.clone());
        }
        Ok(())
    }

    /// The fields that are not.
    fn other_fields(&mut self, definition: &Definition, manner: &Manner) -> Result<(), ParseError> {
        let given = builtin::fields_of(self.stored.name.as_str());
        let stored = self.stored;
        let others = stored
            .fields
            .iter()
            .filter(|(name, _)| !definition.fields.contains_key(*name) && !given.contains_key(*name));
        for (name, field) in others {
            if !manner.other_fields.goes(&stored.name, name.as_str()) {
                self.kept.push(Kept::Field(stored.name.clone(), name.clone(), field.clone()));
                continue;
            }
            refuse_append_only(stored)?;
            self.changes.push(Alteration::DropField(name.clone(), field.clone()));
            self.after.fields.shift_remove(name);
        }
        Ok(())
    }

    fn indexes(&mut self, definition: &Definition, manner: &Manner) -> Result<(), ParseError> {
        let given = with_builtin_indexes(ClassSchema::new(self.stored.name.clone())).indexes;
        let stored = self.stored;
        let own = |name: &CompactString| !given.contains_key(name) && !auth_data::is_of_provider(name);
        // What goes makes room for what comes.
        for (name, index) in stored.indexes.iter().filter(|(name, _)| own(name)) {
            let wanted = definition.indexes.get(name);
            let is_same = |wanted: &Index| wanted == index && wanted.keys.iter().eq(index.keys.iter());
            match wanted {
                Some(wanted) if is_same(wanted) => {}
                Some(wanted) if manner.remake_indexes => {
                    self.after.indexes.shift_remove(name);
                    let (from, to) = (index.clone(), wanted.clone());
                    self.changes.push(Alteration::RemakeIndex { name: name.clone(), from, to });
                }
                None if manner.other_indexes.goes(&stored.name, name) || self.lost_its_field(index) => {
                    self.after.indexes.shift_remove(name);
                    self.changes.push(Alteration::DropIndex(name.clone(), index.clone()));
                }
                _ => self.kept.push(Kept::Index(stored.name.clone(), name.clone(), index.clone())),
            }
        }
        for (name, index) in definition.indexes.iter().filter(|(name, _)| own(name)) {
            if self.after.indexes.contains_key(name) {
                continue;
            }
            check_index(&self.after, name, index)?;
            self.after.indexes.insert(name.clone(), index.clone());
            if !stored.indexes.contains_key(name) {
                self.changes.push(Alteration::AddIndex(name.clone(), index.clone()));
            }
        }
        Ok(())
    }

    /// Whether an index stands on a field that goes.
    fn lost_its_field(&self, index: &Index) -> bool {
        let dropped = |change: &Alteration| match change {
            Alteration::DropField(name, _) => is_on(index, name),
            _ => false,
        };
        self.changes.iter().any(dropped)
    }
}

/// Whether an index stands on this field.
pub(crate) fn is_on(index: &Index, field: &FieldName) -> bool {
    let field_of = |key: &str| parsimony_model::update::top(key.strip_prefix("_p_").unwrap_or(key)) == field.as_str();
    index.keys.keys().any(|key| field_of(key))
}

fn other_type(class: &ClassSchema, name: &FieldName, from: &FieldType, to: &FieldType) -> ParseError {
    let text = format!("schema mismatch for {}.{name}; expected {from} but got {to}", class.name);
    ParseError::new(ErrorCode::IncorrectType, text)
}

#[cfg(test)]
mod tests {
    use parsimony_model::value::json;

    use super::super::{file, told};
    use super::*;

    fn class(text: &str) -> Arc<ClassSchema> {
        let plan = plan(&[file::read(text).unwrap()], &[], &Manner::at_start()).unwrap();
        match &plan.steps[0].change {
            Alteration::CreateClass(class) => Arc::new(ClassSchema::clone(class)),
            other => panic!("{other:?}"),
        }
    }

    /// The steps in few words: `+` what comes, `-` what goes, `~` what changes, `=` what stays.
    fn shown(plan: &Plan) -> Vec<String> {
        let step = |step: &Step| {
            let class = &step.class;
            match &step.change {
                Alteration::CreateClass(_) => format!("+{class}"),
                Alteration::DropClass => format!("-{class}"),
                Alteration::AddField(name, _) => format!("+{class}.{name}"),
                Alteration::SetOptions { name, .. } => format!("~{class}.{name}"),
                Alteration::RemakeField { name, from, to } => format!("-+{class}.{name} {} {}", from.kind, to.kind),
                Alteration::DropField(name, _) => format!("-{class}.{name}"),
                Alteration::SetPermissions { .. } => format!("~{class} permissions"),
                Alteration::SetAppendOnly(to) => format!("~{class} append-only {to}"),
                Alteration::AddIndex(name, _) => format!("+{class} index {name}"),
                Alteration::RemakeIndex { name, .. } => format!("-+{class} index {name}"),
                Alteration::DropIndex(name, _) => format!("-{class} index {name}"),
            }
        };
        let kept = |kept: &Kept| match kept {
            Kept::Class(class) => format!("={class}"),
            Kept::Field(class, name, _) => format!("={class}.{name}"),
            Kept::Type { class, name, from, to } => format!("={class}.{name} {from} {to}"),
            Kept::Index(class, name, _) => format!("={class} index {name}"),
        };
        plan.steps.iter().map(step).chain(plan.kept.iter().map(kept)).collect()
    }

    fn pushing() -> Manner {
        Manner { other_type: OtherType::MadeAnew, remake_indexes: true, ..Manner::at_start() }
    }

    fn exact() -> Manner {
        Manner { other_fields: Unmentioned::Goes, other_indexes: Unmentioned::Goes, ..pushing() }
    }

    fn locked() -> Manner {
        Manner { permissions: Permissions::Locked, other_type: OtherType::Stays, ..exact() }
    }

    const STORED: &str = r#"{"className":"C","fields":{"a":{"type":"String"},"b":{"type":"Number","required":true},
        "old":{"type":"Date"}},"indexes":{"by_a":{"a":1},"by_old":{"old":1}}}"#;

    #[test]
    fn every_difference_is_a_step_and_what_nobody_mentions_stays() {
        let at_start = Manner::at_start();
        for (wanted, manner, steps) in [
            (r#"{"className":"D"}"#, &at_start, "+D | =C"),
            (r#"{"className":"C"}"#, &at_start, " | =C.a =C.b =C.old =C index by_a =C index by_old"),
            (r#"{"className":"C"}"#, &exact(), "-C.a -C.b -C.old -C index by_a -C index by_old"),
            (
                r#"{"className":"C","fields":{"a":{"type":"String"},"n":{"type":"File"}},"indexes":{"by_n":{"n":1}}}"#,
                &pushing(),
                "+C.n +C index by_n | =C.b =C.old =C index by_a =C index by_old",
            ),
            (
                r#"{"className":"C","fields":{"a":{"type":"String","defaultValue":"x"},"b":{"type":"Number"},
                    "old":{"type":"Date"}},"indexes":{"by_a":{"a":-1},"by_old":{"keys":{"old":1},"unique":true}}}"#,
                &pushing(),
                "~C.a ~C.b -+C index by_a -+C index by_old",
            ),
            (
                r#"{"className":"C","fields":{"a":{"type":"String"},"b":{"type":"Number","required":true},
                    "old":{"type":"Date"}},"indexes":{"by_a":{"a":-1}}}"#,
                &at_start,
                " | =C index by_a =C index by_old",
            ),
            (
                r#"{"className":"C","fields":{"a":{"type":"Number"},"b":{"type":"Number","required":true}}}"#,
                &pushing(),
                "-+C.a String Number | =C.old =C index by_a =C index by_old",
            ),
            (
                r#"{"className":"C","fields":{"a":{"type":"Number"},"b":{"type":"Number","required":true}}}"#,
                &Manner { other_indexes: Unmentioned::Stays, ..exact() },
                "-+C.a String Number -C.old -C index by_old | =C index by_a",
            ),
            (
                r#"{"className":"C","fields":{"a":{"type":"Number"},"b":{"type":"Number","required":true}}}"#,
                &locked(),
                "-C.old -C index by_a -C index by_old ~C permissions | =C.a String Number",
            ),
            (r#"{"className":"D"}"#, &locked(), "+D ~C permissions | =C"),
            (
                r#"{"className":"C","classLevelPermissions":{"find":{}},"appendOnly":true}"#,
                &pushing(),
                "~C permissions ~C append-only true | =C.a =C.b =C.old =C index by_a =C index by_old",
            ),
        ] {
            let plan = plan(&[file::read(wanted).unwrap()], &[class(STORED)], manner).unwrap();
            assert_eq!(shown(&plan).join(" "), steps.replace("| ", "").trim(), "{wanted}");
        }
    }

    #[test]
    fn what_is_listed_goes_and_nothing_else() {
        let c = || ClassName::parse("C").unwrap();
        let manner = Manner {
            other_fields: Unmentioned::GoesIfListed([(c(), "a".into()), (c(), "nope".into())].into()),
            other_indexes: Unmentioned::GoesIfListed([(c(), "by_old".into())].into()),
            ..pushing()
        };
        let wanted = [file::read(r#"{"className":"C"}"#).unwrap()];
        let plan = plan(&wanted, &[class(STORED)], &manner).unwrap();
        // An index goes with its field.
        assert_eq!(shown(&plan), ["-C.a", "-C index by_a", "-C index by_old", "=C.b", "=C.old"]);
    }

    #[test]
    fn a_plan_leads_to_a_state_in_which_nothing_is_to_do() {
        for manner in [pushing(), exact(), locked()] {
            let wanted = [
                file::read(STORED).unwrap(),
                file::read(r#"{"className":"_User","fields":{"x":{"type":"File"}}}"#).unwrap(),
            ];
            let first = plan(&wanted, &[], &manner).unwrap();
            let made: Vec<Arc<ClassSchema>> = first
                .steps
                .iter()
                .map(|step| match &step.change {
                    Alteration::CreateClass(class) => Arc::new(with_builtin_indexes(ClassSchema::clone(class))),
                    other => panic!("{other:?}"),
                })
                .collect();
            assert_eq!(plan(&wanted, &made, &manner).unwrap(), Plan::default());
            let whole: Vec<Definition> = made.iter().map(|class| file::of(class)).collect();
            assert_eq!(plan(&whole, &made, &pushing()).unwrap(), Plan::default(), "what is pulled is what is there");
        }
    }

    #[test]
    fn open_permissions_are_the_same_written_or_not() {
        let open = told::definition(&class(STORED));
        let text = String::from_utf8(json::write(&open)).unwrap();
        assert!(text.contains(r#""find":{"*":true}"#), "{text}");
        assert_eq!(plan(&[file::read(&text).unwrap()], &[class(STORED)], &pushing()).unwrap(), Plan::default());
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_class() {
        let sealed = class(r#"{"className":"C","fields":{"a":{"type":"String"}},"appendOnly":true}"#);
        for (wanted, stored, manner, message) in [
            (
                r#"{"className":"C","fields":{"a":{"type":"Number"}}}"#,
                class(STORED),
                Manner::at_start(),
                "C: schema mismatch for C.a; expected String but got Number",
            ),
            (
                r#"{"className":"D","fields":{"p":{"type":"GeoPoint"},"q":{"type":"GeoPoint"}}}"#,
                class(STORED),
                pushing(),
                "D: currently, only one GeoPoint field may exist in an object. Adding q when p already exists.",
            ),
            (
                r#"{"className":"C","indexes":{"by_x":{"x":1}}}"#,
                class(STORED),
                pushing(),
                "C: Field x does not exist, cannot add index.",
            ),
            (
                r#"{"className":"C","indexes":{"twin":{"a":1}}}"#,
                class(STORED),
                pushing(),
                "C: Index twin cannot be added: there is the index by_a already.",
            ),
            (
                r#"{"className":"C","classLevelPermissions":{"protectedFields":{"*":["old","x"]}}}"#,
                class(STORED),
                pushing(),
                "C: Field 'x' in protectedFields:* does not exist",
            ),
            (r#"{"className":"C"}"#, Arc::clone(&sealed), exact(), "C: Permission denied"),
            (r#"{"className":"C","fields":{"a":{"type":"Number"}}}"#, sealed, pushing(), "C: Permission denied"),
        ] {
            let error = plan(&[file::read(wanted).unwrap()], &[stored], &manner).unwrap_err();
            assert_eq!(error.message, message);
        }
        // An index may come under another name, when the old one goes.
        let renamed = file::read(r#"{"className":"C","fields":{"a":{"type":"String"}},"indexes":{"twin":{"a":1}}}"#);
        let manner = Manner { other_indexes: Unmentioned::Goes, ..pushing() };
        let plan = plan(&[renamed.unwrap()], &[class(STORED)], &manner).unwrap();
        assert_eq!(shown(&plan)[..3], ["-C index by_a", "-C index by_old", "+C index twin"]);
    }
}
