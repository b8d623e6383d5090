//! How are e-mails sent? By a mail server, `parsimony.mail`, or by a mail adapter beside this server, `emailAdapter.webhook`.

use std::sync::Arc;
use std::time::Duration;

use parsimony_cloud::{HttpClient, Mailer};
use parsimony_connectors::{MailTls, MailWebhook, Smtp, SmtpOptions};
use serde_json::Value;
use url::Url;

use super::raw::Raw;

/// How long a step of sending may take unless told otherwise, in seconds.
const SECONDS_MAX: u64 = 30;

/// What sends e-mails.
#[derive(Debug, Clone)]
pub enum MailConfig {
    /// A mail server.
    Smtp(SmtpOptions),
    /// A mail adapter in a process of its own.
    Webhook {
        /// Where it answers.
        url: String,
        /// Which methods of Parse's mail adapters it has.
        methods: Vec<String>,
    },
}

impl MailConfig {
    /// Makes what sends e-mails. The error says which option cannot be.
    pub(crate) fn mailer(self, http: &Arc<dyn HttpClient>) -> Result<Arc<dyn Mailer>, String> {
        match self {
            Self::Smtp(options) => {
                let smtp = Smtp::new(options).map_err(|error| format!("parsimony.mail: {error}."))?;
                Ok(Arc::new(smtp))
            }
            Self::Webhook { url, methods } => {
                let seconds = Duration::from_secs(SECONDS_MAX);
                Ok(Arc::new(MailWebhook::new(Arc::clone(http), url, methods, seconds)))
            }
        }
    }
}

/// Whether anything is to send e-mails.
pub(super) fn is_given(raw: &Raw) -> bool {
    raw.get("emailAdapter").is_some() || raw.get("parsimony.mail").is_some()
}

/// Reads what sends e-mails, if anything does.
pub(super) fn read(raw: &Raw) -> Result<Option<MailConfig>, String> {
    let adapter = raw.get("emailAdapter").map(webhook).transpose()?;
    let smtp = raw.get("parsimony.mail").is_some().then(|| smtp(raw)).transpose()?;
    match (adapter, smtp) {
        (Some(_), Some(_)) => Err("emailAdapter and parsimony.mail cannot both send the e-mails.".to_owned()),
        (adapter, smtp) => Ok(adapter.or(smtp)),
    }
}

fn webhook(written: &Value) -> Result<MailConfig, String> {
    let webhook = written.get("webhook");
    let url = webhook.and_then(|webhook| webhook.get("url")).and_then(Value::as_str);
    let Some(url) = url.filter(|url| url.starts_with("http://") || url.starts_with("https://")) else {
        let text = "emailAdapter is JavaScript in Parse Server. Here e-mails go to the mail server of parsimony.mail, or to an \
                    adapter in a process of its own: emailAdapter.webhook with its url and methods.";
        return Err(text.to_owned());
    };
    let methods = webhook.and_then(|webhook| webhook.get("methods")).and_then(Value::as_array);
    let methods = methods.map(|methods| methods.iter().filter_map(Value::as_str).map(str::to_owned).collect());
    let methods = methods.unwrap_or_else(|| vec!["sendMail".to_owned()]);
    Ok(MailConfig::Webhook { url: url.to_owned(), methods })
}

fn smtp(raw: &Raw) -> Result<MailConfig, String> {
    let from = raw.text("parsimony.mail.from")?;
    let from = from.ok_or("parsimony.mail.from must be the address that e-mails are from.")?;
    let url = raw.text("parsimony.mail.smtp.url")?.map(|url| read_url(&url)).transpose()?;
    let url = url.unwrap_or_default();
    let host = raw.text("parsimony.mail.smtp.host")?.or(url.host);
    let host = host.ok_or("parsimony.mail.smtp.host, or its url, must say where the mail server is.")?;
    let port = raw.positive("parsimony.mail.smtp.port")?.map(u16::try_from);
    let port = port.transpose().map_err(|_too_large| "parsimony.mail.smtp.port must be below 65536.")?;
    let user = raw.text("parsimony.mail.smtp.user")?.or(url.user);
    let password = raw.text("parsimony.mail.smtp.password")?.or(url.password);
    let tls = raw.text("parsimony.mail.smtp.tls")?.or(url.tls);
    let authority = raw.text("parsimony.mail.smtp.caFile")?;
    let authority_pem = authority.map(|path| std::fs::read(&path).map_err(|error| format!("{path}: {error}")));
    let seconds = raw.positive("parsimony.mail.timeoutSeconds")?.unwrap_or(SECONDS_MAX);
    Ok(MailConfig::Smtp(SmtpOptions {
        from,
        host,
        port: port.or(url.port),
        login: user.map(|user| (user, password.unwrap_or_default())),
        tls: tls_of(tls.as_deref().unwrap_or("required"))?,
        authority_pem: authority_pem.transpose()?,
        time_max: Duration::from_secs(seconds),
    }))
}

fn tls_of(text: &str) -> Result<MailTls, String> {
    match text {
        "wrapped" => Ok(MailTls::Wrapped),
        "required" => Ok(MailTls::Required),
        "offered" => Ok(MailTls::Offered),
        "off" => Ok(MailTls::Off),
        _ => Err("parsimony.mail.smtp.tls must be wrapped, required, offered or off.".to_owned()),
    }
}

/// What a URL says of a mail server.
#[derive(Default)]
struct Written {
    host: Option<String>,
    port: Option<u16>,
    user: Option<String>,
    password: Option<String>,
    tls: Option<String>,
}

/// `smtps://user:password@host:465`, or `smtp://host:587`, perhaps with `?tls=offered`.
fn read_url(text: &str) -> Result<Written, String> {
    let bad = || "parsimony.mail.smtp.url must look like smtps://user:password@host:465 or smtp://host:587.".to_owned();
    let url = Url::parse(text).map_err(|_unfit| bad())?;
    let usual = match url.scheme() {
        "smtps" => "wrapped",
        "smtp" => "required",
        _ => return Err(bad()),
    };
    let plain = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let tls = url.query_pairs().find(|(name, _)| name == "tls").map(|(_, tls)| tls.into_owned());
    Ok(Written {
        host: Some(url.host_str().filter(|host| !host.is_empty()).ok_or_else(bad)?.to_owned()),
        port: url.port(),
        user: Some(plain(url.username())).filter(|user| !user.is_empty()),
        password: url.password().map(plain),
        tls: Some(tls.unwrap_or_else(|| usual.to_owned())),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::raw::Sources;
    use super::*;

    fn read(options: &Value) -> Result<Option<MailConfig>, String> {
        let file = Some(("test".to_owned(), options.to_string()));
        super::read(&Raw::gather(Sources { file, ..Sources::default() }).unwrap())
    }

    #[test]
    fn a_mail_server_is_a_url_or_its_parts() {
        let whole = json!({ "parsimony": { "mail": { "from": "a@b", "smtp": { "url": "smtps://me%40b:p%3Aw@mail.b:1465" } } } });
        let parts = json!({ "parsimony": { "mail": { "from": "a@b", "smtp": {
            "host": "mail.b", "port": 1465, "user": "me@b", "password": "p:w", "tls": "wrapped" } } } });
        for options in [whole, parts] {
            let Some(MailConfig::Smtp(smtp)) = read(&options).unwrap() else { panic!("{options}") };
            assert_eq!((smtp.host.as_str(), smtp.port, smtp.tls), ("mail.b", Some(1465), MailTls::Wrapped));
            assert_eq!(smtp.login, Some(("me@b".to_owned(), "p:w".to_owned())));
            // The password is in no log.
            assert!(!format!("{smtp:?}").contains("p:w"));
        }
        assert!(read(&json!({})).unwrap().is_none());
    }

    #[test]
    fn what_cannot_send_is_refused_by_name() {
        let smtp = |smtp: Value| json!({ "parsimony": { "mail": { "from": "a@b", "smtp": smtp } } });
        let both = json!({ "emailAdapter": { "webhook": { "url": "http://h" } }, "parsimony": { "mail": { "from": "a@b", "smtp": { "host": "h" } } } });
        for (options, refusal) in [
            (json!({ "emailAdapter": "parse-server-mailgun" }), "emailAdapter is JavaScript"),
            (json!({ "emailAdapter": { "webhook": { "url": "ftp://x" } } }), "emailAdapter is JavaScript"),
            (json!({ "parsimony": { "mail": { "smtp": { "host": "h" } } } }), "parsimony.mail.from"),
            (smtp(json!({})), "parsimony.mail.smtp.host"),
            (smtp(json!({ "url": "http://h" })), "parsimony.mail.smtp.url"),
            (smtp(json!({ "host": "h", "tls": "yes" })), "parsimony.mail.smtp.tls"),
            (smtp(json!({ "host": "h", "port": 70000 })), "parsimony.mail.smtp.port"),
            (both, "emailAdapter and parsimony.mail"),
        ] {
            let error = read(&options).unwrap_err();
            assert!(error.starts_with(refusal), "{options}: {error}");
        }
    }
}
