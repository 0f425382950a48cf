//! Speed and memory of the engine on the ping workload, beside the same engine on `std`'s binary heap.
//!
//! `cargo bench -p heck-sim --bench engine`, with the numbers of nodes as arguments if others are wanted. Each
//! line is the median of several runs; both queues take turns, because the speed of a machine drifts. Time is that
//! of the processor where Linux tells it, so that a busy machine does not slow the figures down by waiting.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hint::black_box;
use std::time::Instant;

use heck_core::rng::{Seed, Stream};
use heck_core::time::{Span, Time};
use heck_sim::engine::draw::{Dice, Purpose};
use heck_sim::engine::event::Event;
use heck_sim::engine::latency::Latency;
use heck_sim::engine::network::{Network, Path};
use heck_sim::engine::queue::{CalendarQueue, EventQueue};
use heck_sim::engine::world::{World, WorldConfig};
use heck_sim::protocol::ping::Ping;

const SEED: Seed = Seed(1);
const ROUNDS: usize = 3;
/// Each node makes three events a second: a time-out, a ping and an ack.
const EVENTS_PER_RUN: u64 = 12_000_000;

/// The obvious event queue: a heap of (time, sequence number).
#[derive(Default)]
struct HeapQueue {
    heap: BinaryHeap<Reverse<(u64, u64, u32, u32)>>,
    sequence: u64,
}

impl EventQueue for HeapQueue {
    fn push(&mut self, Event { time_us, target, payload }: Event) {
        self.heap.push(Reverse((time_us, self.sequence, target, payload)));
        self.sequence += 1;
    }

    fn pop_until(&mut self, limit_us: u64) -> Option<Event> {
        if self.heap.peek()?.0.0 > limit_us {
            return None;
        }
        let Reverse((time_us, _, target, payload)) = self.heap.pop()?;
        Some(Event { time_us, target, payload })
    }

    fn len(&self) -> usize {
        self.heap.len()
    }
}

/// Processor time of this thread, or else the time that passes.
struct Stopwatch {
    processor_ns: Option<u64>,
    wall: Instant,
}

impl Stopwatch {
    fn start() -> Self {
        Self { processor_ns: Self::processor_ns(), wall: Instant::now() }
    }

    fn secs(&self) -> f64 {
        match (self.processor_ns, Self::processor_ns()) {
            (Some(start), Some(end)) => (end - start) as f64 / 1e9,
            _ => self.wall.elapsed().as_secs_f64(),
        }
    }

    fn processor_ns() -> Option<u64> {
        let schedstat = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        schedstat.split_whitespace().next()?.parse().ok()
    }
}

struct Run {
    events_per_sec: f64,
    bytes_per_node: f64,
    /// In the whole run once warm.
    allocations: u64,
    events: u64,
    hash: u64,
}

fn ping_world<Q: EventQueue>(nodes: u32) -> World<Ping, Q> {
    let latency = Latency::Uniform { min_us: 1_000, max_us: 50_000 };
    let network = Network::uniform(1, &Path::perfect(latency));
    let mut world = World::new(WorldConfig::new(SEED, network));
    for node in 0..nodes {
        world.add_node(0, Ping::new(SEED, node, nodes));
    }
    world
}

fn run<Q: EventQueue>(nodes: u32) -> Run {
    let mut world = None;
    let resident = allocation_counter::measure(|| {
        let mut warm = ping_world::<Q>(nodes);
        warm.run_until(Time::ZERO + Span::from_secs(3), &mut ()).unwrap();
        world = Some(warm);
    });
    let mut world = world.unwrap();
    let before = world.trace().count();
    let until = world.now() + Span::from_secs((EVENTS_PER_RUN / 3 / u64::from(nodes)).max(3));
    let watch = Stopwatch::start();
    let warm = allocation_counter::measure(|| world.run_until(until, &mut ()).unwrap());
    let secs = watch.secs();
    let events = world.trace().count() - before;
    Run {
        events_per_sec: events as f64 / secs,
        bytes_per_node: resident.bytes_current as f64 / f64::from(nodes),
        allocations: warm.count_total,
        events,
        hash: world.trace().hash(),
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn compare_queues(nodes: u32) {
    let mut calendar = Vec::new();
    let mut heap = Vec::new();
    for _ in 0..ROUNDS {
        calendar.push(run::<CalendarQueue>(nodes));
        heap.push(run::<HeapQueue>(nodes));
    }
    assert_eq!(calendar[0].hash, heap[0].hash, "both queues must run the same events in the same order");
    let speed = |runs: &[Run]| median(runs.iter().map(|run| run.events_per_sec).collect()) / 1e6;
    let (calendar_speed, heap_speed) = (speed(&calendar), speed(&heap));
    let Run { bytes_per_node, allocations, events, .. } = calendar[0];
    println!(
        "| {nodes:>9} | {calendar_speed:>9.1} | {heap_speed:>9.1} | {:>5.1} | {bytes_per_node:>10.0} | \
         {allocations:>5} in {events:>8} |",
        calendar_speed / heap_speed,
    );
}

/// What the fate of a datagram costs in random words: one generator for each sender, against draws by counter.
fn compare_randomness(senders: u32) {
    const DRAWS: u32 = 4_000_000;
    let random_sender =
        |n: u32| ((u64::from(n.wrapping_mul(2_654_435_769)) * u64::from(senders)) >> 32) as usize;
    let mut streams: Vec<Stream> = (0..senders).map(|node| Stream::new(SEED, u64::from(node))).collect();
    let mut counters = vec![0_u64; senders as usize];
    let dice = Dice::new(SEED);
    let time_ns = |draw: &mut dyn FnMut(usize) -> u32| {
        let watch = Stopwatch::start();
        for n in 0..DRAWS {
            black_box(draw(random_sender(n)));
        }
        watch.secs() * 1e9 / f64::from(DRAWS)
    };
    let stream_ns = time_ns(&mut |sender| streams[sender].next_u32() ^ streams[sender].next_u32());
    let counter_ns = time_ns(&mut |sender| {
        counters[sender] += 1;
        let mut draw = dice.draw(Purpose::Datagram, sender as u32, counters[sender]);
        draw.word(0) ^ draw.word(1)
    });
    println!("| {senders:>9} | {stream_ns:>26.1} | {counter_ns:>21.1} |");
}

fn main() {
    let mut sizes: Vec<u32> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
    if sizes.is_empty() {
        sizes = vec![1_000, 100_000, 1_000_000];
    }
    println!("Ping workload, million events/s on one core; bytes hold engine and protocol together.\n");
    println!("|     nodes |  calendar | std heap | ratio | bytes/node | allocations once warm |");
    println!("|-----------|-----------|----------|-------|------------|-----------------------|");
    for &nodes in &sizes {
        compare_queues(nodes);
    }
    println!("\nTwo random words for a datagram of a random sender, ns.\n");
    println!("|   senders | ChaCha8 stream each (88 B) | by counter (8 B) each |");
    println!("|-----------|----------------------------|-----------------------|");
    for senders in sizes {
        compare_randomness(senders);
    }
}
