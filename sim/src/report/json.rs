//! The summary for machines: the same facts as the table, as JSON. What never happened is `null`.

use super::outcome::{Expectation, Outcome, PointOutcome, RunOutcome, Verdict, Violation};
use super::rows::SummaryRow;
use super::tabulate::{Tables, hex};
use serde::Serialize;
use serde_json::{Value, json};

/// One scenario's summary. Times are in seconds and rounds, traffic is per node.
#[must_use]
pub fn summary(outcome: &Outcome, expectations: &[Expectation]) -> Value {
    let tables = Tables::of(outcome);
    let violations = outcome.violations().map(|(run, violation)| violation_value(run, violation));
    json!({
        "scenario": outcome.scenario,
        "title": outcome.title,
        "question": outcome.question,
        "seed": outcome.seed,
        "scenario_hash": hex(outcome.scenario_hash),
        "trace_hash": hex(outcome.trace_hash()),
        "points": outcome.points.iter().map(|point| point_value(&tables, point)).collect::<Vec<_>>(),
        "expectations": expectations.iter().map(expectation_value).collect::<Vec<_>>(),
        "violations": violations.collect::<Vec<_>>(),
    })
}

fn point_value(tables: &Tables, point: &PointOutcome) -> Value {
    let summary = tables.summary.iter().filter(|row| row.point == point.label);
    let runs = tables.runs.iter().filter(|row| row.point == point.label);
    json!({
        "label": point.label,
        "nodes": point.nodes,
        "loss": point.model.loss,
        "repair_interval_us": point.repair_interval_us,
        "runs": point.runs.len(),
        "milestones": summary.map(milestone_value).collect::<Vec<_>>(),
        "updates": runs.map(numbers).collect::<Vec<_>>(),
    })
}

fn milestone_value(row: &SummaryRow) -> Value {
    let mut value = numbers(row);
    // A share such as 99.9 is a name here, not a measurement.
    value["milestone"] = Value::from(row.milestone.clone());
    value
}

/// A row of a CSV file with its decimals as numbers.
fn numbers(row: &impl Serialize) -> Value {
    let mut value = serde_json::to_value(row).unwrap_or_default();
    for (name, field) in value.as_object_mut().into_iter().flatten() {
        let is_text = matches!(name.as_str(), "point" | "kind" | "trace_hash" | "milestone");
        if let (false, Some(number)) = (is_text, field.as_str()) {
            *field = number.parse::<f64>().map_or(Value::Null, Value::from);
        }
    }
    value
}

fn expectation_value(expectation: &Expectation) -> Value {
    let verdict = match expectation.verdict {
        Verdict::Met => "met",
        Verdict::AimMissed => "aim missed",
        Verdict::Failed => "failed",
    };
    let Expectation { limit, measured, certainty, .. } = expectation;
    json!({ "limit": limit, "measured": measured, "certainty": certainty, "verdict": verdict })
}

fn violation_value(run: &RunOutcome, violation: &Violation) -> Value {
    json!({
        "check": violation.check,
        "seed": run.seed,
        "time_us": violation.time_us,
        "node": violation.node,
        "detail": violation.detail,
        "replay": violation.replay,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example;

    #[test]
    fn json_holds_numbers_and_null_for_never() {
        let mut outcome = example::outcome(100, 4);
        outcome.points[0].runs[1].updates[0].reached_us.pop();
        outcome.points[0].runs[1].violations.push(Violation {
            check: "no regress".to_owned(),
            time_us: 7,
            node: Some(3),
            ..Violation::default()
        });
        let failed = Expectation { verdict: Verdict::Failed, ..Expectation::default() };
        let value = summary(&outcome, &[failed]);
        let milestones = value["points"][0]["milestones"].as_array().expect("milestones");
        assert_eq!(milestones.len(), 25);
        let everyone = &milestones[4];
        assert_eq!(everyone["milestone"], "100");
        assert_eq!((everyone["n"].as_u64(), everyone["censored"].as_u64()), (Some(4), Some(1)));
        assert!(everyone["mean_rounds"].is_null() && milestones[0]["mean_rounds"].is_f64());
        assert_eq!(value["points"][0]["updates"].as_array().expect("updates").len(), 20);
        assert_eq!(value["violations"][0]["node"], 3);
        assert_eq!(value["expectations"][0]["verdict"], "failed");
        assert_eq!(value["trace_hash"], hex(outcome.trace_hash()));
    }
}
