//! Tokens without a signature, or with a signature that is not ours.

use super::*;

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
async fn a_token_is_spelt_in_one_way_only() {
    let app = TestApp::new().await;
    let mint = Mint::of(&app, &app.member("ana"));
    // A header and claims whose lengths need padding, with bytes that the two alphabets encode differently.
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
    // The token that the rows were derived from is accepted.
    admits(&app, &[format!("Bearer {good}")]).await;
}

/// The same bytes in base64url, except for bits of the last character that encode no byte.
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

/// The second half of an Ed25519 signature plus the group order. A verifier that does not check the range sees the
/// same scalar (RFC 8032, section 5.1.7).
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
