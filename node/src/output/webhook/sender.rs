//! Tells a receiver what has changed, one change after another, each again until it is taken.
//!
//! One lane keeps the order and is the circuit breaker at the same time: when an attempt fails nothing else is tried
//! until its pause is over, and then one attempt shows whether the receiver is back.

use super::Hook;
use super::queue::Waiting;
use crate::backoff::pause;
use crate::counters::Count;
use crate::origin::{HeaderText, Period, Target};
use crate::output::Outlook;
use crate::probe::Prober;
use crate::probe::guard::GuardConfig;
use crate::probe::resolve::BreakerState;
use heck_core::probe::Reply;
use heck_core::time::Span;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::time::sleep;
use tracing::{info, warn};

/// How long an attempt may take, the name's lookup included.
const DEADLINE: Duration = Duration::from_secs(5);
/// Attempts at a change to which the receiver answers with an error: it may be this one that it cannot read.
const ATTEMPTS: u32 = 8;
/// How long a change is told at most, while the receiver does not answer.
const KEPT: Duration = Duration::from_secs(3_600);

/// What became of an attempt.
#[derive(Clone, PartialEq, Eq, Debug)]
enum End {
    /// The receiver has it.
    Taken,
    /// The receiver does not want it, and will not.
    Refused(u16),
    /// The receiver answered, with an error of its own.
    Faulty(u16),
    /// No answer.
    Silent(String),
}

impl End {
    fn of_status(status: u16) -> Self {
        match status {
            200..=299 => Self::Taken,
            // Too slow, too early, too many: the receiver asks for patience.
            408 | 425 | 429 => Self::Faulty(status),
            // What moved is not followed: a new place is for the operator to say.
            300..=499 => Self::Refused(status),
            _ => Self::Faulty(status),
        }
    }
}

/// Tells what waits, until the task is ended.
pub(super) async fn send_all(hook: Hook, outlook: Arc<Outlook>) {
    let guard = GuardConfig { loopback: true, ..GuardConfig::default() };
    let prober = Prober::new(guard, outlook.node.resolver(), None);
    let mut sender = Sender { hook, prober, outlook, failures: 0 };
    loop {
        let waiting = sender.outlook.webhook.next().await;
        let count = sender.tell(&waiting).await;
        sender.outlook.node.counters().bump(count);
        sender.show_breaker(BreakerState::Open);
        sender.outlook.webhook.done();
    }
}

/// Who tells a receiver, and how that goes.
struct Sender {
    hook: Hook,
    prober: Prober,
    outlook: Arc<Outlook>,
    /// Attempts in a row that failed.
    failures: u32,
}

impl Sender {
    /// Tells of one change until that has come to an end; says which.
    async fn tell(&mut self, waiting: &Waiting) -> Count {
        let mut attempts = 0;
        loop {
            self.show_breaker(BreakerState::HalfOpen);
            let end = attempt(&self.prober, &self.hook, waiting).await;
            attempts += 1;
            let (what, is_over) = match end {
                End::Taken => {
                    if self.failures > 0 {
                        info!(failures = self.failures, "the webhook is answered again");
                    }
                    self.failures = 0;
                    return Count::WebhooksDelivered;
                }
                End::Refused(status) => {
                    self.failures = 0;
                    warn!(
                        status,
                        id = waiting.id,
                        "the webhook refuses a change of state: it is told no more"
                    );
                    return Count::WebhooksRefused;
                }
                End::Faulty(status) => (format!("it answered {status}"), attempts >= ATTEMPTS),
                End::Silent(text) => (text, false),
            };
            self.outlook.node.counters().bump(Count::WebhookAttemptsFailed);
            if self.failures == 0 {
                warn!(why = what, "the webhook does not take a change of state: it is told again");
            }
            self.failures += 1;
            if is_over || waiting.queued.elapsed() > KEPT {
                warn!(attempts, id = waiting.id, why = what, "a change of state is told no more");
                return Count::WebhooksDropped;
            }
            self.show_breaker(BreakerState::Open);
            sleep(pause(self.failures, &waiting.id)).await;
        }
    }

    /// Shows this state, or that all is well.
    fn show_breaker(&self, otherwise: BreakerState) {
        let is_well = self.failures == 0;
        self.outlook.webhook.set_breaker(if is_well { BreakerState::Closed } else { otherwise });
    }
}

async fn attempt(prober: &Prober, hook: &Hook, waiting: &Waiting) -> End {
    let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let target = request(hook, waiting, unix.as_secs());
    match prober.probe(&target.to_carried(), DEADLINE).await {
        Ok(report) => match report.reply {
            Reply::Status(status) => End::of_status(status),
            _ => End::Silent(report.failure.map_or_else(|| "no answer".to_owned(), Into::into)),
        },
        Err((_, text)) => {
            let deadline = Period(Span::from_us(u64::try_from(DEADLINE.as_micros()).unwrap_or(u64::MAX)));
            End::Silent(format!("this node could not ask within {deadline}: {text}"))
        }
    }
}

/// The request, signed for this attempt: a receiver may refuse what was signed long ago.
fn request(hook: &Hook, waiting: &Waiting, unix_s: u64) -> Target {
    let signature = hook.secret.sign(&waiting.id, unix_s, &waiting.body);
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("webhook-id", waiting.id.clone()),
        ("webhook-timestamp", unix_s.to_string()),
        ("webhook-signature", signature),
    ];
    let headers: BTreeMap<String, HeaderText> =
        headers.into_iter().map(|(name, value)| (name.to_owned(), HeaderText::Plain(value))).collect();
    Target { headers, body: Some(waiting.body.clone()), ..hook.target.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_taken_refused_or_a_reason_to_try_again() {
        for status in [200, 202, 204, 299] {
            assert_eq!(End::of_status(status), End::Taken);
        }
        for status in [301, 302, 307, 400, 401, 404, 410, 413, 422] {
            assert_eq!(End::of_status(status), End::Refused(status));
        }
        for status in [408, 425, 429, 500, 502, 503, 504] {
            assert_eq!(End::of_status(status), End::Faulty(status));
        }
    }
}
