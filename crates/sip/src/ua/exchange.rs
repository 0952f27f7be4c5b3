//! Flows and the transactions on them (RFC 3261 §17, RFC 6026): what is below dialogs and registrations.

mod naming;
mod room;
mod timers;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use sipx_sip::message::{Method, Request, Response};
#[cfg(feature = "server")]
use sipx_sip::transaction::ServerState;
use sipx_sip::transaction::{ClientState, Output, Reliability, Timer, TuEvent};
use sipx_sip::{ClientTransaction, HeaderName, ServerTransaction, TransactionKey};
use timing::{Deadline, Duration, Instant, Timers};

use crate::config::{Config, DialogId, FlowEnds, FlowId, Owner, RegistrationId, Transmit, Transport};
use crate::wire;

use super::{ServerPurpose, ServerWake};

/// 64·T1, the patience of RFC 3261.
pub(super) const PATIENCE: Duration = Duration::from_secs(32);
pub(super) const T1: Duration = Duration::from_millis(500);
pub(super) const T2: Duration = Duration::from_secs(4);

/// One transaction of ours, in either direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct TransactionId(pub(super) u64);

/// What a request of ours was sent for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Invite(DialogId),
    Reinvite(DialogId),
    Info(DialogId),
    Bye(DialogId),
    Probe(DialogId),
    Update(DialogId),
    Cancel,
    Register(RegistrationId),
    /// What only a server sends.
    #[cfg_attr(not(feature = "server"), expect(dead_code, reason = "its value has no value there"))]
    Server(ServerPurpose),
}

/// Why to wake up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wake {
    /// A timer of a transaction, by its place in [`Timer::ALL`].
    Transaction(TransactionId, u8),
    /// The application has left a request unanswered.
    Unanswered(TransactionId),
    /// Our 2xx goes out once more.
    Answer(DialogId),
    /// Our 2xx was never acknowledged.
    NoAck(DialogId),
    /// After a 491, our re-INVITE goes out once more.
    Glare(DialogId),
    /// Our re-INVITE has no final response.
    Unsettled(DialogId),
    /// An ended dialog may be forgotten.
    Linger(DialogId),
    /// A registration is at half its life.
    Renewal(RegistrationId),
    /// What only a server waits for.
    #[cfg_attr(not(feature = "server"), expect(dead_code, reason = "its value has no value there"))]
    Server(ServerWake),
}

/// What a message or a timer means to the layer above.
#[derive(Debug)]
pub(super) enum Happening {
    /// A new request; [`Exchange::respond`] answers it.
    Request(TransactionId, Box<Request>),
    /// An ACK that acknowledges a 2xx.
    Ack(FlowId, Box<Request>),
    /// A response to a request of ours, with that request.
    Response(Purpose, Box<Request>, Box<Response>),
    /// A 2xx to an INVITE whose transaction is over.
    LateAnswer(FlowId, Box<Response>),
    /// A request of ours got no final response.
    Timeout(Purpose),
}

#[derive(Debug)]
struct Flow {
    transport: Transport,
    owner: Owner,
    ends: Option<FlowEnds>,
    transactions: usize,
    /// Dialogs that have ended and are kept for stragglers.
    lingering: usize,
    /// Whether the application has granted its peer something.
    granted: bool,
}

#[derive(Debug)]
struct Slot {
    flow: FlowId,
    key: (FlowId, Side, TransactionKey),
    machine: Machine,
    /// Whether it is among [`Exchange::answered_strangers`].
    is_strangers: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Side {
    Client,
    Server,
}

#[derive(Debug)]
enum Machine {
    Client(Box<ClientTransaction>, Purpose),
    Server(Box<ServerTransaction>, Option<DialogId>),
}

/// Sends requests and responses on flows, and matches what comes back.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) config: Config,
    pub(super) wakes: Timers<Wake>,
    rng: ChaCha20Rng,
    flows: BTreeMap<FlowId, Box<Flow>>,
    slots: BTreeMap<TransactionId, Box<Slot>>,
    index: HashMap<(FlowId, Side, TransactionKey), TransactionId>,
    outbox: VecDeque<Transmit>,
    next_transaction: u64,
    /// Answered requests of strangers that are kept for their repetitions.
    answered_strangers: usize,
}

impl Exchange {
    pub(super) fn new(config: Config) -> Self {
        Exchange {
            rng: ChaCha20Rng::from_seed(config.seed),
            config,
            wakes: Timers::default(),
            flows: BTreeMap::new(),
            slots: BTreeMap::new(),
            index: HashMap::new(),
            outbox: VecDeque::new(),
            next_transaction: 0,
            answered_strangers: 0,
        }
    }

    pub(super) fn open_flow(&mut self, flow: FlowId, transport: Transport, owner: Owner) {
        let new = Flow { transport, owner, ends: None, transactions: 0, lingering: 0, granted: false };
        self.flows.insert(flow, Box::new(new));
    }

    pub(super) fn set_owner(&mut self, flow: FlowId, owner: Owner) {
        if let Some(flow) = self.flows.get_mut(&flow) {
            flow.owner = owner;
        }
    }

    pub(super) fn set_ends(&mut self, flow: FlowId, ends: FlowEnds) {
        if let Some(flow) = self.flows.get_mut(&flow) {
            flow.ends = Some(ends);
        }
    }

    /// Where the messages of a flow come from, if it is known.
    pub(super) fn remote(&self, flow: FlowId) -> Option<SocketAddr> {
        self.flows.get(&flow)?.ends.as_ref().map(|ends| ends.remote)
    }

    /// Forgets a flow and all transactions on it; returns the requests of ours that were on their way.
    pub(super) fn close_flow(&mut self, flow: FlowId) -> Vec<Purpose> {
        if self.flows.remove(&flow).is_none_or(|flow| flow.transactions == 0) {
            return Vec::new();
        }
        let lost: Vec<_> =
            self.slots.iter().filter(|(_, slot)| slot.flow == flow).map(|(id, _)| *id).collect();
        let mut unfinished = Vec::new();
        for id in lost {
            if let Some(Slot { machine: Machine::Client(client, purpose), .. }) =
                self.slots.get(&id).map(AsRef::as_ref)
                && matches!(
                    client.state(),
                    ClientState::Calling | ClientState::Trying | ClientState::Proceeding
                )
            {
                unfinished.push(*purpose);
            }
            self.drop_transaction(id);
        }
        unfinished
    }

    pub(super) fn transport(&self, flow: FlowId) -> Option<Transport> {
        self.flows.get(&flow).map(|flow| flow.transport)
    }

    pub(super) fn owner(&self, flow: FlowId) -> Option<&Owner> {
        self.flows.get(&flow).map(|flow| &flow.owner)
    }

    /// A dialog on this flow has ended, and takes room until [`forgotten`](Self::forgotten).
    pub(super) fn lingers(&mut self, flow: FlowId) {
        if let Some(flow) = self.flows.get_mut(&flow) {
            flow.lingering += 1;
        }
    }

    pub(super) fn forgotten(&mut self, flow: FlowId) {
        if let Some(flow) = self.flows.get_mut(&flow) {
            flow.lingering = flow.lingering.saturating_sub(1);
        }
    }

    pub(super) fn poll_transmit(&mut self) -> Option<Transmit> {
        self.outbox.pop_front()
    }

    /// Puts bytes on a flow, outside of any transaction; a flow that is gone swallows them.
    pub(super) fn send(&mut self, flow: FlowId, bytes: Vec<u8>) {
        if self.flows.contains_key(&flow) {
            self.outbox.push_back(Transmit { flow, bytes });
        }
    }

    /// Sends a request in a transaction of its own; nothing when the flow is gone.
    ///
    /// The request must begin with a `Via` made by [`via`](Self::via).
    pub(super) fn request(
        &mut self,
        flow: FlowId,
        request: Request,
        purpose: Purpose,
        now: Instant,
    ) -> Option<TransactionId> {
        let reliability = self.reliability(flow)?;
        let key = TransactionKey::from_sent_request(&request)?;
        let (machine, outputs) = ClientTransaction::new(request, reliability, sipx_sip::Timers::default());
        let id = self.insert(flow, Side::Client, key, Machine::Client(Box::new(machine), purpose));
        self.perform(id, outputs, now);
        Some(id)
    }

    /// Sends `request` again under a new branch and sequence number, after a challenge or glare.
    pub(super) fn request_again(
        &mut self,
        flow: FlowId,
        mut request: Request,
        sequence: u32,
        purpose: Purpose,
        now: Instant,
    ) -> Option<TransactionId> {
        let via = self.via(flow);
        wire::set(&mut request.headers, HeaderName::Via, via);
        let cseq = [format!("{sequence} ").as_bytes(), request.method.as_bytes()].concat();
        wire::set(&mut request.headers, HeaderName::CSeq, cseq);
        self.request(flow, request, purpose, now)
    }

    /// Answers a request; one that is gone or has its final response already stays as it is.
    pub(super) fn respond(&mut self, id: TransactionId, response: Response, now: Instant) {
        self.wakes.cancel(&Wake::Unanswered(id));
        let Some(Slot { machine: Machine::Server(server, _), .. }) =
            self.slots.get_mut(&id).map(AsMut::as_mut)
        else {
            return;
        };
        let status = response.status.code();
        let outputs = server.on_tu_response(response);
        self.perform(id, outputs, now);
        self.judge(id, status);
    }

    /// The request that a server transaction waits to have answered, and its flow.
    pub(super) fn pending(&self, id: TransactionId) -> Option<(&Request, FlowId)> {
        match &**self.slots.get(&id)? {
            Slot { machine: Machine::Server(server, _), flow, .. } => Some((server.request(), *flow)),
            _ => None,
        }
    }

    /// Whether a request still waits for its final response from us.
    #[cfg(feature = "server")]
    pub(super) fn is_unanswered(&self, id: TransactionId) -> bool {
        self.slots.get(&id).is_some_and(|slot| match &slot.machine {
            Machine::Server(server, _) => {
                matches!(server.state(), ServerState::Trying | ServerState::Proceeding)
            }
            Machine::Client(..) => false,
        })
    }

    /// The request of a client transaction that is not over.
    pub(super) fn sent(&self, id: TransactionId) -> Option<&Request> {
        match &**self.slots.get(&id)? {
            Slot { machine: Machine::Client(client, _), .. } => Some(client.request()),
            _ => None,
        }
    }

    /// Whether a request of ours has had a provisional response and no final one.
    pub(super) fn is_proceeding(&self, id: TransactionId) -> bool {
        self.slots.get(&id).is_some_and(|slot| match &slot.machine {
            Machine::Client(client, _) => client.state() == ClientState::Proceeding,
            Machine::Server(..) => false,
        })
    }

    /// Notes which dialog an INVITE made, for a CANCEL to find.
    pub(super) fn bind(&mut self, id: TransactionId, dialog: DialogId) {
        if let Some(Slot { machine: Machine::Server(_, bound), .. }) =
            self.slots.get_mut(&id).map(AsMut::as_mut)
        {
            *bound = Some(dialog);
        }
    }

    /// The INVITE that a CANCEL on this flow means (RFC 3261 §9.2), and its dialog.
    pub(super) fn cancelled_by(
        &self,
        flow: FlowId,
        cancel: &Request,
    ) -> Option<(TransactionId, Option<DialogId>)> {
        let key = TransactionKey::for_cancelled_invite(cancel)?;
        let id = *self.index.get(&(flow, Side::Server, key))?;
        match &self.slots.get(&id)?.machine {
            Machine::Server(_, dialog) => Some((id, *dialog)),
            Machine::Client(..) => None,
        }
    }

    /// Ends a transaction without another word.
    pub(super) fn drop_transaction(&mut self, id: TransactionId) {
        let Some(slot) = self.slots.remove(&id) else { return };
        self.index.remove(&slot.key);
        if let Some(flow) = self.flows.get_mut(&slot.flow) {
            flow.transactions = flow.transactions.saturating_sub(1);
        }
        self.answered_strangers -= usize::from(slot.is_strangers);
        self.wakes.cancel(&Wake::Unanswered(id));
        for timer in Timer::ALL {
            self.wakes.cancel(&Wake::Transaction(id, timers::place(timer)));
        }
    }

    /// How many transactions are alive, for tests that look for leaks.
    pub(super) fn transactions(&self) -> usize {
        self.slots.len()
    }

    /// A request has come that passed validation.
    pub(super) fn receive_request(
        &mut self,
        flow: FlowId,
        request: Request,
        now: Instant,
    ) -> Option<Happening> {
        let key = (flow, Side::Server, TransactionKey::from_request(&request)?);
        if let Some(&id) = self.index.get(&key) {
            let Some(Slot { machine: Machine::Server(server, _), .. }) =
                self.slots.get_mut(&id).map(AsMut::as_mut)
            else {
                return None;
            };
            let outputs = server.on_request(&request);
            return self.perform(id, outputs, now).pop();
        }
        if request.method == Method::Ack {
            return Some(Happening::Ack(flow, Box::new(request)));
        }
        let reliability = self.reliability(flow)?;
        if self.is_full(flow) {
            self.refuse_overload(flow, &request);
            return None;
        }
        let (machine, outputs) = ServerTransaction::new(request, reliability, sipx_sip::Timers::default());
        let id = self.insert(flow, Side::Server, key.2, Machine::Server(Box::new(machine), None));
        self.perform(id, outputs, now).pop()
    }

    /// A response has come that passed validation.
    pub(super) fn receive_response(
        &mut self,
        flow: FlowId,
        response: Response,
        now: Instant,
    ) -> Option<Happening> {
        let key = (flow, Side::Client, TransactionKey::from_response(&response)?);
        let Some(&id) = self.index.get(&key) else {
            let is_answer = response.status.is_success()
                && matches!(wire::cseq(&response.headers), Some((_, Method::Invite)));
            return is_answer.then(|| Happening::LateAnswer(flow, Box::new(response)));
        };
        let Some(Slot { machine: Machine::Client(client, _), .. }) =
            self.slots.get_mut(&id).map(AsMut::as_mut)
        else {
            return None;
        };
        let outputs = client.on_response(response);
        self.perform(id, outputs, now).pop()
    }

    /// A timer of a transaction is due.
    pub(super) fn handle_timer(&mut self, id: TransactionId, place: u8, now: Instant) -> Option<Happening> {
        let timer = *Timer::ALL.get(usize::from(place))?;
        let outputs = match &mut self.slots.get_mut(&id)?.machine {
            Machine::Client(client, _) => client.on_timer(timer),
            Machine::Server(server, _) => server.on_timer(timer),
        };
        self.perform(id, outputs, now).pop()
    }

    fn reliability(&self, flow: FlowId) -> Option<Reliability> {
        let reliable = self.transport(flow)?.is_reliable();
        Some(if reliable { Reliability::Reliable } else { Reliability::Unreliable })
    }

    fn insert(&mut self, flow: FlowId, side: Side, key: TransactionKey, machine: Machine) -> TransactionId {
        self.next_transaction += 1;
        let id = TransactionId(self.next_transaction);
        let key = (flow, side, key);
        self.index.insert(key.clone(), id);
        self.slots.insert(id, Box::new(Slot { flow, key, machine, is_strangers: false }));
        if let Some(flow) = self.flows.get_mut(&flow) {
            flow.transactions += 1;
        }
        id
    }

    /// Does what a machine asks for, and says what the layer above must know.
    fn perform(&mut self, id: TransactionId, outputs: Vec<Output>, now: Instant) -> Vec<Happening> {
        let mut happenings = Vec::new();
        let mut at_once = Vec::new();
        for output in outputs {
            match output {
                Output::Send(message) => {
                    if let Some(slot) = self.slots.get(&id) {
                        self.send(slot.flow, wire::bytes_of(&message));
                    }
                }
                Output::SetTimer { timer, after } if after.is_zero() => at_once.push(timer),
                Output::SetTimer { timer, after } => {
                    let wake = Wake::Transaction(id, timers::place(timer));
                    self.wakes.set(wake, Deadline::new(now + after, timers::name(timer)));
                }
                Output::ClearTimer(timer) => self.wakes.cancel(&Wake::Transaction(id, timers::place(timer))),
                Output::ToTu(event) => happenings.extend(self.happening(id, *event)),
                Output::Terminated(_) => self.drop_transaction(id),
                _ => {}
            }
        }
        for timer in at_once {
            happenings.extend(self.handle_timer(id, timers::place(timer), now));
        }
        happenings
    }

    fn happening(&self, id: TransactionId, event: TuEvent) -> Option<Happening> {
        let slot = self.slots.get(&id)?;
        Some(match (event, &slot.machine) {
            (TuEvent::Request(request), _) => Happening::Request(id, request),
            (TuEvent::Ack(ack), _) => Happening::Ack(slot.flow, ack),
            (TuEvent::Response(response), Machine::Client(client, purpose)) => {
                Happening::Response(*purpose, Box::new(client.request().clone()), response)
            }
            (TuEvent::Timeout | TuEvent::TransportError, Machine::Client(_, purpose)) => {
                Happening::Timeout(*purpose)
            }
            // Timer H: the refusal of an INVITE was not acknowledged, and the dialog is long over.
            _ => return None,
        })
    }
}
