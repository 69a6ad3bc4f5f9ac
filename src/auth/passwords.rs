//! Passwords: which are good enough, and Argon2id on threads of its own.

use std::cell::RefCell;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Block, Params, PasswordHasher, Version};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use serde_json::json;

use crate::error::{Error, Result, Violation};
use crate::models::names::fold;
use crate::workers::Workers;

/// Fewest characters of a password.
pub const MIN: usize = 8;
/// Most characters of a password.
pub const MAX: usize = 256;

/// How many logins may wait for a thread; the next is told 503 at once.
const QUEUED: usize = 256;

/// Hashes and checks passwords, on as many low-priority threads as the machine has cores.
#[derive(Clone)]
pub struct Passwords {
    workers: Workers,
    /// The hash of no password, for users who are not there: they must cost the same time.
    decoy: String,
}

impl Passwords {
    /// Start the threads.
    pub fn start(threads: usize) -> Result<Self> {
        Ok(Self {
            workers: Workers::start("argon2", threads, QUEUED).map_err(Error::internal)?,
            decoy: hash("")?,
        })
    }

    /// The PHC string of a password, with a salt of its own: Argon2id with the argon2 crate's default parameters, which
    /// are OWASP's (19 MiB, 2 passes, 1 lane). 503 `busy` when too many wait.
    pub async fn hash(&self, password: String) -> Result<String> {
        self.workers.run(move || hash(&password)).await?
    }

    /// Whether it is the password. `None` for a user who is not there takes as long and is never true.
    pub async fn verify(&self, password: String, hashed: Option<String>) -> Result<bool> {
        let decoy = self.decoy.clone();
        self.workers
            .run(move || {
                // Where nobody is there, or a row was written by hand, no password is right, and it takes as long.
                let known = hashed.as_deref().and_then(|hash| PasswordHash::new(hash).ok());
                let is_known = known.is_some();
                let hash = known.or_else(|| PasswordHash::new(&decoy).ok());
                hash.is_some_and(|hash| verify(&password, &hash)) && is_known
            })
            .await
    }
}

fn hash(password: &str) -> Result<String> {
    Ok(Argon2::default()
        .hash_password(password.as_bytes())
        .map_err(|error| Error::internal(error.to_string()))?
        .to_string())
}

thread_local! {
    /// What Argon2 works on, 19 MiB, kept by each worker thread: asking the system for it takes as long as half the hash.
    static BLOCKS: RefCell<Vec<Block>> = const { RefCell::new(Vec::new()) };
}

/// As argon2's own `verify_password`, but in memory that is kept. The parameters of the hash count, not today's.
fn verify(password: &str, hash: &PasswordHash) -> bool {
    let algorithm = Algorithm::try_from(hash.algorithm.as_str());
    let version = hash.version.map_or(Ok(Version::default()), Version::try_from);
    let (Ok(algorithm), Ok(version), Ok(params)) = (algorithm, version, Params::try_from(hash)) else {
        return false;
    };
    let (Some(salt), Some(expected)) = (&hash.salt, &hash.hash) else { return false };
    let mut output = vec![0; expected.len()];
    let hashed = BLOCKS.with_borrow_mut(|blocks| {
        blocks.resize(params.block_count(), Block::default());
        let argon2 = Argon2::new(algorithm, version, params);
        argon2.hash_password_into_with_memory(password.as_bytes(), salt, &mut output, blocks)
    });
    hashed.is_ok() && verify_slices_are_equal(&output, expected.as_bytes()).is_ok()
}

/// Every rule that a new password breaks, as faults of the member at `pointer`.
pub fn judge(password: &str, username: &str, email: &str, pointer: &str) -> Vec<Violation> {
    let mut violations = Vec::new();
    let length = password.chars().count();
    if length < MIN {
        violations.push(
            Violation::body(pointer, "too_short", format!("The password needs at least {MIN} characters."))
                .with(json!({ "min": MIN })),
        );
    }
    if length > MAX {
        violations.push(
            Violation::body(
                pointer,
                "too_long",
                format!("The password may have {MAX} characters at the most."),
            )
            .with(json!({ "max": MAX })),
        );
    }
    if length > 0 && password.chars().all(char::is_numeric) {
        violations.push(Violation::body(pointer, "password_numeric", "The password is all digits."));
    }
    let local_part = email.split('@').next().unwrap_or_default();
    if length <= MAX && [username, email, local_part].iter().any(|other| is_near(password, other)) {
        violations.push(Violation::body(
            pointer,
            "password_similar",
            "The password is too near the username or the e-mail address.",
        ));
    }
    violations
}

/// As Django's `UserAttributeSimilarityValidator`, with another measure of likeness: at least 0.7 of Sørensen and Dice,
/// or one that holds the other almost whole.
fn is_near(password: &str, other: &str) -> bool {
    let (password, other) = (fold(password), fold(other));
    if other.chars().count() < 4 {
        return password == other;
    }
    let holds = password.contains(&other) && other.chars().count() * 10 >= password.chars().count() * 7;
    holds || strsim::sorensen_dice(&password, &other) >= 0.7
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(password: &str) -> Vec<String> {
        judge(password, "ana.garcia", "ana@example.org", "/password")
            .into_iter()
            .map(|v| v.code.into_owned())
            .collect()
    }

    #[test]
    fn every_broken_rule_is_told() {
        assert_eq!(codes("1234"), ["too_short", "password_numeric"]);
        assert_eq!(codes("ana.garcia"), ["password_similar"]);
        assert_eq!(codes("Ana.Garcia1"), ["password_similar"]);
        assert_eq!(codes("ana@example.org"), ["password_similar"]);
        assert_eq!(codes(&"x".repeat(257)), ["too_long"]);
        assert_eq!(codes("correct horse battery"), Vec::<String>::new());
        assert_eq!(codes("ÄÖÜäöü12"), Vec::<String>::new());
    }

    #[test]
    fn a_hash_knows_its_password_only() {
        let hashed = hash("correct horse").unwrap();
        assert!(hashed.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        let parsed = PasswordHash::new(&hashed).unwrap();
        assert!(verify("correct horse", &parsed));
        assert!(!verify("correct horse ", &parsed));
    }
}
