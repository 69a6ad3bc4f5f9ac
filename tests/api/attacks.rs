//! The attack matrix on access tokens. Every row is tried on an open operation, a closed one and one that writes; a good
//! token in the same table shows that the operations do answer.
//!
//! Where it can, a row carries the service's own signature: then nothing but the fault that it is named after is left to
//! refuse it for.

use std::slice;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use chrono::Utc;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::app::{PASSWORD, TestApp};
use crate::client::Answer;
use crate::mint::{Attacker, Mint, assemble, hs256, hs512, text};

const INVALID: &[&str] = &["401 access_token_invalid"];
const EXPIRED: &[&str] = &["401 token_expired"];
const REVOKED: &[&str] = &["401 session_revoked"];
/// The server of HTTP may refuse what is long before anybody looks at it. Whether it does is its own affair.
const LONG: &[&str] = &["401 access_token_invalid", "400 Bad Request", "431 Request Header Fields Too Large"];
/// What is longer than it ever reads, it may cut off before its answer has been heard.
const TOO_LONG: &[&str] = &["400 Bad Request", "431 Request Header Fields Too Large", CUT_OFF];
const CUT_OFF: &str = "no answer";

/// What three operations say to these `Authorization` headers: an open one, a closed one, one that writes.
async fn knock(app: &TestApp, headers: &[String]) -> Vec<(&'static str, String)> {
    let doors = [
        ("GET /posts", Method::GET, "/api/v1/posts"),
        ("GET /users/me", Method::GET, "/api/v1/users/me"),
        ("PATCH /profiles/me", Method::PATCH, "/api/v1/profiles/me"),
    ];
    let mut answers = Vec::new();
    for (door, method, path) in doors {
        let is_write = method == Method::PATCH;
        let mut request = app.guest().request(method, path);
        for header in headers {
            request = request.header("authorization", header);
        }
        if is_write {
            request = request.json(&json!({ "bio": "Somebody was here." }));
        }
        answers.push((door, said(request).await));
    }
    answers
}

/// Status and code of a refusal, else the status; or that there was no answer.
async fn said(request: RequestBuilder) -> String {
    let Ok(response) = request.send().await else { return CUT_OFF.into() };
    let answer = Answer::of(response).await;
    let is_problem = answer.header("content-type") == "application/problem+json";
    if is_problem { answer.refusal() } else { answer.status }
}

/// Try every row at every door. Each has to be refused with one of `expected`, and nothing may have been written. Then the
/// good token has to pass.
async fn refuses_headers(app: &TestApp, mint: &Mint, expected: &[&str], rows: Vec<(String, Vec<String>)>) {
    let mut wrong = Vec::new();
    for (name, headers) in rows {
        for (door, said) in knock(app, &headers).await {
            if !expected.contains(&said.as_str()) {
                wrong.push(format!("{name} at {door}: {said}"));
            }
        }
    }
    assert!(wrong.is_empty(), "answered otherwise than with {expected:?}: {wrong:#?}");
    assert_eq!(app.count("profiles WHERE bio IS NOT NULL"), 0, "nothing was written");
    admits(app, &[format!("Bearer {}", mint.token)]).await;
    assert_eq!(app.count("profiles WHERE bio IS NOT NULL"), 1, "the good token wrote");
    app.sql("UPDATE profiles SET bio = NULL");
}

/// Rows that begin with the same words.
fn named<const N: usize>(what: &str, rows: [(&str, String); N]) -> Vec<(String, String)> {
    rows.into_iter().map(|(name, token)| (format!("{what} {name}"), token)).collect()
}

async fn refuses<N: Into<String>>(app: &TestApp, mint: &Mint, expected: &[&str], rows: Vec<(N, String)>) {
    let rows = rows.into_iter().map(|(name, token)| (name.into(), vec![format!("Bearer {token}")]));
    refuses_headers(app, mint, expected, rows.collect()).await;
}

/// Each of these headers by itself passes every door.
async fn admits(app: &TestApp, headers: &[String]) {
    for header in headers {
        for (door, said) in knock(app, slice::from_ref(header)).await {
            assert_eq!(said, "200 OK", "{header} at {door}");
        }
    }
}

#[actix_web::test]
async fn a_token_without_a_signature_is_refused_however_none_is_spelt() {
    let app = TestApp::new().await;
    let mint = Mint::of(&app, &app.member("ana"));
    let mut rows = Vec::new();
    for none in ["none", "None", "NONE", "nOnE"] {
        let header = json!({ "alg": none });
        rows.extend(named(
            none,
            [
                ("without a signature", mint.forged(header.clone(), |_| Vec::new())),
                ("with our signature", mint.with_header(header)),
            ],
        ));
    }
    let [header, claims, signature] = mint.parts();
    rows.extend(named(
        "",
        [
            ("no alg", mint.without_header("alg")),
            ("alg null", mint.with_header(json!({ "alg": null }))),
            ("alg empty", mint.with_header(json!({ "alg": "" }))),
            ("alg a list", mint.with_header(json!({ "alg": ["EdDSA"] }))),
            ("alg in lower case", mint.with_header(json!({ "alg": "eddsa" }))),
            ("no signature, its dot kept", format!("{header}.{claims}.")),
            ("no signature, no dot", format!("{header}.{claims}")),
            ("no claims", format!("{header}..{signature}")),
            ("no header", format!(".{claims}.{signature}")),
            ("dots alone", "..".into()),
        ],
    ));
    refuses(&app, &mint, INVALID, rows).await;
}

#[actix_web::test]
async fn a_public_key_is_no_secret_and_another_algorithm_no_alternative() {
    let app = TestApp::new().await;
    let mint = Mint::of(&app, &app.member("ana"));
    let attacker = Attacker::new();
    let alg = |name: &str| json!({ "alg": name });
    let pem = mint.public_key_pem();
    let x = URL_SAFE_NO_PAD.encode(&mint.public_key);
    let rows = vec![
        ("HS256 with the PEM", mint.forged(alg("HS256"), hs256(&pem))),
        ("HS256 with the PEM, no line end", mint.forged(alg("HS256"), hs256(pem.trim_end()))),
        ("HS256 with the DER", mint.forged(alg("HS256"), hs256(mint.public_key_der()))),
        ("HS256 with the raw key", mint.forged(alg("HS256"), hs256(&mint.public_key))),
        ("HS256 with the JWK", mint.forged(alg("HS256"), hs256(&mint.jwk))),
        ("HS256 with the JWK's x", mint.forged(alg("HS256"), hs256(&x))),
        ("HS256 with an empty secret", mint.forged(alg("HS256"), hs256(""))),
        ("HS512 with the raw key", mint.forged(alg("HS512"), hs512(&mint.public_key))),
        ("HS512 with the PEM", mint.forged(alg("HS512"), hs512(&pem))),
        ("HMAC under the right alg", mint.forged(json!({}), hs512(&mint.public_key))),
        ("RS256 of the attacker", mint.forged(alg("RS256"), |message| attacker.rs256(message))),
        ("ES256 of the attacker", mint.forged(alg("ES256"), |message| attacker.es256(message))),
        ("EdDSA of the attacker", mint.forged(json!({}), |message| attacker.eddsa(message))),
        ("HS256, our signature", mint.with_header(alg("HS256"))),
        ("HS512, our signature", mint.with_header(alg("HS512"))),
        ("RS256, our signature", mint.with_header(alg("RS256"))),
        ("PS256, our signature", mint.with_header(alg("PS256"))),
        ("ES256, our signature", mint.with_header(alg("ES256"))),
        ("Ed448, our signature", mint.with_header(alg("Ed448"))),
    ];
    refuses(&app, &mint, INVALID, rows).await;
}

#[actix_web::test]
async fn a_key_has_to_be_named_and_is_looked_up_by_nothing_but_its_name() {
    let app = TestApp::new().await;
    let mint = Mint::of(&app, &app.member("ana"));
    let kid = |kid: Value| mint.with_header(json!({ "kid": kid }));
    let ours = mint.header["kid"].as_str().expect("a kid");
    let rows = vec![
        ("missing", mint.without_header("kid")),
        ("null", kid(Value::Null)),
        ("empty", kid("".into())),
        ("unknown", kid("AAAAAAAAAAAAAAAA".into())),
        ("in another case", kid(ours.to_uppercase().into())),
        ("with a space", kid(format!("{ours} ").into())),
        ("with a null character", kid(format!("{ours}\0").into())),
        ("twice", kid(format!("{ours},{ours}").into())),
        ("the key itself", kid(URL_SAFE_NO_PAD.encode(&mint.public_key).into())),
        ("a path", kid("/dev/null".into())),
        ("a path upwards", kid(format!("../../keys/{ours}").into())),
        ("a URL", kid("file:///etc/passwd".into())),
        ("SQL that is always true", kid("' OR '1'='1".into())),
        ("SQL that brings a key", kid(format!("x' UNION SELECT '{}' -- ", mint.jwk).into())),
        ("a command", kid("x; cat /etc/passwd |".into())),
        ("a number", kid(0.into())),
        ("true", kid(true.into())),
        ("a list", kid(json!([ours]))),
        ("an object", kid(json!({ "kid": ours }))),
    ];
    refuses(&app, &mint, INVALID, rows).await;
}

#[actix_web::test]
async fn a_token_cannot_bring_its_own_key() {
    let app = TestApp::new().await;
    let mint = Mint::of(&app, &app.member("ana"));
    let attacker = Attacker::new();
    let (ours, theirs) = (mint.header["kid"].clone(), Value::from(attacker.kid()));
    let certificate = json!(["MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA"]);
    let mut rows = Vec::new();
    for (name, member, value) in [
        ("jwk", "jwk", attacker.jwk(&ours)),
        ("jku of theirs", "jku", json!("https://evil.example/jwks.json")),
        ("jku of ours", "jku", json!(format!("{}/.well-known/jwks.json", app.base))),
        ("x5u", "x5u", json!("https://evil.example/key.pem")),
        ("x5c", "x5c", certificate),
        ("x5t", "x5t", json!("dGh1bWJwcmludA")),
        ("x5t#S256", "x5t#S256", json!("dGh1bWJwcmludA")),
    ] {
        let under_ours = json!({ member: value });
        let under_theirs = json!({ member: value, "kid": theirs });
        rows.extend(named(
            name,
            [
                ("their signature, our kid", mint.forged(under_ours.clone(), |text| attacker.eddsa(text))),
                ("their signature and kid", mint.forged(under_theirs, |text| attacker.eddsa(text))),
                // Even where the signature is ours, none of ours says so.
                ("our signature", mint.with_header(under_ours)),
            ],
        ));
    }
    let alone = json!({ "alg": "EdDSA", "typ": "at+jwt", "jwk": attacker.jwk(&theirs) }).to_string();
    let our_jwk: Value = serde_json::from_str(&mint.jwk).expect("JSON");
    rows.extend(named(
        "jwk",
        [
            ("our own", mint.with_header(json!({ "jwk": our_jwk }))),
            ("theirs without kid", assemble(&alone, &text(&mint.claims), |text| attacker.eddsa(text))),
        ],
    ));
    refuses(&app, &mint, INVALID, rows).await;
}

#[actix_web::test]
async fn what_a_header_demands_and_nobody_understands_is_refused() {
    let app = TestApp::new().await;
    let mint = Mint::of(&app, &app.member("ana"));
    let header = |changes: Value| mint.with_header(changes);
    let raw = {
        // RFC 7797: the claims stand in the token as they are.
        let head = URL_SAFE_NO_PAD.encode(mint.header_with(json!({ "crit": ["b64"], "b64": false })));
        let message = format!("{head}.{}", text(&mint.claims));
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(mint.sign(message.as_bytes())))
    };
    let rows = vec![
        ("crit of the unknown", header(json!({ "crit": ["x"], "x": 1 }))),
        ("crit of what is not there", header(json!({ "crit": ["x"] }))),
        ("crit of exp", header(json!({ "crit": ["exp"], "exp": 1 }))),
        ("crit of alg", header(json!({ "crit": ["alg"] }))),
        ("crit of b64, which is true", header(json!({ "crit": ["b64"], "b64": true }))),
        ("crit of b64, which is false", header(json!({ "crit": ["b64"], "b64": false }))),
        ("crit of b64 and claims that are not encoded", raw),
        ("b64 false without crit", header(json!({ "b64": false }))),
        ("crit empty", header(json!({ "crit": [] }))),
        ("crit no list", header(json!({ "crit": "b64" }))),
        ("crit of no text", header(json!({ "crit": [1] }))),
        ("zip", header(json!({ "zip": "DEF" }))),
        ("enc", header(json!({ "enc": "A256GCM" }))),
        ("cty", header(json!({ "cty": "JWT" }))),
    ];
    refuses(&app, &mint, INVALID, rows).await;
}

#[actix_web::test]
async fn a_token_is_spelt_in_one_way_only() {
    let app = TestApp::new().await;
    let mint = Mint::of(&app, &app.member("ana"));
    // A header and claims whose lengths want padding, and bytes that the two alphabets write differently.
    let header = text(&mint.header);
    let claims = [" ", "  ", "   "]
        .map(|end| format!("{}{end}", mint.claims_with(json!({ "x": "???>>>~~~" }))))
        .into_iter()
        .find(|claims| URL_SAFE.encode(claims).ends_with('='))
        .expect("a length that wants padding");
    let (head, body) = (URL_SAFE_NO_PAD.encode(&header), URL_SAFE_NO_PAD.encode(&claims));
    let seal = |head: &str, body: &str| {
        let message = format!("{head}.{body}");
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(mint.sign(message.as_bytes())))
    };
    let good = seal(&head, &body);
    let (message, signature) = good.rsplit_once('.').expect("three parts");
    let standard = STANDARD_NO_PAD.encode(&claims);
    assert_ne!(standard, body, "the alphabets differ in it");
    let with_plus = (0..100_u8)
        .map(|number| mint.with_claims(json!({ "jti": format!("{number}") })))
        .find(|token| token.rsplit('.').next().is_some_and(|signature| signature.contains(['-', '_'])))
        .expect("one of a hundred");
    let (with_plus, its_signature) = with_plus.rsplit_once('.').expect("three parts");
    let its_signature = its_signature.replace('-', "+").replace('_', "/");
    let space_in = |text: &str, space: char| format!("{}{space}{}", &text[..8], &text[8..]);
    let rows = vec![
        ("padded claims", seal(&head, &URL_SAFE.encode(&claims))),
        ("a padded signature", format!("{message}.{signature}==")),
        ("half a padding", format!("{message}.{signature}=")),
        ("padding in the middle", seal(&head, &format!("{}=={}", &body[..8], &body[8..]))),
        ("padding after the header", seal(&format!("{head}="), &body)),
        ("the standard alphabet in the claims", seal(&head, &standard)),
        ("the standard alphabet in the signature", format!("{with_plus}.{its_signature}")),
        ("a space in the header", seal(&space_in(&head, ' '), &body)),
        ("a space in the claims", seal(&head, &space_in(&body, ' '))),
        ("a space in the signature", format!("{message}.{}", space_in(signature, ' '))),
        ("a tab in the signature", format!("{message}.{}", space_in(signature, '\t'))),
        ("a space before it", format!(" {good}")),
        ("a percent escape", good.replacen('.', "%2E", 1)),
        ("quotes", format!("\"{good}\"")),
        ("other last bits of the claims", seal(&head, &other_last_bits(&body))),
        ("other last bits of the signature", format!("{message}.{}", other_last_bits(signature))),
        ("letters that are none of base64", seal(&head, &format!("{body}!!!!"))),
    ];
    refuses(&app, &mint, INVALID, rows).await;
    // The token that the rows were made of.
    admits(&app, &[format!("Bearer {good}")]).await;
}

/// The same bytes in base64url, but for bits of the last character that no byte takes up.
fn other_last_bits(text: &str) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (head, last) = text.split_at(text.len() - 1);
    let value =
        ALPHABET.iter().position(|letter| [*letter] == *last.as_bytes()).expect("a letter of base64url");
    assert!(text.len() % 4 == 2 && value % 16 == 0 || text.len() % 4 == 3 && value % 4 == 0, "{text}");
    format!("{head}{}", char::from(ALPHABET[value + 1]))
}

#[actix_web::test]
async fn a_signature_is_64_bytes_and_the_right_ones() {
    let app = TestApp::new().await;
    let mint = Mint::of(&app, &app.member("ana"));
    let [header, claims, signature] = mint.parts();
    let bytes = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
    let with = |bytes: &[u8]| format!("{header}.{claims}.{}", URL_SAFE_NO_PAD.encode(bytes));
    let flipped = |at: usize, bit: u8| {
        let mut bytes = bytes.clone();
        bytes[at] ^= bit;
        with(&bytes)
    };
    let another = mint.with_claims(json!({ "jti": "another" }));
    let (other_message, other_signature) = another.rsplit_once('.').expect("three parts");
    let rows = vec![
        ("truncated by a byte", with(&bytes[..63])),
        ("truncated to a half", with(&bytes[..32])),
        ("extended by a byte", with(&[&bytes[..], &[0]].concat())),
        ("doubled", with(&bytes.repeat(2))),
        ("empty", with(&[])),
        ("all zeros", with(&[0; 64])),
        ("the first bit flipped", flipped(0, 0x80)),
        ("the last bit flipped", flipped(63, 0x01)),
        ("its halves exchanged", with(&[&bytes[32..], &bytes[..32]].concat())),
        ("its scalar beyond the order", with(&[&bytes[..32], &plus_order(&bytes[32..])].concat())),
        ("of another token of ours", format!("{header}.{claims}.{other_signature}")),
        ("of this token under other claims", format!("{other_message}.{signature}")),
        ("a letter short", format!("{header}.{claims}.{}", &signature[..85])),
        ("a fourth part", format!("{}.{signature}", mint.token)),
    ];
    refuses(&app, &mint, INVALID, rows).await;
}

/// The second half of an Ed25519 signature plus the group's order: the same scalar to a verifier that does not look at its
/// size (RFC 8032, section 5.1.7).
fn plus_order(scalar: &[u8]) -> Vec<u8> {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut carry = 0;
    let sum = scalar.iter().zip(ORDER).map(|(a, b)| {
        let sum = u16::from(*a) + u16::from(b) + carry;
        carry = sum >> 8;
        sum.to_le_bytes()[0]
    });
    sum.collect()
}

#[actix_web::test]
async fn times_are_whole_numbers_of_our_own_days() {
    const DAY: i64 = 24 * 3600;
    let app = TestApp::new().await;
    let mint = Mint::of(&app, &app.member("ana"));
    let now = Utc::now().timestamp();
    let claim = |name: &str, value: Value| mint.with_claims(json!({ name: value }));
    // A number that Rust would not write so.
    let literal = |name: &str, number: &str| {
        let claims = mint.claims_with(json!({ name: "LITERAL" })).replace("\"LITERAL\"", number);
        mint.signed(&text(&mint.header), &claims)
    };
    let mut rows = Vec::new();
    for name in ["exp", "iat"] {
        rows.extend(named(
            name,
            [
                ("missing", mint.without_claim(name)),
                ("null", claim(name, Value::Null)),
                ("a text", claim(name, json!((now + 60).to_string()))),
                ("a list", claim(name, json!([now + 60]))),
                ("true", claim(name, json!(true))),
                ("a fraction", literal(name, &format!("{}.5", now + 60))),
                ("a whole number written as a fraction", literal(name, &format!("{}.0", now + 60))),
                ("with an exponent", literal(name, "2e9")),
                ("negative", literal(name, "-1")),
                ("a negative zero", literal(name, "-0.0")),
                ("the largest of 64 bits", literal(name, "9223372036854775807")),
                ("2^63", literal(name, "9223372036854775808")),
                ("2^64", literal(name, "18446744073709551616")),
                ("beyond floating point", literal(name, "1e400")),
                ("of next year", claim(name, json!(now + 365 * DAY))),
            ],
        ));
    }
    rows.extend(named(
        "iat",
        [
            ("of last year", claim("iat", json!(now - 365 * DAY))),
            ("after exp", mint.with_claims(json!({ "iat": now + 720, "exp": now + 600 }))),
            ("of next year, as exp", {
                mint.with_claims(json!({ "iat": now + 365 * DAY, "exp": now + 365 * DAY + 900 }))
            }),
        ],
    ));
    rows.extend(named(
        "nbf",
        [
            ("to come", claim("nbf", json!(now + 600))),
            ("to come, a fraction", literal("nbf", &format!("{}.5", now + 600))),
            ("negative", literal("nbf", "-1")),
            ("a text", claim("nbf", json!(now.to_string()))),
            ("2^64", literal("nbf", "18446744073709551616")),
        ],
    ));
    refuses(&app, &mint, INVALID, rows).await;
    let past = |exp: i64| mint.with_claims(json!({ "iat": exp - 900, "exp": exp }));
    let rows = vec![
        ("expired long ago", past(1_000_000)),
        ("expired a second ago", past(now - 1)),
        // RFC 7519, section 4.1.4: on or after that time it must not be accepted.
        ("expiring now", past(Utc::now().timestamp())),
    ];
    refuses(&app, &mint, EXPIRED, rows).await;
}

#[actix_web::test]
async fn a_token_is_of_this_service_and_for_it() {
    let app = TestApp::new().await;
    let mint = Mint::of(&app, &app.member("ana"));
    let claim = |name: &str, value: Value| mint.with_claims(json!({ name: value }));
    let base = app.base.as_str();
    let mut rows = Vec::new();
    for name in ["aud", "iss"] {
        rows.extend(named(
            name,
            [
                ("missing", mint.without_claim(name)),
                ("null", claim(name, Value::Null)),
                ("empty", claim(name, json!(""))),
                ("another's", claim(name, json!("https://elsewhere.example"))),
                ("with a slash at its end", claim(name, json!(format!("{base}/")))),
                ("in upper case", claim(name, json!(base.to_uppercase()))),
                ("with another's domain at its end", claim(name, json!(format!("{base}.evil.example")))),
                ("a list", claim(name, json!([base]))),
                ("a list of ours and another's", claim(name, json!([base, "https://elsewhere.example"]))),
                ("an empty list", claim(name, json!([]))),
                ("an object", claim(name, json!({ "0": base }))),
                ("a number", claim(name, json!(1))),
            ],
        ));
    }
    refuses(&app, &mint, INVALID, rows).await;
}

#[actix_web::test]
async fn a_token_is_of_the_right_kind() {
    let app = TestApp::new().await;
    let mint = Mint::of(&app, &app.member("ana"));
    let body = json!({ "login": "ana", "password": PASSWORD });
    let tokens = app.guest().post("/api/v1/auth/login", body).await;
    let typ = |typ: Value| mint.with_header(json!({ "typ": typ }));
    let nested = |kind: &str| {
        let header = mint.header_with(json!({ "cty": "JWT", "typ": kind }));
        mint.signed(&header, &mint.token)
    };
    let encrypted = {
        let header = json!({ "alg": "dir", "enc": "A256GCM", "typ": "at+jwt", "kid": mint.header["kid"] });
        let parts =
            [header.to_string(), String::new(), "0123456789ab".into(), text(&mint.claims), "tag".into()];
        parts.map(|part| URL_SAFE_NO_PAD.encode(part)).join(".")
    };
    let [header, claims, signature] = mint.parts();
    let rows = vec![
        ("a refresh token", tokens.text("/refresh_token")),
        ("JWT", typ("JWT".into())),
        ("no typ", mint.without_header("typ")),
        ("typ null", typ(Value::Null)),
        ("typ empty", typ("".into())),
        ("typ a list", typ(json!(["at+jwt"]))),
        ("typ of an id token", typ("id+jwt".into())),
        ("typ of a logout token", typ("logout+jwt".into())),
        ("typ with a space", typ("at+jwt ".into())),
        // RFC 9068 lets us choose. We never issue it, so it is none of ours.
        ("typ as a whole media type", typ("application/at+jwt".into())),
        ("typ with a parameter", typ("at+jwt;v=1".into())),
        ("a JWT in a JWT", nested("JWT")),
        ("a JWT in an access token", nested("at+jwt")),
        ("an encrypted one of five parts", encrypted),
        ("five parts, ours the first", format!("{}.x.x", mint.token)),
        ("five parts, ours the last", format!("x.x.{}", mint.token)),
        ("five parts, ours in the middle", format!("x.{}.x", mint.token)),
        ("an empty part", format!("{header}.{claims}..{signature}")),
        (
            "a JWS in JSON",
            json!({ "protected": header, "payload": claims, "signature": signature }).to_string(),
        ),
    ];
    refuses(&app, &mint, INVALID, rows).await;

    // And the other way about.
    for token in [mint.token.clone(), tokens.text("/access_token"), signature.to_owned()] {
        let body = json!({ "refresh_token": token });
        for path in ["/api/v1/auth/refresh", "/api/v1/auth/logout"] {
            let answer = app.guest().post(path, body.clone()).await;
            assert_eq!(answer.refusal(), "401 refresh_token_invalid", "{token} at {path}");
        }
    }
    let body = json!({ "refresh_token": tokens.text("/refresh_token") });
    assert_eq!(app.guest().post("/api/v1/auth/refresh", body).await.status, "200 OK");
}

#[actix_web::test]
async fn a_token_says_each_thing_once_in_objects_of_json() {
    let app = TestApp::new().await;
    let mint = Mint::of(&app, &app.member("ana"));
    let (header, claims) = (text(&mint.header), text(&mint.claims));
    // Another member before all, or behind all, that is there already.
    let first = |text: &str, member: &str| format!("{{{member},{}", &text[1..]);
    let last = |text: &str, member: &str| format!("{},{member}}}", &text[..text.len() - 1]);
    let of_header = |header: &str| mint.signed(header, &claims);
    let of_claims = |claims: &str| mint.signed(&header, claims);
    let again = |object: &serde_json::Map<String, Value>, name: &str| format!("\"{name}\":{}", object[name]);
    let in_order = ["iss", "aud", "sub", "sid", "jti", "iat", "exp"].map(|name| mint.claims[name].clone());
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let mut rows = vec![
        ("alg none, then the right one", of_header(&first(&header, "\"alg\":\"none\""))),
        ("the right alg, then none", of_header(&last(&header, "\"alg\":\"none\""))),
        ("two of kid", of_header(&first(&header, "\"kid\":\"x\""))),
        ("two of typ", of_header(&first(&header, "\"typ\":\"JWT\""))),
        ("two of what is not ours", of_header(&last(&header, "\"x\":1,\"x\":2"))),
        ("two of sub", of_claims(&first(&claims, "\"sub\":\"1\""))),
        ("two of sub, one in escapes", of_claims(&last(&claims, "\"\\u0073ub\":\"1\""))),
        ("two of exp", of_claims(&last(&claims, "\"exp\":4102444800"))),
        ("a list of claims", of_claims(&json!([mint.claims]).to_string())),
        ("claims without their names", of_claims(&json!(in_order).to_string())),
        ("claims that are a text", of_claims("\"claims\"")),
        ("claims that are null", of_claims("null")),
        ("claims that are nothing", of_claims("")),
        ("claims that are no JSON", of_claims("claims")),
        ("claims cut off", of_claims(&claims[..claims.len() - 1])),
        ("claims and more", of_claims(&format!("{claims}{{}}"))),
        ("claims behind a byte order mark", of_claims(&format!("\u{feff}{claims}"))),
        ("a list of headers", of_header(&json!([mint.header]).to_string())),
        ("a header without names", of_header("[\"at+jwt\",\"EdDSA\"]")),
        ("a header that is null", of_header("null")),
        ("a header cut off", of_header(&header[..header.len() - 1])),
        ("a header and more", of_header(&format!("{header}{{}}"))),
        ("a header nested deep", of_header(&last(&header, &format!("\"x\":{deep}")))),
        ("a jwk nested deep", of_header(&last(&header, &format!("\"jwk\":{deep}")))),
    ];
    // The same twice is twice all the same. The rows are named after the member.
    for name in ["alg", "kid", "typ"] {
        rows.push((name, of_header(&last(&header, &again(&mint.header, name)))));
    }
    for name in ["iss", "aud", "sub", "sid", "jti", "iat", "exp"] {
        rows.push((name, of_claims(&last(&claims, &again(&mint.claims, name)))));
    }
    let not_utf8 = {
        let claims = mint.claims_with(json!({ "jti": "?" }));
        let body: Vec<u8> = claims.bytes().map(|byte| if byte == b'?' { 0xff } else { byte }).collect();
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(&header), URL_SAFE_NO_PAD.encode(body));
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(mint.sign(message.as_bytes())))
    };
    rows.push(("claims that are no UTF-8", not_utf8));
    refuses(&app, &mint, INVALID, rows).await;
}

#[actix_web::test]
async fn subject_and_session_are_ids_as_we_write_them() {
    let app = TestApp::new().await;
    let mint = Mint::of(&app, &app.member("ana"));
    let mut rows = Vec::new();
    for name in ["sub", "sid"] {
        let id = mint.claims[name].as_str().expect("a text");
        let claim = |value: Value| mint.with_claims(json!({ name: value }));
        rows.extend(named(
            name,
            [
                ("missing", mint.without_claim(name)),
                ("null", claim(Value::Null)),
                ("empty", claim(json!(""))),
                ("a name", claim(json!("ana"))),
                ("me", claim(json!("me"))),
                ("a number", claim(json!(id.parse::<i64>().expect("a number")))),
                ("with a sign", claim(json!(format!("+{id}")))),
                ("with a leading zero", claim(json!(format!("0{id}")))),
                ("with a space behind", claim(json!(format!("{id} ")))),
                ("with a space before", claim(json!(format!(" {id}")))),
                ("a float", claim(json!(format!("{id}.0")))),
                ("with an exponent", claim(json!(format!("{id}e0")))),
                ("hexadecimal", claim(json!(format!("0x{id}")))),
                ("with a null character", claim(json!(format!("{id}\0")))),
                ("SQL", claim(json!(format!("{id} OR 1=1")))),
                ("its negative", claim(json!(format!("-{id}")))),
                ("minus one", claim(json!("-1"))),
                ("zero", claim(json!("0"))),
                ("the smallest of 64 bits", claim(json!(i64::MIN.to_string()))),
                ("beyond 64 bits", claim(json!("9223372036854775808"))),
                ("of 400 digits", claim(json!("1".repeat(400)))),
                ("not a number", claim(json!("NaN"))),
                ("digits of another width", claim(json!("１"))),
                ("a list", claim(json!([id]))),
                ("an object", claim(json!({ "id": id }))),
            ],
        ));
    }
    refuses(&app, &mint, INVALID, rows).await;
}

#[actix_web::test]
async fn a_session_is_its_users_own_and_ends_with_the_user() {
    let app = TestApp::new().await;
    let mint = Mint::of(&app, &app.member("ana"));
    let bob = Mint::of(&app, &app.member("bob"));
    let eve = app.member("eve");
    let of_eve = Mint::of(&app, &eve);
    assert_eq!(eve.get("/api/v1/users/me").await.status, "200 OK");
    app.sql("DELETE FROM users WHERE username_key = 'eve'");
    let ended = app.member("ana");
    assert_eq!(ended.post("/api/v1/auth/logout", json!({})).await.status, "204 No Content");
    let rows = vec![
        ("a deleted user", of_eve.token.clone()),
        ("a deleted user in another's session", mint.with_claims(json!({ "sub": of_eve.claims["sub"] }))),
        ("a user in a deleted one's session", mint.with_claims(json!({ "sid": of_eve.claims["sid"] }))),
        ("a user in another's session", mint.with_claims(json!({ "sid": bob.claims["sid"] }))),
        ("another user in this session", mint.with_claims(json!({ "sub": bob.claims["sub"] }))),
        ("a session that has ended", ended.token.expect("a token")),
        ("the largest sub", mint.with_claims(json!({ "sub": i64::MAX.to_string() }))),
        ("the largest sid", mint.with_claims(json!({ "sid": i64::MAX.to_string() }))),
    ];
    refuses(&app, &mint, REVOKED, rows).await;
    // Another session of the same user is no fault: it is the user's own.
    let second = Mint::of(&app, &app.member("ana"));
    let other = mint.with_claims(json!({ "sid": second.claims["sid"] }));
    assert_eq!(app.guest().with_token(&other).get("/api/v1/users/me").await.at("/username"), "ana");
}

#[actix_web::test]
async fn there_is_one_header_with_one_token() {
    let app = TestApp::new().await;
    let mint = Mint::of(&app, &app.member("ana"));
    let bob = app.member("bob").token.expect("a token");
    let good = &mint.token;
    let one = |name: &str, header: String| (name.to_owned(), vec![header]);
    let two = |name: &str, first: String, second: String| (name.to_owned(), vec![first, second]);
    let rows = vec![
        two("the same twice", format!("Bearer {good}"), format!("Bearer {good}")),
        two("two users'", format!("Bearer {good}"), format!("Bearer {bob}")),
        two("a good one, then nonsense", format!("Bearer {good}"), "Bearer x".into()),
        two("nonsense, then a good one", "Bearer x".into(), format!("Bearer {good}")),
        two("a good one, then Basic", format!("Bearer {good}"), "Basic YTpi".into()),
        two("nothing, then a good one", String::new(), format!("Bearer {good}")),
        one("joined by a comma", format!("Bearer {good},{bob}")),
        one("joined by a comma and a space", format!("Bearer {good}, {bob}")),
        one("two credentials in one header", format!("Bearer {good}, Bearer {bob}")),
        one("joined by a space", format!("Bearer {good} {bob}")),
        one("Bearer twice", format!("Bearer Bearer {good}")),
        one("no scheme", good.clone()),
        one("an empty header", String::new()),
        one("the scheme alone", "Bearer".into()),
        one("another scheme", format!("Basic {good}")),
        one("the scheme of bound tokens", format!("DPoP {good}")),
        one("a tab after the scheme", format!("Bearer\t{good}")),
        one("two spaces after the scheme", format!("Bearer  {good}")),
        one("a colon after the scheme", format!("Bearer: {good}")),
        one("a parameter", format!("Bearer token={good}")),
    ];
    refuses_headers(&app, &mint, INVALID, rows).await;
    // Neither schemes nor media types have a case.
    let upper = mint.with_header(json!({ "typ": "AT+JWT" }));
    admits(&app, &[format!("bearer {good}"), format!("BEARER {good}"), format!("Bearer {upper}")]).await;
}

#[actix_web::test]
async fn a_token_that_is_far_too_long_is_refused_and_nothing_breaks() {
    let app = TestApp::new().await;
    let mint = Mint::of(&app, &app.member("ana"));
    let kib = |size: usize| "A".repeat(size * 1024);
    let rows = vec![
        ("a kid of 4 KiB", mint.with_header(json!({ "kid": kib(4) }))),
        ("a kid of 64 KiB", mint.with_header(json!({ "kid": kib(64) }))),
        ("claims of 64 KiB", mint.with_claims(json!({ "aud": kib(64) }))),
        ("a header of 100 KiB", kib(100)),
        ("dots of 100 KiB", ".".repeat(100 * 1024)),
        ("a header of 127 KiB", kib(127)),
    ];
    refuses(&app, &mint, LONG, rows).await;
    let rows = vec![("a header of 200 KiB", kib(200)), ("a header of 1 MiB", kib(1024))];
    refuses(&app, &mint, TOO_LONG, rows).await;
}
