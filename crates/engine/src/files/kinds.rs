//! Of what kind is a file: its type by its extension, and the extension that a type has.

use mime_guess::get_mime_extensions_str;

/// Extensions of types whose first one in the table is not the one that people use.
const USUAL: &[(&str, &str)] = &[
    ("text/plain", "txt"),
    ("image/jpeg", "jpg"),
    ("image/png", "png"),
    ("image/tiff", "tif"),
    ("image/svg+xml", "svg"),
    ("image/heic", "heic"),
    ("text/html", "html"),
    ("text/javascript", "js"),
    ("application/javascript", "js"),
    ("text/markdown", "md"),
    ("text/calendar", "ics"),
    ("application/json", "json"),
    ("application/octet-stream", "bin"),
    ("application/xml", "xml"),
    ("text/xml", "xml"),
    ("audio/mpeg", "mp3"),
    ("audio/mp4", "m4a"),
    ("audio/ogg", "oga"),
    ("audio/wav", "wav"),
    ("audio/x-wav", "wav"),
    ("video/mp4", "mp4"),
    ("video/mpeg", "mpeg"),
    ("video/quicktime", "mov"),
    ("application/zip", "zip"),
    ("application/msword", "doc"),
    ("application/postscript", "ai"),
    ("application/xhtml+xml", "xhtml"),
];

/// Types that are known by another name, or not at all, in the table.
const OTHERS: &[(&str, &str)] = &[("js", "text/javascript"), ("mjs", "text/javascript"), ("ts", "video/mp2t")];

/// The type of a file of this name; `None` if its extension is not known.
pub(super) fn type_of(name: &str) -> Option<&'static str> {
    let last = name.rsplit('/').next().unwrap_or_default();
    let extension = last.rsplit('.').next().filter(|extension| extension.len() < last.len())?.to_ascii_lowercase();
    if let Some((_, kind)) = OTHERS.iter().find(|(known, _)| *known == extension) {
        return Some(kind);
    }
    mime_guess::from_ext(&extension).first_raw()
}

/// The extension of a type; `None` if there is none.
pub(super) fn extension_of(content_type: &str) -> Option<&'static str> {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if let Some((_, extension)) = USUAL.iter().find(|(known, _)| *known == kind) {
        return Some(extension);
    }
    get_mime_extensions_str(&kind)?.first().copied()
}

/// The type as an answer tells it: texts are in UTF-8.
pub(super) fn told(kind: &str) -> String {
    let is_text = kind.starts_with("text/") || matches!(kind, "application/json" | "application/javascript");
    if is_text && !kind.contains(';') { format!("{kind}; charset=utf-8") } else { kind.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_extension_counts() {
        for (name, kind) in [
            ("a.txt", Some("text/plain")),
            ("a.html.TXT", Some("text/plain")),
            ("dir.d/a.png", Some("image/png")),
            ("dir.png/a", None),
            ("png", None),
            ("a.zzz", None),
            ("a.", None),
            ("a.js", Some("text/javascript")),
            ("a.svg", Some("image/svg+xml")),
        ] {
            assert_eq!(type_of(name), kind, "{name}");
        }
    }

    #[test]
    fn types_have_their_usual_extension() {
        for (kind, extension) in [
            ("text/plain", Some("txt")),
            ("image/jpeg", Some("jpg")),
            ("IMAGE/PNG; a=b", Some("png")),
            ("application/pdf", Some("pdf")),
            ("application/x-nothing", None),
            ("nonsense", None),
        ] {
            assert_eq!(extension_of(kind), extension, "{kind}");
        }
        for (_, extension) in USUAL {
            assert!(type_of(&format!("a.{extension}")).is_some(), "{extension}");
        }
    }
}
