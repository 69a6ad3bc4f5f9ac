//! How much a test does, and the source of its random choices. `make test` runs the short forms, `make soak` the full
//! ones.

use std::env;
use std::hash::{BuildHasher, RandomState};

/// The variable that selects the full forms.
const SOAK: &str = "PLAZA_SOAK";
/// The variable with the seed of a run to repeat.
const SEED: &str = "PLAZA_SEED";

/// `few` in `make test`, `all` in `make soak`.
pub fn many(few: usize, all: usize) -> usize {
    if is_whole() { all } else { few }
}

/// Whether to run the full forms, which may wait for minutes.
pub fn is_whole() -> bool {
    variable(SOAK).is_some()
}

#[expect(clippy::disallowed_methods, reason = "these are settings of the tests, not of the program")]
fn variable(name: &str) -> Option<String> {
    env::var(name).ok()
}

/// Random numbers that depend only on a seed.
pub struct Random(u64);

impl Random {
    /// With the seed from the environment, or with a new one. The seed is printed, so you can repeat a failed test.
    pub fn seeded() -> Self {
        let given = variable(SEED).map(|seed| seed.parse().expect("a seed is a number"));
        let seed = given.unwrap_or_else(|| RandomState::new().hash_one(()));
        eprintln!("{SEED}={seed} repeats this run");
        Self(seed)
    }

    /// `SplitMix64`.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Another sequence, which the same seed determines.
    pub fn another(&mut self) -> Self {
        Self(self.next())
    }

    /// A number from 0 up to but excluding `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// One element of `some`.
    pub fn one_of<'a, T>(&mut self, some: &'a mut [T]) -> Option<&'a mut T> {
        let number = self.next() % (some.len() as u64).max(1);
        some.get_mut(usize::try_from(number).expect("an index"))
    }
}
