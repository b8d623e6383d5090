//! How is a path taken apart?

use std::borrow::Cow;

use parsimony_model::{ErrorCode, ParseError};
use percent_encoding::percent_decode_str;

/// Splits a path below the mount path. Parse: one slash too many, at the start or at the end, does not matter.
pub(crate) fn split(path: &str) -> impl Iterator<Item = &str> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    path.split('/')
}

/// The segments of a path of a URL, each decoded once.
pub(crate) fn decoded(path: &str) -> Result<Vec<Cow<'_, str>>, ParseError> {
    split(path)
        .map(|segment| percent_decode_str(segment).decode_utf8())
        .collect::<Result<_, _>>()
        .map_err(|_error| ParseError::new(ErrorCode::RouteNotFound, "The path is no UTF-8 text."))
}

/// What follows the mount path, if the path is below it. Parse: its case does not matter.
pub(crate) fn below<'a>(mount: &str, path: &'a str) -> Option<&'a str> {
    let rest = path.get(mount.len()..)?;
    let same = path.as_bytes().get(..mount.len())?.eq_ignore_ascii_case(mount.as_bytes());
    (same && (rest.is_empty() || rest.starts_with('/'))).then_some(rest)
}
