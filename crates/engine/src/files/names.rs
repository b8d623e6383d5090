//! May a file be called that: names, folders, extensions and types, and what it is called where it is kept.

use parsimony_model::{Clock, ErrorCode, ParseError};

use super::{Extensions, FileOptions, kinds};

/// How many characters a name may have.
const NAME_CHARS_MAX: usize = 128;

/// How many characters a folder may have.
const DIRECTORY_CHARS_MAX: usize = 256;

/// How many characters the whole of a stored name may have.
const STORED_CHARS_MAX: usize = 512;

/// What folders may not begin with: such a path is another route.
const RESERVED: &str = "metadata";

/// What browsers run if it is shown to them.
const ACTIVE: &[&str] = &[
    "html",
    "htm",
    "shtml",
    "shtm",
    "xhtml",
    "xhtm",
    "xhtml+xml",
    "shtml+xml",
    "html+xml",
    "xht",
    "svg",
    "svgz",
    "svg+xml",
    "xml",
    "xsl",
    "xslt",
    "xsl+xml",
    "xslt+xml",
    "xsd",
    "rng",
    "rdf",
    "rdf+xml",
    "owl",
    "mathml",
    "mathml+xml",
    "htm+xml",
    "xhtm+xml",
    "shtm+xml",
];

fn refused(text: impl Into<String>) -> ParseError {
    ParseError::new(ErrorCode::InvalidFileName, text.into())
}

/// Refuses a name that a client may not give a file (122).
pub(super) fn check_name(name: &str) -> Result<(), ParseError> {
    if name.encode_utf16().count() > NAME_CHARS_MAX {
        return Err(refused("Filename too long."));
    }
    let first = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let other = |c: char| first(c) || "@. ~-".contains(c);
    if name.starts_with(first) && name.chars().all(other) {
        return Ok(());
    }
    Err(refused("Filename contains invalid characters."))
}

/// Refuses a folder that cannot be one (122).
pub(super) fn check_directory(directory: &str) -> Result<(), ParseError> {
    let first_part = directory.split('/').next().unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-/".contains(c);
    let fault = if directory.is_empty() {
        "Directory must not be empty."
    } else if directory.encode_utf16().count() > DIRECTORY_CHARS_MAX {
        "Directory path is too long."
    } else if directory.contains("..") {
        "Directory must not contain \"..\"."
    } else if directory.starts_with('/') || directory.ends_with('/') {
        "Directory must not start or end with \"/\"."
    } else if directory.contains("//") {
        "Directory must not contain consecutive slashes."
    } else if first_part == RESERVED {
        return Err(refused(format!("Directory must not start with reserved segment \"{first_part}\".")));
    } else if !directory.starts_with(|c: char| c.is_ascii_alphanumeric()) || !directory.chars().all(plain) {
        "Directory contains invalid characters."
    } else {
        return Ok(());
    };
    Err(refused(fault))
}

/// Whether a name can be that of a stored file; whatever else is asked for is not there.
pub(super) fn is_possible(name: &str) -> bool {
    let part = |part: &str| !part.is_empty() && part != "." && part != "..";
    name.len() <= STORED_CHARS_MAX && !name.chars().any(char::is_control) && name.split('/').all(part)
}

/// What follows the last dot.
fn extension(name: &str) -> Option<&str> {
    name.rsplit_once('.').map(|(_, extension)| extension).filter(|extension| !extension.is_empty())
}

/// Refuses a file that is of a kind that is not taken (130). Where the extension says nothing, the type that the client gives
/// is looked at: the file may be served as that.
pub(super) fn check_kind(options: &FileOptions, name: &str, content_type: Option<&str>) -> Result<(), ParseError> {
    let Some(extensions) = &options.extensions else { return Ok(()) };
    let allowed = |extension: &str| extensions.allow(extension);
    let refuse = |extension: &str| {
        let text = format!("File upload of extension {extension} is disabled.");
        Err(ParseError::new(ErrorCode::FileSaveError, text))
    };
    let extension = extension(name).map(|extension| bare(extension.split(';').next().unwrap_or_default()));
    if let Some(extension) = extension.as_deref().filter(|extension| !extension.is_empty() && !allowed(extension)) {
        return refuse(extension);
    }
    let is_known = extension.is_some_and(|extension| !extension.is_empty()) && kinds::type_of(name).is_some();
    let Some(content_type) = content_type.filter(|kind| !is_known && !kind.is_empty()) else { return Ok(()) };
    match media_type(content_type) {
        Ok(subtype) => {
            let subtype = bare(subtype);
            if allowed(&subtype) { Ok(()) } else { refuse(&subtype) }
        }
        Err(token) => {
            let token = bare(token);
            if !token.is_empty() && !allowed(&token) {
                return refuse(&token);
            }
            Err(ParseError::new(ErrorCode::FileSaveError, "Invalid Content-Type."))
        }
    }
}

fn bare(text: &str) -> String {
    text.split_whitespace().collect()
}

/// The second part of a type; the error is what may have been meant by one that cannot be read.
fn media_type(content_type: &str) -> Result<&str, &str> {
    let Some((kind, rest)) = content_type.split_once('/').filter(|(kind, _)| !kind.is_empty()) else {
        return Err(if content_type.starts_with('/') {
            ""
        } else {
            content_type.split(';').next().unwrap_or_default()
        });
    };
    let (kind, subtype) = (kind.trim(), rest.split(';').next().unwrap_or_default().trim());
    let is_token = |text: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c))
    };
    if is_token(kind) && is_token(subtype) { Ok(subtype) } else { Err(kind) }
}

impl Extensions {
    fn allow(&self, extension: &str) -> bool {
        match self {
            Self::Harmless => !ACTIVE.iter().any(|active| active.eq_ignore_ascii_case(extension)),
            // A pattern that cannot be followed to its end meets nothing.
            Self::Matching(patterns) => patterns.iter().any(|pattern| pattern.is_match(extension).unwrap_or(false)),
        }
    }
}

/// What a file is called where it is kept, and what it is.
pub(super) fn stored_name(
    options: &FileOptions,
    clock: &dyn Clock,
    (name, directory): (&str, Option<&str>),
    content_type: Option<&str>,
) -> (String, Option<String>) {
    let mut stored = name.to_owned();
    let mut kind = content_type.map(str::to_owned);
    if extension(name).is_some() {
        // A known extension decides the type, whatever the client says.
        kind = kinds::type_of(name).map(str::to_owned).or(kind);
    } else if let Some(extension) = content_type.and_then(kinds::extension_of) {
        if !stored.ends_with('.') {
            stored.push('.');
        }
        stored.push_str(extension);
    }
    if !options.preserve_name {
        stored = format!("{}_{stored}", clock.hexadecimal(16));
    }
    if let Some(directory) = directory {
        stored = format!("{directory}/{stored}");
    }
    (stored, kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        for name in ["a", "_a.png", "a b@c~d-e_f.tar.gz", "0"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", ".a", "-a", "a/b", "../a", "a\0b", "ä", "a\nb", "a%00", " a"] {
            assert_eq!(&*check_name(name).unwrap_err().message, "Filename contains invalid characters.", "{name:?}");
        }
        assert!(check_name(&"a".repeat(128)).is_ok());
        assert_eq!(&*check_name(&"a".repeat(129)).unwrap_err().message, "Filename too long.");
    }

    #[test]
    fn folders_are_plain() {
        for directory in ["a", "a/b-c/d_e", "metadatas", "a/metadata"] {
            assert!(check_directory(directory).is_ok(), "{directory}");
        }
        for directory in ["", "a/../b", "/a", "a/", "a//b", "metadata", "metadata/x", "_a", "a b", "a.b", "a\\b"] {
            assert!(check_directory(directory).is_err(), "{directory}");
        }
        assert!(check_directory(&"a".repeat(257)).is_err());
    }

    #[test]
    fn only_some_paths_can_be_there() {
        for name in ["../x", "a/../b", "a//b", "/a", "a/", ".", "a\0", "", "a/./b", &"x".repeat(600)] {
            assert!(!is_possible(name), "{name:?}");
        }
        assert!(is_possible("a/b ü.txt") && is_possible("..a"));
    }

    #[test]
    fn active_content_is_refused_however_it_is_spelled() {
        let options = FileOptions::default();
        let check = |name: &str, kind: Option<&str>| {
            check_kind(&options, name, kind).map_err(|error| (error.number(), error.message.into_owned()))
        };
        let disabled = |extension: &str| Err((Some(130), format!("File upload of extension {extension} is disabled.")));
        for name in ["a.html", "a.HTML", "a.Svg", "a.png.xsd", "a.xhtml", "a.mathml", "a.owl"] {
            assert_eq!(check(name, None), disabled(name.rsplit('.').next().unwrap()), "{name}");
        }
        for (kind, told) in [
            ("text/html", "html"),
            ("application/xhtml+xml;charset=utf-8", "xhtml+xml"),
            ("image/svg+xml ; a=b", "svg+xml"),
            ("application/xml\t;charset", "xml"),
            ("svg", "svg"),
        ] {
            assert_eq!(check("noextension", Some(kind)), disabled(told), "{kind}");
            assert_eq!(check("x.zzz", Some(kind)), disabled(told), "{kind}");
        }
        for kind in ["image//svg+xml", "image", "image/", "text/plain,text/html", "/html"] {
            assert_eq!(check("x", Some(kind)), Err((Some(130), "Invalid Content-Type.".to_owned())), "{kind}");
        }
        for (name, kind) in [
            ("a.txt", Some("text/html")),
            ("a.html.txt", None),
            ("x", None),
            ("x.foo", Some("application/vnd.api+json")),
        ] {
            assert_eq!(check(name, kind), Ok(()), "{name} {kind:?}");
        }
    }

    #[test]
    fn patterns_of_one_s_own_decide() {
        let patterns = vec![Regex::new("jpg").unwrap(), Regex::new("^(?!exe)p").unwrap()];
        let options = FileOptions { extensions: Some(Extensions::Matching(patterns)), ..FileOptions::default() };
        assert!(check_kind(&options, "a.jpg", None).is_ok() && check_kind(&options, "a.png", None).is_ok());
        assert!(check_kind(&options, "a.gif", None).is_err());
    }

    use fancy_regex::Regex;
}
