//! Whatever happens to a few whole nodes, they do as a plain model of the replicated state says.

use crate::law::{Law, Trial};
use crate::model::run;
use proptest::prelude::*;

pub const NODES_FIT_THE_MODEL: Law = Law {
    name: "nodes that lose, repeat and reorder datagrams and crash hold what a plain model says",
    seed: 90,
    cases: 400,
    check: nodes_fit_the_model,
};

fn nodes_fit_the_model(trial: &Trial) -> Result<(), String> {
    trial.for_all(&proptest::collection::vec(any::<u8>(), 1..500), |bytes, planted| {
        run(&bytes, planted).map_err(TestCaseError::fail)
    })
}

#[test]
fn nodes_that_lose_repeat_and_reorder_datagrams_and_crash_hold_what_a_plain_model_says() {
    NODES_FIT_THE_MODEL.hold();
}
