//! Which fields does a document keep, lose or get? `$project`, `$addFields`, `$set`, `$unset`.

use compact_str::CompactString;
use indexmap::IndexMap;

use super::datum::{Datum, Document};
use super::expression::{Env, Expression, Parser};
use super::failure::Failure;
use super::needs::Needs;
use super::path::Path;

/// A change of which fields a document has.
#[derive(Debug, Clone)]
pub(crate) struct Projection {
    way: Way,
    /// Whether `_id` stays, which is said apart from the others.
    keeps_id: bool,
    root: Node,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Keeps what is named.
    Include,
    /// Loses what is named.
    Exclude,
    /// Keeps everything.
    Add,
}

#[derive(Debug, Clone, Default)]
struct Node {
    children: IndexMap<CompactString, Part, crate::hashing::Keyed>,
}

#[derive(Debug, Clone)]
enum Part {
    /// Named: kept, or lost.
    Named,
    /// Computed.
    Computed(Expression),
    /// Something below it is.
    Below(Node),
}

impl Projection {
    /// Reads `$project`.
    pub(crate) fn read(parser: &Parser, datum: &Datum) -> Result<Self, Failure> {
        let Datum::Document(fields) = datum else {
            return Err(Failure::refused("$project specification must be an object"));
        };
        if fields.is_empty() {
            return Err(Failure::refused(
                "Invalid $project :: caused by :: projection specification must have at least one field",
            ));
        }
        let mut reader = Reader { parser, way: None, keeps_id: None, root: Node::default() };
        for (path, datum) in fields {
            let path = Path::parse(path).map_err(|failure| failure.inside("$project"))?;
            reader.field(path.parts(), datum).map_err(|failure| failure.inside("$project"))?;
        }
        // With nothing but `_id: 0`, everything else stays.
        let way = match reader.way {
            Some(way) => way,
            None if reader.keeps_id == Some(false) => Way::Exclude,
            None => Way::Include,
        };
        Ok(Self { way, keeps_id: reader.keeps_id.unwrap_or(true), root: reader.root })
    }

    /// Reads `$addFields` or `$set`.
    pub(crate) fn adding(parser: &Parser, name: &str, datum: &Datum) -> Result<Self, Failure> {
        let Datum::Document(fields) = datum else {
            return Err(Failure::refused(format!(
                "{name} specification stage must be an object, got {}",
                datum.kind()
            )));
        };
        let mut root = Node::default();
        for (path, datum) in fields {
            let path = Path::parse(path).map_err(|failure| failure.inside(name))?;
            add(parser, &mut root, path.parts(), datum).map_err(|failure| failure.inside(name))?;
        }
        Ok(Self { way: Way::Add, keeps_id: true, root })
    }

    /// Reads `$unset`.
    pub(crate) fn losing(datum: &Datum) -> Result<Self, Failure> {
        let bad =
            || Failure::refused("$unset specification must be a string or an array containing only string values");
        let names = match datum {
            Datum::String(name) => vec![name.as_str()],
            Datum::Array(items) if items.is_empty() => {
                return Err(Failure::refused(
                    "$unset specification must be a string or an array with at least one field",
                ));
            }
            Datum::Array(items) => items.iter().map(|item| item.as_str().ok_or_else(bad)).collect::<Result<_, _>>()?,
            _ => return Err(bad()),
        };
        let mut projection = Self { way: Way::Exclude, keeps_id: true, root: Node::default() };
        for name in names {
            let path = Path::parse(name).map_err(|failure| failure.inside("$unset"))?;
            if path.only() == Some("_id") {
                projection.keeps_id = false;
            } else {
                projection.root.insert(path.parts(), Part::Named).map_err(|failure| failure.inside("$unset"))?;
            }
        }
        Ok(projection)
    }

    /// Whether nothing goes through it but what it names.
    pub(crate) fn keeps_only_what_it_names(&self) -> bool {
        self.way == Way::Include
    }

    /// Notes what it looks at.
    pub(super) fn note(&self, needs: &mut Needs) {
        for (name, part) in &self.root.children {
            // What is computed takes the place of what was there.
            if !matches!(part, Part::Computed(_)) {
                needs.name(name);
            }
        }
        self.root.note(needs);
    }

    /// What is computed of a document, in the order in which [`Self::apply`] takes it.
    pub(crate) fn computed(&self, env: &Env<'_>) -> Result<Vec<Option<Datum>>, Failure> {
        let mut values = Vec::new();
        self.root.values(env, &mut values)?;
        Ok(values)
    }

    /// Changes a document. `computed` was computed of it.
    pub(crate) fn apply(&self, document: Document, computed: &[Option<Datum>]) -> Document {
        let mut changed = match self.way {
            Way::Include => {
                let id = (self.keeps_id && !self.root.children.contains_key("_id")).then_some("_id");
                self.root.keep(document, id)
            }
            Way::Exclude => {
                let mut left = self.root.lose(document);
                if !self.keeps_id {
                    left.shift_remove("_id");
                }
                left
            }
            Way::Add => document,
        };
        self.root.compute(&mut changed, computed);
        if self.way == Way::Include
            && self.root.children.contains_key("_id")
            && let Some(place) = changed.get_index_of("_id")
        {
            changed.move_index(place, 0);
        }
        changed
    }
}

/// Reads the fields of `$project`.
struct Reader<'p> {
    parser: &'p Parser,
    way: Option<Way>,
    keeps_id: Option<bool>,
    root: Node,
}

impl Reader<'_> {
    fn field(&mut self, path: &[CompactString], datum: &Datum) -> Result<(), Failure> {
        let is_id = matches!(path, [only] if only == "_id");
        let flag = match datum {
            Datum::Bool(flag) => Some(*flag),
            number => number.as_f64().map(|number| number != 0.0),
        };
        if let Some(flag) = flag {
            if is_id {
                self.keeps_id = Some(flag);
                return Ok(());
            }
            self.go(if flag { Way::Include } else { Way::Exclude }, path)?;
            return self.root.insert(path, Part::Named);
        }
        match datum {
            Datum::Document(fields) if fields.is_empty() => {
                Err(Failure::refused("An empty sub-projection is not a valid value. Found empty object at path"))
            }
            Datum::Document(fields) if !fields.keys().any(|key| key.starts_with('$')) => {
                for (name, datum) in fields {
                    // Below a field, a path may go on.
                    let below = Path::parse(name)?;
                    let path: Vec<CompactString> = path.iter().chain(below.parts()).cloned().collect();
                    self.field(&path, datum)?;
                }
                Ok(())
            }
            expression => {
                if let Datum::Document(fields) = expression
                    && let Some((name, _)) = fields.first()
                    && let Err(Failure::Refused(text)) = self.parser.read(expression)
                    && text == format!("Unrecognized expression '{name}'")
                {
                    return Err(Failure::refused(format!("Unknown expression {name}")));
                }
                let computed = self.parser.read(expression)?;
                self.go(Way::Include, path)?;
                if is_id {
                    self.keeps_id = Some(true);
                }
                self.root.insert(path, Part::Computed(computed))
            }
        }
    }

    /// Notes which way it goes: there is but one.
    fn go(&mut self, way: Way, path: &[CompactString]) -> Result<(), Failure> {
        let known = *self.way.get_or_insert(way);
        if known == way {
            return Ok(());
        }
        let path = path.join(".");
        Err(Failure::refused(if way == Way::Include {
            format!("Cannot do inclusion on field {path} in exclusion projection")
        } else {
            format!("Cannot do exclusion on field {path} in inclusion projection")
        }))
    }
}

/// Notes what `$addFields` adds at a path: a document without operators is a document of fields.
fn add(parser: &Parser, node: &mut Node, path: &[CompactString], datum: &Datum) -> Result<(), Failure> {
    match datum {
        Datum::Document(fields) if fields.is_empty() => {
            let path = path.join(".");
            Err(Failure::refused(format!("an empty object is not a valid value. Found empty object at path {path}")))
        }
        Datum::Document(fields) if !fields.keys().any(|key| key.starts_with('$')) => {
            for (name, datum) in fields {
                let below = Path::parse(name)?;
                let path: Vec<CompactString> = path.iter().chain(below.parts()).cloned().collect();
                add(parser, node, &path, datum)?;
            }
            Ok(())
        }
        expression => node.insert(path, Part::Computed(parser.read(expression)?)),
    }
}

impl Node {
    fn insert(&mut self, path: &[CompactString], part: Part) -> Result<(), Failure> {
        let collision = || Failure::refused(format!("Path collision at {}", path.join(".")));
        let Some((first, rest)) = path.split_first() else { return Ok(()) };
        if rest.is_empty() {
            return match self.children.insert(first.clone(), part) {
                None => Ok(()),
                Some(_) => Err(collision()),
            };
        }
        match self.children.entry(first.clone()).or_insert_with(|| Part::Below(Self::default())) {
            Part::Below(node) => node.insert(rest, part),
            Part::Named | Part::Computed(_) => Err(collision()),
        }
    }

    fn note(&self, needs: &mut Needs) {
        for part in self.children.values() {
            match part {
                Part::Named => {}
                Part::Computed(expression) => expression.note(needs),
                Part::Below(node) => node.note(needs),
            }
        }
    }

    fn has_computed(&self) -> bool {
        self.children.values().any(|part| match part {
            Part::Named => false,
            Part::Computed(_) => true,
            Part::Below(node) => node.has_computed(),
        })
    }

    /// What is kept of a document, and perhaps one field more. Of lists, what is kept of each document in them.
    fn keep(&self, document: Document, more: Option<&str>) -> Document {
        let keep = |(key, datum): (CompactString, Datum)| match self.children.get(&key) {
            Some(Part::Named) => Some((key, datum)),
            None => (more == Some(key.as_str())).then_some((key, datum)),
            Some(Part::Computed(_)) => None,
            Some(Part::Below(node)) => node.keep_in(datum).map(|datum| (key, datum)),
        };
        document.into_iter().filter_map(keep).collect()
    }

    fn keep_in(&self, datum: Datum) -> Option<Datum> {
        match datum {
            Datum::Document(document) => Some(Datum::Document(self.keep(document, None))),
            Datum::Array(items) => {
                Some(Datum::Array(items.into_iter().filter_map(|item| self.keep_in(item)).collect()))
            }
            _ => None,
        }
    }

    fn lose(&self, document: Document) -> Document {
        let lose = |(key, datum): (CompactString, Datum)| match self.children.get(&key) {
            None | Some(Part::Computed(_)) => Some((key, datum)),
            Some(Part::Named) => None,
            Some(Part::Below(node)) => Some((key, node.lose_in(datum))),
        };
        document.into_iter().filter_map(lose).collect()
    }

    fn lose_in(&self, datum: Datum) -> Datum {
        match datum {
            Datum::Document(document) => Datum::Document(self.lose(document)),
            Datum::Array(items) => Datum::Array(items.into_iter().map(|item| self.lose_in(item)).collect()),
            other => other,
        }
    }

    fn values(&self, env: &Env<'_>, values: &mut Vec<Option<Datum>>) -> Result<(), Failure> {
        for part in self.children.values() {
            match part {
                Part::Named => {}
                Part::Computed(expression) => values.push(expression.value(env)?),
                Part::Below(node) => node.values(env, values)?,
            }
        }
        Ok(())
    }

    /// Puts what is computed in its place; gives what is left of it.
    fn compute<'v>(&self, document: &mut Document, mut values: &'v [Option<Datum>]) -> &'v [Option<Datum>] {
        for (key, part) in &self.children {
            match part {
                Part::Computed(_) => {
                    let Some((value, rest)) = values.split_first() else { continue };
                    match value {
                        Some(value) => drop(document.insert(key.clone(), value.clone())),
                        None => drop(document.shift_remove(key)),
                    }
                    values = rest;
                }
                Part::Below(node) if node.has_computed() => {
                    let old = document.get_mut(key).map(std::mem::take);
                    let (new, rest) = node.compute_in(old, values);
                    document.insert(key.clone(), new);
                    values = rest;
                }
                Part::Named | Part::Below(_) => {}
            }
        }
        values
    }

    /// In lists, in each element; anything else that is no document gives way to one.
    fn compute_in<'v>(&self, datum: Option<Datum>, values: &'v [Option<Datum>]) -> (Datum, &'v [Option<Datum>]) {
        match datum {
            Some(Datum::Array(items)) => {
                let items = items.into_iter().map(|item| self.compute_in(Some(item), values).0).collect();
                // An empty list takes as much as any other.
                let rest = self.compute(&mut Document::default(), values);
                (Datum::Array(items), rest)
            }
            Some(Datum::Document(mut document)) => {
                let rest = self.compute(&mut document, values);
                (Datum::Document(document), rest)
            }
            _ => {
                let mut document = Document::default();
                let rest = self.compute(&mut document, values);
                (Datum::Document(document), rest)
            }
        }
    }
}
