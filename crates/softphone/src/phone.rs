mod hearing;
mod negotiating;
mod registering;
mod wishes;

use std::collections::{BTreeMap, VecDeque};

use sip::{Credentials, DialogId, FlowId, OutboundRegister, Owner, RegistrationId, Transport, UserAgent};
use timing::{Deadline, Instant};

use crate::backoff::Backoff;
use crate::call::{Call, CallEnd, CallState, MediaFailure, MediaState, Negotiation, PhoneCall, PhoneCallId};
use crate::link::{Link, Registration, RegistrationProblem};
use crate::{Command, Fact, LineAccount, Order, Refusal};

/// The registration life time we ask for; renewed at half of what is granted.
const EXPIRES_SECONDS: u32 = 60;
/// Two conversations are what a person can keep apart, and what the protocol allows a browser phone.
const MOST_CALLS: usize = 2;

/// How a [`Softphone`] presents itself.
#[derive(Clone, Debug)]
pub struct Config {
    /// The product token of `User-Agent`.
    pub user_agent: String,
    /// Whether the socket is TLS (`Via: SIP/2.0/WSS`).
    pub secure: bool,
    /// Where tags, branches, Call-IDs and jitter come from; must be unpredictable in production.
    pub seed: [u8; 32],
}

/// One registration and its calls.
///
/// After every input the shell drains `poll_transmit`, then `poll_order`, then `poll_fact`, in this order: messages
/// given out before [`Order::CloseSocket`] are to be sent before the socket is closed.
pub struct Softphone {
    agent: UserAgent,
    transport: Transport,
    instance: String,
    account: Option<LineAccount>,
    link: Link,
    registration: Option<RegistrationId>,
    registered: bool,
    shown: Registration,
    backoff: Backoff,
    flows: u64,
    calls: BTreeMap<PhoneCallId, Box<Call>>,
    next_call: u64,
    /// The flow that goes on until the shell is told to close its socket, so that the last messages leave.
    closing: Option<FlowId>,
    /// A flow whose socket is closed by our own order, of which the agent is still to be told.
    left: Option<FlowId>,
    /// Dialogs whose call is over for the person, and whose BYE waits until the line is registered.
    farewells: Vec<DialogId>,
    orders: VecDeque<Order>,
    facts: VecDeque<Fact>,
}

impl Softphone {
    /// A phone without an account.
    pub fn new(config: Config) -> Self {
        let hex: String = config.seed.iter().take(6).map(|byte| format!("{:02x}", byte ^ 0x5a)).collect();
        let transport = if config.secure { Transport::Wss } else { Transport::Ws };
        Softphone {
            agent: UserAgent::new(sip::Config {
                user_agent: config.user_agent,
                contact_host: format!("{hex}.invalid"),
                transport,
                seed: config.seed,
                server: false,
            }),
            transport,
            instance: instance_of(&config.seed),
            account: None,
            link: Link::Closed,
            registration: None,
            registered: false,
            shown: Registration::Off,
            backoff: Backoff::new(config.seed),
            flows: 0,
            calls: BTreeMap::new(),
            next_call: 0,
            closing: None,
            left: None,
            farewells: Vec::new(),
            orders: VecDeque::new(),
            facts: VecDeque::new(),
        }
    }

    /// Takes a wish.
    ///
    /// # Errors
    /// A [`Refusal`] that says why; nothing has changed then.
    pub fn handle_command(&mut self, command: Command, now: Instant) -> Result<(), Refusal> {
        match command {
            Command::Start(account) => self.start(account, now),
            Command::Stop => self.stop(now),
            Command::Dial { number } => self.dial(&number, now)?,
            Command::Answer { call } => self.answer(call, now)?,
            Command::Decline { call } => self.decline(call, now)?,
            Command::HangUp { call } => self.hang_up(call, now)?,
            Command::Hold { call } => self.want_held(call, true)?,
            Command::Resume { call } => self.want_held(call, false)?,
            Command::Mute { call, on } => self.mute(call, on)?,
            Command::SendDtmf { call, key } => self.send_dtmf(call, key)?,
        }
        self.drain_agent(now);
        Ok(())
    }

    /// The SIP WebSocket is open.
    pub fn socket_opened(&mut self, now: Instant) {
        let Some(account) = self.account.clone() else { return };
        self.flows += 1;
        let flow = FlowId(self.flows);
        self.link = Link::Open { flow };
        self.agent.open_flow(flow, self.transport, Owner::Account(account.name.clone()), now);
        for dialog in self.calls.values().filter_map(|call| call.dialog).chain(self.farewells.iter().copied())
        {
            self.agent.rebind(dialog, flow);
        }
        self.registration = Some(self.agent.register(
            OutboundRegister {
                flow,
                user: account.name.clone(),
                domain: account.domain,
                name: Some(account.display_name),
                expires: EXPIRES_SECONDS,
                credentials: Some(Credentials {
                    user: account.name,
                    password: account.password,
                    realm: None,
                }),
                instance: Some(self.instance.clone()),
            },
            now,
        ));
        self.drain_agent(now);
    }

    /// The SIP WebSocket could not be opened, or was closed without our order. Answered calls live on, since their sound
    /// does not need it; what rang or was dialled is over.
    pub fn socket_closed(&mut self, now: Instant) {
        self.leave_flow(now);
        if self.account.is_some() {
            self.retry_later(RegistrationProblem::NoConnection, now);
        }
        self.drain_agent(now);
    }

    /// One SIP message (one WebSocket message).
    pub fn handle_message(&mut self, bytes: &[u8], now: Instant) {
        let Link::Open { flow } = self.link else { return };
        self.agent.handle_message(flow, bytes, now);
        self.drain_agent(now);
    }

    /// Time has come to what `poll_timeout` said.
    pub fn handle_timeout(&mut self, now: Instant) {
        match self.link {
            Link::Waiting { retry_at, .. } if retry_at <= now => self.open_socket(now),
            Link::Opening { give_up_at } if give_up_at <= now => {
                self.orders.push_back(Order::CloseSocket);
                self.retry_later(RegistrationProblem::NoConnection, now);
            }
            _ => {}
        }
        self.agent.handle_timeout(now);
        self.drain_agent(now);
    }

    /// The computer has another network: whoever waits need not wait, and every path may be gone.
    pub fn handle_network_change(&mut self, now: Instant) {
        for id in self.ids() {
            self.refresh(id, true);
        }
        self.hurry(now);
    }

    /// Does not wait any longer for the next attempt to register.
    pub fn hurry(&mut self, now: Instant) {
        if matches!(self.link, Link::Waiting { .. }) {
            self.backoff.reset();
            self.open_socket(now);
        }
        self.drain_agent(now);
    }

    /// The browser has made the description that an order asked for, with its candidates in it.
    pub fn local_description(&mut self, call: PhoneCallId, sdp: String, now: Instant) {
        let Some(Call { dialog, negotiation, .. }) = self.calls.get(&call).map(AsRef::as_ref) else { return };
        match (*negotiation, *dialog) {
            (Negotiation::MakingOffer, _) => self.invite(call, sdp, now),
            (Negotiation::MakingAnswer, Some(dialog)) => {
                let sent = self.agent.answer(dialog, sdp, now).is_ok();
                self.negotiated(call, sent, now);
            }
            (Negotiation::MakingReoffer(reoffer), Some(dialog)) => {
                let sent = self.registered && self.agent.reinvite(dialog, sdp, Vec::new(), now).is_ok();
                self.change(call, |call| call.negotiation = Negotiation::ReofferSent(reoffer));
                if !sent {
                    self.reoffer_refused(call, now);
                }
            }
            (Negotiation::MakingReanswer, Some(dialog)) => {
                self.agent.answer_offer(dialog, sdp, now);
                self.negotiated(call, true, now);
            }
            _ => {}
        }
        self.drain_agent(now);
    }

    /// The browser could not make or apply a description, or was given no microphone.
    pub fn media_failed(&mut self, call: PhoneCallId, failure: MediaFailure, now: Instant) {
        let Some(Call { dialog, negotiation, .. }) = self.calls.get(&call).map(AsRef::as_ref) else { return };
        let (negotiation, dialog) = (*negotiation, *dialog);
        self.facts.push_back(Fact::MediaFailed { call, failure });
        match negotiation {
            Negotiation::MakingAnswer => {
                // It still rings: the person may put the microphone right and answer again.
                self.orders.push_back(Order::ClosePeer { call });
                self.change(call, |call| {
                    call.negotiation = Negotiation::Idle;
                    call.enter(CallState::Ringing, now);
                });
            }
            Negotiation::MakingReoffer(_) => self.reoffer_refused(call, now),
            Negotiation::MakingReanswer => {
                if let Some(dialog) = dialog {
                    self.agent.refuse_offer(dialog, 488, now);
                }
                self.negotiated(call, true, now);
            }
            Negotiation::MakingOffer
            | Negotiation::OfferSent
            | Negotiation::Idle
            | Negotiation::ReofferSent(_) => {
                self.end(call, CallEnd::MediaFailed(failure), now);
            }
        }
        self.drain_agent(now);
    }

    /// ICE and DTLS are up: sound can flow.
    pub fn media_up(&mut self, call: PhoneCallId) {
        self.change(call, |call| call.face.media = MediaState::Up);
    }

    /// The sound's path is gone. A new one is negotiated now, or as soon as the line is registered again.
    pub fn media_lost(&mut self, call: PhoneCallId, now: Instant) {
        self.change(call, |call| call.face.media = MediaState::Lost);
        self.refresh(call, false);
        self.drain_agent(now);
    }

    /// The browser cannot send this key as sound, so it goes as SIP INFO.
    pub fn tone_failed(&mut self, call: PhoneCallId, key: char, now: Instant) {
        let dialog = self.calls.get(&call).filter(|call| call.is_answered()).and_then(|call| call.dialog);
        if let Some(dialog) = dialog.filter(|_| self.registered) {
            let body = format!("Signal={key}\r\nDuration=120\r\n");
            self.agent.info(dialog, "application/dtmf-relay", &body, now);
        }
        self.drain_agent(now);
    }

    /// The next message for the open socket.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        let open = [self.flow(), self.closing];
        while let Some(transmit) = self.agent.poll_transmit() {
            if open.contains(&Some(transmit.flow)) {
                return Some(transmit.bytes);
            }
        }
        None
    }

    /// The next thing for the browser to do.
    pub fn poll_order(&mut self) -> Option<Order> {
        let order = self.orders.pop_front();
        if order == Some(Order::CloseSocket) {
            self.left = self.closing.take();
        }
        order
    }

    /// The next thing that has happened.
    pub fn poll_fact(&mut self) -> Option<Fact> {
        self.facts.pop_front()
    }

    /// When to call `handle_timeout`.
    pub fn poll_timeout(&self) -> Option<Deadline> {
        let link = match self.link {
            Link::Waiting { retry_at, .. } => Some(Deadline::new(retry_at, "open the SIP socket again")),
            Link::Opening { give_up_at } => Some(Deadline::new(give_up_at, "the SIP socket does not open")),
            Link::Closed | Link::Open { .. } => None,
        };
        Deadline::sooner(link, self.agent.poll_timeout())
    }

    /// How the line stands.
    pub fn registration(&self) -> Registration {
        self.shown
    }

    /// The calls, oldest first.
    pub fn calls(&self) -> impl Iterator<Item = &PhoneCall> {
        self.calls.values().map(|call| &call.face)
    }

    /// The call with this SIP Call-ID, by which the server's commands name it.
    pub fn call_by_sip_id(&self, sip_call_id: &str) -> Option<&PhoneCall> {
        self.calls().find(|call| call.sip_call_id.as_deref() == Some(sip_call_id))
    }
}

/// A random (version 4) UUID as a URN (RFC 5626 §4.1), the same as long as the seed is.
fn instance_of(seed: &[u8; 32]) -> String {
    let hex = |range: std::ops::Range<usize>| -> String {
        seed[range].iter().map(|byte| format!("{:02x}", byte ^ 0xa5)).collect()
    };
    format!(
        "urn:uuid:{}-{}-4{}-8{}-{}",
        hex(16..20),
        hex(20..22),
        &hex(22..24)[1..],
        &hex(24..26)[1..],
        hex(26..32)
    )
}
