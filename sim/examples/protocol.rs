//! A protocol of one's own in the simulator: each second, whoever knows a rumour tells it to somebody at random. How far it
//! comes in twenty seconds when nothing is lost, and when half is. `cargo run --release -p heck-sim --example protocol`

use heck_core::rng::Seed;
use heck_core::time::{Span, Time};
use heck_sim::engine::draw::{Dice, Purpose, Ratio};
use heck_sim::engine::latency::Latency;
use heck_sim::engine::network::{Network, Path};
use heck_sim::engine::outbox::Outbox;
use heck_sim::engine::protocol::{Input, Message, Never, Protocol};
use heck_sim::engine::world::{World, WorldConfig};

const NODES: u32 = 1_000;

/// A node that knows the rumour or does not.
struct Gossip {
    dice: Dice,
    node: u32,
    rounds: u64,
    knows: bool,
    next_round: Time,
}

/// The rumour.
struct Rumour;

impl Protocol for Gossip {
    type Packet = Rumour;
    type Frame = Never;
    type Record = ();
    type Command = ();
    type Event = ();
    type Scratch = ();

    fn step(&mut self, _: Time, input: Input<'_, Self>, out: &mut Outbox<Self>) {
        match input {
            Input::Timeout => {
                self.rounds += 1;
                self.next_round += Span::from_secs(1);
                // Chance comes from the seed, the node and the number of the draw, so that a run can be repeated.
                let word = self.dice.draw(Purpose::Protocol, self.node, self.rounds).word(0);
                if self.knows {
                    out.send(((u64::from(word) * u64::from(NODES)) >> 32) as u32, Rumour);
                }
            }
            Input::Datagram { .. } | Input::Command { .. } => self.knows = true,
            _ => {}
        }
    }

    fn next_wake(&self) -> Time {
        self.next_round
    }
}

impl Message for Rumour {
    fn wire_len(&self) -> u32 {
        1
    }

    fn content_word(&self) -> u64 {
        1
    }

    fn encode(&self, into: &mut Vec<u8>) {
        into.push(1);
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        if bytes == [1] { Ok(Self) } else { Err(format!("a rumour is a 1, not {bytes:?}")) }
    }
}

fn main() {
    for percent in [0, 50] {
        let loss = Ratio::of(percent, 100);
        let path = Path { loss, ..Path::perfect(Latency::Constant { us: 20_000 }) };
        let seed = Seed(1);
        let mut world: World<Gossip> = World::new(WorldConfig::new(seed, Network::uniform(1, &path)));
        for node in 0..NODES {
            let dice = Dice::new(seed);
            let phase = dice.draw(Purpose::Protocol, node, 0).word(0);
            let next_round = Time((u64::from(phase) * 1_000_000) >> 32);
            world.add_node(0, Gossip { dice, node, rounds: 0, knows: false, next_round });
        }
        world.command_at(Time::ZERO, 0, 0, ());
        println!("{percent} % loss");
        for second in (4..=20).step_by(4) {
            world.run_until(Time(second * 1_000_000), &mut ()).expect("nobody halts it");
            let know = world.running().filter(|(_, node)| node.knows).count();
            println!("  {second:2} s: {know:4} of {NODES} know, {} datagrams", world.total_traffic().sent);
        }
    }
}
