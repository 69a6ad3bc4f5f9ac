//! Sending over SMTP: one connection for each mail.
//!
//! lettre speaks the protocol. Its `AsyncSmtpTransport` is not used: it takes a failed QUIT for a failed mail, which would then
//! be sent again, it does not distinguish a rejected login from a rejected mail, and it waits for answers forever.

use std::time::Duration;

use lettre::Message;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Tls, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Noop, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use lettre::transport::smtp::{Error, SMTP_PORT, SUBMISSION_PORT, SUBMISSIONS_PORT};
use percent_encoding::percent_decode_str;
use tokio::time::timeout;
use url::{Host, Url};

use super::error::{MailError, Step};

/// Maximum time for one of the server's addresses, so that the next one gets its turn.
const ONE_ADDRESS: Duration = Duration::from_secs(5);

/// Maximum time to end the session, when nothing depends on it any more.
const FAREWELL: Duration = Duration::from_secs(1);

/// A server, and how to talk to it.
#[derive(Clone)]
pub(super) struct Smtp {
    host: String,
    port: u16,
    tls: Tls,
    hello: ClientId,
    credentials: Option<Credentials>,
    deadline: Duration,
}

impl Smtp {
    /// Parse lettre's form of URL: `smtp://user:password@host:port/ehlo-name?tls=required`.
    ///
    /// | URL | encrypted | port |
    /// | --- | --- | --- |
    /// | `smtps://` | from the start | 465 |
    /// | `smtp://…?tls=required` | by STARTTLS, or the mail is not sent | 587 |
    /// | `smtp://…?tls=opportunistic` | by STARTTLS, if the server offers it | 587 |
    /// | `smtp://` | no | 25 |
    ///
    /// Anything else in the URL is an error, and so is a user without a password. Otherwise a typing mistake could silently send
    /// mail in the clear.
    pub(super) fn from_url(text: &str, deadline: Duration) -> Result<Self, MailError> {
        let url = Url::parse(text).map_err(|_| MailError::Url("it is not a URL"))?;
        let host = match url.host() {
            Some(Host::Domain(name)) if !name.is_empty() => name.to_owned(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            _ => return Err(MailError::Url("the host is missing")),
        };
        let parameters = url.query_pairs().collect::<Vec<_>>();
        let asked = match parameters.as_slice() {
            [] => None,
            [(name, value)] if name == "tls" => Some(value.as_ref()),
            _ => return Err(MailError::Url("the only parameter is tls=required or tls=opportunistic")),
        };
        let trusted =
            || TlsParameters::new(host.clone()).map_err(|error| MailError::Connection(cause(&error)));
        let (tls, port) = match (url.scheme(), asked) {
            ("smtps", None) => (Tls::Wrapper(trusted()?), SUBMISSIONS_PORT),
            ("smtp", None) => (Tls::None, SMTP_PORT),
            ("smtp", Some("required")) => (Tls::Required(trusted()?), SUBMISSION_PORT),
            ("smtp", Some("opportunistic")) => (Tls::Opportunistic(trusted()?), SUBMISSION_PORT),
            ("smtp", Some(_)) => return Err(MailError::Url("tls must be required or opportunistic")),
            ("smtps", Some(_)) => return Err(MailError::Url("smtps has no tls parameter")),
            _ => return Err(MailError::Url("it must begin with smtp:// or smtps://")),
        };
        let hello = match url.path().trim_matches('/') {
            "" => ClientId::default(),
            name => ClientId::Domain(name.to_owned()),
        };
        let port = url.port().unwrap_or(port);
        Ok(Self { host, port, tls, hello, credentials: credentials(&url)?, deadline })
    }

    /// Hand a mail over to the server. It is sent once the server has accepted it; how the session ends does not matter.
    pub(super) async fn send(&self, message: &Message) -> Result<(), MailError> {
        self.with_connection(async |connection| hand_over(connection, message).await).await
    }

    /// Connect, log in, and send nothing but NOOP.
    pub(super) async fn probe(&self) -> Result<String, MailError> {
        let encrypted = self
            .with_connection(async |connection| {
                connection.command(Noop).await.map_err(at(Step::Session))?;
                Ok(connection.is_encrypted())
            })
            .await?;
        let encryption = if encrypted { "encrypted" } else { "not encrypted" };
        Ok(match &self.credentials {
            Some(_) => format!("the SMTP server responds and accepts the password, {encryption}"),
            None => format!("the SMTP server responds, {encryption}"),
        })
    }

    /// Do `work` with a connection, within the deadline. A connection that misses the deadline is dropped as it is.
    async fn with_connection<T>(
        &self,
        work: impl AsyncFnOnce(&mut AsyncSmtpConnection) -> Result<T, MailError>,
    ) -> Result<T, MailError> {
        let (mut connection, done) = timeout(self.deadline, async {
            let mut connection = self.connect().await?;
            let done = work(&mut connection).await;
            Ok((connection, done))
        })
        .await
        .map_err(|_| MailError::TimedOut(self.deadline))??;
        // Nothing depends on whether the server receives this.
        let _ = timeout(FAREWELL, connection.abort()).await;
        done
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, MailError> {
        let server = (self.host.as_str(), self.port);
        let wrapper = match &self.tls {
            Tls::Wrapper(parameters) => Some(parameters.clone()),
            _ => None,
        };
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, Some(ONE_ADDRESS), &self.hello, wrapper, None)
                .await
                .map_err(at(Step::Session))?;
        let upgrade = match &self.tls {
            Tls::Required(parameters) => Some(parameters),
            Tls::Opportunistic(parameters) if connection.can_starttls() => Some(parameters),
            _ => None,
        };
        if let Some(parameters) = upgrade {
            connection.starttls(parameters.clone(), &self.hello).await.map_err(at(Step::Session))?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await.map_err(at(Step::Login))?;
        }
        Ok(connection)
    }
}

/// Send MAIL, RCPT and DATA.
async fn hand_over(connection: &mut AsyncSmtpConnection, message: &Message) -> Result<(), MailError> {
    let (envelope, bytes) = (message.envelope(), message.formatted());
    let mut parameters = Vec::new();
    // The parts are ASCII on the wire, so only an address can be beyond ASCII (RFC 6531).
    if !bytes.is_ascii() {
        let offers = |extension| connection.server_info().supports_feature(extension);
        if !offers(Extension::SmtpUtfEight) || !offers(Extension::EightBitMime) {
            return Err(MailError::Utf8Address);
        }
        parameters = vec![MailParameter::SmtpUtfEight, MailParameter::Body(MailBodyParameter::EightBitMime)];
    }
    let mail = Mail::new(envelope.from().cloned(), parameters);
    connection.command(mail).await.map_err(at(Step::Sender))?;
    for recipient in envelope.to() {
        connection.command(Rcpt::new(recipient.clone(), Vec::new())).await.map_err(at(Step::Recipient))?;
    }
    connection.command(Data).await.map_err(at(Step::Message))?;
    connection.message(&bytes).await.map_err(at(Step::Message))?;
    Ok(())
}

fn credentials(url: &Url) -> Result<Option<Credentials>, MailError> {
    let decode = |text| {
        let text = percent_decode_str(text).decode_utf8();
        text.map(String::from).map_err(|_| MailError::Url("the user or the password is not UTF-8"))
    };
    match (url.username(), url.password()) {
        ("", None) => Ok(None),
        (_, None) => Err(MailError::Url("it names a user without a password")),
        (user, Some(password)) => Ok(Some(Credentials::new(decode(user)?, decode(password)?))),
    }
}

/// Convert an error of lettre's that occurs at this step. Servers often repeat the address in their answers, so only the numbers
/// of an answer are kept.
fn at(step: Step) -> impl FnOnce(Error) -> MailError {
    move |error| match error.status() {
        Some(code) => {
            MailError::Refused { refused: step, code: code.into(), status: enhanced_status(&error) }
        }
        None if error.is_response() => MailError::Garbled,
        None => MailError::Connection(cause(&error)),
    }
}

/// Return the innermost error, such as "Connection refused". lettre wraps it in its own errors.
fn cause(error: &Error) -> String {
    let sources = std::iter::successors(std::error::Error::source(error), |error| error.source());
    sources.last().map_or_else(|| error.to_string(), ToString::to_string)
}

/// Return the `5.1.1` of `5.1.1 <ana@example.com>: no such user`.
fn enhanced_status(error: &Error) -> Option<String> {
    let text = std::error::Error::source(error)?.to_string();
    let word = text.split_ascii_whitespace().next()?;
    let numbers = word.split('.').collect::<Vec<_>>();
    let is_number =
        |number: &&str| (1..=3).contains(&number.len()) && number.bytes().all(|c| c.is_ascii_digit());
    (numbers.len() == 3 && numbers.iter().all(is_number)).then(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;

    use super::super::letters::{self, Letter};
    use super::super::message::{Encoding, message, sender};
    use super::*;

    const DEADLINE: Duration = Duration::from_secs(15);

    fn letter(to: &str) -> Message {
        let link = "https://plaza.example/confirm?token=secret-token";
        let letter: Letter = letters::confirm_address("ana", link, Duration::from_hours(1)).to(to);
        message(&sender("Plaza <plaza@localhost>").unwrap(), &letter, Encoding::QuotedPrintable).unwrap()
    }

    /// Start a server that answers each line, or whole mail, with the next of these answers, and then closes the connection.
    fn server(answers: &'static [&'static str]) -> Smtp {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            for answer in answers {
                // The client may be gone already, which is not an error here.
                let _ = stream.write_all(format!("{answer}\r\n").as_bytes());
                let in_mail = answer.starts_with("354");
                while let Some(Ok(line)) = lines.next() {
                    if !in_mail || line == "." {
                        break;
                    }
                }
            }
        });
        Smtp::from_url(&format!("smtp://ana:pa55word@127.0.0.1:{port}"), DEADLINE).unwrap()
    }

    const HELLO: &str = "250-mail.example\r\n250 AUTH PLAIN";

    async fn refusal(answers: &'static [&'static str]) -> String {
        let error = server(answers).send(&letter("ana@example.com")).await.unwrap_err();
        for secret in ["ana@example.com", "secret-token", "pa55word"] {
            assert!(!format!("{error} {error:?}").contains(secret), "{error:?}");
        }
        format!("{error}{}", if error.is_permanent() { ", for good" } else { "" })
    }

    #[tokio::test]
    async fn a_refusal_tells_what_was_refused_but_not_whose() {
        let no = "550-5.1.1 <ana@example.com> secret-token\r\n550 5.1.1 ana@example.com pa55word";
        for (answers, told) in [
            (&["554 5.7.1 not you, pa55word"][..], "the SMTP server rejected the session: 554 5.7.1"),
            (
                &["220 x", HELLO, "535 5.7.8 pa55word"],
                "the SMTP server rejected the user or password: 535 5.7.8",
            ),
            (&["220 x", HELLO, "235 ok", "550 pa55word"], "the SMTP server rejected the sender: 550"),
            (
                &["220 x", HELLO, "235 ok", "250 ok", "550 5.1.1.ana@example.com no"],
                "the SMTP server rejected the recipient: 550, for good",
            ),
            (
                &["220 x", HELLO, "235 ok", "250 ok", "451 4.7.1 <ana@example.com> later"],
                "the SMTP server rejected the recipient: 451 4.7.1",
            ),
            (
                &["220 x", HELLO, "235 ok", "250 ok", "530 5.7.0 log in first"],
                "the SMTP server rejected the recipient: 530 5.7.0",
            ),
            (
                &["220 x", HELLO, "235 ok", "250 ok", "250 ok", "354 go", "554 5.6.0 spam"],
                "the SMTP server rejected the mail: 554 5.6.0, for good",
            ),
            (
                &["220 x", HELLO, "235 ok", "ana@example.com"],
                "the SMTP server closed the connection, or its response is not SMTP",
            ),
            (
                &["220 x", HELLO, "235 ok", "250 ok"],
                "the SMTP server closed the connection, or its response is not SMTP",
            ),
        ] {
            assert_eq!(refusal(answers).await, told);
        }
        let session: &[&str] = &["220 x", HELLO, "235 ok", "250 ok"];
        let answers = session.iter().copied().chain([no]).collect::<Vec<_>>().leak();
        assert_eq!(refusal(answers).await, "the SMTP server rejected the recipient: 550 5.1.1, for good");
    }

    #[tokio::test]
    async fn a_mail_that_was_taken_is_sent_whatever_comes_after() {
        let smtp = server(&["220 x", HELLO, "235 ok", "250 ok", "250 ok", "354 go", "250 taken"]);
        smtp.send(&letter("ana@example.com")).await.unwrap();
        let smtp = server(&["220 x", HELLO, "235 ok", "250 ok", "250 ok", "354 go", "250 taken", "421 bye"]);
        smtp.send(&letter("ana@example.com")).await.unwrap();
    }

    #[tokio::test]
    async fn a_silent_server_is_waited_for_only_so_long() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("smtp://127.0.0.1:{}", silent.local_addr().unwrap().port());
        let smtp = Smtp::from_url(&url, Duration::from_millis(50)).unwrap();
        let error = smtp.send(&letter("ana@example.com")).await.unwrap_err();
        assert!(matches!(error, MailError::TimedOut(_)) && !error.is_permanent(), "{error}");
    }

    #[tokio::test]
    async fn an_address_beyond_ascii_wants_a_server_that_knows_it() {
        let error = server(&["220 x", HELLO, "235 ok"]).send(&letter("zoë@example.com")).await.unwrap_err();
        assert!(matches!(error, MailError::Utf8Address) && error.is_permanent(), "{error}");
    }

    #[tokio::test]
    async fn without_encryption_no_password_leaves_where_it_is_required() {
        let plain = server(&["220 x", HELLO, "235 ok"]);
        let url = format!("smtp://ana:pass@127.0.0.1:{}?tls=required", plain.port);
        let error = Smtp::from_url(&url, DEADLINE).unwrap().probe().await.unwrap_err();
        assert!(matches!(error, MailError::Connection(_)) && !error.is_permanent(), "{error}");
        assert_eq!(
            error.to_string(),
            "cannot communicate with the SMTP server: STARTTLS is not supported on this server"
        );
    }

    #[test]
    fn urls_are_read_as_lettre_does() {
        let read = |url| {
            let smtp = Smtp::from_url(url, DEADLINE).unwrap();
            format!("{:?} {} {} {}", smtp.tls, smtp.host, smtp.port, smtp.credentials.is_some())
        };
        assert_eq!(read("smtp://localhost"), "None localhost 25 false");
        assert_eq!(read("smtp://127.0.0.1:2525"), "None 127.0.0.1 2525 false");
        assert_eq!(read("smtp://[::1]:2525"), "None ::1 2525 false");
        assert_eq!(read("smtps://ana:p%40ss@mail.example"), "Wrapper mail.example 465 true");
        assert_eq!(read("smtps://[::1]"), "Wrapper ::1 465 false");
        assert_eq!(read("smtp://ana:x@mail.example?tls=required"), "Required mail.example 587 true");
        assert_eq!(read("smtp://mail.example:26/?tls=opportunistic"), "Opportunistic mail.example 26 false");
        let smtp = Smtp::from_url("smtp://a%40b.c:p%3Aw%2F@mail.example/plaza.example", DEADLINE).unwrap();
        assert_eq!(smtp.hello, ClientId::Domain("plaza.example".into()));
        assert_eq!(smtp.credentials, Some(Credentials::new("a@b.c".into(), "p:w/".into())));
    }

    #[test]
    fn a_slip_in_the_url_is_told_without_its_password() {
        for (url, told) in [
            ("localhost", "it is not a URL"),
            ("", "it is not a URL"),
            ("smtp://", "the host is missing"),
            ("smtp:localhost", "the host is missing"),
            ("https://mail.example", "it must begin with smtp:// or smtps://"),
            ("smtp://mail.example?tls=requierd", "tls must be required or opportunistic"),
            ("smtp://mail.example?tsl=required", "the only parameter is tls=required or tls=opportunistic"),
            ("smtp://x?tls=required&tls=no", "the only parameter is tls=required or tls=opportunistic"),
            ("smtps://mail.example?tls=required", "smtps has no tls parameter"),
            ("smtp://ana@mail.example", "it names a user without a password"),
            ("smtp://ana:%FF@mail.example", "the user or the password is not UTF-8"),
            ("smtp://ana:pass@mail.example:99999", "it is not a URL"),
        ] {
            let error = Smtp::from_url(url, DEADLINE).err().unwrap();
            assert_eq!(error.to_string(), format!("the SMTP URL is not valid: {told}"), "{url}");
        }
    }
}
