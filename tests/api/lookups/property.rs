//! Properties of what only an async test can ask for: `proptest`'s strategies, and its way to smaller counterexamples.

use std::fmt::Debug;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Most steps on the way to a smaller counterexample.
const STEPS: usize = 200;

/// The same values in each run.
pub fn runner() -> TestRunner {
    let config = Config { failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

/// So many values of a strategy.
pub fn sample<S: Strategy>(strategy: &S, number: usize) -> Vec<S::Value> {
    let mut runner = runner();
    (0..number).map(|_| strategy.new_tree(&mut runner).expect("a value").current()).collect()
}

/// Hold a property against so many values, and tell the smallest found of which it does not hold.
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
