//! How does a condition become a query document?

use bson::{Bson, Document, Regex, doc};
use mongodb::IndexModel;
use parsimony_model::query::{Constraint, Filter, Order, Pattern, SCORE_FIELD, TextSearch};
use parsimony_model::schema::{FieldType, Index};
use parsimony_model::{ClassSchema, GeoPoint, Value};
use parsimony_store::{Scope, Selection, StoreError};

use crate::documents::{self, Place, number};
use crate::indexes;
use crate::names;

/// The operator of a condition on distance.
const NEAR: &str = "$nearSphere";

/// What the query document is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A find, which may sort by distance.
    Find,
    /// Anything else: there a condition on distance may only select.
    Match,
}

/// Reads a fitted condition for one class.
struct Reader<'a> {
    class: &'a ClassSchema,
    purpose: Purpose,
}

/// The query document of a selection, with this condition in the place of its own: relations have been looked up in it.
pub(crate) fn document(selection: &Selection, filter: &Filter, purpose: Purpose) -> Result<Document, StoreError> {
    let condition = Reader { class: &selection.class, purpose }.filter(filter)?;
    Ok(match &selection.scope {
        Scope::Everything => condition,
        Scope::ReadableBy(grants) => both(condition, doc! { names::READERS: granted(grants) }),
        Scope::WritableBy(grants) => both(condition, doc! { names::WRITERS: granted(grants) }),
    })
}

/// Without an ACL, or with one of these in it.
fn granted(grants: &[String]) -> Document {
    let mut any = Vec::with_capacity(grants.len() + 1);
    any.push(Bson::Null);
    any.extend(grants.iter().map(|grant| Bson::String(grant.clone())));
    doc! { "$in": any }
}

/// The sort document of an order.
pub(crate) fn sort(class: &ClassSchema, order: &[Order]) -> Option<Document> {
    if order.is_empty() {
        return None;
    }
    let key = |order: &Order| match order.path.as_str() {
        Order::SCORE => (SCORE_FIELD.to_owned(), score()),
        path => (names::column(class, path).into_owned(), Bson::Int32(if order.descending { -1 } else { 1 })),
    };
    Some(order.iter().map(key).collect())
}

/// What stands for the score of a text search, in an order and among the columns.
pub(crate) fn score() -> Bson {
    Bson::Document(doc! { "$meta": "textScore" })
}

/// The indexes that a condition on distance or a text search may need, the best first.
pub(crate) fn special_indexes(class: &ClassSchema, filter: &Filter) -> Result<Vec<IndexModel>, StoreError> {
    let column = |path| names::column(class, path).into_owned();
    let index = |kind: &str, path| IndexModel::builder().keys(doc! { column(path): kind }).build();
    Ok(match (filter.near(), filter.text()) {
        // Parse makes a flat one, which loses what is beyond the antimeridian or a pole. It is the second choice, because it
        // allows degrees that are none of the earth: an old database may hold some.
        (Some((path, ..)), _) => vec![index("2dsphere", path), index("2d", path)],
        (None, Some((path, _))) => vec![indexes::model(class, &format!("{path}_text"), &Index::for_text(path))?],
        (None, None) => Vec::new(),
    })
}

/// Whether a condition compares text without its case, which MongoDB does for a whole find at a time.
pub(crate) fn asks_for_same_text(filter: &Filter) -> bool {
    match filter {
        Filter::And(parts) | Filter::Or(parts) | Filter::Nor(parts) => parts.iter().any(asks_for_same_text),
        Filter::Field(_, constraint) => matches!(constraint, Constraint::SameText(_)),
        Filter::RelatedTo(_) | Filter::Relates { .. } => false,
    }
}

/// Both conditions in one document.
fn both(mut all: Document, more: Document) -> Document {
    for (key, value) in more {
        match (all.get_mut(&key), value) {
            (None, value) => {
                all.insert(key, value);
            }
            (Some(Bson::Array(parts)), Bson::Array(more)) if key == "$and" => parts.extend(more),
            // Operators on the same field go side by side, but not with one about places.
            (Some(Bson::Document(operators)), Bson::Document(more))
                if !key.starts_with('$')
                    && more.keys().all(|operator| !operators.contains_key(operator))
                    && !operators.keys().chain(more.keys()).any(|operator| is_about_places(operator)) =>
            {
                operators.extend(more);
            }
            (Some(_), value) => {
                let part = Bson::Document(doc! { key: value });
                match all.get_mut("$and") {
                    Some(Bson::Array(parts)) => parts.push(part),
                    _ => drop(all.insert("$and", vec![part])),
                }
            }
        }
    }
    all
}

fn is_about_places(operator: &str) -> bool {
    matches!(operator, NEAR | "$geoWithin" | "$geoIntersects")
}

fn nothing() -> Document {
    doc! { names::ID: { "$in": [] } }
}

impl Reader<'_> {
    fn filter(&self, filter: &Filter) -> Result<Document, StoreError> {
        Ok(match filter {
            Filter::And(parts) => {
                let mut all = Document::new();
                for part in parts {
                    all = both(all, self.filter(part)?);
                }
                all
            }
            Filter::Or(parts) if parts.is_empty() => nothing(),
            Filter::Nor(parts) if parts.is_empty() => Document::new(),
            Filter::Or(parts) => doc! { "$or": self.each(parts)? },
            Filter::Nor(parts) => doc! { "$nor": self.each(parts)? },
            Filter::Field(path, constraint) if path == "objectId" => self.on_id(constraint)?,
            Filter::Field(path, constraint) => self.on_field(path, constraint)?,
            Filter::RelatedTo(_) | Filter::Relates { .. } => {
                return Err(StoreError::InvalidQuery("A relation was not looked up.".to_owned()));
            }
        })
    }

    fn each(&self, parts: &[Filter]) -> Result<Vec<Document>, StoreError> {
        parts.iter().map(|part| self.filter(part)).collect()
    }

    /// Ids may be stored as text or as the driver's own.
    fn on_id(&self, constraint: &Constraint) -> Result<Document, StoreError> {
        let class = &self.class.name;
        let ids = |values: &[Value]| -> Vec<Bson> {
            values.iter().filter_map(Value::as_str).flat_map(|id| names::ids(class, id)).collect()
        };
        Ok(match constraint {
            Constraint::Equals(value) => match <[Bson; 1]>::try_from(ids(std::slice::from_ref(value))) {
                Ok([id]) => doc! { names::ID: id },
                Err(ids) => doc! { names::ID: { "$in": ids } },
            },
            Constraint::NotEquals(value) => doc! { names::ID: { "$nin": ids(std::slice::from_ref(value)) } },
            Constraint::In(values) => doc! { names::ID: { "$in": ids(values) } },
            Constraint::NotIn(values) => doc! { names::ID: { "$nin": ids(values) } },
            other => self.on_field("objectId", other)?,
        })
    }

    fn on_field(&self, path: &str, constraint: &Constraint) -> Result<Document, StoreError> {
        let column = names::column(self.class, path).into_owned();
        // Lists and objects hold values in their inner form.
        let is_list = self.class.fields.get(path).is_some_and(|field| field.kind == FieldType::Array);
        let place = if is_list || path.contains('.') { Place::Inside } else { Place::Column };
        let one = |operator: &str, value: &Value| Ok(doc! { operator: documents::bson(value, place)? });
        let many = |operator: &str, values: &[Value]| Ok(doc! { operator: documents::list(values, place)? });
        let operators: Result<Document, StoreError> = match constraint {
            Constraint::Equals(value) => match documents::bson(value, place)? {
                // A document must not be taken for operators.
                value @ Bson::Document(_) => Ok(doc! { "$eq": value }),
                value => return Ok(doc! { column: value }),
            },
            Constraint::NotEquals(value) => one("$ne", value),
            Constraint::Less(value) => one("$lt", value),
            Constraint::LessOrEqual(value) => one("$lte", value),
            Constraint::Greater(value) => one("$gt", value),
            Constraint::GreaterOrEqual(value) => one("$gte", value),
            Constraint::In(values) => many("$in", values),
            Constraint::NotIn(values) => many("$nin", values),
            Constraint::All(values) => Ok(doc! { "$all": documents::list(values, Place::Inside)? }),
            Constraint::AllMatch(patterns) => {
                Ok(doc! { "$all": patterns.iter().map(regex).collect::<Result<Vec<_>, _>>()? })
            }
            Constraint::ContainedBy(values) => {
                Ok(doc! { "$not": { "$elemMatch": { "$nin": documents::list(values, Place::Inside)? } } })
            }
            Constraint::Exists(there) => Ok(doc! { "$exists": *there }),
            Constraint::Matches(pattern) => Ok(doc! { "$regex": source(pattern), "$options": options(pattern) }),
            // The find that holds it compares so: `asks_for_same_text`.
            Constraint::SameText(text) => return Ok(doc! { column: text }),
            Constraint::Text(search) => return Ok(doc! { "$text": text(search) }),
            Constraint::Near { center, radians_max } => Ok(self.near(*center, *radians_max)),
            Constraint::WithinBox { southwest, northeast } => {
                Ok(doc! { "$geoWithin": { "$box": [pair(*southwest), pair(*northeast)] } })
            }
            Constraint::WithinPolygon(area) => {
                let corners: Vec<Bson> = area.corners().iter().copied().map(pair).collect();
                Ok(doc! { "$geoWithin": { "$polygon": corners } })
            }
            Constraint::WithinSphere { center, radians } => Ok(within(*center, *radians)),
            Constraint::Intersects(point) => {
                Ok(doc! { "$geoIntersects": { "$geometry": { "type": "Point", "coordinates": pair(*point) } } })
            }
            Constraint::InQuery(..) | Constraint::Select(..) => {
                Err(StoreError::InvalidQuery("A subquery was not answered.".to_owned()))
            }
        };
        Ok(doc! { column: operators? })
    }

    fn near(&self, center: GeoPoint, radians_max: Option<f64>) -> Document {
        match (self.purpose, radians_max) {
            (Purpose::Find, None) => doc! { NEAR: pair(center) },
            (Purpose::Find, Some(radians)) => doc! { NEAR: pair(center), "$maxDistance": radians },
            (Purpose::Match, Some(radians)) => within(center, radians),
            // Anything that has a place is near enough.
            (Purpose::Match, None) => doc! { "$exists": true, "$ne": null },
        }
    }
}

/// A pair on disk is longitude first.
fn pair(point: GeoPoint) -> Bson {
    Bson::Array(
        [point.longitude, point.latitude].map(|degrees| Bson::try_from(number(degrees)).unwrap_or_default()).into(),
    )
}

fn within(center: GeoPoint, radians: f64) -> Document {
    doc! { "$geoWithin": { "$centerSphere": [pair(center), radians] } }
}

/// MongoDB's expressions are Unicode already and it refuses the option that says so.
fn options(pattern: &Pattern) -> String {
    pattern.options.chars().filter(|option| *option != 'u').collect()
}

/// MongoDB puts the expression into brackets, and a comment at its end would swallow the closing one.
fn source(pattern: &Pattern) -> String {
    let end = if pattern.options.contains('x') { "\n" } else { "" };
    format!("{}{end}", pattern.source)
}

fn regex(pattern: &Pattern) -> Result<Bson, StoreError> {
    let bad = || StoreError::InvalidQuery("A regular expression cannot contain a NUL character.".to_owned());
    let Ok(source) = source(pattern).try_into() else { return Err(bad()) };
    let Ok(options) = options(pattern).try_into() else { return Err(bad()) };
    Ok(Bson::RegularExpression(Regex { pattern: source, options }))
}

fn text(search: &TextSearch) -> Document {
    doc! {
        "$search": &*search.term,
        "$language": search.language.name(),
        "$caseSensitive": search.case_sensitive,
        "$diacriticSensitive": search.diacritic_sensitive,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parsimony_model::query::fit;
    use parsimony_model::query::parse::{self, Reading};
    use parsimony_model::schema::Field;
    use parsimony_model::value::json;
    use parsimony_model::{ClassName, Date, FieldName};

    use super::*;

    fn selection() -> Selection {
        let mut class = ClassSchema::new(ClassName::parse("C").unwrap());
        let user = FieldType::Pointer(ClassName::parse("_User").unwrap());
        for (name, kind) in [
            ("owner", user),
            ("list", FieldType::Array),
            ("name", FieldType::String),
            ("place", FieldType::GeoPoint),
            ("file", FieldType::File),
        ] {
            class.fields.insert(FieldName::parse(name).unwrap(), Field::plain(kind));
        }
        Selection::new(Arc::new(class), Filter::everything(), Scope::Everything)
    }

    fn query(text: &str, purpose: Purpose) -> Document {
        let selection = selection();
        let reading = Reading { now: Date::EPOCH, internal_fields: true };
        let filter = parse::filter(json::read(text.as_bytes()).unwrap().as_object().unwrap(), reading).unwrap();
        document(&selection, &fit::filter(filter, &selection.class).unwrap(), purpose).unwrap()
    }

    #[test]
    fn conditions_become_parse_s_query_documents() {
        let pointer = r#"{"__type":"Pointer","className":"_User","objectId":"u"}"#;
        let inner = doc! { "__type": "Pointer", "className": "_User", "objectId": "u" };
        let point = r#"{"__type":"GeoPoint","latitude":1,"longitude":2.5}"#;
        for (text, expected) in [
            (r#"{"objectId":"x"}"#.to_owned(), doc! { "_id": "x" }),
            (r#"{"name":"a","n":1,"f":1.5}"#.to_owned(), doc! { "name": "a", "n": 1, "f": 1.5 }),
            (r#"{"n":{"$gt":1,"$lt":3}}"#.to_owned(), doc! { "n": { "$gt": 1, "$lt": 3 } }),
            (format!(r#"{{"owner":{pointer}}}"#), doc! { "_p_owner": "_User$u" }),
            (format!(r#"{{"owner":{{"$in":[{pointer}]}}}}"#), doc! { "_p_owner": { "$in": ["_User$u"] } }),
            (format!(r#"{{"list":{pointer}}}"#), doc! { "list": { "$eq": inner } }),
            (r#"{"name":null}"#.to_owned(), doc! { "name": null }),
            (
                r#"{"name":{"$regex":"^a","$options":"iu"}}"#.to_owned(),
                doc! { "name": { "$regex": "^a", "$options": "i" } },
            ),
            (
                r#"{"list":{"$containedBy":[1]}}"#.to_owned(),
                doc! { "list": { "$not": { "$elemMatch": { "$nin": [1] } } } },
            ),
            (
                r#"{"$or":[{"name":"a"},{"name":"b"}],"createdAt":{"$exists":true}}"#.to_owned(),
                doc! { "$or": [{ "name": "a" }, { "name": "b" }], "_created_at": { "$exists": true } },
            ),
            (
                format!(r#"{{"place":{{"$nearSphere":{point},"$maxDistance":0.5}}}}"#),
                doc! { "place": { "$nearSphere": [2.5, 1], "$maxDistance": 0.5 } },
            ),
            (r#"{"file":{"__type":"File","name":"a.txt"}}"#.to_owned(), doc! { "file": "a.txt" }),
        ] {
            assert_eq!(query(&text, Purpose::Find), expected, "{text}");
        }
        // MongoDB: no other operator stands beside a distance.
        let beside = format!(r#"{{"place":{{"$nearSphere":{point},"$ne":{point}}}}}"#);
        let apart = doc! { "place": { "$nearSphere": [2.5, 1] }, "$and": [{ "place": { "$ne": [2.5, 1] } }] };
        assert_eq!(query(&beside, Purpose::Find), apart);
        let near = format!(r#"{{"place":{{"$nearSphere":{point},"$maxDistance":0.5}}}}"#);
        let within = doc! { "place": { "$geoWithin": { "$centerSphere": [[2.5, 1], 0.5] } } };
        assert_eq!(query(&near, Purpose::Match), within);
    }

    #[test]
    fn conditions_that_clash_are_kept_apart() {
        let (first, second) = (doc! { "a": { "$gt": 1 } }, doc! { "a": { "$gt": 2 } });
        let expected = doc! { "a": { "$gt": 1 }, "$and": [{ "a": { "$gt": 2 } }] };
        assert_eq!(both(first, second), expected);
        let expected = doc! { "a": 1, "$and": [{ "a": 2 }, { "a": 3 }] };
        assert_eq!(both(both(doc! { "a": 1 }, doc! { "a": 2 }), doc! { "a": 3 }), expected);
    }

    #[test]
    fn an_object_is_a_value_and_no_operator() {
        let value = Value::Object(parsimony_model::map! { "$gt" => "" });
        let filter = Filter::Field("list".into(), Constraint::Equals(value));
        let found = document(&selection(), &filter, Purpose::Find).unwrap();
        assert_eq!(found, doc! { "list": { "$eq": { "$gt": "" } } });
    }

    #[test]
    fn no_branch_at_all_finds_nothing_or_everything() {
        let read = |filter| document(&selection(), &filter, Purpose::Find).unwrap();
        assert_eq!(read(Filter::nothing()), doc! { "_id": { "$in": [] } });
        assert_eq!(read(Filter::everything()), doc! {});
        assert_eq!(read(Filter::Nor(Vec::new())), doc! {});
    }

    #[test]
    fn the_scope_is_part_of_the_query() {
        let grants: Arc<[String]> = vec!["*".to_owned(), "u1".to_owned()].into();
        let mut readable = selection();
        readable.scope = Scope::ReadableBy(Arc::clone(&grants));
        let everything = Filter::everything();
        let found = document(&readable, &everything, Purpose::Find).unwrap();
        assert_eq!(found, doc! { "_rperm": { "$in": [null, "*", "u1"] } });
        // A condition of the client on the same column can only narrow it.
        let wider = Filter::Field("_rperm".into(), Constraint::In(vec!["u2".into()]));
        let found = document(&readable, &wider, Purpose::Find).unwrap();
        let expected = doc! { "_rperm": { "$in": ["u2"] }, "$and": [{ "_rperm": { "$in": [null, "*", "u1"] } }] };
        assert_eq!(found, expected);
    }
}
