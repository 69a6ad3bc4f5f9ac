//! Hashes of passwords, which Argon2id makes on dedicated threads.

use std::cell::RefCell;
use std::sync::Arc;

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, RECOMMENDED_SALT_LEN, Version};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::rand;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Code, Error, Result};
use crate::metrics::{GaugeGuard, WorkerMetrics};
use crate::workers::{Priority, Workers};

/// Maximum number of jobs that wait for a thread, and of callers that wait for a turn. One more gets 503 immediately.
const QUEUED: usize = 256;

/// The algorithm of new hashes. A stored hash with another one is outdated.
const ALGORITHM: Algorithm = Algorithm::Argon2id;
/// The version of [`ALGORITHM`] for new hashes. A stored hash with another one is outdated.
const VERSION: Version = Version::V0x13;

/// Hashes and checks passwords on a few low-priority threads.
#[derive(Clone)]
pub struct Passwords {
    workers: Workers,
    /// The cost of a new hash.
    params: Params,
    queue: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

/// Permission to have a password checked, until it is dropped.
pub struct Turn {
    _permit: OwnedSemaphorePermit,
}

/// The result of checking a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The password is wrong, or there is no such user.
    Wrong,
    /// The password is right.
    Right,
    /// The password is right, but its hash costs less than a new one, or has another algorithm or version: hash the password again.
    Outdated,
}

impl Verdict {
    /// Whether the password is right.
    pub fn is_right(self) -> bool {
        self != Self::Wrong
    }
}

impl Passwords {
    /// Start the threads. New hashes cost what `params` say.
    pub fn start(threads: usize, params: Params) -> Result<Self> {
        Self::counting(threads, params, Priority::Idle, WorkerMetrics::default())
    }

    /// Start the threads with this priority. `load` counts their jobs.
    pub fn counting(threads: usize, params: Params, priority: Priority, load: WorkerMetrics) -> Result<Self> {
        let workers = Workers::start("argon2", threads, QUEUED, priority, load).map_err(Error::internal)?;
        Ok(Self {
            workers,
            params,
            queue: Arc::new(Semaphore::new(QUEUED)),
            turns: Arc::new(Semaphore::new(threads + 1)),
        })
    }

    /// Wait for a turn to have a password checked. Only as many checks run concurrently as keep the threads busy: an attempt is
    /// counted before its outcome is known, so if every check started on arrival, many concurrent right passwords would look like
    /// many wrong ones. 503 `busy` if too many callers wait.
    pub async fn turn(&self) -> Result<Turn> {
        let load = self.workers.load();
        let place = self.queue.try_acquire().map_err(|_| {
            load.refused.inc();
            Error::unavailable(Code::Busy, 1)
        })?;
        let waiting = GaugeGuard::new(&load.waiting);
        let permit = Arc::clone(&self.turns).acquire_owned().await.map_err(Error::internal)?;
        drop((place, waiting));
        Ok(Turn { _permit: permit })
    }

    /// Return the PHC string of a password: Argon2id, with a new salt. 503 `busy` if too many jobs wait.
    pub async fn hash(&self, password: String) -> Result<String> {
        let params = self.params.clone();
        self.workers.run(move || hash(&password, &params)).await?
    }

    /// Check a password against a stored hash. `None` stands for a user who does not exist: it takes as long, and no password is
    /// right.
    pub async fn verify(&self, password: String, hashed: Option<String>) -> Result<Verdict> {
        let params = self.params.clone();
        self.workers.run(move || verify(&password, hashed.as_deref(), &params)).await
    }
}

fn hash(password: &str, params: &Params) -> Result<String> {
    let mut salt = [0; RECOMMENDED_SALT_LEN];
    rand::fill(&mut salt).map_err(Error::internal)?;
    let mut output = vec![0; params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN)];
    let argon2 = Argon2::new(ALGORITHM, VERSION, params.clone());
    derive(&argon2, password, &salt, &mut output).map_err(|error| Error::internal(error.to_string()))?;
    Ok(PasswordHash {
        algorithm: ALGORITHM.ident(),
        version: Some(VERSION.into()),
        params: ParamsString::try_from(params).map_err(|error| Error::internal(error.to_string()))?,
        salt: Some(Salt::new(&salt).map_err(|error| Error::internal(error.to_string()))?),
        hash: Some(Output::new(&output).map_err(|error| Error::internal(error.to_string()))?),
    }
    .to_string())
}

fn verify(password: &str, hashed: Option<&str>, today: &Params) -> Verdict {
    let Some(hash) = hashed.and_then(Hash::parse) else {
        // The user does not exist, or the row was written by hand: no password is right, and the check takes as long.
        if hashed.is_some() {
            tracing::warn!("a stored password hash is not an Argon2 hash, so no password matches it");
        }
        spend(password, today);
        return Verdict::Wrong;
    };
    if !hash.is_of(password) {
        if let Some(params) = shortfall(&hash.params, today) {
            spend(password, &params);
        }
        return Verdict::Wrong;
    }
    if hash.is_outdated(today) { Verdict::Outdated } else { Verdict::Right }
}

/// The content of a PHC string.
struct Hash {
    algorithm: Algorithm,
    version: Version,
    params: Params,
    salt: Salt,
    output: Output,
}

impl Hash {
    /// Parse a PHC string. `None` if it is not a hash of Argon2.
    fn parse(text: &str) -> Option<Self> {
        let hash = PasswordHash::new(text).ok()?;
        Some(Self {
            algorithm: Algorithm::try_from(hash.algorithm.as_str()).ok()?,
            version: hash.version.map_or(Ok(Version::default()), Version::try_from).ok()?,
            params: Params::try_from(&hash).ok()?,
            salt: hash.salt?,
            output: hash.hash?,
        })
    }

    /// Whether this is the hash of `password`. Works like argon2's own `verify_password`, but in memory that is reused. It applies
    /// the parameters of the hash, not those of new hashes.
    fn is_of(&self, password: &str) -> bool {
        let mut output = vec![0; self.output.len()];
        let argon2 = Argon2::new(self.algorithm, self.version, self.params.clone());
        // A hash that argon2 itself cannot make was written by hand.
        derive(&argon2, password, &self.salt, &mut output)
            .inspect_err(
                |cause| tracing::warn!(%cause, "a password could not be checked against its stored hash"),
            )
            .is_ok()
            && verify_slices_are_equal(&output, self.output.as_bytes()).is_ok()
    }

    fn is_outdated(&self, today: &Params) -> bool {
        self.algorithm != ALGORITHM
            || self.version != VERSION
            || self.params.m_cost() < today.m_cost()
            || self.params.t_cost() < today.t_cost()
    }
}

/// Take as long as hashing with these parameters does.
fn spend(password: &str, params: &Params) {
    let argon2 = Argon2::new(ALGORITHM, VERSION, params.clone());
    let mut output = vec![0; params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN)];
    // The result is not used, so a failure only makes the times differ.
    derive(&argon2, password, &[0; RECOMMENDED_SALT_LEN], &mut output).ok();
}

/// Return the work that an older, cheaper hash leaves over, so that a wrong password takes as long as an unknown user. Argon2's
/// time is proportional to its memory times its passes. `None` if no work is left, or too little to be noticed.
fn shortfall(hash: &Params, today: &Params) -> Option<Params> {
    let work = |params: &Params| u64::from(params.m_cost()) * u64::from(params.t_cost());
    let left = work(today).checked_sub(work(hash))?;
    let memory = u32::try_from(left / u64::from(today.t_cost())).ok()?;
    Params::new(memory, today.t_cost(), 1, None).ok()
}

thread_local! {
    /// The memory that Argon2 works on, 19 MiB by default. Each worker thread keeps its own: requesting it from the system takes
    /// half as long as the hash.
    static BLOCKS: RefCell<Vec<Block>> = const { RefCell::new(Vec::new()) };
}

fn derive(argon2: &Argon2, password: &str, salt: &[u8], output: &mut [u8]) -> argon2::Result<()> {
    let count = argon2.params().block_count();
    BLOCKS.with_borrow_mut(|blocks| {
        if blocks.len() < count {
            blocks.resize(count, Block::default());
        }
        argon2.hash_password_into_with_memory(password.as_bytes(), salt, output, &mut blocks[..count])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cheap(memory: u32, passes: u32) -> Params {
        Params::new(memory, passes, 1, None).unwrap()
    }

    #[test]
    fn a_hash_knows_its_password_only() {
        let hashed = hash("correct horse", &Params::default()).unwrap();
        assert!(hashed.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hashed}");
        assert_ne!(hash("correct horse", &Params::default()).unwrap(), hashed, "each has a salt of its own");
        let verdict = |password| verify(password, Some(&hashed), &Params::default());
        assert_eq!(verdict("correct horse"), Verdict::Right);
        assert_eq!(verdict("correct horse "), Verdict::Wrong);
        assert!(Verdict::Right.is_right() && Verdict::Outdated.is_right() && !Verdict::Wrong.is_right());
    }

    #[test]
    fn a_hash_is_as_argon2_itself_makes_and_reads_it() {
        use argon2::{PasswordHasher, PasswordVerifier};
        let params = cheap(64, 3);
        let argon2 = Argon2::new(ALGORITHM, VERSION, params.clone());
        // A larger and a smaller hash reuse the memory, so its content must not matter.
        for size in [8, 256, 64] {
            hash("another", &cheap(size, 1)).unwrap();
            let ours = hash("correct horse", &params).unwrap();
            assert!(argon2.verify_password(b"correct horse", ours.as_str()).is_ok(), "{ours}");
            let theirs = argon2.hash_password(b"correct horse").unwrap().to_string();
            assert_eq!(verify("correct horse", Some(&theirs), &params), Verdict::Right, "{theirs}");
        }
    }

    #[test]
    fn a_hash_that_costs_less_than_today_is_outdated() {
        let today = cheap(64, 2);
        let verdict = |params: Params| {
            let hashed = hash("correct horse", &params).unwrap();
            assert_eq!(verify("wrong horse", Some(&hashed), &today), Verdict::Wrong);
            verify("correct horse", Some(&hashed), &today)
        };
        assert_eq!(verdict(cheap(64, 2)), Verdict::Right);
        assert_eq!(verdict(cheap(128, 3)), Verdict::Right);
        assert_eq!(verdict(cheap(32, 2)), Verdict::Outdated, "less memory");
        assert_eq!(verdict(cheap(64, 1)), Verdict::Outdated, "fewer passes");
        assert_eq!(verdict(cheap(32, 100)), Verdict::Outdated, "less memory, more passes");
        assert_eq!(verdict(cheap(1024, 1)), Verdict::Outdated, "more memory, fewer passes");
    }

    #[test]
    fn a_hash_of_another_kind_is_outdated() {
        use argon2::PasswordHasher;
        let today = cheap(8, 1);
        for (algorithm, version, expected) in [
            (Algorithm::Argon2id, Version::V0x13, Verdict::Right),
            (Algorithm::Argon2id, Version::V0x10, Verdict::Outdated),
            (Algorithm::Argon2i, Version::V0x13, Verdict::Outdated),
            (Algorithm::Argon2d, Version::V0x13, Verdict::Outdated),
        ] {
            let argon2 = Argon2::new(algorithm, version, today.clone());
            let hashed = argon2.hash_password(b"correct horse").unwrap().to_string();
            assert_eq!(verify("correct horse", Some(&hashed), &today), expected, "{hashed}");
        }
    }

    #[test]
    fn nobody_and_what_is_no_hash_have_no_right_password() {
        let unknown_kind =
            "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E";
        for hashed in [None, Some(""), Some("-"), Some("$argon2id$v=19$m=8,t=1,p=1"), Some(unknown_kind)] {
            assert_eq!(verify("", hashed, &cheap(8, 1)), Verdict::Wrong, "{hashed:?}");
        }
    }

    #[test]
    fn a_cheaper_hash_and_what_it_falls_short_of_make_a_whole_one() {
        let today = cheap(1024, 4);
        for (memory, passes) in [(512, 4), (1024, 1), (64, 3), (8, 1)] {
            let left = shortfall(&cheap(memory, passes), &today).unwrap();
            assert_eq!(memory * passes + left.m_cost() * left.t_cost(), 1024 * 4, "{memory} by {passes}");
        }
        for (memory, passes) in [(1024, 4), (4096, 1), (1020, 4), (2048, 4)] {
            assert!(shortfall(&cheap(memory, passes), &today).is_none(), "{memory} by {passes}");
        }
    }

    #[actix_web::test]
    async fn hashes_are_made_with_the_parameters_of_the_settings() {
        let before = Passwords::start(1, cheap(8, 1)).unwrap();
        let hashed = before.hash("correct horse".into()).await.unwrap();
        assert!(hashed.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{hashed}");
        let after = Passwords::start(1, cheap(16, 1)).unwrap();
        let verdict = async |passwords: &Passwords, password: &str, hashed: Option<&String>| {
            passwords.verify(password.into(), hashed.cloned()).await.unwrap()
        };
        assert_eq!(verdict(&before, "correct horse", Some(&hashed)).await, Verdict::Right);
        assert_eq!(verdict(&after, "correct horse", Some(&hashed)).await, Verdict::Outdated);
        assert_eq!(verdict(&after, "wrong horse", Some(&hashed)).await, Verdict::Wrong);
        assert_eq!(verdict(&after, "correct horse", None).await, Verdict::Wrong);
    }
}
