//! The letters that Plaza writes.
//!
//! Every letter is a list of paragraphs, which are written out twice, as text and as a page, so that the two cannot differ.

use std::fmt::Write;
use std::time::Duration;

use super::Letter;

/// Longest line of the text, in characters; a longer word stands by itself.
const WIDTH: usize = 72;

/// A letter without its recipient.
#[derive(Clone)]
pub struct Draft {
    /// The subject.
    pub subject: String,
    /// The words as plain text.
    pub text: String,
    /// The same words as a page.
    pub html: String,
}

impl Draft {
    /// Address it.
    pub fn to(self, address: impl Into<String>) -> Letter {
        let Self { subject, text, html } = self;
        Letter { to: address.into(), subject, text, html }
    }
}

/// To the address that somebody signed up with. Sent again on demand.
pub fn confirm_address(username: &str, link: &str, valid_for: Duration) -> Draft {
    let good_for = good_for(valid_for);
    write(
        "Confirm your e-mail address for Plaza",
        username,
        &[
            Words("Somebody, we hope you, gave this e-mail address for a new account at Plaza."),
            Words("Please confirm that the address is yours:"),
            Link { label: "Confirm this address", url: link },
            Words(&good_for),
            Words("If this was not you, ignore this mail. Without the link nobody can confirm the address."),
        ],
    )
}

/// To the new address, when a user wants to change theirs.
pub fn confirm_new_address(username: &str, link: &str, valid_for: Duration) -> Draft {
    let good_for = good_for(valid_for);
    write(
        "Confirm your new e-mail address for Plaza",
        username,
        &[
            Words("You asked to use this e-mail address for your account at Plaza from now on."),
            Words("Please confirm that the address is yours:"),
            Link { label: "Confirm the new address", url: link },
            Words(&good_for),
            Words("Until you open it, your account keeps the address that it has."),
            Words("If this was not you, ignore this mail, and nothing changes."),
        ],
    )
}

/// To the old address, when a user wants to change theirs. Does not name the new one.
pub fn address_change_requested(username: &str) -> Draft {
    write(
        "A new e-mail address for your Plaza account",
        username,
        &[
            Words(
                "Somebody who is signed in as you asked to change the e-mail address of your Plaza account.",
            ),
            Words(
                "A mail with a link went to the new address. The change takes place when that link is opened.",
            ),
            Words("If this was you, there is nothing to do here."),
            Words(
                "If this was not you, change your password now. That makes the link in the other mail worthless.",
            ),
        ],
    )
}

/// To the old address, after it was changed, by its user or by staff. Does not name the new one.
pub fn address_changed(username: &str) -> Draft {
    write(
        "The e-mail address of your Plaza account was changed",
        username,
        &[
            Words("The e-mail address of your Plaza account was changed just now."),
            Words("From now on, mail about your account goes to the new address."),
            Words("If you asked for this, there is nothing to do."),
            Words("If you did not, please get in touch with the staff of this Plaza soon."),
        ],
    )
}

/// To whoever forgot their password.
pub fn reset_password(username: &str, link: &str, valid_for: Duration) -> Draft {
    let good_for = good_for(valid_for);
    write(
        "A new password for your Plaza account",
        username,
        &[
            Words("Somebody, we hope you, asked for a new password for your account at Plaza."),
            Words("To choose it, open this link:"),
            Link { label: "Choose a new password", url: link },
            Words(&good_for),
            Words("If this was not you, ignore this mail, and your password stays as it is."),
        ],
    )
}

/// After a password was changed, however that came about.
pub fn password_changed(username: &str) -> Draft {
    write(
        "The password of your Plaza account was changed",
        username,
        &[
            Words("The password of your account at Plaza was changed just now."),
            Words("If this was you, there is nothing to do."),
            Words(
                "If this was not you, somebody else may be using your account. Ask for a new password right away; \
                 the link to choose it comes to this address.",
            ),
        ],
    )
}

/// What a letter says of a post.
#[derive(Clone, Debug)]
pub struct NewPost {
    /// Its title.
    pub title: String,
    /// Its writer's name.
    pub writer: String,
    /// Where it can be looked at.
    pub url: String,
}

/// To the administrators, when there are new posts: these, and so many more.
pub fn new_posts(posts: &[NewPost], more: usize) -> Draft {
    let labels: Vec<String> =
        posts.iter().map(|post| format!("“{}” by {}", on_one_line(&post.title), post.writer)).collect();
    let others = format!("There are {more} more, which this mail does not name.");
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

/// A title may hold line breaks, and after one of them words that look like ours.
fn on_one_line(title: &str) -> String {
    let title: String = title.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    title.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A piece of a letter that stands by itself.
enum Paragraph<'a> {
    Words(&'a str),
    Link { label: &'a str, url: &'a str },
}
use Paragraph::{Link, Words};

/// The one place that makes both parts.
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

/// Colours hold a contrast of 4.5 to 1 and more (WCAG 2.2, AA), in both schemes. A mail program that drops the style leaves
/// paragraphs and a plain link.
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

/// Text as it may stand in HTML, also between double quotes.
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

/// Words in lines of at most [`WIDTH`] characters.
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
    format!("The link is good for {}.", in_words(valid_for))
}

/// `3 days`, `1 hour`, `30 minutes`. Never says more than it is: what does not come out even is cut off, in the largest unit
/// of which there are two.
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

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: &str =
        "https://plaza.example/confirm?user=7&token=abc_DEF-0123456789012345678901234567890123456789";

    fn all(username: &str, link: &str) -> [Draft; 6] {
        let time = Duration::from_hours(72);
        [
            confirm_address(username, link, time),
            confirm_new_address(username, link, time),
            address_change_requested(username),
            address_changed(username),
            reset_password(username, link, time),
            password_changed(username),
        ]
    }

    /// What a page shows, word by word.
    fn shown(html: &str) -> Vec<String> {
        let body = html.split_once("<body>").unwrap().1.split_once("</body>").unwrap().0;
        let text = body.split('<').map(|piece| piece.split_once('>').map_or(piece, |(_, text)| text));
        let text = text.collect::<Vec<_>>().join(" ");
        let unescaped = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")]
            .iter()
            .fold(text, |text, (entity, c)| text.replace(entity, c));
        words(&unescaped)
    }

    fn words(text: &str) -> Vec<String> {
        // A link's label ends in a colon in the text only.
        text.split_whitespace().map(|word| word.trim_end_matches(':').to_owned()).collect()
    }

    #[test]
    fn both_parts_say_the_same() {
        for username in ["ana", "zoë.漢字@+-_", "<b>&\"'amp;", &"x".repeat(150)] {
            for draft in all(username, LINK) {
                assert_eq!(shown(&draft.html), words(&draft.text), "{}", draft.subject);
                assert_eq!(words(&draft.text)[..2].join(" "), format!("Hello {username},"));
                assert!(draft.text.lines().all(|line| line.chars().count() <= WIDTH
                    || !line.contains(' ')
                    || line.contains(username)));
            }
        }
    }

    #[test]
    fn a_link_is_whole_in_both_parts_and_nowhere_else() {
        let escaped = LINK.replace('&', "&amp;");
        for (draft, links) in all("ana", LINK).iter().zip([1, 1, 0, 0, 1, 0]) {
            assert_eq!(draft.text.lines().filter(|line| *line == LINK).count(), links, "{}", draft.text);
            assert_eq!(draft.html.matches(&format!("href=\"{escaped}\"")).count(), links, "{}", draft.html);
            assert_eq!(draft.html.matches(&format!(">{escaped}<")).count(), links, "{}", draft.html);
            assert_eq!(draft.text.contains("good for 3 days."), links == 1, "{}", draft.text);
            assert_eq!(draft.html.matches("http").count(), 2 * links, "nothing is loaded: {}", draft.html);
        }
    }

    #[test]
    fn everything_is_escaped() {
        let evil = "\"><script>alert('1')</script>&";
        assert_eq!(escape(evil), "&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;");
        for draft in all(evil, evil) {
            assert!(!draft.html.contains("<script"), "{}", draft.html);
            assert!(!draft.html.contains("\">&\"") && !draft.html.contains("'1'"), "{}", draft.html);
        }
        // Not even what the page itself is filled in by.
        let draft = reset_password("{body}{subject}", "{body}", Duration::from_mins(30));
        assert_eq!(draft.html.matches("Hello {body}{subject},").count(), 1, "{}", draft.html);
    }

    #[test]
    fn subjects_hold_nothing_from_outside() {
        for (ana, eve) in all("ana", LINK).iter().zip(all("eve", "https://other.example/")) {
            assert_eq!(ana.subject, eve.subject);
            assert!(ana.html.contains(&format!("<title>{}</title>", ana.subject)));
        }
    }

    #[test]
    fn a_draft_is_addressed() {
        let draft = password_changed("ana");
        let letter = draft.clone().to("ana@example.com");
        assert_eq!((letter.to.as_str(), letter.subject), ("ana@example.com", draft.subject));
        assert_eq!((letter.text, letter.html), (draft.text, draft.html));
    }

    fn post(title: &str) -> NewPost {
        NewPost { title: title.into(), writer: "ana".into(), url: LINK.into() }
    }

    #[test]
    fn new_posts_are_named_with_writer_and_link_and_the_others_counted() {
        let one = new_posts(&[post("Ada")], 0);
        assert_eq!(words(&one.text), shown(&one.html));
        let text =
            format!("Hello administrator,\n\nThere is a new post at Plaza:\n\n“Ada” by ana:\n{LINK}\n");
        assert!(one.text.starts_with(&text), "{}", one.text);
        assert!(!one.text.contains("more"), "{}", one.text);
        let many = new_posts(&[post("Ada"), post("Bell")], 3);
        assert_eq!(words(&many.text), shown(&many.html));
        assert!(many.text.contains("There are new posts at Plaza:\n"), "{}", many.text);
        assert!(many.text.contains("There are 3 more, which"), "{}", many.text);
        assert_eq!(many.text.lines().filter(|line| *line == LINK).count(), 2);
        assert_eq!(many.html.matches(&format!("href=\"{}\"", LINK.replace('&', "&amp;"))).count(), 2);
        assert!(new_posts(&[post("Ada")], 1).text.contains("There are new posts"));
    }

    #[test]
    fn titles_of_posts_are_words_and_nothing_else() {
        let evil = "“\"><script>'1'</script>&{body}";
        let draft = new_posts(&[post(evil)], 0);
        assert!(draft.text.contains(&format!("“{evil}” by ana:\n")), "{}", draft.text);
        assert!(!draft.html.contains("<script") && !draft.html.contains("'1'"), "{}", draft.html);
        assert_eq!(draft.html.matches("{body}").count(), 1, "{}", draft.html);
        for line_break in ["\n", "\r\n", "\r", "\u{b}", "\u{85}", "\u{2028}", "\u{2029}", "\u{1b}"] {
            let title = format!("Ada{line_break}{line_break}http://evil.example/ ");
            let draft = new_posts(&[post(&title)], 0);
            assert!(draft.text.contains("“Ada http://evil.example/” by ana:\n"), "{:?}", draft.text);
            assert_eq!(draft.subject, new_posts(&[post("x")], 0).subject);
        }
    }

    #[test]
    fn durations_are_said_as_people_do() {
        let minute = 60;
        for (seconds, said) in [
            (72 * 60 * minute, "3 days"),
            (72 * 60 * minute - 1, "2 days"),
            (24 * 60 * minute, "1 day"),
            (36 * 60 * minute, "36 hours"),
            (60 * minute, "1 hour"),
            (90 * minute, "90 minutes"),
            (30 * minute, "30 minutes"),
            (minute, "1 minute"),
            (90, "90 seconds"),
            (1, "1 second"),
            (0, "0 seconds"),
        ] {
            assert_eq!(in_words(Duration::from_secs(seconds)), said);
        }
    }
}
