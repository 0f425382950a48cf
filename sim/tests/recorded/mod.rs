//! A recording of a node, made without a clock and a disk: the same bytes each time.

use std::sync::Arc;

use heck_core::Node;
use heck_core::config::Config;
use heck_core::effects::Effects;
use heck_core::entry::OriginSpec;
use heck_core::id::{Addr, Boot, Name};
use heck_core::input::{Command, Input};
use heck_core::member::{Member, Members};
use heck_core::node::{Base, Identity};
use heck_core::probe::{Failure, ProbeOutcome, Reply};
use heck_core::recording::Scribe;
use heck_core::rng::Seed;
use heck_core::time::{Span, Time};

/// When the recording begins: 2026-01-31T12:00:00Z.
pub const BEGAN: Time = Time(1_769_860_800_000_000);

/// A valid name.
pub fn name(text: &str) -> Name {
    Name::new(text).expect("a test uses valid names")
}

/// A node that records, and whose disk and origins answer at once.
struct Recorded {
    node: Node,
    scribe: Scribe,
    now: Time,
    bytes: Vec<u8>,
}

impl Recorded {
    fn step(&mut self, input: Input<'_>) {
        let mut effects = Effects::default();
        self.node.step(self.now, input, &mut effects);
        self.scribe.begin_step(self.now, input);
        self.scribe.end_step(&effects, &mut self.bytes);
        if let Some(&(up_to, _)) = effects.records.last() {
            self.step(Input::Persisted { up_to });
        }
        for probe in effects.probes {
            let is_up = probe.origin.as_str() == "up";
            let reply = if is_up { Reply::Status(204) } else { Reply::Failed(Failure::Connect) };
            self.step(Input::Probe(ProbeOutcome { probe: probe.probe, reply, took: Span::from_ms(7) }));
        }
    }

    fn run_until(&mut self, until: Time) {
        while self.node.next_wake().0 <= until {
            self.now = self.now.max(self.node.next_wake().0);
            self.step(Input::Timeout);
        }
        self.now = until;
    }
}

/// Two files that follow each other, of a node that serves by itself, checks two origins and takes a write a second; it knows
/// a member that does not answer. The second begins after ten seconds, and both together are so long.
pub fn recorded(length: Span) -> [Vec<u8>; 2] {
    let members =
        ["n", "gone"].map(|text| Member::new(name(text), Addr { ip: [text.len() as u8; 16], port: 7400 }));
    let own = members[0].addr;
    let base = Base { members: Members::new(members.to_vec()), formed: true, ..Base::default() };
    let identity = Identity::new(name("n"), Boot(1), own);
    let node = Node::new(identity, Arc::new(Config::default()), &Arc::new(base), None, Seed(4), BEGAN);
    let mut this = Recorded { node, scribe: Scribe::new(11), now: BEGAN, bytes: Vec::new() };
    this.scribe.begin_file(&this.node, BEGAN, &mut this.bytes);
    for origin in ["up", "down"] {
        let spec = OriginSpec::new("http://10.0.0.7/");
        let put = Command::PutOrigin { name: name(origin), spec, source: name("test") };
        this.step(Input::Command { token: 1, command: &put });
    }
    let mut first = Vec::new();
    let mut second = 0;
    while BEGAN + Span::from_secs(second) < BEGAN + length {
        this.run_until(BEGAN + Span::from_secs(second));
        let value = Arc::from(format!("value-{second}").as_bytes());
        let put = Command::PutKey { name: name(&format!("key-{}", second % 5)), value };
        this.step(Input::Command { token: 2 + second, command: &put });
        second += 1;
        if second == 10 {
            first = std::mem::take(&mut this.bytes);
            this.scribe.begin_file(&this.node, this.now, &mut this.bytes);
        }
    }
    [first, this.bytes]
}
