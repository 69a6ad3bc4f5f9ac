//! What every letter must contain.

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

/// Return what a page shows, word by word.
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
    // Only in the text does the label of a link end in a colon.
    text.split_whitespace().map(|word| word.trim_end_matches(':').to_owned()).collect()
}

#[test]
fn both_parts_say_the_same() {
    for username in ["ana", "zoë.漢字@+-_", "<b>&\"'amp;", &"x".repeat(150)] {
        for draft in all(username, LINK) {
            assert_eq!(shown(&draft.html), words(&draft.text), "{}", draft.subject);
            assert_eq!(words(&draft.text)[..2].join(" "), format!("Hello {username},"));
            assert!(
                draft.text.lines().all(|line| line.chars().count() <= WIDTH
                    || !line.contains(' ')
                    || line.contains(username))
            );
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
        assert_eq!(draft.text.contains("valid for 3 days."), links == 1, "{}", draft.text);
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
    // Not even the page's own placeholders are filled in.
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
    let text = format!("Hello administrator,\n\nThere is a new post at Plaza:\n\n“Ada” by ana:\n{LINK}\n");
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
