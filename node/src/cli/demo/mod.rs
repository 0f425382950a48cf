//! `heck demo`: a small cluster on loopback within one process, with origins of its own that go up and down.

mod cluster;
mod feed;
mod origins;

use self::cluster::Cluster;
use self::origins::Origins;
use super::stop::StopSignals;
use super::{Exit, refuse, say};
use crate::logs;
use crate::loss::Ratio;
use crate::settings::{Level, Log, LogFormat};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::time::timeout;

/// How long the nodes may take to find each other before the demo goes on all the same.
const UNTIL_FORMED: Duration = Duration::from_secs(30);
/// How long stopping may take.
const UNTIL_STOPPED: Duration = Duration::from_secs(5);

/// Runs a small cluster on loopback, with origins of its own that go up and down, and shows what it finds.
///
/// It is a real cluster: gossip is sealed, and every node serves its API. Ctrl-C ends it and leaves nothing behind.
#[derive(clap::Args, Clone, Copy, Debug)]
pub(super) struct Args {
    /// How many nodes.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=50))]
    nodes: u8,
    /// Which share of all datagrams between them is lost, such as `50%`.
    #[arg(long, default_value = "0%", value_parser = parse_loss)]
    loss: u32,
    /// Where the first node serves its API; the others take the next ports that are free.
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:7401")]
    http: SocketAddr,
}

fn parse_loss(text: &str) -> Result<u32, String> {
    let percent = text.strip_suffix('%').unwrap_or(text).parse().ok();
    percent.filter(|percent| *percent <= 90).ok_or_else(|| "write a share from `0%` to `90%`".to_owned())
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "all verbs take their arguments alike")]
pub(super) fn run(args: &Args) -> Exit {
    if !args.http.ip().is_loopback() {
        return refuse(format_args!("--http: {} is not on loopback, where a demo belongs", args.http));
    }
    // Its own lines tell what happens; the log would stand in between.
    logs::start(Log { level: Level::Error, format: LogFormat::Text });
    let runtime = match Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return refuse(format_args!("the system gives no threads: {error}")),
    };
    let exit = runtime.block_on(show(*args));
    runtime.shutdown_timeout(Duration::from_millis(100));
    exit
}

async fn show(args: Args) -> Exit {
    let mut signals = match StopSignals::listen() {
        Ok(signals) => signals,
        Err(error) => return refuse(format_args!("the system lends no signals: {error}")),
    };
    let cluster = tokio::select! {
        started = start(args) => match started {
            Ok(started) => started,
            Err(what) => return refuse(what),
        },
        _ = signals.next() => return Exit::Success,
    };
    let (cluster, _origins) = cluster;
    say(introduction(&cluster, args));
    let feed = tokio::spawn(feed::show(cluster.nodes()));
    signals.next().await;
    signals.end_at_next();
    feed.abort();
    say("\nThe nodes leave and stop.");
    // Whatever is not stopped by then ends with the process.
    let _ = timeout(UNTIL_STOPPED, cluster.stop()).await;
    Exit::Success
}

/// Starts everything, and waits until the nodes have found each other.
async fn start(args: Args) -> Result<(Cluster, Origins), String> {
    let origins = Origins::start().await.map_err(|error| format!("no origin could be started: {error}"))?;
    let cluster = Cluster::start(args.nodes, Ratio::percent(args.loss), args.http).await?;
    // A cluster that takes longer shows how it gets there.
    let _ = timeout(UNTIL_FORMED, cluster.formed()).await;
    cluster.add(&origins).await?;
    Ok((cluster, origins))
}

/// What there is, where to look, and what to type.
fn introduction(cluster: &Cluster, args: Args) -> String {
    let mut text = String::new();
    let lost = match args.loss {
        0 => String::new(),
        percent => format!("; {percent} % of all datagrams between them are lost"),
    };
    let count = args.nodes;
    let nodes = if count == 1 { "one node".to_owned() } else { format!("{count} nodes") };
    // Writing to a string cannot fail.
    let _ = writeln!(text, "A cluster of {nodes} on loopback{lost}.\n");
    for (name, url) in cluster.urls() {
        let _ = writeln!(text, "  {name:<8} {url}");
    }
    let _ = writeln!(text, "\nIt checks these origins every second, each from one node:\n");
    for (name, what) in Origins::DESCRIBED {
        let _ = writeln!(text, "  {name:<8} {what}");
    }
    let urls: Vec<&str> = cluster.urls().map(|(_, url)| url).collect();
    let (Some(first), Some(last)) = (urls.first(), urls.last()) else { return text };
    let _ = writeln!(text, "\nSee it in a browser, from any node: {last}/ui/");
    let _ = writeln!(text, "\nType in another terminal:\n");
    let _ = writeln!(text, "  export HECK_ADDR={first} HECK_TOKEN={}", cluster.token());
    for (command, what) in [
        ("heck members", "who is in the cluster"),
        ("heck health", "the health of all origins, as this node knows it"),
        ("heck owner shop", "who checks the shop, and who would next"),
        ("heck origin add mine http://127.0.0.1:8000/", "an origin of yours"),
        ("heck kv put greeting hello", "a value that every node gets"),
    ] {
        let _ = writeln!(text, "  {command:<44} # {what}");
    }
    let _ = writeln!(text, "  {:<44} # any node answers for all", format!("curl {last}/v1/health/shop"));
    let _ = write!(text, "\nWhat it finds (Ctrl-C ends it):\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_loss_is_written_in_percent() {
        assert_eq!(parse_loss("50%"), Ok(50));
        assert_eq!(parse_loss("7"), Ok(7));
        for wrong in ["91%", "-1%", "half", "0.5", ""] {
            assert!(parse_loss(wrong).is_err(), "{wrong}");
        }
    }
}
