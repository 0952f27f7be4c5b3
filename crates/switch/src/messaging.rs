//! Text messages from line to line (RFC 3428): each goes to all phones of its line, and nobody else's.

use std::collections::BTreeMap;

use sip::{FlowId, MessageRequest, OutboundMessage, PendingRequest, RequestId};
use timing::{Deadline, Duration, Instant};

use crate::directory::{Destination, Line};
use crate::proving::{Proven, RefusedWith};
use crate::registrar::Binding;
use crate::switch::{Switch, Timer};

/// Messages on their way at once, of all and of one line.
const MOST: usize = 1_000;
const MOST_OF_A_LINE: usize = 20;
/// By UDP a larger message may not arrive (RFC 3428 §8, where 1300 bytes are a whole request).
const MOST_BYTES_BY_UDP: usize = 900;

/// A sender waits 32 s (RFC 3261 §17.1.2.2), and is to hear before.
const PATIENCE: Duration = Duration::from_secs(25);

/// The messages that phones have not answered yet.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    waiting: BTreeMap<u64, Waiting>,
    copies: BTreeMap<RequestId, u64>,
    last: u64,
}

/// One of them, of which each phone of the line has a copy.
#[derive(Debug)]
struct Waiting {
    sender: PendingRequest,
    /// The line that it comes from.
    account: String,
    /// Copies without an answer.
    open: usize,
    /// What the sender is told, unless a phone says something better.
    told: u16,
}

impl Messages {
    pub fn waits(&self, id: u64) -> bool {
        self.waiting.contains_key(&id)
    }
}

impl Switch {
    /// Somebody writes.
    pub(crate) fn text_message(&mut self, message: MessageRequest, now: Instant) {
        match self.copies_of(&message, now) {
            Err((status, headers)) => self.ua.respond(message.request, status, headers, b"", now),
            Ok((account, copies)) => {
                self.messages.last += 1;
                let id = self.messages.last;
                let waiting = Waiting { sender: message.request, account, open: copies.len(), told: 480 };
                self.messages.waiting.insert(id, waiting);
                let patience = Deadline::new(now + PATIENCE, "a text message is not answered");
                self.timers.set(Timer::Message(id), patience);
                for copy in copies {
                    let copy = self.ua.write(copy, now);
                    self.messages.copies.insert(copy, id);
                }
            }
        }
    }

    /// The sender's line and what goes to the phones of whom a message is for, or how it is refused.
    fn copies_of(
        &mut self,
        message: &MessageRequest,
        now: Instant,
    ) -> Result<(String, Vec<OutboundMessage>), RefusedWith> {
        let refused = |status: u16| (status, Vec::new());
        if self.trunk_on(message.flow).is_some() {
            return Err(refused(403));
        }
        let (uri, proof) = (&message.request_uri, message.authorization.as_ref());
        let proven = self.sender(message.flow, ("MESSAGE", &message.sip_call_id), uri, proof, now)?;
        let line = self.directory.line(&proven.account).ok_or(refused(403))?.clone();
        if !may_sign(&message.from_user, &proven, &line) {
            return Err(refused(403));
        }
        let of_line =
            self.messages.waiting.values().filter(|waiting| waiting.account == line.account).count();
        if of_line >= MOST_OF_A_LINE || self.messages.waiting.len() >= MOST {
            return Err((503, vec![("Retry-After".to_owned(), "5".to_owned())]));
        }
        let number = message.to_user.parse().map_err(|_| refused(404))?;
        let Some(Destination::Line(account)) = self.directory.route(&number) else {
            return Err(refused(404));
        };
        let bindings = self.registrar.bindings(&account).iter();
        let is_sender = |binding: &&Binding| {
            binding.flow == message.flow && account == proven.account && binding.device == proven.device
        };
        let phones: Vec<_> = bindings.filter(|binding| !is_sender(binding)).collect();
        if phones.is_empty() {
            return Err(refused(480));
        }
        let is_small = message.body.len() <= MOST_BYTES_BY_UDP;
        let arrives = phones.into_iter().filter(|binding| is_small || !self.is_by_udp(binding.flow));
        let domain = &self.config.domain;
        let copies: Vec<_> =
            arrives.map(|binding| copy_for(message, &line, binding, &account, domain)).collect();
        if copies.is_empty() { Err(refused(513)) } else { Ok((line.account, copies)) }
    }

    fn is_by_udp(&self, flow: FlowId) -> bool {
        self.ways.get(&flow).is_some_and(|way| !way.transport.is_reliable())
    }

    /// A phone has answered its copy, or will not any more. The first that takes it has it delivered.
    pub(crate) fn message_delivered(&mut self, copy: RequestId, status: Option<u16>, now: Instant) {
        let Some(id) = self.messages.copies.remove(&copy) else { return };
        let Some(waiting) = self.messages.waiting.get_mut(&id) else { return };
        waiting.open -= 1;
        let taken = status.is_some_and(|status| (200..300).contains(&status));
        if let Some(status) = status.filter(|status| is_telling(*status)) {
            waiting.told = status;
        }
        if taken {
            waiting.told = 200;
        }
        if taken || waiting.open == 0 {
            self.answer_sender(id, now);
        }
    }

    /// Tells the sender what has become of a message, so far.
    pub(crate) fn answer_sender(&mut self, id: u64, now: Instant) {
        self.timers.cancel(&Timer::Message(id));
        if let Some(waiting) = self.messages.waiting.remove(&id) {
            self.ua.respond(waiting.sender, waiting.told, Vec::new(), b"", now);
        }
    }
}

/// Whether a phone's refusal says something about the message; the phone's own troubles are none of the sender's.
fn is_telling(status: u16) -> bool {
    matches!(status, 400..=699) && !matches!(status, 401 | 407 | 408 | 481 | 500..=599)
}

/// In whose name a message is: nobody writes in another's.
fn may_sign(name: &str, proven: &Proven, line: &Line) -> bool {
    name == proven.name || name == proven.account || name == line.number.as_str()
}

fn copy_for(
    message: &MessageRequest,
    sender: &Line,
    binding: &Binding,
    account: &str,
    domain: &str,
) -> OutboundMessage {
    OutboundMessage {
        flow: binding.flow,
        target: binding.contact.clone(),
        from_user: sender.number.as_str().to_owned(),
        from_name: Some(sender.full_name.clone()),
        from_host: domain.to_owned(),
        to_user: account.to_owned(),
        to_host: domain.to_owned(),
        max_forwards: message.max_forwards.saturating_sub(1),
        content_type: message.content_type.clone(),
        body: message.body.clone(),
    }
}
