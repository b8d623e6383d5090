//! How does an e-mail go out? Over SMTP, with TLS unless that is given up by name, within a time limit.

use std::fmt;
use std::time::Duration;

use lettre::message::header::ContentType;
use lettre::message::{Mailbox, MessageBuilder, MultiPart, SinglePart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use parsimony_cloud::{Email, MailFailure, Mailer, Posted};

/// How the way to the mail server is kept secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailTls {
    /// TLS from the first byte, usually on port 465.
    Wrapped,
    /// Plain at first, then TLS or nothing; usually on port 587.
    Required,
    /// TLS if the server offers it.
    Offered,
    /// None: for a mail server on this machine.
    Off,
}

impl MailTls {
    /// The port that a mail server usually has for it.
    fn port(self) -> u16 {
        match self {
            Self::Wrapped => 465,
            Self::Required => 587,
            Self::Offered | Self::Off => 25,
        }
    }
}

/// Where the mail server is, and who asks it.
#[derive(Clone)]
pub struct SmtpOptions {
    /// The address that letters are from, perhaps with a name before it.
    pub from: String,
    /// The mail server.
    pub host: String,
    /// Its port; the usual one if none is given.
    pub port: Option<u16>,
    /// The name to log in with, and the password.
    pub login: Option<(String, String)>,
    /// How the way there is kept secret.
    pub tls: MailTls,
    /// The certificate, in PEM, that vouches for the mail server beside those that everybody trusts.
    pub authority_pem: Option<Vec<u8>>,
    /// How long each step of the conversation may take.
    pub time_max: Duration,
}

impl fmt::Debug for SmtpOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The password is for nobody's log.
        let Self { from, host, port, tls, .. } = self;
        f.debug_struct("SmtpOptions")
            .field("from", from)
            .field("host", host)
            .field("port", port)
            .field("tls", tls)
            .finish()
    }
}

/// A mail server. Connections are kept for later letters.
pub struct Smtp {
    from: Mailbox,
    transport: AsyncSmtpTransport<Tokio1Executor>,
}

impl Smtp {
    /// Nobody is asked before the first letter. The error says what cannot be.
    pub fn new(options: SmtpOptions) -> Result<Self, String> {
        let from = options.from.parse().map_err(|error| format!("{:?} is no e-mail address: {error}", options.from))?;
        let parameters = || {
            let mut parameters = TlsParameters::builder(options.host.clone());
            if let Some(pem) = &options.authority_pem {
                let authority =
                    Certificate::from_pem(pem).map_err(|error| format!("the certificate is none: {error}"))?;
                parameters = parameters.add_root_certificate(authority);
            }
            parameters.build().map_err(|error| format!("TLS is not to be had: {error}"))
        };
        let tls = match options.tls {
            MailTls::Wrapped => Tls::Wrapper(parameters()?),
            MailTls::Required => Tls::Required(parameters()?),
            MailTls::Offered => Tls::Opportunistic(parameters()?),
            MailTls::Off => Tls::None,
        };
        let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&options.host)
            .port(options.port.unwrap_or_else(|| options.tls.port()))
            .tls(tls)
            .timeout(Some(options.time_max));
        if let Some((user, password)) = options.login {
            transport = transport.credentials(Credentials::new(user, password));
        }
        Ok(Self { from, transport: transport.build() })
    }
}

impl Mailer for Smtp {
    fn send(&self, email: Email) -> Posted {
        let message = message(&self.from, email);
        let transport = self.transport.clone();
        Box::pin(async move {
            let sent = transport.send(message?).await;
            sent.map(drop).map_err(|error| match told(&error) {
                why if error.is_permanent() => MailFailure::Refused(why),
                why => MailFailure::Unsent(why),
            })
        })
    }
}

/// What an error and all that caused it say.
fn told(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| {
        let cause = cause.to_string();
        if text.contains(&cause) { text } else { format!("{text}: {cause}") }
    })
}

fn mailbox(address: &str) -> Result<Mailbox, MailFailure> {
    address.parse().map_err(|error| MailFailure::Unfit(format!("{address:?} is no e-mail address: {error}")))
}

fn message(from: &Mailbox, email: Email) -> Result<Message, MailFailure> {
    let Email { from: other, to, reply_to, subject, text, html, message_id } = email;
    let message_id = message_id.map(|id| format!("<{id}>"));
    let mut letter: MessageBuilder = Message::builder().subject(subject).message_id(message_id);
    letter = letter.from(other.as_deref().map_or_else(|| Ok(from.clone()), mailbox)?);
    for address in &to {
        letter = letter.to(mailbox(address)?);
    }
    if let Some(address) = &reply_to {
        letter = letter.reply_to(mailbox(address)?);
    }
    let letter = match (text, html) {
        (Some(text), Some(html)) => letter.multipart(MultiPart::alternative_plain_html(text, html)),
        (None, Some(html)) => letter.singlepart(SinglePart::html(html)),
        (text, None) => letter.header(ContentType::TEXT_PLAIN).body(text.unwrap_or_default()),
    };
    letter.map_err(|error| MailFailure::Unfit(error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::TcpListener;
    use std::thread::JoinHandle;

    use super::*;

    /// Takes one letter, unless it is to `nobody@`; gives its port, and what was said to it.
    fn sink() -> (u16, JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut lines = Vec::new();
            let mut writer = stream.try_clone().unwrap();
            writer.write_all(b"220 sink\r\n").unwrap();
            let mut in_letter = false;
            for line in BufReader::new(stream).lines() {
                let line = line.unwrap();
                let word = line.split([' ', ':']).next().unwrap_or_default().to_uppercase();
                let answer = match (&*word, in_letter) {
                    (_, true) if line == "." => "250 taken\r\n",
                    (_, true) => "",
                    ("DATA", _) => "354 go on\r\n",
                    ("QUIT", _) => "221 bye\r\n",
                    ("RCPT", _) if line.contains("nobody@") => "550 no such person here\r\n",
                    _ => "250 sink\r\n",
                };
                in_letter = if in_letter { line != "." } else { word == "DATA" };
                let ends = word == "QUIT" || line.contains("nobody@") || line == ".";
                lines.push(line);
                writer.write_all(answer.as_bytes()).unwrap();
                if ends {
                    break;
                }
            }
            lines
        });
        (port, heard)
    }

    fn options(port: u16) -> SmtpOptions {
        SmtpOptions {
            from: "Shop <shop@example.com>".to_owned(),
            host: "127.0.0.1".to_owned(),
            port: Some(port),
            login: None,
            tls: MailTls::Off,
            authority_pem: None,
            time_max: Duration::from_secs(5),
        }
    }

    #[tokio::test]
    async fn a_letter_arrives_with_its_headers() {
        let (port, heard) = sink();
        let smtp = Smtp::new(options(port)).unwrap();
        let email = Email {
            reply_to: Some("help@example.com".to_owned()),
            message_id: Some("letter-1@example.com".to_owned()),
            ..Email::plain("Ann <ann@example.com>", "Grüße", "Hello\n.\nAnn")
        };
        smtp.send(email).await.unwrap();
        let heard = heard.join().unwrap();
        for line in [
            "MAIL FROM:<shop@example.com>",
            "RCPT TO:<ann@example.com>",
            "From: Shop <shop@example.com>",
            "To: Ann <ann@example.com>",
            "Reply-To: help@example.com",
            "Message-ID: <letter-1@example.com>",
            "Hello",
            "..",
            "Ann",
        ] {
            assert!(heard.iter().any(|heard| heard == line), "{line} in {heard:#?}");
        }
        assert!(heard.iter().any(|line| line.starts_with("Subject: =?utf-8?")), "{heard:#?}");
    }

    #[tokio::test]
    async fn what_cannot_be_sent_says_why() {
        let (port, heard) = sink();
        let smtp = Smtp::new(options(port)).unwrap();
        let refused = smtp.send(Email::plain("nobody@example.com", "s", "t")).await;
        assert!(matches!(&refused, Err(MailFailure::Refused(why)) if why.contains("no such person")), "{refused:?}");
        drop(heard);
        let unfit = smtp.send(Email::plain("not an address\r\nBcc: all@example.com", "s", "t")).await;
        assert!(matches!(unfit, Err(MailFailure::Unfit(_))), "{unfit:?}");
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let unreached = Smtp::new(options(free)).unwrap().send(Email::plain("a@example.com", "s", "t")).await;
        assert!(matches!(unreached, Err(MailFailure::Unsent(_))), "{unreached:?}");
        assert!(Smtp::new(SmtpOptions { from: "nobody".to_owned(), ..options(1) }).is_err());
    }

    #[tokio::test]
    async fn a_line_break_in_a_subject_adds_no_header() {
        let (port, heard) = sink();
        let smtp = Smtp::new(options(port)).unwrap();
        smtp.send(Email::plain("ann@example.com", "a\r\nBcc: all@example.com", "t")).await.unwrap();
        let heard = heard.join().unwrap();
        assert!(!heard.iter().any(|line| line.starts_with("Bcc")), "{heard:#?}");
    }
}
