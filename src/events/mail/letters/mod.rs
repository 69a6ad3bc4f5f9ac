//! The letters that Plaza writes.
//!
//! Every letter is a list of paragraphs. They are rendered twice, as text and as HTML, so that the two parts cannot differ.

#[cfg(test)]
mod tests;

use std::fmt::Write;
use std::time::Duration;

/// Maximum length of a line of the text, in characters. A longer word stands on its own line.
const WIDTH: usize = 72;

/// A mail. It contains an address and, in most cases, a link that is worth a password, so it must never be logged.
#[derive(Clone)]
pub struct Letter {
    /// The recipient's address, without a name.
    pub to: String,
    /// The subject.
    pub subject: String,
    /// The content as plain text.
    pub text: String,
    /// The content as HTML.
    pub html: String,
}

/// A letter without its recipient.
#[derive(Clone)]
pub struct Draft {
    /// The subject.
    pub subject: String,
    /// The content as plain text.
    pub text: String,
    /// The content as HTML.
    pub html: String,
}

impl Draft {
    /// Address the draft to a recipient.
    pub fn to(self, address: impl Into<String>) -> Letter {
        let Self { subject, text, html } = self;
        Letter { to: address.into(), subject, text, html }
    }
}

/// Write to the address of a new account, to confirm it. Sent again on request.
pub fn confirm_address(username: &str, link: &str, valid_for: Duration) -> Draft {
    let good_for = good_for(valid_for);
    write(
        "Confirm your e-mail address for Plaza",
        username,
        &[
            Words("A new account at Plaza was created with this e-mail address."),
            Words("Please confirm that the address is yours:"),
            Link { label: "Confirm this address", url: link },
            Words(&good_for),
            Words("If you did not create the account, ignore this mail. The address then stays unconfirmed."),
        ],
    )
}

/// Write to the new address when a user asks to change theirs, to confirm it.
pub fn confirm_new_address(username: &str, link: &str, valid_for: Duration) -> Draft {
    let good_for = good_for(valid_for);
    write(
        "Confirm your new e-mail address for Plaza",
        username,
        &[
            Words("You asked to change the e-mail address of your Plaza account to this address."),
            Words("Please confirm that the address is yours:"),
            Link { label: "Confirm the new address", url: link },
            Words(&good_for),
            Words("Your account keeps its current address until you confirm the new one."),
            Words("If you did not ask for this, ignore this mail. Your account does not change."),
        ],
    )
}

/// Write to the old address when a user asks to change it. The letter does not name the new address.
pub fn address_change_requested(username: &str) -> Draft {
    write(
        "A new e-mail address was requested for your Plaza account",
        username,
        &[
            Words("We received a request to change the e-mail address of your Plaza account."),
            Words(
                "We sent a link to the new address. The address changes once it is confirmed with this link.",
            ),
            Words("If you made this request, you do not have to do anything here."),
            Words("If you did not, change your password now. Then the link in the other mail stops working."),
        ],
    )
}

/// Write to the old address after it was changed, by the user or by staff. The letter does not name the new address.
pub fn address_changed(username: &str) -> Draft {
    write(
        "The e-mail address of your Plaza account was changed",
        username,
        &[
            Words("The e-mail address of your Plaza account has been changed."),
            Words("We now send mail about your account to the new address."),
            Words("If you asked for this, you do not have to do anything."),
            Words("If you did not, contact the staff of this Plaza immediately."),
        ],
    )
}

/// Write to a user who forgot the password.
pub fn reset_password(username: &str, link: &str, valid_for: Duration) -> Draft {
    let good_for = good_for(valid_for);
    write(
        "Choose a new password for your Plaza account",
        username,
        &[
            Words("We received a request for a new password for your Plaza account."),
            Words("To choose a new password, open this link:"),
            Link { label: "Choose a new password", url: link },
            Words(&good_for),
            Words("If you did not make this request, ignore this mail. Your password does not change."),
        ],
    )
}

/// Write to a user after the password was changed, by whatever means.
pub fn password_changed(username: &str) -> Draft {
    write(
        "The password of your Plaza account was changed",
        username,
        &[
            Words("The password of your Plaza account has been changed."),
            Words("If you changed it, you do not have to do anything."),
            Words(
                "If you did not, another person may be using your account. Request a new password immediately; \
                 we send the link for it to this address.",
            ),
        ],
    )
}

/// What a letter says about a post.
#[derive(Clone, Debug)]
pub struct NewPost {
    /// The title.
    pub title: String,
    /// The writer's name.
    pub writer: String,
    /// The URL at which the post can be viewed.
    pub url: String,
}

/// Write to the administrators about new posts: these, and the number of further ones.
pub fn new_posts(posts: &[NewPost], more: usize) -> Draft {
    let labels: Vec<String> =
        posts.iter().map(|post| format!("“{}” by {}", on_one_line(&post.title), post.writer)).collect();
    let others = format!("There are {more} more, which this mail does not list.");
    let links = posts.iter().zip(&labels).map(|(post, label)| Link { label, url: &post.url });
    let mut paragraphs = vec![Words(if posts.len() + more == 1 {
        "There is a new post at Plaza:"
    } else {
        "There are new posts at Plaza:"
    })];
    paragraphs.extend(links);
    if more > 0 {
        paragraphs.push(Words(&others));
    }
    write("New posts at Plaza", "administrator", &paragraphs)
}

/// Put a title on one line. Otherwise a line break in it could be followed by words that look like Plaza's.
fn on_one_line(title: &str) -> String {
    let title: String = title.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    title.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A self-contained piece of a letter.
enum Paragraph<'a> {
    Words(&'a str),
    Link { label: &'a str, url: &'a str },
}
use Paragraph::{Link, Words};

/// Render both parts of a letter. No other function does.
fn write(subject: &str, username: &str, paragraphs: &[Paragraph]) -> Draft {
    let greeting = format!("Hello {username},");
    let (mut text, mut body) = (String::new(), String::new());
    for paragraph in [Words(&greeting)].iter().chain(paragraphs) {
        if !text.is_empty() {
            text.push('\n');
        }
        match paragraph {
            Words(words) => {
                wrap(&mut text, words);
                push(&mut body, format_args!("<p>{}</p>\n", escape(words)));
            }
            Link { label, url } => {
                push(&mut text, format_args!("{label}:\n{url}\n"));
                let (label, url) = (escape(label), escape(url));
                push(
                    &mut body,
                    format_args!(
                        "<p><a class=\"button\" href=\"{url}\">{label}</a></p>\n<p class=\"url\">{url}</p>\n"
                    ),
                );
            }
        }
    }
    let html = PAGE.replace("{subject}", &escape(subject)).replace("{body}", &body);
    Draft { subject: subject.to_owned(), text, html }
}

fn push(text: &mut String, what: std::fmt::Arguments) {
    text.write_fmt(what).expect("a String takes everything");
}

/// The page around the content. Its colours have a contrast of at least 4.5 to 1 (WCAG 2.2, AA) in both colour schemes. In a mail
/// program that drops the style, paragraphs and a plain link remain.
const PAGE: &str = r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>{subject}</title>
<style>
:root { color-scheme: light dark; }
body { margin: 0; background: #ffffff; color: #1f2328; font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 34em; margin: 0 auto; padding: 24px 20px; overflow-wrap: anywhere; }
p { margin: 0 0 16px; }
.button { display: inline-block; padding: 12px 20px; border-radius: 6px; background: #0b57d0; color: #ffffff; font-weight: 600; }
.url { font-size: 14px; color: #57606a; }
@media (prefers-color-scheme: dark) {
body { background: #16181c; color: #e6e8eb; }
.button { background: #8ab4f8; color: #10131a; }
.url { color: #a3abb5; }
}
</style>
</head>
<body>
<main>
{body}</main>
</body>
</html>
"#;

/// Escape text for HTML, including attributes in double quotes.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Append words in lines of at most [`WIDTH`] characters.
fn wrap(text: &mut String, words: &str) {
    let mut used = 0;
    for word in words.split_ascii_whitespace() {
        let length = word.chars().count();
        if used > 0 {
            let fits = used + 1 + length <= WIDTH;
            text.push(if fits { ' ' } else { '\n' });
            used = if fits { used + 1 } else { 0 };
        }
        text.push_str(word);
        used += length;
    }
    text.push('\n');
}

fn good_for(valid_for: Duration) -> String {
    format!("The link is valid for {}.", in_words(valid_for))
}

/// Return a duration in words: `3 days`, `1 hour`, `30 minutes`. It is never rounded up: the unit is the largest that fits
/// exactly once or at least twice, and the rest is cut off.
fn in_words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let units = [("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)];
    let says_it = |&(_, unit): &(&str, u64)| seconds == unit || seconds >= 2 * unit;
    let (name, unit) = units.into_iter().find(says_it).unwrap_or(("second", 1));
    match seconds / unit {
        1 => format!("1 {name}"),
        number => format!("{number} {name}s"),
    }
}
