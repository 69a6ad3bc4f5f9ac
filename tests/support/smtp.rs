//! A real SMTP server for tests, which accepts and records mail.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mail_parser::MessageParser;
use tokio::sync::watch;

/// How long a test waits for a mail before it fails.
const PATIENCE: Duration = Duration::from_mins(5);

/// A mail that the server accepted.
#[derive(Clone, Debug)]
pub struct Mail {
    /// The envelope's recipients, separated by commas.
    pub to: String,
    /// The address in `From`.
    pub from: String,
    /// The decoded subject.
    pub subject: String,
    /// The decoded text part, with lines that end in LF.
    pub text: String,
    /// The decoded HTML part, with lines that end in LF.
    pub html: String,
    /// The user who was logged in to send the mail.
    pub user: Option<String>,
    /// The whole mail as received.
    pub raw: String,
}

impl Mail {
    /// The first link in the text.
    pub fn link(&self) -> &str {
        let link = self.text.lines().find(|line| line.starts_with("http"));
        link.unwrap_or_else(|| panic!("no link in {}", self.text))
    }
}

/// A server on its own port, which ends when it is dropped. It uses threads, so a blocked runtime does not block the
/// server.
pub struct SmtpServer {
    address: SocketAddr,
    state: Arc<State>,
    handed_out: AtomicUsize,
}

#[derive(Default)]
struct State {
    mails: watch::Sender<Vec<Mail>>,
    rules: Mutex<Rules>,
    stopped: AtomicBool,
}

#[derive(Default)]
struct Rules {
    refusals: Vec<Refusal>,
    login: Option<(String, String)>,
}

impl State {
    fn rules(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().expect("nobody panics with the rules in hand")
    }
}

/// A recipient that the server rejects, and its response to `RCPT TO`.
struct Refusal {
    recipient: Option<String>,
    code: u16,
    times: usize,
}

impl SmtpServer {
    /// Start a server that accepts every mail from every client.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its own address");
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten().take_while(|_| !shared.stopped.load(Ordering::SeqCst))
            {
                let state = Arc::clone(&shared);
                // A client that disconnects ends only its own session.
                std::thread::spawn(move || Session { state, user: None }.run(stream));
            }
        });
        Self { address, state, handed_out: AtomicUsize::new(0) }
    }

    /// The URL to use as the SMTP setting.
    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// The URL of a client that logs in.
    pub fn url_of(&self, user: &str, password: &str) -> String {
        format!("smtp://{user}:{password}@{}", self.address)
    }

    /// From now on, accept mail only from clients that log in with these credentials.
    pub fn require_login(&self, user: &str, password: &str) {
        self.state.rules().login = Some((user.into(), password.into()));
    }

    /// Reject this recipient with this code, such as 550, from now on.
    pub fn refuse(&self, recipient: &str, code: u16) {
        let refusal = Refusal { recipient: Some(recipient.into()), code, times: usize::MAX };
        self.state.rules().refusals.push(refusal);
    }

    /// Reject the next `times` recipients with this code, such as 451.
    pub fn refuse_next(&self, times: usize, code: u16) {
        self.state.rules().refusals.push(Refusal { recipient: None, code, times });
    }

    /// All mails so far, in the order in which they arrived.
    pub fn mails(&self) -> Vec<Mail> {
        self.state.mails.borrow().clone()
    }

    /// The next mail that no previous call has returned. Fails the test if none arrives within [`PATIENCE`].
    pub async fn next(&self) -> Mail {
        let place = self.handed_out.fetch_add(1, Ordering::SeqCst);
        self.when(|mails| mails.get(place)).await
    }

    /// The last mail for a recipient, even if a previous call has returned it. Fails the test if none arrives within
    /// [`PATIENCE`].
    pub async fn mail_for(&self, recipient: &str) -> Mail {
        self.when(|mails| mails.iter().rfind(|mail| mail.to == recipient)).await
    }

    async fn when(&self, wanted: impl Fn(&[Mail]) -> Option<&Mail>) -> Mail {
        let (mut mails, mut found) = (self.state.mails.subscribe(), None);
        let arrived = mails.wait_for(|mails| {
            found = wanted(mails).cloned();
            found.is_some()
        });
        let in_time = tokio::time::timeout(PATIENCE, arrived).await.is_ok();
        assert!(in_time, "no such mail within {PATIENCE:?}; there are {:#?}", self.mails());
        found.expect("the server is still there")
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::SeqCst);
        // Wakes the listener, which then sees that the server is to end.
        let _ = TcpStream::connect(self.address);
    }
}

struct Session {
    state: Arc<State>,
    user: Option<String>,
}

impl Session {
    fn run(mut self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut recipients = Vec::new();
        let mut answer = "220 plaza.test ESMTP".to_owned();
        loop {
            stream.write_all(format!("{answer}\r\n").as_bytes())?;
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim_end();
            let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
            answer = match verb.to_ascii_uppercase().as_str() {
                "EHLO" => "250-plaza.test\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 AUTH PLAIN".into(),
                "AUTH" => self.log_in(rest),
                "MAIL" if self.user.is_none() && self.state.rules().login.is_some() => {
                    "530 5.7.0 log in first".into()
                }
                "MAIL" => {
                    recipients.clear();
                    "250 2.1.0 OK".into()
                }
                "RCPT" => {
                    let recipient = rest.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
                    self.refusal(&recipient).unwrap_or_else(|| {
                        recipients.push(recipient);
                        "250 2.1.5 OK".into()
                    })
                }
                "DATA" if recipients.is_empty() => "503 5.5.1 for whom?".into(),
                "DATA" => {
                    stream.write_all(b"354 go on\r\n")?;
                    let mail = self.parse(&recipients.join(","), &read_mail(&mut reader)?);
                    self.state.mails.send_modify(|mails| mails.push(mail));
                    "250 2.0.0 OK".into()
                }
                "NOOP" | "RSET" => "250 2.0.0 OK".into(),
                "QUIT" => return stream.write_all(b"221 2.0.0 bye\r\n"),
                _ => "502 5.5.1 not here".into(),
            };
        }
    }

    /// AUTH PLAIN (RFC 4616): an empty field, user and password, separated by NUL.
    fn log_in(&mut self, rest: &str) -> String {
        let sent =
            rest.strip_prefix("PLAIN ").and_then(|sent| STANDARD.decode(sent).ok()).unwrap_or_default();
        let sent = String::from_utf8(sent).unwrap_or_default();
        let mut sent = sent.split('\0').skip(1).map(str::to_owned);
        let sent = (sent.next().unwrap_or_default(), sent.next().unwrap_or_default());
        if self.state.rules().login.as_ref().is_some_and(|login| *login != sent) {
            return "535 5.7.8 no".into();
        }
        self.user = Some(sent.0);
        "235 2.7.0 welcome".into()
    }

    /// The response names the recipient, as that of many servers does.
    fn refusal(&self, recipient: &str) -> Option<String> {
        let mut rules = self.state.rules();
        let refusal = rules.refusals.iter_mut().find(|refusal| {
            refusal.times > 0 && refusal.recipient.as_ref().is_none_or(|refused| refused == recipient)
        })?;
        refusal.times -= 1;
        Some(format!("{} {}.1.1 <{recipient}> refused", refusal.code, refusal.code / 100))
    }

    fn parse(&self, to: &str, raw: &[u8]) -> Mail {
        let mail = MessageParser::new().parse(raw).expect("a mail");
        let from = mail.from().and_then(|from| from.first()?.address()).unwrap_or_default();
        let lines = |text: Option<std::borrow::Cow<str>>| text.unwrap_or_default().replace("\r\n", "\n");
        Mail {
            to: to.to_owned(),
            from: from.to_owned(),
            subject: mail.subject().unwrap_or_default().to_owned(),
            text: lines(mail.body_text(0)),
            html: lines(mail.body_html(0)),
            user: self.user.clone(),
            raw: String::from_utf8_lossy(raw).into_owned(),
        }
    }
}

/// Read up to the line that is only a dot. A dot at the start of another line is removed (RFC 5321, section 4.5.2).
fn read_mail(reader: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let (mut mail, mut line) = (Vec::new(), Vec::new());
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line == b".\r\n" {
            return Ok(mail);
        }
        mail.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
    }
}
