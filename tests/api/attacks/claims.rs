//! Claims that differ from those that we write.

use super::*;
use crate::revocation::is_refused_soon;

#[actix_web::test]
async fn times_are_whole_numbers_of_our_own_days() {
    const DAY: i64 = 24 * 3600;
    let app = TestApp::new().await;
    let mint = Mint::of(&app, &app.member("ana"));
    let now = Utc::now().timestamp();
    let claim = |name: &str, value: Value| mint.with_claims(json!({ name: value }));
    // A number in a notation that Rust would not produce.
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
        // RFC 7519, section 4.1.4: a token must not be accepted on or after that time.
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
async fn a_token_says_each_thing_once_in_objects_of_json() {
    let app = TestApp::new().await;
    let mint = Mint::of(&app, &app.member("ana"));
    let (header, claims) = (text(&mint.header), text(&mint.claims));
    // A duplicate field, before or after all others.
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
    // A duplicate with the same value is still a duplicate. The rows are named after the field.
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
    is_refused_soon(&eve).await;
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
    // Another session of the same user is allowed.
    let second = Mint::of(&app, &app.member("ana"));
    let other = mint.with_claims(json!({ "sid": second.claims["sid"] }));
    assert_eq!(app.guest().with_token(&other).get("/api/v1/users/me").await.at("/username"), "ana");
}
