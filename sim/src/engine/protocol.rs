//! What a protocol is to the engine: a state machine without clock, I/O and randomness of its own.

use heck_core::time::Time;

use super::outbox::Outbox;

/// A node's behaviour. heck's own `Node`, baselines and toys implement it and run under the same network.
///
/// The contract:
/// 1. [`step`](Self::step) depends on the state, `now` and the input alone.
/// 2. `now` is the node's own clock. It never runs backwards unless the driver sets it back.
/// 3. [`next_wake`](Self::next_wake) is asked after each step and after the node is created; the engine then
///    steps the node with [`Input::Timeout`] at that moment, or at once if it has passed.
/// 4. A wake-up that is no longer wanted is never delivered.
pub trait Protocol: Sized {
    /// What a datagram carries.
    type Packet: Message;
    /// What a stream carries.
    type Frame: Message;
    /// What is written to the disk.
    type Record: Clone;
    /// What a workload asks of a node.
    type Command;
    /// What a node reports.
    type Event;
    /// Working memory that all nodes of a world share, lent with each step in [`Outbox::scratch`]; what it holds
    /// must not influence what a step does. `()` for none.
    type Scratch: Default;

    /// Takes one input; what the node wants done goes into `out`.
    fn step(&mut self, now: Time, input: Input<'_, Self>, out: &mut Outbox<Self>);

    /// When the node wants [`Input::Timeout`], by its own clock; [`Time::NEVER`] for not at all.
    fn next_wake(&self) -> Time;
}

/// A packet or frame: passed between nodes as a value, or, in wire mode, as bytes.
pub trait Message: Sized {
    /// The exact length of the encoding in bytes. Called once for each message sent.
    fn wire_len(&self) -> u32;

    /// A word that differs for different contents, for the trace hash; cheap.
    fn content_word(&self) -> u64;

    /// Appends the encoding.
    fn encode(&self, into: &mut Vec<u8>);

    /// Reads an encoding back.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    fn decode(bytes: &[u8]) -> Result<Self, String>;
}

/// A message that is never sent, for protocols without streams or without datagrams.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Never {}

impl Message for Never {
    fn wire_len(&self) -> u32 {
        match *self {}
    }

    fn content_word(&self) -> u64 {
        match *self {}
    }

    fn encode(&self, _: &mut Vec<u8>) {
        match *self {}
    }

    fn decode(_: &[u8]) -> Result<Self, String> {
        Err("this protocol does not send such messages".into())
    }
}

/// What happens to a node.
pub enum Input<'a, P: Protocol> {
    /// The moment of [`Protocol::next_wake`] has come.
    Timeout,
    /// A datagram arrived.
    Datagram {
        /// The sender's index.
        from: u32,
        /// What it sent.
        packet: &'a P::Packet,
    },
    /// A stream is open for both sides.
    StreamOpened {
        /// The stream's number, the same at both ends.
        stream: u64,
        /// The other end's index.
        peer: u32,
        /// Whether this node opened it.
        ours: bool,
    },
    /// The next frame of a stream arrived.
    StreamFrame {
        /// The stream's number.
        stream: u64,
        /// What the other end sent.
        frame: &'a P::Frame,
    },
    /// The stream ended: the other end closed it, it was cut, or it could not be opened.
    StreamClosed {
        /// The stream's number.
        stream: u64,
    },
    /// Records are on the disk.
    Persisted {
        /// All records up to this sequence number are.
        up_to: u64,
    },
    /// The workload asks for something.
    Command {
        /// Names the request; an event that answers it bears the same token.
        token: u64,
        /// What is asked.
        command: P::Command,
    },
}
