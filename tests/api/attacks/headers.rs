//! Token headers with critical extensions, key ids and keys, and HTTP headers.

use super::*;

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
                // Even a token with our signature is rejected, since we never issue such a header.
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
        // RFC 7797: the token contains the claims unencoded.
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
        // RFC 9068 allows this form. We never issue it, so we reject it.
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

    // And in the other direction: access tokens are rejected as refresh tokens.
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
    // Schemes and media types are case-insensitive.
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
