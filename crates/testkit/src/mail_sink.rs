//! Where do the letters of a test go? To a mail server that keeps them, spoken to over real SMTP.
#![expect(clippy::expect_used, reason = "a failed set-up fails the test")]

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use parsimony_connectors::{MailTls, Smtp, SmtpOptions};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// How long a letter may take to arrive.
const TIME_MAX: Duration = Duration::from_secs(20);

/// A letter that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SunkLetter {
    /// To whom, as the envelope says.
    pub to: Vec<String>,
    /// What it is about.
    pub subject: String,
    /// What it says.
    pub text: String,
}

impl SunkLetter {
    /// The first link in it; empty if there is none.
    pub fn link(&self) -> &str {
        self.text.split_whitespace().find(|word| word.starts_with("http")).unwrap_or_default()
    }

    /// The token in its link; empty if there is none.
    pub fn token(&self) -> &str {
        self.link().split_once("token=").map_or("", |(_, token)| token)
    }
}

/// A mail server that keeps what it gets. It ends with the test.
#[derive(Debug)]
pub struct MailSink {
    port: u16,
    letters: Arc<Mutex<Vec<SunkLetter>>>,
    came: Arc<Notify>,
    refusals: Arc<Mutex<VecDeque<&'static str>>>,
}

impl MailSink {
    /// Starts one.
    ///
    /// # Panics
    /// When no port is free; it is for tests.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("a bound port").port();
        let sink = Self { port, letters: Arc::default(), came: Arc::default(), refusals: Arc::default() };
        let (letters, came) = (Arc::clone(&sink.letters), Arc::clone(&sink.came));
        let refusals = Arc::clone(&sink.refusals);
        #[expect(clippy::disallowed_methods, reason = "the test's runtime ends it")]
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (letters, came, refusals) = (Arc::clone(&letters), Arc::clone(&came), Arc::clone(&refusals));
                #[expect(clippy::disallowed_methods, reason = "the test's runtime ends it")]
                tokio::spawn(async move { converse(stream, &letters, &came, &refusals).await.unwrap_or_default() });
            }
        });
        sink
    }

    /// What sends letters to it.
    ///
    /// # Panics
    /// When there is none; it is for tests.
    pub fn mailer(&self) -> Smtp {
        let options = SmtpOptions {
            from: "Tests <tests@example.com>".to_owned(),
            host: "127.0.0.1".to_owned(),
            port: Some(self.port),
            login: None,
            tls: MailTls::Off,
            authority_pem: None,
            time_max: TIME_MAX,
        };
        Smtp::new(options).expect("a mailer")
    }

    /// Refuses the next letters, one by each of these answers, such as `451 later`.
    pub fn refuse(&self, answers: &[&'static str]) {
        self.refusals.lock().extend(answers);
    }

    /// Waits until as many letters were refused as were to be.
    ///
    /// # Panics
    /// When they do not come.
    pub async fn wait_for_refusals(&self) {
        let refused = async {
            loop {
                let came = self.came.notified();
                if self.refusals.lock().is_empty() {
                    return;
                }
                came.await;
            }
        };
        tokio::time::timeout(TIME_MAX, refused).await.expect("the letters are refused");
    }

    /// What has arrived.
    pub fn letters(&self) -> Vec<SunkLetter> {
        self.letters.lock().clone()
    }

    /// Waits until so many have arrived in all, and gives the last of them.
    ///
    /// # Panics
    /// When they do not.
    pub async fn wait_for(&self, count: usize) -> SunkLetter {
        let arrived = async {
            loop {
                let came = self.came.notified();
                if let Some(letter) = self.letters.lock().get(count - 1) {
                    return letter.clone();
                }
                came.await;
            }
        };
        tokio::time::timeout(TIME_MAX, arrived).await.expect("the letter arrives")
    }
}

/// Takes letters over one connection.
async fn converse(
    stream: TcpStream,
    letters: &Mutex<Vec<SunkLetter>>,
    came: &Notify,
    refusals: &Mutex<VecDeque<&'static str>>,
) -> std::io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    writer.write_all(b"220 sink\r\n").await?;
    let (mut to, mut letter) = (Vec::new(), None::<String>);
    while let Some(line) = lines.next_line().await? {
        if let Some(text) = &mut letter {
            if line == "." {
                letters.lock().push(read(std::mem::take(&mut to), text));
                letter = None;
                writer.write_all(b"250 taken\r\n").await?;
                came.notify_waiters();
            } else {
                text.push_str(line.strip_prefix('.').unwrap_or(&line));
                text.push('\n');
            }
            continue;
        }
        let upper = line.to_uppercase();
        let refusal = upper.starts_with("RCPT TO:").then(|| refusals.lock().pop_front()).flatten();
        if let Some(refusal) = refusal {
            writer.write_all(format!("{refusal}\r\n").as_bytes()).await?;
            came.notify_waiters();
            continue;
        }
        let answer = if upper.starts_with("RCPT TO:") {
            to.extend(line.split(['<', '>']).nth(1).map(str::to_owned));
            "250 who else\r\n"
        } else if upper == "DATA" {
            letter = Some(String::new());
            "354 go on\r\n"
        } else {
            "250 sink\r\n"
        };
        writer.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}

fn read(to: Vec<String>, letter: &str) -> SunkLetter {
    let (head, body) = letter.split_once("\n\n").unwrap_or((letter, ""));
    let header = |name: &str| {
        head.lines().find_map(|line| {
            let (known, value) = line.split_once(": ")?;
            known.eq_ignore_ascii_case(name).then(|| value.to_owned())
        })
    };
    let quoted = header("Content-Transfer-Encoding").is_some_and(|encoding| encoding == "quoted-printable");
    let text = if quoted { unquoted(body) } else { body.to_owned() };
    SunkLetter { to, subject: header("Subject").unwrap_or_default(), text }
}

/// Quoted-printable, read.
fn unquoted(text: &str) -> String {
    let joined = text.replace("=\n", "");
    let mut parts = joined.split('=');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        match part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                bytes.extend_from_slice(part.get(2..).unwrap_or_default().as_bytes());
            }
            None => bytes.extend_from_slice(part.as_bytes()),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
