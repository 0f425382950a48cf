//! Drawing a scenario from a seed.

use heck_core::rng::{Seed, Stream};
use toml::{Table, Value};

use super::faults::fault;
use super::table::{get, ms, read_ms, remove, set};

/// Under which name the draws of scenarios stand apart from those of their runs.
const STREAM: u64 = 0x0073_7761_726D;

/// Draws by the meaning of what is drawn.
pub(super) struct Dice(Stream);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(Stream::new(Seed(seed), STREAM))
    }

    /// True in so many of a hundred cases.
    pub(super) fn chance(&mut self, percent: u32) -> bool {
        self.0.below(100) < percent
    }

    /// From `least` to `most`, both of them possible.
    pub(super) fn between(&mut self, least: u64, most: u64) -> u64 {
        least + u64::from(self.0.below((most - least + 1).min(u64::from(u32::MAX)) as u32))
    }

    /// One of these.
    pub(super) fn pick<T: Clone>(&mut self, values: &[T]) -> T {
        values[self.0.below(values.len() as u32) as usize].clone()
    }

    /// From one to `most` different numbers below `count`, in order.
    pub(super) fn some(&mut self, count: u64, most: u64) -> Value {
        let wanted = self.between(1, most.clamp(1, count));
        let mut chosen = std::collections::BTreeSet::new();
        while (chosen.len() as u64) < wanted {
            chosen.insert(self.between(0, count - 1) as i64);
        }
        Value::Array(chosen.into_iter().map(Value::Integer).collect())
    }
}

/// What other draws depend on.
pub(super) struct Shape {
    /// Nodes that are there at the start.
    pub(super) present: u64,
    /// Nodes that are not.
    pub(super) spare: u64,
    pub(super) origins: u64,
    pub(super) checks: bool,
    /// When the last fault has ended.
    pub(super) calm_ms: u64,
    /// Zones of two, where there are some.
    pub(super) zones: bool,
    /// Whether nobody ever finds out who is dead, so that nobody may come, go or check.
    pub(super) fixed: bool,
}

/// The scenario of a seed: a file that `heck-sim run` takes.
#[must_use]
pub fn draw(seed: u64) -> Table {
    let dice = &mut Dice::new(seed);
    let mut file = Table::new();
    set(&mut file, "question", format!("Does anything break in the swarm's scenario of seed {seed}?"));
    set(&mut file, "source", "drawn at random");
    set(&mut file, "expectation", "No invariant is broken, and all nodes agree in the quiet time.");
    set(&mut file, "run.seed", Value::Integer((seed & i64::MAX as u64) as i64));
    let shape = cluster(dice, &mut file);
    protocol(dice, &mut file);
    network(dice, &mut file);
    if shape.checks {
        checks(dice, &mut file);
    }
    workload(dice, &mut file, &shape);
    let faults = if dice.chance(80) { dice.between(1, 6) } else { 0 };
    let mut faults: Vec<Table> = (0..faults).map(|_| fault(dice, &shape)).collect();
    let has_churn = dice.chance(20);
    if has_churn {
        churn(dice, &mut file, &shape);
    }
    // Lives are counted here. Of a disk and its copy that both begin another life, both begin the same one, which real
    // drivers avoid by counting in milliseconds.
    if has_churn || faults.iter().any(|fault| fault.contains_key("crash")) {
        faults.retain(|fault| !fault.contains_key("copy_disk"));
    }
    // Whoever stalls again and again is in quarantine for twice as long each time, and for longer than is waited for.
    if faults.iter().any(|fault| fault.contains_key("starve")) {
        set(&mut file, "cluster.protocol.quarantine", "1s");
    }
    if !faults.is_empty() {
        set(&mut file, "fault", Value::Array(faults.into_iter().map(Value::Table).collect()));
    }
    let quiet_ms = quiet_ms(&file);
    set(&mut file, "measure.quiet", ms(quiet_ms));
    set(&mut file, "run.duration", ms(shape.calm_ms + quiet_ms));
    file
}

fn cluster(dice: &mut Dice, file: &mut Table) -> Shape {
    let present = match dice.between(0, 9) {
        0..=3 => dice.between(2, 8),
        4..=7 => dice.between(9, 30),
        _ => dice.between(31, 100),
    };
    let fixed = dice.chance(8);
    let spare = if !fixed && dice.chance(30) { dice.between(1, 4) } else { 0 };
    let checks = !fixed && dice.chance(60);
    if fixed {
        set(file, "cluster.protocol.membership", "fixed");
    }
    let most_origins = dice.pick(&[5, 50, 400]);
    let origins = dice.between(1, most_origins);
    set(file, "cluster.nodes", (present + spare) as i64);
    if spare > 0 {
        set(file, "cluster.spare", spare as i64);
    }
    if dice.chance(15) {
        set(file, "cluster.start", "cold");
    }
    set(file, "cluster.origins", origins as i64);
    set(file, "cluster.keys", dice.between(1, 50) as i64);
    if dice.chance(30) {
        set(file, "cluster.disk_sync", ms(dice.pick(&[5, 50, 500])));
    }
    let zones = present >= 4 && dice.chance(30);
    if zones {
        let first = (present + spare) / 2;
        let zone = |name: &str, nodes: u64| {
            let mut zone = Table::new();
            set(&mut zone, "name", name);
            set(&mut zone, "nodes", nodes as i64);
            Value::Table(zone)
        };
        let both = vec![zone("east", first), zone("west", present + spare - first)];
        set(file, "cluster.zone", Value::Array(both));
    }
    let calm_ms = dice.between(10, 40) * 1_000;
    Shape { present, spare, origins, checks, calm_ms, zones, fixed }
}

/// Draws settings, each of them rarely.
fn protocol(dice: &mut Dice, file: &mut Table) {
    let interval_ms = dice.pick(&[200, 500, 1_000, 1_000, 1_000, 2_000]);
    let mut change = |dice: &mut Dice, key: &str, values: &[Value]| {
        if dice.chance(15) {
            set(file, &format!("cluster.protocol.{key}"), dice.pick(values));
        }
    };
    let text = |values: &[&str]| values.iter().map(|text| Value::from(*text)).collect::<Vec<_>>();
    let numbers = |values: &[i64]| values.iter().map(|number| Value::from(*number)).collect::<Vec<_>>();
    change(dice, "broadcast", &[Value::from("none"), Value::from(1), Value::from(3)]);
    change(dice, "repair_fanout", &numbers(&[2, 4]));
    change(dice, "broadcast_copies", &numbers(&[2, 4]));
    change(dice, "broadcast_spacing", &text(&["0s", "200ms", "2s"]));
    change(dice, "relay_above", &numbers(&[2, 8, 24]));
    change(dice, "relay_copies", &numbers(&[1, 4]));
    change(dice, "rumour_bytes", &text(&["0B", "100B", "400B"]));
    change(dice, "rumour_sends", &numbers(&[0, 4, 40]));
    change(dice, "recent_limit", &numbers(&[16, 32]));
    change(dice, "reply_bytes", &text(&["8kB"]));
    change(dice, "reply_budget", &text(&["2kB", "8kB"]));
    change(dice, "gap_asks", &numbers(&[0, 8]));
    change(dice, "catch_up_asks", &numbers(&[0, 1, 64]));
    change(dice, "heartbeat", &text(&["500ms", "2s"]));
    change(dice, "beat_bytes", &text(&["0B", "40B"]));
    change(dice, "log_retention", &text(&["5s", "20s"]));
    change(dice, "log_bytes", &text(&["1KiB", "16KiB"]));
    change(dice, "fence_after", &text(&["2s", "15s"]));
    change(dice, "stream_spacing", &text(&["0s", "10s"]));
    change(dice, "stream_timeout", &text(&["10s"]));
    change(dice, "frame_bytes", &text(&["4KiB", "1MiB"]));
    change(dice, "datagram_limit", &text(&["1300B", "1472B"]));
    change(dice, "entry_datagram_limit", &text(&["100B", "300B"]));
    change(dice, "quarantine", &text(&["0s", "5s"]));
    change(dice, "heal_interval", &text(&["1s"]));
    change(dice, "news_bytes", &text(&["60B"]));
    change(dice, "reap_after", &text(&["30s"]));
    // Replies that are shorter need entries that go by stream sooner.
    if dice.chance(10) {
        let (reply, entry) = dice.pick(&[("300B", "200B"), ("600B", "500B")]);
        set(file, "cluster.protocol.reply_bytes", reply);
        set(file, "cluster.protocol.entry_datagram_limit", entry);
    }
    if interval_ms != 1_000 {
        set(file, "cluster.protocol.repair_interval", ms(interval_ms));
    }
}

fn network(dice: &mut Dice, file: &mut Table) {
    match dice.between(0, 3) {
        0 => set(file, "network.latency", "10ms"),
        1 => set(file, "network.latency.lognormal", lognormal()),
        _ => {
            set(file, "network.latency.uniform.min", "1ms");
            set(file, "network.latency.uniform.max", ms(dice.pick(&[10, 60, 300])));
        }
    }
    if dice.chance(50) {
        set(file, "network.loss", format!("{}%", dice.pick(&[1, 5, 10, 20, 30, 50])));
    }
    if dice.chance(20) {
        set(file, "network.duplicate", format!("{}%", dice.pick(&[1, 10, 50])));
    }
    if dice.chance(20) {
        set(file, "network.reorder.fraction", format!("{}%", dice.pick(&[1, 20])));
        set(file, "network.reorder.by", ms(dice.pick(&[50, 500])));
    }
    if dice.chance(5) {
        set(file, "network.bandwidth", "2Mbit/s");
    }
    if dice.chance(15) {
        set(file, "network.burst.good", "2s");
        set(file, "network.burst.bad", "200ms");
        set(file, "network.burst.at", dice.pick(&["link", "sender", "receiver"]));
    }
}

fn lognormal() -> Value {
    let mut table = Table::new();
    set(&mut table, "median", "20ms");
    set(&mut table, "p95", "80ms");
    set(&mut table, "max", "900ms");
    Value::Table(table)
}

fn checks(dice: &mut Dice, file: &mut Table) {
    let interval_ms = dice.pick(&[500, 1_000, 5_000, 5_000]);
    set(file, "checks.interval", ms(interval_ms));
    set(file, "checks.fast_interval", ms(interval_ms.min(dice.pick(&[200, 500, 1_000]))));
    set(file, "checks.timeout", ms(dice.pick(&[200, 1_000, 2_000])));
    if dice.chance(30) {
        set(file, "checks.fall", dice.between(1, 5) as i64);
        set(file, "checks.rise", dice.between(1, 3) as i64);
    }
    if dice.chance(20) {
        set(file, "checks.window", 8);
        set(file, "checks.threshold", dice.between(1, 8) as i64);
    }
    if dice.chance(30) {
        set(file, "checks.confirmers", dice.between(0, 5) as i64);
    }
    if dice.chance(20) {
        set(file, "checks.claims_per_s", dice.pick(&[5, 50]));
    }
    if dice.chance(20) {
        set(file, "checks.scope", "zones");
    }
}

fn workload(dice: &mut Dice, file: &mut Table, shape: &Shape) {
    let mut rate = |dice: &mut Dice, key: &str| {
        if dice.chance(60) {
            let per_s = dice.pick(&["0.2/s", "1/s", "5/s"]);
            set(file, &format!("workload.background.{key}"), per_s);
        }
    };
    // Where nodes check, what a workload says of an origin's health would be contradicted at once.
    if !shape.checks {
        rate(dice, "health_flips");
    }
    for key in ["origin_edits", "key_writes", "messages"] {
        rate(dice, key);
    }
    // Only these remove and add origins.
    if dice.chance(60) {
        let kinds = ["origin_removed", "origin_added", "key_written", "message_published"];
        let kinds = kinds.iter().filter(|_| dice.chance(60)).map(|kind| Value::from(*kind));
        let mut kinds: Vec<Value> = kinds.collect();
        if kinds.is_empty() {
            kinds.push(Value::from("origin_removed"));
        }
        set(file, "workload.follow.kinds", Value::Array(kinds));
        set(file, "workload.follow.at", "2s");
        set(file, "workload.follow.repeat", dice.between(1, shape.origins.min(6)) as i64);
        set(file, "workload.follow.every", "1s");
    }
    for key in ["value_size", "message_size"] {
        if dice.chance(15) {
            set(file, &format!("workload.{key}"), dice.pick(&["900B", "4KiB"]));
        }
    }
    // One reply a round, with one entry in it, takes longer than anyone waits.
    if get(file, "workload.value_size").or(get(file, "workload.message_size")).is_some() {
        remove(file, "cluster.protocol.reply_budget");
    }
    // What fits no datagram goes by streams, and these hardly move where more is lost.
    let loss = get(file, "network.loss").and_then(|loss| loss.as_str());
    if matches!(loss, Some("30%" | "50%")) {
        remove(file, "workload.value_size");
        remove(file, "workload.message_size");
        remove(file, "cluster.protocol.entry_datagram_limit");
        remove(file, "cluster.protocol.reply_bytes");
    }
}

fn churn(dice: &mut Dice, file: &mut Table, shape: &Shape) {
    set(file, "churn.crash", dice.pick(&["0.1/s", "0.5/s"]));
    set(file, "churn.down", dice.pick(&["1s", "5s"]));
    set(file, "churn.disk", dice.pick(&["kept", "synced", "lost"]));
    set(file, "churn.until", ms(shape.calm_ms * 2 / 3));
}

/// Of so many nodes one may be the last that is up, and it suspects the others thirty periods of a second later for each of them, two at least. Of more
/// the faults of one scenario do not leave one alone.
const FEW_NODES: u64 = 8;

/// How long it may take until all agree once nothing goes wrong any more but the loss that lasts: finding who is gone and who is
/// back, a quarantine, a stream that stalled and is given up, sixty exchanges that succeed, and twenty streams one after the other. A
/// fence waits as long again, and of an origin that changed hands the new owner has to begin its checks.
pub(super) fn quiet_ms(file: &Table) -> u64 {
    let time_ms = |key: &str| get(file, key).and_then(read_ms);
    let protocol_ms = |key: &str| time_ms(&format!("cluster.protocol.{key}"));
    let nodes = get(file, "cluster.nodes").and_then(Value::as_integer).unwrap_or(1).max(1) as u64;
    // A suspicion that nobody confirms: 6 times 2.7 periods of a second, times log10 of the nodes, which are at most 104.
    let decades_percent = if nodes <= 10 { 100 } else { 205 };
    let suspicion_ms = 1_000 * 27 * 6 * decades_percent / 1_000;
    // Of those who were buried all are found again within so many attempts of everyone, which are rarer in a larger fleet.
    let heal_ms = 6 * protocol_ms("heal_interval").unwrap_or(5_000) * nodes.max(50) / 50;
    let quarantine_ms = protocol_ms("quarantine").unwrap_or(30_000);
    let stalled_ms = protocol_ms("stream_timeout").unwrap_or(30_000);
    let alone_ms = if nodes <= FEW_NODES { 30_000 * (nodes - 1).max(2) } else { 0 };
    let found_ms = (alone_ms + suspicion_ms).max(heal_ms) + quarantine_ms.max(stalled_ms);
    let interval_ms = protocol_ms("repair_interval").unwrap_or(1_000);
    let stream_ms = protocol_ms("stream_spacing").unwrap_or(2_000);
    let loss =
        get(file, "network.loss").and_then(|loss| loss.as_str()?.strip_suffix('%')?.parse::<u64>().ok());
    let arrives = 100 - loss.unwrap_or(0).min(99);
    let exchange_ms = interval_ms * 10_000 / (arrives * arrives);
    let fences = protocol_ms("fence_after").is_some();
    let checks_ms = get(file, "checks").map_or(0, |_| 2 * time_ms("checks.interval").unwrap_or(5_000));
    found_ms + checks_ms + 60 * exchange_ms + 20 * stream_ms + if fences { 30_000 } else { 0 }
}
