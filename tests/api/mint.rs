//! Creates forged access tokens: each differs from a valid one in a single respect, signed with any key.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Map, Value, json};

use crate::app::TestApp;
use crate::client::Client;

/// The parts of a member's valid token, and the service's own key.
pub struct Mint {
    /// The valid token.
    pub token: String,
    pub header: Map<String, Value>,
    pub claims: Map<String, Value>,
    /// The service's public key, 32 bytes.
    pub public_key: Vec<u8>,
    /// The public key as a JWK, as the service publishes it.
    pub jwk: String,
    key: EncodingKey,
}

impl Mint {
    /// Create it from the member's token.
    pub fn of(app: &TestApp, member: &Client) -> Self {
        let token = member.token.clone().expect("a token");
        let parts: Vec<&str> = token.split('.').collect();
        let [header, claims, _] = parts[..] else { panic!("{token} has other than three parts") };
        let (now, ring) = (chrono::Utc::now(), app.app.state().auth.access.keys().ring());
        let jwks = ring.jwks(now);
        let jwk = &jwks.keys[0];
        Self {
            header: read(header),
            claims: read(claims),
            public_key: URL_SAFE_NO_PAD.decode(&jwk.x).expect("base64url"),
            jwk: serde_json::to_string(jwk).expect("JSON"),
            key: ring.signing(now).expect("a key").1.clone(),
            token,
        }
    }

    /// The service's public key in DER, as RFC 8410 specifies.
    pub fn public_key_der(&self) -> Vec<u8> {
        let prefix = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
        [&prefix[..], &self.public_key].concat()
    }

    /// The service's public key in PEM.
    pub fn public_key_pem(&self) -> String {
        let text = STANDARD.encode(self.public_key_der());
        format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")
    }

    /// The valid header with fields changed or added, as JSON.
    pub fn header_with(&self, changes: Value) -> String {
        changed(&self.header, changes)
    }

    /// The valid claims with fields changed or added, as JSON.
    pub fn claims_with(&self, changes: Value) -> String {
        changed(&self.claims, changes)
    }

    /// The service's own signature over any message.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signature =
            jsonwebtoken::crypto::sign(message, &self.key, Algorithm::EdDSA).expect("a signature");
        URL_SAFE_NO_PAD.decode(signature).expect("base64url")
    }

    /// A token of any texts, with the service's own signature.
    pub fn signed(&self, header: &str, claims: &str) -> String {
        assemble(header, claims, |message| self.sign(message))
    }

    /// A token with a changed header, with the service's own signature.
    pub fn with_header(&self, changes: Value) -> String {
        self.signed(&self.header_with(changes), &text(&self.claims))
    }

    /// A token without one field of the header, with the service's own signature.
    pub fn without_header(&self, name: &str) -> String {
        self.signed(&text(&without(&self.header, name)), &text(&self.claims))
    }

    /// A token with changed claims, with the service's own signature.
    pub fn with_claims(&self, changes: Value) -> String {
        self.signed(&text(&self.header), &self.claims_with(changes))
    }

    /// A token without one claim, with the service's own signature.
    pub fn without_claim(&self, name: &str) -> String {
        self.signed(&text(&self.header), &text(&without(&self.claims, name)))
    }

    /// A token with a changed header and the valid claims, with a signature that is not the service's.
    pub fn forged(&self, changes: Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
        assemble(&self.header_with(changes), &text(&self.claims), sign)
    }

    /// The three parts of the valid token.
    pub fn parts(&self) -> [&str; 3] {
        let parts: Vec<&str> = self.token.split('.').collect();
        parts.try_into().expect("three parts")
    }
}

/// Keys that the service has never seen.
pub struct Attacker {
    pub ed25519: Ed25519KeyPair,
    rsa: RsaKeyPair,
    p256: EcdsaKeyPair,
}

impl Attacker {
    pub fn new() -> Self {
        Self {
            ed25519: Ed25519KeyPair::generate().expect("a key"),
            rsa: RsaKeyPair::generate(KeySize::Rsa2048).expect("a key"),
            p256: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key"),
        }
    }

    pub fn eddsa(&self, message: &[u8]) -> Vec<u8> {
        self.ed25519.sign(message).as_ref().to_vec()
    }

    pub fn rs256(&self, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.rsa.public_modulus_len()];
        self.rsa.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).expect("a signature");
        signature
    }

    pub fn es256(&self, message: &[u8]) -> Vec<u8> {
        self.p256.sign(&SystemRandom::new(), message).expect("a signature").as_ref().to_vec()
    }

    /// The public key, as a token's header would contain it.
    pub fn jwk(&self, kid: &Value) -> Value {
        let x = URL_SAFE_NO_PAD.encode(self.ed25519.public_key().as_ref());
        json!({ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": kid, "x": x })
    }

    /// The key id that the service would give the key.
    pub fn kid(&self) -> String {
        let public_key = self.ed25519.public_key().as_ref();
        URL_SAFE_NO_PAD.encode(&digest(&SHA256, public_key).as_ref()[..12])
    }
}

/// HMAC with SHA-256 and any key.
pub fn hs256(secret: impl AsRef<[u8]>) -> impl FnOnce(&[u8]) -> Vec<u8> {
    move |message| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_ref()), message).as_ref().to_vec()
}

/// HMAC with SHA-512 and any key.
pub fn hs512(secret: impl AsRef<[u8]>) -> impl FnOnce(&[u8]) -> Vec<u8> {
    move |message| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA512, secret.as_ref()), message).as_ref().to_vec()
}

/// A JWS of these texts in compact form.
pub fn assemble(header: &str, claims: &str, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = URL_SAFE_NO_PAD.encode(sign(message.as_bytes()));
    format!("{message}.{signature}")
}

pub fn text(object: &Map<String, Value>) -> String {
    Value::Object(object.clone()).to_string()
}

fn read(part: &str) -> Map<String, Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("an object")
}

fn changed(object: &Map<String, Value>, changes: Value) -> String {
    let mut object = object.clone();
    let Value::Object(changes) = changes else { panic!("{changes} is no object") };
    object.extend(changes);
    text(&object)
}

fn without(object: &Map<String, Value>, name: &str) -> Map<String, Value> {
    let mut object = object.clone();
    object.remove(name).expect("the good token has it");
    object
}
