//! What do the driver's errors mean for the engine?

use mongodb::error::{Error, ErrorKind, TRANSIENT_TRANSACTION_ERROR, UNKNOWN_TRANSACTION_COMMIT_RESULT, WriteFailure};
use parsimony_store::StoreError;

/// The server's own numbers, from its `error_codes.yml`.
mod code {
    pub(super) const BAD_VALUE: i32 = 2;
    pub(super) const TYPE_MISMATCH: i32 = 14;
    pub(super) const NAMESPACE_NOT_FOUND: i32 = 26;
    pub(super) const INDEX_NOT_FOUND: i32 = 27;
    pub(super) const PATH_NOT_VIABLE: i32 = 28;
    pub(super) const CONFLICTING_UPDATE_OPERATORS: i32 = 40;
    pub(super) const NAMESPACE_EXISTS: i32 = 48;
    pub(super) const MAX_TIME_EXPIRED: i32 = 50;
    pub(super) const DOLLAR_PREFIXED_NAME: i32 = 52;
    pub(super) const EMPTY_FIELD_NAME: i32 = 56;
    pub(super) const INDEX_OPTIONS_CONFLICT: i32 = 85;
    pub(super) const INDEX_KEY_SPECS_CONFLICT: i32 = 86;
    pub(super) const WRITE_CONFLICT: i32 = 112;
    pub(super) const NO_SUCH_TRANSACTION: i32 = 251;
    pub(super) const EXCEEDED_TIME_LIMIT: i32 = 262;
    pub(super) const NO_QUERY_PLAN: i32 = 291;
    pub(super) const OBJECT_TOO_LARGE: i32 = 10_334;
    pub(super) const DUPLICATE_KEY: [i32; 2] = [11_000, 11_001];
    /// A number in the path of an order may be an index as well as a name, and the data has both.
    pub(super) const AMBIGUOUS_PATH: i32 = 16_746;
    /// `Can't extract geo keys`: an area whose edges cross, for one.
    pub(super) const NO_GEO_KEYS: i32 = 16_755;
    pub(super) const NOT_A_NUMBER_TO_INCREMENT: i32 = 16_837;
    /// `language override unsupported`, by a text index that others made.
    pub(super) const LANGUAGE_OVERRIDE: i32 = 17_262;
    pub(super) const UPDATED_DOCUMENT_TOO_LARGE: [i32; 2] = [17_419, 17_420];
    /// `Regular expression is invalid`, and wrong options of one.
    pub(super) const REGEX: [i32; 4] = [51_091, 51_108, 51_074, 51_075];
}

/// What the server was asked for: the same number can blame the query or the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// It read.
    Read,
    /// It wrote.
    Write,
}

/// The failure of a read.
#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err takes")]
pub(crate) fn of_read(error: Error) -> StoreError {
    store_error(&error, Asked::Read)
}

/// The failure of a write.
#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err takes")]
pub(crate) fn of_write(error: Error) -> StoreError {
    store_error(&error, Asked::Write)
}

/// The failure of a pipeline. Parse: whatever the server says against it, it says of the query.
#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err takes")]
pub(crate) fn of_pipeline(error: Error) -> StoreError {
    match (store_error(&error, Asked::Read), answer(&error)) {
        (known @ (StoreError::Timeout | StoreError::Conflict(_)), _) => known,
        (_, Some((_, text))) => StoreError::InvalidQuery(shown(text).to_owned()),
        (unknown, None) => unknown,
    }
}

/// What the server says against a query, without the query as the server sees it.
fn shown(text: &str) -> &str {
    if text.starts_with("error processing query: ") {
        return text.rsplit(" :: caused by :: ").next().unwrap_or(text);
    }
    text
}

/// The number and text the server answered with, if it answered.
fn answer(error: &Error) -> Option<(i32, &str)> {
    match error.kind.as_ref() {
        ErrorKind::Command(command) => Some((command.code, &command.message)),
        ErrorKind::Write(WriteFailure::WriteError(write)) => Some((write.code, &write.message)),
        ErrorKind::Write(WriteFailure::WriteConcernError(concern)) => Some((concern.code, &concern.message)),
        ErrorKind::InsertMany(many) => {
            let first = many.write_errors.as_ref().and_then(|errors| errors.first());
            first.map(|write| (write.code, write.message.as_str()))
        }
        _ => None,
    }
}

fn store_error(error: &Error, asked: Asked) -> StoreError {
    let transient = error.contains_label(TRANSIENT_TRANSACTION_ERROR);
    match answer(error) {
        Some((number, text)) => answered(number, text, transient, asked),
        None => unanswered(error),
    }
}

fn answered(number: i32, text: &str, transient: bool, asked: Asked) -> StoreError {
    match number {
        code if code::DUPLICATE_KEY.contains(&code) => StoreError::Duplicate { index: index_in(text).to_owned() },
        code::MAX_TIME_EXPIRED | code::EXCEEDED_TIME_LIMIT => StoreError::Timeout,
        code::WRITE_CONFLICT | code::NO_SUCH_TRANSACTION => StoreError::Conflict(text.to_owned()),
        _ if transient => StoreError::Conflict(text.to_owned()),
        code if code::REGEX.contains(&code) => StoreError::unreadable_pattern(),
        code::NO_QUERY_PLAN | code::INDEX_NOT_FOUND => StoreError::Unsupported(text.to_owned()),
        code::INDEX_OPTIONS_CONFLICT | code::INDEX_KEY_SPECS_CONFLICT | code::OBJECT_TOO_LARGE => {
            StoreError::Unfit(text.to_owned())
        }
        code if code::UPDATED_DOCUMENT_TOO_LARGE.contains(&code) => StoreError::Unfit(text.to_owned()),
        code::AMBIGUOUS_PATH => StoreError::InvalidQuery(
            "A number in the path of an order is the index of an element as well as the name of a field.".to_owned(),
        ),
        code::NO_GEO_KEYS => StoreError::crossed_area(),
        code::LANGUAGE_OVERRIDE => StoreError::Unfit(text.to_owned()),
        code::BAD_VALUE
        | code::TYPE_MISMATCH
        | code::PATH_NOT_VIABLE
        | code::CONFLICTING_UPDATE_OPERATORS
        | code::DOLLAR_PREFIXED_NAME
        | code::EMPTY_FIELD_NAME
        | code::NOT_A_NUMBER_TO_INCREMENT => match asked {
            Asked::Read => StoreError::InvalidQuery(shown(text).to_owned()),
            Asked::Write => misfit(text),
        },
        code => StoreError::Unavailable(format!("MongoDB error {code}: {text}")),
    }
}

/// What is wrong with a change, in words that both stores use: the server's show how it keeps the data.
fn misfit(text: &str) -> StoreError {
    let says = |parts: &[&str]| parts.iter().any(|part| text.contains(part));
    if says(&["$inc"]) {
        StoreError::no_number()
    } else if says(&["must be an array", "non-array", "$push", "$addToSet", "$pull"]) {
        StoreError::no_list()
    } else if says(&["Cannot create field"]) {
        StoreError::no_object()
    } else {
        StoreError::Unfit(text.to_owned())
    }
}

/// The server did not answer: it is not there, or the driver refused.
fn unanswered(error: &Error) -> StoreError {
    match error.kind.as_ref() {
        ErrorKind::InvalidArgument { message, .. } => StoreError::Unfit(message.clone()),
        ErrorKind::Bson(cause) | ErrorKind::BsonDeserialization(cause) => StoreError::Corrupt(cause.to_string()),
        kind => StoreError::unavailable(kind),
    }
}

/// The name of the index in `E11000 duplicate key error collection: db.C index: NAME dup key: { … }`.
fn index_in(text: &str) -> &str {
    let name = text.split_once(" index: ").map_or("", |(_, rest)| rest);
    name.split_once(" dup key").map_or(name, |(name, _)| name)
}

/// Whether a query failed only because the class lacks the geographic or text index that it needs.
pub(crate) fn lacks_index(error: &Error) -> bool {
    answer(error).is_some_and(|(number, _)| [code::NO_QUERY_PLAN, code::INDEX_NOT_FOUND].contains(&number))
}

/// Whether something asked for by name is not there: a collection, or an index.
pub(crate) fn is_missing(error: &Error) -> bool {
    answer(error).is_some_and(|(number, _)| [code::NAMESPACE_NOT_FOUND, code::INDEX_NOT_FOUND].contains(&number))
}

/// Whether the collection to create is there already.
pub(crate) fn is_existing(error: &Error) -> bool {
    answer(error).is_some_and(|(number, _)| number == code::NAMESPACE_EXISTS)
}

/// Whether a unique index refused.
pub(crate) fn is_duplicate(error: &Error) -> bool {
    answer(error).is_some_and(|(number, _)| code::DUPLICATE_KEY.contains(&number))
}

/// Whether nobody knows if the commit happened, so that it has to be sent again.
pub(crate) fn is_unknown_commit(error: &Error) -> bool {
    error.contains_label(UNKNOWN_TRANSACTION_COMMIT_RESULT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_is_named() {
        for (text, index) in [
            (r#"E11000 duplicate key error collection: test.C index: name_1 dup key: { name: "a" }"#, "name_1"),
            ("E11000 duplicate key error collection: test.C index: _id_ dup key: { _id: 1 }", "_id_"),
            ("something else", ""),
        ] {
            assert_eq!(index_in(text), index);
        }
    }

    #[test]
    fn a_refused_query_does_not_show_the_database_s_own_form_of_it() {
        let text =
            "error processing query: ns=db.CTree: a $eq 1\n planner returned error :: caused by :: no such index";
        let Some(StoreError::InvalidQuery(told)) = Some(answered(2, text, false, Asked::Read)) else {
            panic!("{text}")
        };
        assert_eq!(told, "no such index");
        assert_eq!(shown("Invalid $project :: caused by :: Unknown expression $foo").len(), 56);
    }

    #[test]
    fn the_same_number_blames_the_query_or_the_data() {
        assert!(matches!(answered(2, "x", false, Asked::Read), StoreError::InvalidQuery(_)));
        assert!(matches!(answered(2, "x", false, Asked::Write), StoreError::Unfit(_)));
        assert!(matches!(answered(2, "x", true, Asked::Write), StoreError::Conflict(_)));
        assert!(matches!(answered(50, "x", false, Asked::Read), StoreError::Timeout));
        assert!(matches!(answered(9_999, "x", false, Asked::Read), StoreError::Unavailable(_)));
    }
}
