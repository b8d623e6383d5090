//! Where does the text of a page come from? From the administrator's folder if there is one, else from what is built in.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use actix_web::web::Bytes;
use serde_json::{Map, Value};

/// The pages there are, and their files.
const PAGES: [(Page, &str, &str); 8] = [
    (Page::PasswordReset, "passwordReset", "password_reset.html"),
    (Page::PasswordResetSuccess, "passwordResetSuccess", "password_reset_success.html"),
    (Page::PasswordResetLinkInvalid, "passwordResetLinkInvalid", "password_reset_link_invalid.html"),
    (Page::EmailVerificationSuccess, "emailVerificationSuccess", "email_verification_success.html"),
    (Page::EmailVerificationSendFail, "emailVerificationSendFail", "email_verification_send_fail.html"),
    (Page::EmailVerificationSendSuccess, "emailVerificationSendSuccess", "email_verification_send_success.html"),
    (Page::EmailVerificationLinkInvalid, "emailVerificationLinkInvalid", "email_verification_link_invalid.html"),
    (Page::EmailVerificationLinkExpired, "emailVerificationLinkExpired", "email_verification_link_expired.html"),
];

/// What the built-in pages say, by language and page.
static TEXTS: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(include_str!("texts.json")).unwrap_or_default());

/// A page of Parse's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Page {
    PasswordReset,
    PasswordResetSuccess,
    PasswordResetLinkInvalid,
    EmailVerificationSuccess,
    EmailVerificationSendFail,
    EmailVerificationSendSuccess,
    EmailVerificationLinkInvalid,
    EmailVerificationLinkExpired,
}

impl Page {
    fn row(self) -> (&'static str, &'static str) {
        PAGES.iter().find(|(page, ..)| *page == self).map_or(("", ""), |(_, id, file)| (id, file))
    }

    /// Its name in the options.
    pub(super) fn id(self) -> &'static str {
        self.row().0
    }

    /// Its file.
    pub(super) fn file(self) -> &'static str {
        self.row().1
    }

    fn of_file(file: &str) -> Option<Self> {
        PAGES.iter().find(|(.., known)| *known == file).map(|(page, ..)| *page)
    }
}

/// Where in the folder the copy of a file for a locale is: in that of the locale, or else in that of its language.
pub(super) fn subfolder(folder: Option<&Path>, file: &str, locale: &str) -> Option<String> {
    let language = locale.split('-').next().unwrap_or_default();
    let has = |name: &str| match folder {
        Some(folder) => folder.join(name).join(file).is_file(),
        None => TEXTS.get(name).is_some(),
    };
    [locale, language].into_iter().find(|name| has(name)).map(str::to_owned)
}

/// The folder's file at this path; `None` if there is none, or it is outside of the folder, wherever links lead.
pub(super) async fn read(folder: &Path, path: &[String]) -> Option<Bytes> {
    let is_plain = |part: &String| !part.is_empty() && !part.starts_with('.') && !part.contains(['/', '\\', '\0']);
    if path.is_empty() || !path.iter().all(is_plain) {
        return None;
    }
    let wanted: PathBuf = path.iter().fold(folder.to_owned(), |wanted, part| wanted.join(part));
    let folder = folder.to_owned();
    let read = move || {
        let (folder, wanted) = (folder.canonicalize().ok()?, wanted.canonicalize().ok()?);
        (wanted.starts_with(&folder) && wanted.is_file()).then(|| std::fs::read(wanted).ok())?
    };
    actix_web::web::block(read).await.ok().flatten().map(Bytes::from)
}

/// The built-in page of a file, in the language of a locale if it has one, and what it says there.
pub(super) fn built_in(file: &str, language: Option<&str>) -> Option<(&'static str, Map<String, Value>)> {
    let page = Page::of_file(file)?;
    let language = language.filter(|language| TEXTS.get(language).is_some()).unwrap_or("en");
    let mut texts = TEXTS.get(language)?.get(page.id())?.as_object()?.clone();
    texts.insert("lang".to_owned(), language.into());
    texts.insert("asksPassword".to_owned(), (page == Page::PasswordReset).into());
    let asks_name = matches!(page, Page::EmailVerificationLinkInvalid | Page::EmailVerificationLinkExpired);
    texts.insert("asksName".to_owned(), asks_name.into());
    Some((include_str!("page.html"), texts))
}

/// Whether a file is a page, with placeholders to be filled.
pub(super) fn is_page(file: &str) -> bool {
    Path::new(file).extension().is_some_and(|end| end.eq_ignore_ascii_case("html"))
}

/// The content type of a file, by the end of its name.
pub(super) fn kind_of(file: &str) -> &'static str {
    match file.rsplit_once('.').map(|(_, end)| end.to_ascii_lowercase()).as_deref() {
        Some("html" | "htm") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("json") => "application/json; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("gif") => "image/gif",
        Some("webp") => "image/webp",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("woff") => "font/woff",
        _ => "text/plain; charset=utf-8",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_is_built_in_in_every_language() {
        for language in ["en", "de"] {
            for (page, id, file) in PAGES {
                let (_, texts) = built_in(file, Some(language)).unwrap();
                assert!(texts.contains_key("title") && texts.contains_key("text"), "{language} {id}");
                assert_eq!((texts["lang"].as_str(), page.id(), page.file()), (Some(language), id, file));
            }
        }
        assert!(built_in("nope.html", None).is_none());
        assert_eq!(subfolder(None, "password_reset.html", "de-AT").as_deref(), Some("de"));
        assert_eq!(subfolder(None, "password_reset.html", "fr"), None);
    }

    #[actix_web::test]
    async fn nothing_outside_of_the_folder_is_read() {
        let place = std::env::temp_dir().join(format!("parsimony-pages-{}", std::process::id()));
        let folder = place.join("pages");
        std::fs::create_dir_all(folder.join("de")).unwrap();
        std::fs::write(folder.join("de").join("a.html"), "inside").unwrap();
        std::fs::write(place.join("secret.txt"), "outside").unwrap();
        std::os::unix::fs::symlink(place.join("secret.txt"), folder.join("link.txt")).unwrap();
        let path = |parts: &[&str]| parts.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>();
        let at = |parts: &[&str]| {
            let (folder, parts) = (folder.clone(), path(parts));
            async move { read(&folder, &parts).await }
        };
        assert_eq!(at(&["de", "a.html"]).await.unwrap(), "inside");
        for parts in [
            &["..", "secret.txt"][..],
            &["../secret.txt"],
            &["de", "..", "..", "secret.txt"],
            &["link.txt"],
            &["de"],
            &[],
            &["", "etc", "passwd"],
            &["a.html\0"],
            &[".hidden"],
        ] {
            assert!(at(parts).await.is_none(), "{parts:?}");
        }
        std::fs::remove_dir_all(place).unwrap();
    }
}
