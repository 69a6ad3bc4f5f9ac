//! How much a test does, and what chance decides in it: `make test` runs the short forms, `make soak` the whole ones.

use std::env;
use std::hash::{BuildHasher, RandomState};

/// Set where the whole forms are wanted.
const SOAK: &str = "PLAZA_SOAK";
/// The seed of a run that is to be repeated.
const SEED: &str = "PLAZA_SEED";

/// So many in `make test`, and so many in `make soak`.
pub fn many(few: usize, all: usize) -> usize {
    if is_whole() { all } else { few }
}

/// Whether the whole forms are wanted, which may wait for what takes minutes.
pub fn is_whole() -> bool {
    variable(SOAK).is_some()
}

#[expect(clippy::disallowed_methods, reason = "these are settings of the tests, not of the program")]
fn variable(name: &str) -> Option<String> {
    env::var(name).ok()
}

/// Numbers that a seed decides.
pub struct Random(u64);

impl Random {
    /// With the seed of the environment, or with a new one. A test that fails has said which.
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

    /// Other numbers, which this seed decides too.
    pub fn another(&mut self) -> Self {
        Self(self.next())
    }

    /// One of the numbers from 0 on.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// One of them.
    pub fn one_of<'a, T>(&mut self, some: &'a mut [T]) -> Option<&'a mut T> {
        let number = self.next() % (some.len() as u64).max(1);
        some.get_mut(usize::try_from(number).expect("an index"))
    }
}
