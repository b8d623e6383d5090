//! Where can a file be read?

use percent_encoding::utf8_percent_encode;

use crate::options::Options;
use crate::uri::URI_COMPONENT;

/// The URL of a file of this name. Parse: files from the time of parse.com, which their names tell, are where they were.
pub(crate) fn url_of(options: &Options, name: &str) -> String {
    if let Some(key) = &options.files.key {
        let host = if name.starts_with("tfss-") {
            Some("files.parsetfss.com")
        } else if is_from_parse_com(name) {
            Some("files.parse.com")
        } else {
            None
        };
        if let Some(host) = host {
            return format!("http://{host}/{key}/{}", utf8_percent_encode(name, URI_COMPONENT));
        }
    }
    let parts: Vec<String> = name.split('/').map(|part| utf8_percent_encode(part, URI_COMPONENT).to_string()).collect();
    format!("{}{}", options.files_url, parts.join("/"))
}

/// Whether a name begins with a UUID and a dash.
fn is_from_parse_com(name: &str) -> bool {
    let mut rest = name;
    for digits in [8, 4, 4, 4, 12] {
        let Some((part, after)) = rest.split_once('-') else { return false };
        if part.len() != digits || !part.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return false;
        }
        rest = after;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_each_part_encoded() {
        let mut options = Options::new("app", "master");
        "http://h/parse/files/app/".clone_into(&mut options.files_url);
        let uuid = "1a2b3c4d-0000-1111-2222-333344445555-x.png";
        for (name, url) in [
            ("a b@c.txt", "http://h/parse/files/app/a%20b%40c.txt"),
            ("d/e/f?.txt", "http://h/parse/files/app/d/e/f%3F.txt"),
            (uuid, "http://h/parse/files/app/1a2b3c4d-0000-1111-2222-333344445555-x.png"),
        ] {
            assert_eq!(url_of(&options, name), url);
        }
        options.files.key = Some("k".to_owned());
        assert_eq!(url_of(&options, "tfss-a b"), "http://files.parsetfss.com/k/tfss-a%20b");
        assert_eq!(url_of(&options, uuid), format!("http://files.parse.com/k/{uuid}"));
        assert_eq!(url_of(&options, "plain"), "http://h/parse/files/app/plain");
    }
}
