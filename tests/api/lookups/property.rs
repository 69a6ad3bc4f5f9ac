//! Property tests in async code, with `proptest`'s strategies and its shrinking.

use std::fmt::Debug;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// The maximum number of steps to shrink a counterexample.
const STEPS: usize = 200;

/// A runner that generates the same values in each run.
pub fn runner() -> TestRunner {
    let config = Config { failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

/// Generate `number` values of a strategy.
pub fn sample<S: Strategy>(strategy: &S, number: usize) -> Vec<S::Value> {
    let mut runner = runner();
    (0..number).map(|_| strategy.new_tree(&mut runner).expect("a value").current()).collect()
}

/// Test a property with `cases` values, and report the smallest counterexample found.
pub async fn check<S: Strategy<Value: Debug>>(
    strategy: &S,
    cases: usize,
    holds: impl AsyncFn(S::Value) -> Result<(), String>,
) {
    let mut runner = runner();
    for _ in 0..cases {
        let mut tree = strategy.new_tree(&mut runner).expect("a value");
        let Err(mut reason) = holds(tree.current()).await else { continue };
        let mut smallest = format!("{:?}", tree.current());
        let mut moves = tree.simplify();
        for _ in 0..STEPS {
            if !moves {
                break;
            }
            moves = match holds(tree.current()).await {
                Err(again) => {
                    (reason, smallest) = (again, format!("{:?}", tree.current()));
                    tree.simplify()
                }
                Ok(()) => tree.complicate(),
            };
        }
        panic!("{reason}\nof {smallest}");
    }
}
