//! The span of a probe.

use super::plan::Plan;
use super::report::{Hindrance, Report};
use crate::trace::{Context, Kind, Span};
use heck_core::probe::Probe;

/// The span of a probe that has ended, without secrets: of its target there is only where it leads.
pub(super) fn span(
    context: Context,
    begun_us: u64,
    probe: &Probe,
    plan: &Plan,
    ended: &Result<Report, (Hindrance, Box<str>)>,
) -> Span {
    let endpoint = &plan.endpoint;
    let mut span = Span::new("probe", Kind::Client, context, begun_us)
        .with("heck.origin", probe.origin.as_str().to_owned())
        .with("server.address", endpoint.host.to_string())
        .with("server.port", endpoint.port);
    match ended {
        Ok(report) => {
            if let Some(status) = report.status {
                span = span.with("http.response.status_code", status);
            }
            let phases = &report.phases;
            for (key, took) in [
                ("heck.resolve_us", phases.resolve),
                ("heck.connect_us", phases.connect),
                ("heck.answer_us", phases.answer),
                ("heck.body_us", phases.body),
            ] {
                if let Some(took) = took {
                    span = span.with(key, took.as_us());
                }
            }
            span.error = report.failure.as_ref().map(|text| text.to_string().into());
        }
        Err((hindrance, text)) => {
            span = span.with("heck.hindrance", format!("{hindrance:?}").to_lowercase());
            span.error = Some(text.to_string().into());
        }
    }
    span
}
