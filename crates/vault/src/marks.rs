//! Which fields of a class are sealed, and whose data are they? Their definition says it: the option `encrypted`.

use parsimony_model::schema::Field;
use parsimony_model::{ClassSchema, FieldType, Value};

/// The option of a field.
const OPTION: &str = "encrypted";

/// How one field is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sealing<'a> {
    /// The field.
    pub field: &'a str,
    /// Where the id of the person stands whose data it is: a pointer field of the object, or `objectId`. None: nobody's.
    pub person: Option<&'a str>,
    /// The String field that takes its blind index, if it has one.
    pub index: Option<&'a str>,
}

/// The sealed fields of a class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marks<'a>(Vec<Sealing<'a>>);

impl<'a> Marks<'a> {
    /// What is sealed in a class; `None` if nothing is.
    ///
    /// `"encrypted": true` seals with the ring alone. `"encrypted": {"person": "identity", "index": "numberIndex"}` says that
    /// the person is the one the field `identity` points to, and that equal values are found by the field `numberIndex`.
    pub fn of(class: &'a ClassSchema) -> Option<Self> {
        let marked: Vec<Sealing<'a>> = class
            .fields
            .iter()
            .filter(|(_, field)| !field.other.is_empty())
            .filter_map(|(name, field)| sealing(name.as_str(), field))
            .collect();
        (!marked.is_empty()).then_some(Self(marked))
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Sealing<'a>> {
        self.0.iter()
    }

    /// How a field is sealed.
    pub fn get(&self, field: &str) -> Option<&Sealing<'a>> {
        self.0.iter().find(|sealing| sealing.field == field)
    }

    /// Whether the field takes a blind index: nobody above the vault sees it.
    pub fn is_index(&self, field: &str) -> bool {
        self.0.iter().any(|sealing| sealing.index == Some(field))
    }

    /// Whether any of it is a person's.
    pub fn has_persons(&self) -> bool {
        self.0.iter().any(|sealing| sealing.person.is_some())
    }

    /// Refuses marks that cannot be obeyed, in a sentence.
    pub fn check(class: &ClassSchema) -> Result<(), String> {
        let wrong = |text: String| Err(text);
        for (name, field) in
            class.fields.iter().filter(|(_, field)| field.other.get(OPTION).is_some_and(Value::is_truthy))
        {
            let at = format!("{}.{name}", class.name);
            if !matches!(field.kind, FieldType::String | FieldType::Object) {
                return wrong(format!("{at} is {}: only String and Object can be encrypted.", field.kind));
            }
            let Some(sealing) = sealing(name.as_str(), field) else {
                return wrong(format!("{at}: encrypted must be true, or an object with person and index."));
            };
            let pointer = |person: &str| matches!(class.kind(person), Some(FieldType::Pointer(_)));
            if let Some(person) = sealing.person.filter(|person| *person != "objectId" && !pointer(person)) {
                return wrong(format!("{at}: its person {person} is no pointer field of the class, and not objectId."));
            }
            if let Some(index) = sealing.index
                && (field.kind != FieldType::String || class.kind(index) != Some(FieldType::String))
            {
                return wrong(format!("{at}: its index {index} must be a String field, as it has to be itself."));
            }
        }
        let Some(marks) = Marks::of(class) else { return Ok(()) };
        // The same text never looks the same when it is sealed.
        for (name, index) in class.indexes.iter().filter(|(_, index)| index.unique) {
            if let Some(field) = index.keys.keys().find(|field| marks.get(field).is_some()) {
                return wrong(format!("{}: {name} cannot be unique by {field}, which is encrypted.", class.name));
            }
        }
        Ok(())
    }
}

fn sealing<'a>(name: &'a str, field: &'a Field) -> Option<Sealing<'a>> {
    let (person, index) = match field.other.get(OPTION)? {
        Value::Bool(true) => (None, None),
        Value::Object(map) if map.keys().all(|key| matches!(key.as_str(), "person" | "index")) => {
            (map.get("person").and_then(Value::as_str), map.get("index").and_then(Value::as_str))
        }
        _ => return None,
    };
    Some(Sealing { field: name, person, index })
}

#[cfg(test)]
mod tests {
    use parsimony_model::schema::Index;
    use parsimony_model::value::json;
    use parsimony_model::{ClassName, FieldName};

    use super::*;

    fn class(fields: &[(&str, &str)]) -> ClassSchema {
        let mut class = ClassSchema::new(ClassName::parse("Paper").unwrap());
        for (name, text) in fields {
            let map = json::read(text.as_bytes()).unwrap();
            let field = Field::parse("Paper", name, map.as_object().unwrap()).unwrap();
            class.fields.insert(FieldName::parse(name).unwrap(), field);
        }
        class
    }

    #[test]
    fn marks_are_read() {
        let class = class(&[
            ("number", r#"{"type":"String","encrypted":{"person":"identity","index":"numberIndex"}}"#),
            ("notes", r#"{"type":"Object","encrypted":true}"#),
            ("plain", r#"{"type":"String","encrypted":false}"#),
            ("numberIndex", r#"{"type":"String"}"#),
            ("identity", r#"{"type":"Pointer","targetClass":"Identity"}"#),
        ]);
        Marks::check(&class).unwrap();
        let marks = Marks::of(&class).unwrap();
        assert_eq!(
            marks.get("number"),
            Some(&Sealing { field: "number", person: Some("identity"), index: Some("numberIndex") })
        );
        assert_eq!(marks.get("notes"), Some(&Sealing { field: "notes", person: None, index: None }));
        assert_eq!((marks.get("plain"), marks.is_index("numberIndex"), marks.is_index("plain")), (None, true, false));
        assert_eq!(Marks::of(&self::class(&[("a", r#"{"type":"String"}"#)])), None);
    }

    #[test]
    fn marks_that_cannot_be_obeyed_are_refused() {
        for (field, expected) in [
            (r#"{"type":"Number","encrypted":true}"#, "Paper.f is Number: only String and Object"),
            (r#"{"type":"String","encrypted":"yes"}"#, "Paper.f: encrypted must be true, or an object"),
            (r#"{"type":"String","encrypted":{"preson":"x"}}"#, "Paper.f: encrypted must be true, or an object"),
            (r#"{"type":"String","encrypted":{"person":"g"}}"#, "Paper.f: its person g is no pointer field"),
            (r#"{"type":"String","encrypted":{"index":"h"}}"#, "Paper.f: its index h must be a String field"),
            (r#"{"type":"Object","encrypted":{"index":"g"}}"#, "Paper.f: its index g must be a String field"),
        ] {
            let error = Marks::check(&class(&[("f", field), ("g", r#"{"type":"String"}"#)])).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
        let mut unique = class(&[("f", r#"{"type":"String","encrypted":true}"#)]);
        unique.indexes.insert("once".into(), Index::on(&["f"]));
        Marks::check(&unique).unwrap();
        unique.indexes.insert("once".into(), Index::on(&["f"]).unique());
        assert_eq!(Marks::check(&unique).unwrap_err(), "Paper: once cannot be unique by f, which is encrypted.");
    }
}
