//! Subscriptions that peers have with us: SUBSCRIBE comes in, NOTIFY goes out (RFC 6665 §4.2).

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use sipx_sip::HeaderName;
use sipx_sip::headers::{From, To};
use sipx_sip::message::{Headers, Method, Request, Response};
use timing::{Deadline, Duration, Instant};

use super::super::UserAgent;
use super::super::exchange::{Exchange, PATIENCE, Purpose, TransactionId, Wake};
use super::super::inbound::{authorization, uri_text};
use super::super::peer::{Ends, Peer, contact, draft_in_dialog};
use super::{ServerPurpose, ServerWake};
use crate::config::{FlowId, Owner};
use crate::event::{Event, PendingRequest};
use crate::subscription::{SubscribeRequest, SubscriptionId, SubscriptionReason, SubscriptionState};
use crate::wire::{self, Draft};

/// The event packages that somebody may know of.
pub(in crate::ua) const PACKAGES: &str = "dialog, message-summary";
/// A desk phone has a lamp for each colleague, and all phones of an office may speak on the one flow of its proxy.
const MAX_ON_FLOW: usize = 2_000;
/// The longest time granted, and what a refresh gets that names none.
const LONGEST: u32 = 3_600;

/// All subscriptions.
#[derive(Debug, Default)]
pub(in crate::ua) struct Subscriptions {
    known: BTreeMap<SubscriptionId, Box<Subscription>>,
    by_local_tag: HashMap<String, SubscriptionId>,
    next: u64,
}

/// One subscription, a dialog of its own.
#[derive(Debug)]
struct Subscription {
    flow: FlowId,
    owner: Owner,
    local: Bytes,
    local_tag: String,
    peer: Peer,
    call_id: Bytes,
    contact_user: String,
    local_cseq: u32,
    remote_cseq: u32,
    /// The package with its `id`, as every NOTIFY repeats it.
    event: String,
    until: Instant,
    /// The peer wants to know once.
    is_fetch: bool,
    /// Whether a NOTIFY waits for its response.
    in_flight: bool,
    /// What has happened meanwhile.
    next: Option<Notice>,
}

#[derive(Debug)]
struct Notice {
    state: SubscriptionState,
    content_type: String,
    body: String,
}

impl Subscriptions {
    pub(in crate::ua) fn live_on(&self, flow: FlowId) -> bool {
        self.known.values().any(|subscription| subscription.flow == flow)
    }

    pub(in crate::ua) fn len(&self) -> usize {
        self.known.len()
    }

    fn insert(&mut self, id: SubscriptionId, subscription: Subscription) {
        self.by_local_tag.insert(subscription.local_tag.clone(), id);
        self.known.insert(id, Box::new(subscription));
    }

    fn remove(&mut self, id: SubscriptionId) -> Option<Box<Subscription>> {
        let subscription = self.known.remove(&id)?;
        self.by_local_tag.remove(&subscription.local_tag);
        Some(subscription)
    }

    /// The subscription that a request belongs to, by Call-ID and both tags.
    fn of(&self, request: &Request) -> Option<SubscriptionId> {
        let local_tag = wire::tag_of::<To>(&request.headers);
        let id = *self.by_local_tag.get(std::str::from_utf8(&local_tag).ok()?)?;
        let subscription = self.known.get(&id)?;
        let call_id = request.headers.value(&HeaderName::CallId)?;
        let remote_tag = wire::tag_of::<From>(&request.headers);
        let is_peer = subscription.peer.tag.as_ref() == Some(&remote_tag);
        (subscription.call_id[..] == call_id[..] && is_peer).then_some(id)
    }
}

impl Subscription {
    fn draft(&mut self, exchange: &mut Exchange, state: &str) -> Draft {
        self.local_cseq += 1;
        let ends = Ends {
            flow: self.flow,
            local: &self.local,
            call_id: &self.call_id,
            contact_user: &self.contact_user,
        };
        draft_in_dialog(exchange, &ends, &self.peer, Method::Notify, self.local_cseq)
            .header(HeaderName::Event, &self.event)
            .header(HeaderName::SubscriptionState, state)
    }
}

/// The application's side.
impl UserAgent {
    /// Accepts a subscription for so many seconds; the application tells the present state next, by
    /// [`notify`](Self::notify).
    ///
    /// With 0 seconds that is all the peer hears. Where the request is gone, [`Event::SubscriptionEnded`]
    /// follows at once.
    pub fn accept_subscription(
        &mut self,
        request: PendingRequest,
        expires: u32,
        now: Instant,
    ) -> SubscriptionId {
        self.subscriptions.next += 1;
        let id = SubscriptionId(self.subscriptions.next);
        let transaction = TransactionId(request.0);
        let pending = self.exchange.pending(transaction).map(|(request, flow)| (request.clone(), flow));
        let is_open = self.exchange.is_unanswered(transaction);
        match pending.filter(|(request, _)| is_open && request.method == Method::Subscribe) {
            Some((request, flow)) => self.begin_subscription(id, transaction, &request, flow, expires, now),
            None => self.events.push_back(Event::SubscriptionEnded { id }),
        }
        id
    }

    /// Tells the peer what it has subscribed to.
    ///
    /// While an earlier NOTIFY waits for its response this one waits too, and a still later one takes its
    /// place: so each must tell the whole state.
    pub fn notify(
        &mut self,
        subscription: SubscriptionId,
        state: SubscriptionState,
        content_type: &str,
        body: &str,
        now: Instant,
    ) {
        let Some(known) = self.subscriptions.known.get_mut(&subscription) else { return };
        known.next = Some(Notice { state, content_type: content_type.to_owned(), body: body.to_owned() });
        if !known.in_flight {
            self.send_notice(subscription, now);
        }
    }

    /// Ends a subscription, and says why; its [`Event::SubscriptionEnded`] follows.
    pub fn end_subscription(
        &mut self,
        subscription: SubscriptionId,
        reason: SubscriptionReason,
        now: Instant,
    ) {
        self.send_last_notice(subscription, reason, now);
        self.forget_subscription(subscription);
    }
}

impl UserAgent {
    pub(super) fn handle_subscribe(
        &mut self,
        id: TransactionId,
        flow: FlowId,
        request: &Request,
        now: Instant,
    ) {
        let on_flow = self.subscriptions.known.values().filter(|known| known.flow == flow).count();
        match read(id, flow, request) {
            Err(489) => self.reply(id, 489, &[(HeaderName::AllowEvents, PACKAGES)], now),
            Err(status) => self.reply(id, status, &[], now),
            Ok(_) if on_flow >= MAX_ON_FLOW => {
                self.reply(id, 503, &[(HeaderName::RetryAfter, "60")], now);
            }
            Ok(subscribe) => {
                self.await_application(id, now);
                self.events.push_back(Event::Subscribe(subscribe));
            }
        }
    }

    fn begin_subscription(
        &mut self,
        id: SubscriptionId,
        transaction: TransactionId,
        request: &Request,
        flow: FlowId,
        expires: u32,
        now: Instant,
    ) {
        let (Some(owner), Some(from), Some((event, _))) = (
            self.exchange.owner(flow).cloned(),
            wire::address::<From>(&request.headers),
            event_of(&request.headers),
        ) else {
            return self.events.push_back(Event::SubscriptionEnded { id });
        };
        let expires = expires.min(LONGEST);
        let local_tag = self.exchange.token();
        let to = request.headers.value(&HeaderName::To).unwrap_or_default();
        let is_fetch = expires == 0;
        let life = if is_fetch { PATIENCE } else { Duration::from_secs(expires.into()) };
        let subscription = Subscription {
            flow,
            owner,
            local: [&to[..], b";tag=", local_tag.as_bytes()].concat().into(),
            local_tag,
            peer: Peer::read(&request.headers, &HeaderName::From, from.uri.clone()),
            call_id: request.headers.value(&HeaderName::CallId).unwrap_or_default().into_owned().into(),
            contact_user: wire::user_of(&request.uri),
            local_cseq: 0,
            remote_cseq: wire::cseq(&request.headers).map_or(0, |(number, _)| number),
            event,
            until: now + life,
            is_fetch,
            in_flight: false,
            next: None,
        };
        self.subscriptions.insert(id, subscription);
        self.reply_to_subscribe(id, transaction, request, expires, now);
        self.arm_subscription(id, life, now);
    }

    fn reply_to_subscribe(
        &mut self,
        id: SubscriptionId,
        transaction: TransactionId,
        request: &Request,
        expires: u32,
        now: Instant,
    ) {
        let Some(subscription) = self.subscriptions.known.get(&id) else { return };
        let mut response = wire::response_to(request, 200, None, &subscription.local_tag);
        for route in request.headers.get_all(&HeaderName::RecordRoute) {
            wire::add(&mut response.headers, HeaderName::RecordRoute, route.value());
        }
        let contact = self.exchange.contact(subscription.flow, &subscription.contact_user);
        wire::set(&mut response.headers, HeaderName::Contact, contact);
        wire::set(&mut response.headers, HeaderName::Expires, expires.to_string());
        wire::set(&mut response.headers, HeaderName::Server, &self.exchange.config.user_agent);
        wire::add_to_response(&mut response, &[], b"");
        self.exchange.respond(transaction, response, now);
    }

    fn arm_subscription(&mut self, id: SubscriptionId, life: Duration, now: Instant) {
        let deadline = Deadline::new(now + life, "subscription expires");
        self.exchange.wakes.set(Wake::Server(ServerWake::Expiry(id)), deadline);
    }

    /// A SUBSCRIBE inside a subscription: the peer stays, or goes (RFC 6665 §4.2.1.4).
    pub(super) fn handle_resubscribe(
        &mut self,
        id: TransactionId,
        flow: FlowId,
        request: &Request,
        now: Instant,
    ) {
        let owner = self.exchange.owner(flow).cloned();
        let found = self.subscriptions.of(request);
        let Some((subscription, known)) = found
            .and_then(|found| Some((found, self.subscriptions.known.get_mut(&found)?)))
            .filter(|(_, known)| known.flow == flow || owner.as_ref() == Some(&known.owner))
        else {
            return self.reply(id, 481, &[], now);
        };
        let cseq = wire::cseq(&request.headers).map_or(0, |(number, _)| number);
        if cseq <= known.remote_cseq {
            return self.reply(id, 500, &[], now);
        }
        known.remote_cseq = cseq;
        if event_of(&request.headers).is_none_or(|(event, _)| event != known.event) {
            return self.reply(id, 489, &[(HeaderName::AllowEvents, PACKAGES)], now);
        }
        known.flow = flow;
        if let Some(target) = contact(&request.headers) {
            known.peer.target = target;
        }
        let expires = expires_of(&request.headers).unwrap_or(LONGEST).min(LONGEST);
        let life = Duration::from_secs(expires.into());
        known.until = now + life;
        self.reply_to_subscribe(subscription, id, request, expires, now);
        if expires == 0 {
            return self.end_subscription(subscription, SubscriptionReason::Timeout, now);
        }
        self.arm_subscription(subscription, life, now);
        self.events.push_back(Event::SubscriptionRefreshed { id: subscription });
    }

    pub(super) fn handle_notified(&mut self, id: SubscriptionId, response: &Response, now: Instant) {
        let Some(subscription) = self.subscriptions.known.get_mut(&id) else { return };
        match response.status.code() {
            100..=199 => {}
            200..=299 => {
                subscription.in_flight = false;
                self.send_notice(id, now);
            }
            _ => self.forget_subscription(id),
        }
    }

    /// Sends what has happened last, if it was not told yet.
    fn send_notice(&mut self, id: SubscriptionId, now: Instant) {
        let Some(subscription) = self.subscriptions.known.get_mut(&id) else { return };
        let Some(Notice { state, content_type, body }) = subscription.next.take() else { return };
        let seconds = subscription.until.since(now).as_secs().max(1);
        let state = match state {
            _ if subscription.is_fetch => "terminated;reason=timeout".to_owned(),
            SubscriptionState::Active => format!("active;expires={seconds}"),
            SubscriptionState::Pending => format!("pending;expires={seconds}"),
        };
        let is_last = subscription.is_fetch;
        let content_type = (!body.is_empty()).then_some(content_type.as_str());
        let request = subscription.draft(&mut self.exchange, &state).finish(content_type, body.as_bytes());
        subscription.in_flight = true;
        let (flow, purpose) = (subscription.flow, Purpose::Server(ServerPurpose::Notify(id)));
        let sent = self.exchange.request(flow, request, purpose, now);
        if is_last || sent.is_none() {
            self.forget_subscription(id);
        }
    }

    fn send_last_notice(&mut self, id: SubscriptionId, reason: SubscriptionReason, now: Instant) {
        let Some(subscription) = self.subscriptions.known.get_mut(&id) else { return };
        let state = format!("terminated;reason={}", reason.token());
        let request = subscription.draft(&mut self.exchange, &state).finish(None, b"");
        let (flow, purpose) = (subscription.flow, Purpose::Server(ServerPurpose::Notify(id)));
        self.exchange.request(flow, request, purpose, now);
    }

    pub(super) fn forget_subscription(&mut self, id: SubscriptionId) {
        if self.subscriptions.remove(id).is_some() {
            self.exchange.wakes.cancel(&Wake::Server(ServerWake::Expiry(id)));
            self.events.push_back(Event::SubscriptionEnded { id });
        }
    }

    /// A flow is gone, and nobody can be told by it.
    pub(in crate::ua) fn forget_subscriptions_on(&mut self, flow: FlowId) {
        let on_flow = self.subscriptions.known.iter().filter(|(_, subscription)| subscription.flow == flow);
        let lost: Vec<_> = on_flow.map(|(id, _)| *id).collect();
        for id in lost {
            self.forget_subscription(id);
        }
    }
}

/// The error is the status of the refusal.
fn read(id: TransactionId, flow: FlowId, request: &Request) -> Result<SubscribeRequest, u16> {
    let headers = &request.headers;
    let (_, package) = event_of(headers).ok_or(489_u16)?;
    if !PACKAGES.split(", ").any(|known| known == package) {
        return Err(489);
    }
    contact(headers).filter(|uri| uri.scheme().is_sip()).ok_or(400_u16)?;
    Ok(SubscribeRequest {
        request: PendingRequest(id.0),
        flow,
        request_uri: uri_text(&request.uri),
        from_user: wire::user_of(&wire::address::<From>(headers).ok_or(400_u16)?.uri),
        to_user: wire::user_of(&wire::address::<To>(headers).ok_or(400_u16)?.uri),
        event: package,
        expires: expires_of(headers),
        accept: wire::tokens(headers, &HeaderName::Accept),
        authorization: authorization(request).map_err(|_| 400_u16)?,
        sip_call_id: wire::text_of(headers, &HeaderName::CallId).unwrap_or_default(),
    })
}

/// The package with its `id`, and the package alone (RFC 6665 §8.2.1).
fn event_of(headers: &Headers) -> Option<(String, String)> {
    let value = wire::text_of(headers, &HeaderName::Event)?;
    let mut parts = value.split(';').map(str::trim);
    let package = parts.next().filter(|package| !package.is_empty())?.to_ascii_lowercase();
    let id = parts.find(|part| part.get(..3).is_some_and(|name| name.eq_ignore_ascii_case("id=")));
    let event = id.map_or_else(|| package.clone(), |id| format!("{package};id={}", &id[3..]));
    Some((event, package))
}

fn expires_of(headers: &Headers) -> Option<u32> {
    headers.value(&HeaderName::Expires).and_then(|value| wire::seconds(&value))
}
