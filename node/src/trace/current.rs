//! The context of what a task is at, for what is called within it.

use super::context::Context;

tokio::task_local! {
    /// The span of the request that is being answered.
    static REQUEST: Context;
    /// The span of the probe that is under way, where its origin is to hear of it.
    static PROBE: Context;
}

/// Carries out `future` as a part of the span of a request.
pub(crate) async fn within<F: Future>(context: Context, future: F) -> F::Output {
    REQUEST.scope(context, future).await
}

/// The span of the request that this is a part of.
pub(crate) fn request() -> Option<Context> {
    REQUEST.try_with(|context| *context).ok()
}

/// Carries out `future` as a probe whose origin is told of its span.
pub(crate) async fn telling<F: Future>(context: Context, future: F) -> F::Output {
    PROBE.scope(context, future).await
}

/// The span that the origin of this probe is to be told of.
pub(crate) fn probe() -> Option<Context> {
    PROBE.try_with(|context| *context).ok()
}
