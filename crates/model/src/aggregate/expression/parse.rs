//! From a value of a pipeline to an [`Expression`].

use compact_str::CompactString;

use super::super::datum::{Datum, Document};
use super::super::failure::Failure;
use super::super::operators::{self, Operator, Takes};
use super::super::path::Path;
use super::super::sort::SortBy;
use super::{Each, Expression, Name};

/// Operators that only MongoDB runs.
const ONLY_MONGO: &[&str] = &[
    "$toDecimal",
    "$meta",
    "$binarySize",
    "$bsonSize",
    "$tsSecond",
    "$tsIncrement",
    "$median",
    "$percentile",
    "$bitAnd",
    "$bitOr",
    "$bitXor",
    "$bitNot",
    "$toUUID",
    "$toHashedIndexKey",
    "$toObject",
    "$toArray",
    "$createObjectId",
];

/// Reads expressions, and knows the variables they may use.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parser {
    variables: Vec<CompactString>,
}

impl Parser {
    /// The same, where these variables are known, too.
    pub(crate) fn knowing(&self, names: impl IntoIterator<Item = CompactString>) -> Self {
        let mut variables = self.variables.clone();
        variables.extend(names);
        Self { variables }
    }

    /// Reads an expression.
    pub(crate) fn read(&self, datum: &Datum) -> Result<Expression, Failure> {
        match datum {
            Datum::String(text) => self.text(text),
            Datum::Array(items) => self.each(items).map(Expression::Array),
            Datum::Document(fields) => match fields.first() {
                Some((name, operand)) if name.starts_with('$') => {
                    if fields.len() > 1 {
                        let text = "an object representing an expression must have exactly one field";
                        return Err(Failure::refused(text));
                    }
                    self.operator(name, operand)
                }
                _ => self.document(fields),
            },
            Datum::Decimal(_) => Err(Failure::OnlyMongo("a decimal number".to_owned())),
            other => Ok(Expression::Constant(other.clone())),
        }
    }

    fn each(&self, items: &[Datum]) -> Result<Vec<Expression>, Failure> {
        items.iter().map(|item| self.read(item)).collect()
    }

    fn text(&self, text: &str) -> Result<Expression, Failure> {
        let Some(path) = text.strip_prefix('$') else {
            return Ok(Expression::Constant(Datum::String(text.to_owned())));
        };
        if path.is_empty() {
            return Err(Failure::refused("'$' by itself is not a valid FieldPath"));
        }
        let Some(variable) = path.strip_prefix('$') else { return Path::parse(path).map(Expression::Field) };
        if variable.is_empty() {
            return Err(Failure::refused("empty variable names are not allowed"));
        }
        let (name, below) = variable.split_once('.').map_or((variable, None), |(name, below)| (name, Some(below)));
        let below = below.map(Path::parse).transpose()?.map(|path| path.parts().to_vec()).unwrap_or_default();
        let name = match name {
            "ROOT" | "CURRENT" => Name::Root,
            "REMOVE" => Name::Remove,
            "NOW" => Name::Now,
            "CLUSTER_TIME" | "SEARCH_META" | "USER_ROLES" => return Err(Failure::OnlyMongo(format!("$${name}"))),
            own if self.variables.iter().any(|known| known == own) => Name::Own(own.into()),
            unknown => return Err(Failure::refused(format!("Use of undefined variable: {unknown}"))),
        };
        Ok(Expression::Variable(name, below))
    }

    fn document(&self, fields: &Document) -> Result<Expression, Failure> {
        let field = |(key, value): (&CompactString, &Datum)| {
            check_key(key)?;
            Ok((key.clone(), self.read(value)?))
        };
        fields.iter().map(field).collect::<Result<_, Failure>>().map(Expression::Document)
    }

    fn operator(&self, name: &str, operand: &Datum) -> Result<Expression, Failure> {
        Ok(match name {
            "$literal" | "$const" => Expression::Constant(operand.clone()),
            "$and" => Expression::And(self.list(operand)?),
            "$or" => Expression::Or(self.list(operand)?),
            "$ifNull" => {
                let parts = self.list(operand)?;
                if parts.len() < 2 {
                    let text = format!("$ifNull needs at least two arguments, had: {}", parts.len());
                    return Err(Failure::refused(text));
                }
                Expression::IfNull(parts)
            }
            "$cond" => self.condition(operand)?,
            "$switch" => self.switch(operand)?,
            "$let" => self.variables(operand)?,
            "$map" => {
                let options = named(name, operand, &["input", "as", "in"])?;
                Expression::Map(Box::new(self.for_each(name, options, "in")?))
            }
            "$filter" => {
                let options = named(name, operand, &["input", "as", "cond", "limit"])?;
                let each = Box::new(self.for_each(name, options, "cond")?);
                let limit = options.get("limit").map(|limit| self.read(limit).map(Box::new)).transpose()?;
                Expression::Filter(each, limit)
            }
            "$reduce" => {
                let options = named(name, operand, &["input", "initialValue", "in"])?;
                let inner = self.knowing(["this".into(), "value".into()]);
                Expression::Reduce(Box::new([
                    self.read(required(name, options, "input")?)?,
                    self.read(required(name, options, "initialValue")?)?,
                    inner.read(required(name, options, "in")?)?,
                ]))
            }
            "$sortArray" => {
                let options = named(name, operand, &["input", "sortBy"])?;
                let by = SortBy::of_values(required(name, options, "sortBy")?)?;
                Expression::Sorted(Box::new(self.read(required(name, options, "input")?)?), by)
            }
            "$rand" => match operand {
                Datum::Document(fields) if fields.is_empty() => Expression::Chance,
                Datum::Array(items) if items.is_empty() => Expression::Chance,
                _ => return Err(Failure::refused("$rand does not currently accept arguments")),
            },
            _ => self.call(operators::find(name).ok_or_else(|| unknown(name))?, operand)?,
        })
    }

    /// The operands: a list, or the only one.
    fn list(&self, operand: &Datum) -> Result<Vec<Expression>, Failure> {
        match operand {
            Datum::Array(items) => self.each(items),
            only => Ok(vec![self.read(only)?]),
        }
    }

    fn call(&self, operator: &'static Operator, operand: &Datum) -> Result<Expression, Failure> {
        let operands = match operator.takes {
            Takes::Named(names) => return self.call_by_name(operator, names, operand),
            Takes::Between(least, most) => {
                let operands = self.list(operand)?;
                check_count(operator.name, operands.len(), least, most)?;
                operands
            }
            Takes::OneOrNamed(names) => match operand {
                Datum::Document(fields) if fields.keys().any(|key| !key.starts_with('$')) => {
                    return self.call_by_name(operator, names, operand);
                }
                _ => {
                    let operands = self.list(operand)?;
                    check_count(operator.name, operands.len(), 1, 1)?;
                    operands
                }
            },
        };
        Ok(Expression::Call(operator, operands.into_iter().map(Some).collect()))
    }

    fn call_by_name(
        &self,
        operator: &'static Operator,
        names: &'static [(&'static str, bool)],
        operand: &Datum,
    ) -> Result<Expression, Failure> {
        let known: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
        // A field's name alone is short for a field of the document.
        if operator.name == "$getField" && operand.as_document().is_none_or(|fields| !fields.contains_key("field")) {
            let root = Expression::Variable(Name::Root, Vec::new());
            return Ok(Expression::Call(operator, vec![Some(self.read(operand)?), Some(root)]));
        }
        let options = named(operator.name, operand, &known)?;
        let operand = |(name, must): &(&'static str, bool)| match options.get(*name) {
            Some(operand) => self.read(operand).map(Some),
            None if operator.name == "$getField" && *name == "input" => {
                Ok(Some(Expression::Variable(Name::Root, Vec::new())))
            }
            None if *must => Err(missing(operator.name, name)),
            None => Ok(None),
        };
        Ok(Expression::Call(operator, names.iter().map(operand).collect::<Result<_, _>>()?))
    }

    fn condition(&self, operand: &Datum) -> Result<Expression, Failure> {
        let [case, then, otherwise] = match operand {
            Datum::Document(_) => {
                let options = named("$cond", operand, &["if", "then", "else"])?;
                ["if", "then", "else"].map(|name| required("$cond", options, name))
            }
            Datum::Array(items) => match items.as_slice() {
                [case, then, otherwise] => [case, then, otherwise].map(Ok),
                _ => return Err(wrong_count("$cond", 3, items.len())),
            },
            _ => return Err(wrong_count("$cond", 3, 1)),
        };
        let branches = vec![(self.read(case?)?, self.read(then?)?)];
        Ok(Expression::Choice(branches, Some(Box::new(self.read(otherwise?)?))))
    }

    fn switch(&self, operand: &Datum) -> Result<Expression, Failure> {
        let options = named("$switch", operand, &["branches", "default"])?;
        let Some(branches) = options.get("branches").and_then(Datum::as_array).filter(|list| !list.is_empty()) else {
            return Err(Failure::refused("$switch requires at least one branch."));
        };
        let branch = |branch: &Datum| {
            let parts = named("$switch", branch, &["case", "then"])?;
            let part = |name: &str| {
                let text = || format!("$switch requires each branch have a '{name}' expression");
                parts.get(name).ok_or_else(|| Failure::refused(text()))
            };
            Ok((self.read(part("case")?)?, self.read(part("then")?)?))
        };
        let branches = branches.iter().map(branch).collect::<Result<_, Failure>>()?;
        let otherwise = options.get("default").map(|otherwise| self.read(otherwise).map(Box::new)).transpose()?;
        Ok(Expression::Choice(branches, otherwise))
    }

    fn variables(&self, operand: &Datum) -> Result<Expression, Failure> {
        let options = named("$let", operand, &["vars", "in"])?;
        let variables = self.definitions(required("$let", options, "vars")?)?;
        let inner = self.knowing(variables.iter().map(|(name, _)| name.clone()));
        let inside = inner.read(required("$let", options, "in")?)?;
        Ok(Expression::Let(variables, Box::new(inside)))
    }

    /// Reads the definitions of variables.
    pub(crate) fn definitions(&self, datum: &Datum) -> Result<Vec<(CompactString, Expression)>, Failure> {
        let Datum::Document(fields) = datum else {
            return Err(Failure::refused(format!(
                "invalid parameter: expected an object (vars), found {}",
                datum.kind()
            )));
        };
        let definition = |(name, value): (&CompactString, &Datum)| {
            check_variable(name)?;
            Ok((name.clone(), self.read(value)?))
        };
        fields.iter().map(definition).collect()
    }

    fn for_each(&self, name: &str, options: &Document, inside: &str) -> Result<Each, Failure> {
        let variable = match options.get("as") {
            None => "this".into(),
            Some(Datum::String(text)) => CompactString::from(text),
            Some(other) => {
                return Err(Failure::refused(format!("The 'as' of {name} must be a string, found {}", other.kind())));
            }
        };
        check_variable(&variable)?;
        let inner = self.knowing([variable.clone()]);
        Ok(Each {
            input: self.read(required(name, options, "input")?)?,
            inside: inner.read(required(name, options, inside)?)?,
            name: variable,
        })
    }
}

/// What a key of a document that an expression makes may look like.
pub(crate) fn check_key(key: &str) -> Result<(), Failure> {
    if key.starts_with('$') {
        return Err(Failure::refused(format!(
            "FieldPath field names may not start with '$'. Consider using $getField or $setField. Found '{key}'."
        )));
    }
    if key.contains('.') {
        return Err(Failure::refused(
            "FieldPath field names may not contain '.'. Consider using $getField or $setField.",
        ));
    }
    Ok(())
}

fn check_variable(name: &str) -> Result<(), Failure> {
    let starts = name.chars().next().is_some_and(|first| first.is_ascii_lowercase() || !first.is_ascii());
    let sound = name.chars().all(|char| char.is_ascii_alphanumeric() || char == '_' || !char.is_ascii());
    if starts && sound {
        return Ok(());
    }
    Err(Failure::refused(format!("'{name}' starts with an invalid character for a user variable name")))
}

fn unknown(name: &str) -> Failure {
    if ONLY_MONGO.contains(&name) {
        return Failure::OnlyMongo(name.to_owned());
    }
    Failure::refused(format!("Unrecognized expression '{name}'"))
}

/// The options of an operator that takes them by name.
fn named<'d>(operator: &str, operand: &'d Datum, known: &[&str]) -> Result<&'d Document, Failure> {
    let Datum::Document(options) = operand else {
        let found = operand.kind();
        return Err(Failure::refused(format!("{operator} only supports an object as an argument, found {found}")));
    };
    match options.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(options),
        Some(unknown) => Err(Failure::refused(format!("{operator} found an unknown argument: {unknown}"))),
    }
}

fn required<'d>(operator: &str, options: &'d Document, name: &str) -> Result<&'d Datum, Failure> {
    options.get(name).ok_or_else(|| missing(operator, name))
}

fn missing(operator: &str, name: &str) -> Failure {
    Failure::refused(format!("Missing '{name}' parameter to {operator}"))
}

fn wrong_count(operator: &str, count: usize, given: usize) -> Failure {
    Failure::refused(format!("Expression {operator} takes exactly {count} arguments. {given} were passed in."))
}

fn check_count(operator: &str, given: usize, least: usize, most: usize) -> Result<(), Failure> {
    if (least..=most).contains(&given) {
        return Ok(());
    }
    if least == most {
        return Err(wrong_count(operator, least, given));
    }
    Err(Failure::refused(format!(
        "Expression {operator} takes at least {least} arguments, and at most {most}, but {given} were passed in."
    )))
}
