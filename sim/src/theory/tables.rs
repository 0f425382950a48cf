//! The numbers that the verb `theory` shows, as data.

use super::head_of_line::Stream;
use super::maps::{Map, ModelParameters};
use super::monte_carlo::{Experiment, Process, Start};
use super::talk::Talk;
use super::{Messages, bounds};
use serde::Serialize;

/// Everything that `theory` shows.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Tables {
    /// The talk's recurrence after ten rounds.
    pub talk: Vec<TalkRow>,
    /// What it prints after 80,000 rounds at 99 % loss.
    pub long_run: Vec<LongRunRow>,
    /// Rounds until 99.9 % have it, by the large-N maps.
    pub rounds_to_99_9: Vec<MapRow>,
    /// What no protocol can beat.
    pub bounds: Vec<BoundRow>,
    /// One loss in an ordered stream.
    pub head_of_line: HeadOfLine,
    /// Seeded runs, if asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monte_carlo: Option<MonteCarlo>,
}

/// The talk's recurrence with one setting.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct TalkRow {
    /// N.
    pub nodes: u32,
    /// Nodes that have it at the start.
    pub start_nodes: u32,
    /// Loss per message.
    pub loss: f64,
    /// Messages of a contact that can be lost.
    pub lossy_messages: u32,
    /// Rounds.
    pub rounds: u32,
    /// Percent of nodes that have it then.
    pub percent: f64,
}

/// The recurrence over many rounds.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct LongRunRow {
    /// Loss per message.
    pub loss: f64,
    /// Messages of a contact that can be lost.
    pub lossy_messages: u32,
    /// Rounds.
    pub rounds: u32,
    /// Percent of 100 nodes that have it then, as double precision has it.
    pub percent: f64,
    /// The last round in which that number still moved.
    pub last_moving_round: u32,
    /// log₁₀ of the fraction that is still missing, summed in logarithms.
    pub log10_missing: f64,
}

/// Rounds until 99.9 % have it at one loss; `null` if never.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct MapRow {
    /// Loss per datagram.
    pub loss: f64,
    /// Push of digests (three lossy messages) from 1 %.
    pub push_digest_cold: Option<u32>,
    /// The same after a broadcast.
    pub push_digest_after_broadcast: Option<u32>,
    /// Pull (two lossy messages) from 1 %.
    pub pull_cold: Option<u32>,
    /// The same after a broadcast.
    pub pull_after_broadcast: Option<u32>,
    /// Pull and one push of the payload per holder and round, after a broadcast.
    pub pull_and_push_after_broadcast: Option<u32>,
}

/// Lower bounds at one size and loss; infinite is `null`.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct BoundRow {
    /// N.
    pub nodes: u32,
    /// Loss per message.
    pub loss: f64,
    /// log₂₋ₚ N: rounds at one send per node and round.
    pub growth_rounds: f64,
    /// Blind copies of a broadcast that leave nobody out with 99 %.
    pub blind_copies: Option<u32>,
    /// Payload sends that delivery to everyone takes.
    pub least_payload_sends: f64,
}

/// Head-of-line blocking on a link of 200 ms at 1,000 messages a second.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct HeadOfLine {
    /// One-way latency.
    pub latency_ms: u64,
    /// Waits of all messages behind the lost one.
    pub total_wait_ms: u64,
    /// With that of the lost one.
    pub total_wait_with_lost_ms: u64,
    /// When the sender needs three duplicate acks.
    pub total_wait_three_duplicates_ms: u64,
    /// What the talk says.
    pub talk_says_ms: u64,
}

/// Seeded runs of the processes.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct MonteCarlo {
    /// Seed of all of them.
    pub seed: u64,
    /// The talk's process after ten rounds.
    pub talk: Vec<BandRow>,
    /// Rounds until everyone has it at 50 % loss.
    pub rounds_to_everyone: Vec<RoundsRow>,
}

/// Mean and deviation of the talk's process.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct BandRow {
    /// N; 1 % of them have it at the start.
    pub nodes: u32,
    /// Loss per message.
    pub loss: f64,
    /// Runs.
    pub runs: u32,
    /// Mean percentage of nodes that have it.
    pub mean_percent: f64,
    /// Its standard deviation over runs.
    pub deviation_percent: f64,
}

/// Rounds until everyone has it.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct RoundsRow {
    /// What happens in a round.
    pub process: &'static str,
    /// N.
    pub nodes: u32,
    /// Runs.
    pub runs: u32,
    /// Mean over runs, with its 95 % interval.
    pub mean: f64,
    /// Lower end.
    pub mean_low: f64,
    /// Upper end.
    pub mean_high: f64,
}

/// The processes of the table of rounds, by name.
pub const PROCESSES: [(&str, Process, Start); 6] = [
    ("oracle: no send wasted", Process::Oracle, Start::Holders(1)),
    ("random push of the payload", Process::Push, Start::Holders(1)),
    ("pull, cold", Process::Pull, Start::Holders(1)),
    ("pull, after broadcast", Process::Pull, Start::Broadcast),
    ("push of digests, cold", Process::PushDigest, Start::Holders(1)),
    ("push of digests, after broadcast", Process::PushDigest, Start::Broadcast),
];

/// The sizes of the tables.
pub const SIZES: [u32; 3] = [100, 1_000, 10_000];

const MESSAGES: [(u32, Messages); 3] = [(1, Messages::One), (2, Messages::Two), (3, Messages::Three)];

impl Tables {
    /// All numbers that need no randomness.
    #[must_use]
    pub fn exact() -> Self {
        let losses = [0.0, 0.1, 0.3, 0.5, 0.9];
        Self {
            talk: talk_rows(),
            long_run: MESSAGES
                .map(|(lossy_messages, messages)| long_run_row(lossy_messages, messages))
                .into(),
            rounds_to_99_9: losses.map(map_row).into(),
            bounds: SIZES
                .iter()
                .flat_map(|&nodes| [0.1, 0.5, 0.9].map(|loss| bound_row(nodes, loss)))
                .collect(),
            head_of_line: head_of_line(),
            monte_carlo: None,
        }
    }

    /// The same with seeded runs; a quarter of `runs`, but at least two, at the largest size.
    #[must_use]
    pub fn with_monte_carlo(seed: u64, runs: u32) -> Self {
        let sizes = SIZES.map(|nodes| (nodes, if nodes < 10_000 { runs } else { (runs / 4).max(2) }));
        let bands =
            sizes.iter().flat_map(|&(nodes, runs)| [0.0, 0.5].map(|loss| band(nodes, loss, seed, runs)));
        let rounds = PROCESSES.iter().flat_map(|&(name, process, start)| {
            sizes.map(|(nodes, runs)| {
                let sample =
                    Experiment { process, nodes, loss: 0.5, start }.rounds_to_everyone(100_000, seed, runs);
                let interval = sample.mean_interval();
                let (mean, mean_low, mean_high) = (sample.mean(), interval.low, interval.high);
                RoundsRow { process: name, nodes, runs, mean, mean_low, mean_high }
            })
        });
        let monte_carlo = MonteCarlo { seed, talk: bands.collect(), rounds_to_everyone: rounds.collect() };
        Self { monte_carlo: Some(monte_carlo), ..Self::exact() }
    }
}

fn talk_rows() -> Vec<TalkRow> {
    let row = |nodes: u32, start_nodes: u32, loss: f64, (lossy_messages, messages): (u32, Messages)| {
        let start_share = f64::from(start_nodes) / f64::from(nodes);
        let talk = Talk { nodes, start_share, survival: messages.survival(loss) };
        TalkRow { nodes, start_nodes, loss, lossy_messages, rounds: 10, percent: talk.percent_after(10) }
    };
    let [one, two, three] = MESSAGES;
    vec![
        row(100, 1, 0.0, one),
        row(100, 1, 0.5, one),
        row(100, 1, 0.5, two),
        row(100, 1, 0.5, three),
        row(1_000, 1, 0.0, one),
        row(10_000, 1, 0.0, one),
    ]
}

fn long_run_row(lossy_messages: u32, messages: Messages) -> LongRunRow {
    let (loss, rounds) = (0.99, 80_000);
    let talk = Talk { nodes: 100, start_share: 0.01, survival: messages.survival(loss) };
    LongRunRow {
        loss,
        lossy_messages,
        rounds,
        percent: talk.percent_after(rounds),
        last_moving_round: talk.last_moving_round(rounds),
        log10_missing: talk.log10_missing(rounds),
    }
}

fn map_row(loss: f64) -> MapRow {
    let both =
        Map::PullAndPush(ModelParameters { loss, pushes_per_round: 1.0, ..ModelParameters::default() });
    let (push, pull) = (Map::PushDigest { loss }, Map::Pull { loss });
    MapRow {
        loss,
        push_digest_cold: push.rounds_to(0.99, 0.001),
        push_digest_after_broadcast: push.rounds_to(loss, 0.001),
        pull_cold: pull.rounds_to(0.99, 0.001),
        pull_after_broadcast: pull.rounds_to(loss, 0.001),
        pull_and_push_after_broadcast: both.rounds_to(loss, 0.001),
    }
}

fn bound_row(nodes: u32, loss: f64) -> BoundRow {
    BoundRow {
        nodes,
        loss,
        growth_rounds: bounds::growth_rounds(nodes, loss),
        blind_copies: bounds::blind_copies(nodes, loss, 0.01),
        least_payload_sends: bounds::least_payload_sends(nodes, loss),
    }
}

fn head_of_line() -> HeadOfLine {
    let stream = Stream { latency_ms: 200, duplicates: 1 };
    HeadOfLine {
        latency_ms: stream.latency_ms,
        total_wait_ms: stream.total_wait_ms(),
        total_wait_with_lost_ms: stream.total_wait_with_lost_ms(),
        total_wait_three_duplicates_ms: Stream { duplicates: 3, ..stream }.total_wait_ms(),
        talk_says_ms: 240_000,
    }
}

fn band(nodes: u32, loss: f64, seed: u64, runs: u32) -> BandRow {
    let experiment = Experiment { process: Process::Push, nodes, loss, start: Start::Holders(nodes / 100) };
    let sample = experiment.percent_after(10, seed, runs);
    BandRow { nodes, loss, runs, mean_percent: sample.mean(), deviation_percent: sample.deviation() }
}
