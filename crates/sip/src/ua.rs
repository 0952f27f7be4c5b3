//! [`UserAgent`]: many dialogs over many flows.

mod callee;
mod caller;
mod dispatch;
mod exchange;
mod inbound;
#[cfg(not(feature = "server"))]
mod lean;
mod leg;
mod offers;
mod peer;
mod registration;
#[cfg(feature = "server")]
mod server;
mod session;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;

use sipx_sip::message::Message;
use timing::{Deadline, Instant};

use crate::config::{
    Config, DialogId, FlowEnds, FlowId, OutboundInvite, OutboundRegister, Owner, RegistrationId, Transmit,
    Transport,
};
use crate::dialog::{DialogInfo, DialogState};
use crate::error::WrongState;
use crate::event::{EndedBy, Event, PendingRequest};
use crate::reason::Reason;
use crate::wire;

use exchange::{Exchange, PATIENCE, TransactionId, Wake};
#[cfg(not(feature = "server"))]
use lean::{Extensions, PACKAGES, ServerPurpose, ServerWake, Subscriptions};
use leg::{Leg, NextOffer};
use registration::Registration;
#[cfg(feature = "server")]
use server::{Extensions, PACKAGES, ServerPurpose, ServerWake, Subscriptions};

/// Speaks SIP on every flow it is given: as registrar or registered phone, as caller and as callee.
#[derive(Debug)]
pub struct UserAgent {
    exchange: Exchange,
    legs: BTreeMap<DialogId, Box<Leg>>,
    by_local_tag: HashMap<String, DialogId>,
    /// Calls that came in by Call-ID, `From` tag and number: the same by another way is a loop.
    arrived: HashMap<Arrival, DialogId>,
    registrations: BTreeMap<RegistrationId, Box<Registration>>,
    subscriptions: Subscriptions,
    events: VecDeque<Event>,
    next_dialog: u64,
    next_registration: u64,
    #[cfg(feature = "server")]
    next_request: u64,
}

/// What two copies of one INVITE that came by two ways have in common (RFC 3261 §8.2.2.2).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Arrival {
    call_id: Vec<u8>,
    from_tag: Vec<u8>,
    cseq: u32,
}

impl UserAgent {
    /// A user agent without flows.
    pub fn new(config: Config) -> Self {
        UserAgent {
            exchange: Exchange::new(config),
            legs: BTreeMap::new(),
            by_local_tag: HashMap::new(),
            arrived: HashMap::new(),
            registrations: BTreeMap::new(),
            subscriptions: Subscriptions::default(),
            events: VecDeque::new(),
            next_dialog: 0,
            next_registration: 0,
            #[cfg(feature = "server")]
            next_request: 0,
        }
    }

    /// A flow has come up, on which `owner` speaks.
    pub fn open_flow(&mut self, flow: FlowId, transport: Transport, owner: Owner, now: Instant) {
        let _ = now;
        self.exchange.open_flow(flow, transport, owner);
    }

    /// Who speaks on a flow that is open, if that has come to light later. Its dialogs stay whose they were.
    pub fn set_owner(&mut self, flow: FlowId, owner: Owner) {
        self.exchange.set_owner(flow, owner);
    }

    /// Where the messages of a flow come from, if it is known.
    pub fn remote(&self, flow: FlowId) -> Option<SocketAddr> {
        self.exchange.remote(flow)
    }

    /// Where a flow begins and ends, for one that is open.
    pub fn set_ends(&mut self, flow: FlowId, ends: FlowEnds) {
        self.exchange.set_ends(flow, ends);
    }

    /// Whether anything at all has come back to our INVITE of this dialog, be it only a 100.
    pub fn has_response(&self, dialog: DialogId) -> bool {
        let early = self.legs.get(&dialog).is_none_or(|leg| leg.info.state != DialogState::Calling);
        early || self.has_progress(dialog)
    }

    /// Whether a dialog, a registration of ours or a subscription lives on this flow.
    pub fn lives_on(&self, flow: FlowId) -> bool {
        self.legs.values().any(|leg| !leg.ended && leg.info.flow == flow)
            || self.registrations.values().any(|registration| registration.is_on(flow))
            || self.subscriptions.live_on(flow)
    }

    /// A flow is gone, and with it the registrations kept up over it, and what its peer has subscribed to.
    ///
    /// Its dialogs live on, silent, until they are bound to another flow or ended; requests that waited
    /// for a response on it have failed.
    pub fn close_flow(&mut self, flow: FlowId, now: Instant) {
        for purpose in self.exchange.close_flow(flow) {
            self.handle_timeout_of(purpose, true, now);
        }
        self.fail_registrations_on(flow);
        self.forget_subscriptions_on(flow);
    }

    /// One message, or keep-alive, has come by a flow. A flow that was never opened is not listened to.
    pub fn handle_message(&mut self, flow: FlowId, bytes: &[u8], now: Instant) {
        let Some(transport) = self.exchange.transport(flow) else { return };
        if bytes.iter().all(|b| matches!(b, b'\r' | b'\n' | 0)) {
            if bytes == b"\r\n\r\n" && transport.is_reliable() {
                self.exchange.send(flow, b"\r\n".to_vec());
            }
            return;
        }
        match wire::read(bytes, transport) {
            Ok(Message::Request(request)) => self.receive_request(flow, request, now),
            Ok(Message::Response(response)) => {
                if sipx_sip::validate_response(&response).is_empty() {
                    let happening = self.exchange.receive_response(flow, response, now);
                    self.handle_happening(happening, now);
                }
            }
            Err(unreadable) => {
                let tag = self.exchange.token();
                if let Some(response) = wire::reject_unreadable(bytes, unreadable, &tag) {
                    self.exchange.send(flow, response);
                }
            }
        }
    }

    /// The deadline of [`poll_timeout`](Self::poll_timeout) has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(wake) = self.exchange.wakes.pop_due(now) {
            match wake {
                Wake::Transaction(id, timer) => {
                    let happening = self.exchange.handle_timer(id, timer, now);
                    self.handle_happening(happening, now);
                }
                Wake::Unanswered(id) => {
                    self.forget_unanswered(id);
                    self.reply(id, 503, &[], now);
                }
                Wake::Answer(dialog) => self.repeat_answer(dialog, now),
                Wake::NoAck(dialog) => self.give_up_answer(dialog, now),
                Wake::Glare(dialog) => self.reinvite_again(dialog, now),
                Wake::Unsettled(dialog) => self.give_up_offer(dialog, now),
                Wake::Linger(dialog) => self.forget(dialog),
                Wake::Renewal(registration) => self.send_register(registration, now),
                Wake::Server(wake) => self.handle_server_wake(wake, now),
            }
        }
    }

    /// The next message to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.exchange.poll_transmit()
    }

    /// The next thing that has happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next.
    pub fn poll_timeout(&self) -> Option<Deadline> {
        self.exchange.wakes.next()
    }

    /// Calls somebody. What comes of it is told by events, also when the wish cannot be sent at all.
    pub fn invite(&mut self, invite: OutboundInvite, now: Instant) -> DialogId {
        self.next_dialog += 1;
        let dialog = DialogId(self.next_dialog);
        self.start_call(dialog, invite, now);
        dialog
    }

    /// Gives up a call that was not answered yet (RFC 3261 §9), and tells so at once.
    ///
    /// A 2xx that races is acknowledged and ended by us; a call that is up already is ended by BYE.
    pub fn cancel(&mut self, dialog: DialogId, now: Instant) {
        self.bye(dialog, None, now);
    }

    /// Registers, and keeps the registration up until [`unregister`](Self::unregister) or a failure.
    pub fn register(&mut self, registration: OutboundRegister, now: Instant) -> RegistrationId {
        self.next_registration += 1;
        let id = RegistrationId(self.next_registration);
        self.start_registration(id, registration, now);
        id
    }

    /// Takes a registration back.
    pub fn unregister(&mut self, registration: RegistrationId, now: Instant) {
        self.stop_registration(registration, now);
    }

    /// Sends a provisional response, 101 to 199, to a call that comes in.
    ///
    /// It is repeated until the caller acknowledges it where the caller requires that, and where the caller
    /// can do so and there is a session description (RFC 3262). The first description that travels so is the
    /// answer to the caller's offer, or our offer where it had none: [`Event::OfferAnswered`] brings its answer.
    pub fn progress(&mut self, dialog: DialogId, status: u16, sdp: Option<String>, now: Instant) {
        self.send_progress(dialog, status, sdp, now);
    }

    /// Answers a call that comes in with 200, which is repeated until its ACK comes or 64·T1 are over.
    ///
    /// It waits for a [`progress`](Self::progress) with a session description that is not acknowledged, and
    /// carries no description where the session is agreed upon by then.
    ///
    /// # Errors
    /// [`WrongState`] unless the call waits for its answer.
    pub fn answer(&mut self, dialog: DialogId, sdp: String, now: Instant) -> Result<(), WrongState> {
        self.send_answer(dialog, &sdp, now)
    }

    /// Refuses a call that comes in, with the standard's reason phrase unless another is given.
    pub fn refuse(&mut self, dialog: DialogId, status: u16, reason: Option<&str>, now: Instant) {
        self.refuse_with(dialog, status, reason, Vec::new(), now);
    }

    /// Refuses a call that comes in with headers of the application's, such as `WWW-Authenticate`.
    ///
    /// Does nothing for a call that does not wait for its answer. A status below 300 is taken for 480.
    pub fn refuse_with(
        &mut self,
        dialog: DialogId,
        status: u16,
        reason: Option<&str>,
        headers: Vec<(String, String)>,
        now: Instant,
    ) {
        self.send_refusal(dialog, status, reason, &headers, now);
    }

    /// Offers a changed session by re-INVITE (RFC 3261 §14.1), with headers of the application's.
    ///
    /// An empty description asks the peer for its own, which [`ack`](Self::ack) answers. Glare is waited out
    /// and tried again; while our own 2xx waits for its ACK, the offer waits too.
    ///
    /// # Errors
    /// [`WrongState`] unless the call is up and no other offer is under way in either direction.
    pub fn reinvite(
        &mut self,
        dialog: DialogId,
        sdp: String,
        headers: Vec<(String, String)>,
        now: Instant,
    ) -> Result<(), WrongState> {
        self.send_offer(dialog, NextOffer { sdp, headers }, now)
    }

    /// Answers the offer in a 2xx to an INVITE of ours that had none, with the ACK that waits for it.
    ///
    /// Does nothing where no such 2xx waits. A call that ends before sends an ACK without an answer.
    pub fn ack(&mut self, dialog: DialogId, sdp: &str, now: Instant) {
        self.settle_ack(dialog, Some(sdp));
        self.send_next_offer(dialog, now);
    }

    /// Tells the peer something new about the call by UPDATE, such as `P-Asserted-Identity` (RFC 3311).
    ///
    /// Its response is not told. Says whether it was sent: a peer that does not list UPDATE in its `Allow`
    /// gets nothing, nor does one without a dialog.
    pub fn update(&mut self, dialog: DialogId, headers: Vec<(String, String)>, now: Instant) -> bool {
        self.send_update(dialog, &headers, now)
    }

    /// Accepts the [`Event::Offer`] of the peer; does nothing when there is none (any more).
    pub fn answer_offer(&mut self, dialog: DialogId, sdp: String, now: Instant) {
        self.accept_offer(dialog, &sdp, now);
    }

    /// Refuses the [`Event::Offer`] of the peer, e.g. with 488; the session stays as it was.
    pub fn refuse_offer(&mut self, dialog: DialogId, status: u16, now: Instant) {
        self.reject_offer(dialog, status, now);
    }

    /// Sends an INFO inside a dialog (RFC 6086); its response is not told.
    pub fn info(&mut self, dialog: DialogId, content_type: &str, body: &str, now: Instant) {
        self.send_info(dialog, content_type, body, now);
    }

    /// Asks the peer whether it still knows the dialog: [`Event::Alive`], or [`Event::Ended`] when it does not.
    ///
    /// Nothing at all follows when no response comes.
    pub fn probe(&mut self, dialog: DialogId, now: Instant) {
        self.send_probe(dialog, now);
    }

    /// Ends a call in whatever state it is: by CANCEL, by a refusal with 480, or by BYE.
    ///
    /// [`Event::Ended`] follows at once; the wire is tidied up behind the application's back.
    pub fn bye(&mut self, dialog: DialogId, reason: Option<Reason>, now: Instant) {
        self.hang_up(dialog, reason, now);
    }

    /// The peer of this dialog is on another flow from now on; a peer that says so itself is followed anyway.
    pub fn rebind(&mut self, dialog: DialogId, flow: FlowId) {
        if let Some(leg) = self.legs.get_mut(&dialog) {
            leg.info.flow = flow;
        }
    }

    /// Answers a request that was handed to the application. A body needs a `Content-Type` in `headers`.
    ///
    /// A request that has been answered, or whose flow is gone, is left alone.
    pub fn respond(
        &mut self,
        request: PendingRequest,
        status: u16,
        headers: Vec<(String, String)>,
        body: &[u8],
        now: Instant,
    ) {
        let tag = self.exchange.token();
        let id = TransactionId(request.0);
        let Some((request, _)) = self.exchange.pending(id) else { return };
        let mut response = wire::response_to(request, status, None, &tag);
        wire::set(&mut response.headers, sipx_sip::HeaderName::Server, &self.exchange.config.user_agent);
        wire::add_to_response(&mut response, &headers, body);
        self.exchange.respond(id, response, now);
    }

    /// What is known about a dialog that has not ended.
    pub fn dialog(&self, dialog: DialogId) -> Option<&DialogInfo> {
        self.legs.get(&dialog).filter(|leg| !leg.ended).map(|leg| &leg.info)
    }

    /// How many dialogs, subscriptions among them, and transactions are kept, ended ones that linger too.
    ///
    /// A figure for metrics, and for tests that look for leaks.
    pub fn held(&self) -> (usize, usize) {
        (self.legs.len() + self.subscriptions.len(), self.exchange.transactions())
    }

    fn insert_leg(&mut self, leg: Leg) {
        self.by_local_tag.insert(leg.info.local_tag.clone(), leg.id());
        self.legs.insert(leg.id(), Box::new(leg));
    }

    /// Tells the application, once, that a dialog is over, and keeps it for stragglers only.
    fn end(
        &mut self,
        dialog: DialogId,
        by: EndedBy,
        status: Option<u16>,
        reason: Option<String>,
        now: Instant,
    ) {
        self.settle_ack(dialog, None);
        let Some(leg) = self.legs.get_mut(&dialog).filter(|leg| !leg.ended) else { return };
        leg.ended = true;
        leg.outgoing = None;
        leg.next_offer = None;
        leg.invitation = None;
        leg.lingers_on = Some(leg.flow());
        let waiting = leg.incoming.take();
        self.exchange.lingers(leg.flow());
        self.exchange.wakes.cancel(&Wake::Glare(dialog));
        self.exchange.wakes.cancel(&Wake::Unsettled(dialog));
        if leg.bye_after_ack.is_none() {
            leg.unacked = None;
            self.exchange.wakes.cancel(&Wake::Answer(dialog));
            self.exchange.wakes.cancel(&Wake::NoAck(dialog));
        }
        self.exchange.wakes.set(Wake::Linger(dialog), Deadline::new(now + PATIENCE, "dialog lingers"));
        self.events.push_back(Event::Ended { dialog, by, status, reason_header: reason });
        if let Some(offer) = waiting {
            self.reply(offer.transaction, 487, &[], now);
        }
        self.end_extensions(dialog, now);
    }

    /// Forgets an ended dialog, with all that still waits for it.
    fn forget(&mut self, dialog: DialogId) {
        let Some(leg) = self.legs.remove(&dialog) else { return };
        self.by_local_tag.remove(&leg.info.local_tag);
        if let Some(flow) = leg.lingers_on {
            self.exchange.forgotten(flow);
        }
        if let Some(arrival) = &leg.arrival {
            self.arrived.remove(arrival);
        }
        for waiting in [leg.invite.filter(|_| leg.is_calling()), leg.reinvite].into_iter().flatten() {
            self.exchange.drop_transaction(waiting);
        }
        for wake in [Wake::Answer(dialog), Wake::NoAck(dialog), Wake::Glare(dialog), Wake::Linger(dialog)] {
            self.exchange.wakes.cancel(&wake);
        }
    }

    fn wrong_state(&self, dialog: DialogId) -> WrongState {
        WrongState { dialog, state: self.dialog(dialog).map(|info| info.state) }
    }

    /// A dialog that has not ended and is in one of these states.
    fn live_leg(&mut self, dialog: DialogId, states: &[DialogState]) -> Option<&mut Leg> {
        self.legs
            .get_mut(&dialog)
            .map(AsMut::as_mut)
            .filter(|leg| !leg.ended && states.contains(&leg.info.state))
    }
}
