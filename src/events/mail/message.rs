//! Turns a letter into a message: headers and both parts (RFC 5322, RFC 2046).

use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, MultiPart, SinglePart};
use lettre::{Address, Message};
use url::Host;
use uuid::Uuid;

use super::error::MailError;
use super::letters::Letter;

/// Maximum length of a line of a mail, in octets without the line ending (RFC 5322, section 2.1.1).
const LONGEST_LINE: usize = 998;

/// How the parts are encoded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// For the wire: every server accepts it.
    QuotedPrintable,
    /// For files, so that a link can be copied from them.
    EightBit,
}

/// Parse the sender's mailbox from the settings.
pub(super) fn sender(text: &str) -> Result<Mailbox, MailError> {
    let wrong = || MailError::From(text.to_owned());
    if holds_control(text) {
        return Err(wrong());
    }
    let Mailbox { name, email } = text.parse().map_err(|_| wrong())?;
    Ok(Mailbox::new(name, ascii_domain(email).ok_or_else(wrong)?))
}

/// Build the message to send. Fails if the recipient's address is not an address, or if the address or the subject contains a
/// line break or another control character.
pub(super) fn message(from: &Mailbox, letter: &Letter, encoding: Encoding) -> Result<Message, MailError> {
    if holds_control(&letter.subject) {
        return Err(MailError::Subject);
    }
    // Without this filter, what happens to a line break in a quoted local part would be up to the parser.
    let to = Some(&letter.to)
        .filter(|to| !holds_control(to))
        .and_then(|to| ascii_domain(to.parse().ok()?))
        .ok_or(MailError::Recipient)?;
    let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
    Message::builder()
        .from(from.clone())
        .to(to.into())
        .subject(letter.subject.as_str())
        .date_now()
        .message_id(Some(format!("<{}@{}>", Uuid::new_v4(), from.email.domain())))
        // RFC 3834: asks for no vacation notices in reply.
        .raw_header(HeaderValue::new(automatic, "auto-generated".into()))
        .multipart(
            MultiPart::alternative()
                .singlepart(part(ContentType::TEXT_PLAIN, &letter.text, encoding))
                .singlepart(part(ContentType::TEXT_HTML, &letter.html, encoding)),
        )
        .map_err(|_| MailError::Recipient)
}

fn holds_control(text: &str) -> bool {
    text.chars().any(char::is_control)
}

/// Convert a domain beyond ASCII to the form that every server knows: `bücher.example` becomes `xn--bcher-kva.example`. A local
/// part beyond ASCII has no ASCII form.
fn ascii_domain(address: Address) -> Option<Address> {
    if address.domain().is_ascii() {
        return Some(address);
    }
    match Host::parse(address.domain()).ok()? {
        Host::Domain(domain) => Address::new(address.user(), domain).ok(),
        Host::Ipv4(_) | Host::Ipv6(_) => None,
    }
}

fn part(content_type: ContentType, text: &str, encoding: Encoding) -> SinglePart {
    // A lone CR ends a line for some servers and not for others, which has been exploited to smuggle mails.
    let text = text.replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n");
    let fits = || text.split("\r\n").all(|line| line.len() <= LONGEST_LINE);
    let body = if encoding == Encoding::EightBit && fits() {
        Body::dangerous_pre_encoded(text.into_bytes(), ContentTransferEncoding::EightBit)
    } else {
        Body::new_with_encoding(text, ContentTransferEncoding::QuotedPrintable).unwrap_or_else(Body::new)
    };
    SinglePart::builder().header(content_type).body(body)
}

#[cfg(test)]
mod tests {
    use mail_parser::{MessageParser, MimeHeaders};

    use super::*;

    const LINK: &str =
        "https://plaza.example/api/v1/confirm?token=aGVsbG8td29ybGQ-=3Dx_0123456789_0123456789&user=7#end";

    fn letter(to: &str, subject: &str) -> Letter {
        let text = format!("Hello zoë,\n\n{LINK}\n.\n..\nFrom here on: 漢字\r\n");
        let html = format!("<p>Hello zoë,</p>\n<p>{LINK}</p>\n");
        Letter { to: to.into(), subject: subject.into(), text, html }
    }

    fn from() -> Mailbox {
        sender("Plaza <plaza@mail.example>").unwrap()
    }

    fn formatted(letter: &Letter, encoding: Encoding) -> Result<Vec<u8>, MailError> {
        message(&from(), letter, encoding).map(|message| message.formatted())
    }

    #[test]
    fn both_parts_arrive_as_they_were_written() {
        let letter = letter("ana@example.com", "Grüße from Plaza, 漢字");
        for encoding in [Encoding::QuotedPrintable, Encoding::EightBit] {
            let bytes = formatted(&letter, encoding).unwrap();
            assert!(encoding == Encoding::EightBit || bytes.is_ascii());
            let mail = MessageParser::new().parse(&bytes).unwrap();
            assert_eq!(mail.subject(), Some(letter.subject.as_str()));
            assert_eq!(mail.from().unwrap().first().unwrap().address(), Some("plaza@mail.example"));
            assert_eq!(mail.from().unwrap().first().unwrap().name(), Some("Plaza"));
            assert_eq!(mail.to().unwrap().first().unwrap().address(), Some("ana@example.com"));
            assert_eq!(mail.header_raw("Auto-Submitted").map(str::trim), Some("auto-generated"));
            assert!(mail.message_id().unwrap().ends_with("@mail.example"), "{:?}", mail.message_id());
            assert!((mail.date().unwrap().to_timestamp() - chrono::Utc::now().timestamp()).abs() < 60);

            assert_eq!(mail.content_type().unwrap().subtype(), Some("alternative"));
            let kinds = [1, 2].map(|part| {
                let kind = mail.part(part).unwrap().content_type().unwrap();
                (kind.subtype().unwrap().to_owned(), kind.attribute("charset").unwrap().to_owned())
            });
            assert_eq!(kinds, [("plain".into(), "utf-8".into()), ("html".into(), "utf-8".into())]);
            let crlf = |text: &str| text.replace("\r\n", "\n").trim_end().to_owned();
            assert_eq!(crlf(&mail.body_text(0).unwrap()), crlf(&letter.text));
            assert_eq!(crlf(&mail.body_html(0).unwrap()), crlf(&letter.html));
        }
    }

    #[test]
    fn a_link_can_be_copied_from_a_file() {
        let bytes = formatted(&letter("ana@example.com", "Hello"), Encoding::EightBit).unwrap();
        assert!(String::from_utf8(bytes).unwrap().contains(&format!("\r\n{LINK}\r\n")));
    }

    #[test]
    fn lines_that_no_server_takes_are_broken() {
        let mut letter = letter("ana@example.com", "Hello");
        letter.text = "x".repeat(LONGEST_LINE + 1);
        let bytes = formatted(&letter, Encoding::EightBit).unwrap();
        assert!(String::from_utf8(bytes).unwrap().split("\r\n").all(|line| line.len() <= LONGEST_LINE));
    }

    #[test]
    fn no_line_break_gets_into_a_header() {
        for wrong in [
            "ana@example.com\r\nBcc: eve@example.com",
            "ana@example.com\nBcc: eve@example.com",
            "\"ana\r\nBcc: eve\"@example.com",
            "ana@example.com\r",
            "ana@exam\0ple.com",
            "ana@example.com\u{85}Bcc: eve@example.com",
        ] {
            let error = formatted(&letter(wrong, "Hello"), Encoding::QuotedPrintable).unwrap_err();
            assert!(matches!(error, MailError::Recipient) && error.is_permanent(), "{wrong:?}: {error}");
            assert!(matches!(sender(wrong), Err(MailError::From(_))), "{wrong:?}");
            assert!(sender(&format!("Plaza <{wrong}>")).is_err(), "{wrong:?}");
        }
        for wrong in ["Hello\r\nBcc: eve@example.com", "Hello\nBcc: eve@example.com", "Hello\r", "\0"] {
            let error = formatted(&letter("ana@example.com", wrong), Encoding::QuotedPrintable).unwrap_err();
            assert!(matches!(error, MailError::Subject) && error.is_permanent(), "{wrong:?}: {error}");
        }
        assert!(sender("Plaza\r\nBcc: eve@example.com <plaza@localhost>").is_err());
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for wrong in
            ["", "ana", "@example.com", "ana@", "Ana <ana@example.com>", "a@b, c@d", "a@b> SIZE=1", "a b@c"]
        {
            let error = formatted(&letter(wrong, "Hello"), Encoding::QuotedPrintable).unwrap_err();
            assert!(matches!(error, MailError::Recipient), "{wrong:?}: {error}");
        }
        for wrong in ["", "Plaza", "Plaza <plaza>", "Plaza <plaza@localhost", "a@b, c@d"] {
            assert!(matches!(sender(wrong), Err(MailError::From(_))), "{wrong:?}");
        }
        for right in
            ["plaza@localhost", "Plaza <plaza@localhost>", "\"Plaza, the place\" <plaza@mail.example>"]
        {
            assert!(sender(right).is_ok(), "{right}");
        }
    }

    #[test]
    fn addresses_beyond_ascii_do_not_panic() {
        let to = |address| {
            let message = message(&from(), &letter(address, "Hello"), Encoding::QuotedPrintable).unwrap();
            message.formatted();
            message.envelope().to()[0].to_string()
        };
        assert_eq!(to("ana@bücher.example"), "ana@xn--bcher-kva.example");
        assert_eq!(to("zoë@example.com"), "zoë@example.com");
        assert_eq!(to("用户@例え.jp"), "用户@xn--r8jz45g.jp");
        let long = format!("{}@example.com", "é".repeat(64));
        let _ = formatted(&letter(&long, "Hello"), Encoding::QuotedPrintable);
        let plaza = sender("Plaza <plaza@bücher.example>").unwrap();
        assert_eq!(plaza.email.domain(), "xn--bcher-kva.example");
    }
}
