//! A protocol for tests: it does what it is asked and writes down what it hears.

use heck_core::time::Time;
use heck_sim::engine::outbox::Outbox;
use heck_sim::engine::protocol::{self, Input, Protocol};

/// What a test asks of a node.
#[derive(Clone, Debug)]
pub enum Ask {
    Send {
        to: Vec<u32>,
        message: Message,
    },
    WakeAt(Time),
    /// Wake always, at once.
    Insist,
    Persist {
        sequence: u64,
    },
    CountRecycled,
    Open {
        peer: u32,
        frames: Vec<Message>,
    },
    Frame {
        stream: u64,
        frame: Message,
    },
    Close {
        stream: u64,
    },
}

/// What a node heard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Heard {
    Timeout,
    Command,
    Datagram { from: u32, body: u32 },
    Opened { stream: u64, peer: u32, ours: bool },
    Frame { stream: u64, body: u32 },
    Closed { stream: u64 },
    Persisted { up_to: u64 },
    Recycled { packets: usize },
}

/// A message that owns memory, so that it is recycled, and can be made to lie about its encoding.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Message {
    pub body: u32,
    /// Beside the body.
    pub padding: Vec<u8>,
    pub claimed_len: Option<u32>,
    pub forgets_body: bool,
}

impl Message {
    pub fn new(body: u32) -> Self {
        Self { body, ..Self::default() }
    }

    /// A message of `len` bytes in all.
    pub fn of_len(body: u32, len: usize) -> Self {
        Self { padding: vec![0; len - 5], ..Self::new(body) }
    }
}

impl protocol::Message for Message {
    fn wire_len(&self) -> u32 {
        self.claimed_len.unwrap_or(5 + self.padding.len() as u32)
    }

    fn content_word(&self) -> u64 {
        u64::from(self.body)
    }

    fn encode(&self, into: &mut Vec<u8>) {
        into.push(0);
        into.extend_from_slice(&if self.forgets_body { 0 } else { self.body }.to_le_bytes());
        into.extend_from_slice(&self.padding);
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        let body: [u8; 4] = bytes.get(1..5).ok_or("too short")?.try_into().map_err(|_| "too short")?;
        Ok(Self { body: u32::from_le_bytes(body), padding: bytes[5..].to_vec(), ..Self::default() })
    }
}

#[derive(Debug, Default)]
pub struct Toy {
    pub heard: Vec<(u64, Heard)>,
    wake: Option<Time>,
    insists: bool,
}

impl Protocol for Toy {
    type Packet = Message;
    type Frame = Message;
    type Record = &'static str;
    type Command = Ask;
    type Event = &'static str;
    type Scratch = ();

    fn step(&mut self, now: Time, input: Input<'_, Self>, out: &mut Outbox<Self>) {
        let heard = match input {
            Input::Timeout => {
                self.wake = None;
                Heard::Timeout
            }
            Input::Datagram { from, packet } => Heard::Datagram { from, body: packet.body },
            Input::StreamOpened { stream, peer, ours } => Heard::Opened { stream, peer, ours },
            Input::StreamFrame { stream, frame } => Heard::Frame { stream, body: frame.body },
            Input::StreamClosed { stream } => Heard::Closed { stream },
            Input::Persisted { up_to } => Heard::Persisted { up_to },
            Input::Command { command: Ask::CountRecycled, .. } => {
                Heard::Recycled { packets: out.recycled.len() }
            }
            Input::Command { command, .. } => {
                self.obey(command, out);
                Heard::Command
            }
        };
        self.heard.push((now.0, heard));
    }

    fn next_wake(&self) -> Time {
        if self.insists { Time::ZERO } else { self.wake.unwrap_or(Time::NEVER) }
    }
}

impl Toy {
    fn obey(&mut self, command: Ask, out: &mut Outbox<Self>) {
        out.report("asked");
        match command {
            Ask::Send { to, message } => out.send_to_all(to, message),
            Ask::WakeAt(time) => self.wake = Some(time),
            Ask::Insist => self.insists = true,
            Ask::Persist { sequence } => out.persist(sequence, "record"),
            Ask::Open { peer, frames } => {
                let stream = out.open_stream(peer);
                for frame in frames {
                    out.send_frame(stream, frame);
                }
            }
            Ask::Frame { stream, frame } => out.send_frame(stream, frame),
            Ask::Close { stream } => out.close_stream(stream),
            Ask::CountRecycled => {}
        }
    }
}
