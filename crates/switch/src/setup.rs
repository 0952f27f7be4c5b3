//! From an INVITE to two parties who hear each other.

use std::collections::BTreeMap;

use media::{Codec, CodecPreference};
use model::{CallId, EndCause, LegId, PhoneNumber};
use sip::digest::DigestFailure;
use sip::{DialogId, InboundInvite, OutboundInvite, Reason, RegisterRequest};
use timing::{Deadline, Duration, Instant};

use crate::call::{Call, Leg, LegState, Party, Phase, Side};
use crate::directory::Destination;
use crate::fact::{CallDirection, PhoneFactKind};
use crate::registrar::{BindError, Binding, Bound, LONGEST, Phone, SHORTEST, USUAL};
use crate::switch::{Switch, Timer};

/// Calls that one line may have at once; a third caller hears busy, a third dial is refused.
pub(crate) const MOST_CALLS_OF_A_LINE: usize = 2;
/// From a phone's 200 to agreed media on both sides.
const AGREE_WITHIN: Duration = Duration::from_secs(10);
/// From the answer to the first sound: ICE and DTLS take a fraction of a second where the path is open.
const SOUND_WITHIN: Duration = Duration::from_secs(30);

impl Switch {
    /// Answers a REGISTER (RFC 3261 §10.3): challenge, refuse, bind or take away.
    pub(crate) fn register(&mut self, request: RegisterRequest, now: Instant) {
        let Some(identity) = self.identities.get(&request.flow).cloned() else {
            return self.ua.respond(request.request, 403, Vec::new(), b"", now);
        };
        let verdict = match &request.authorization {
            None => Err(None),
            Some(proof) => self
                .challenger
                .verify(proof, "REGISTER", &request.request_uri, &identity.ha1, now)
                .map_err(Some),
        };
        if let Err(failure) = verdict {
            let (status, challenges) = match failure {
                Some(DigestFailure::Wrong) => (403, Vec::new()),
                Some(DigestFailure::UriMismatch) => (400, Vec::new()),
                // a nonce that we did not make may stem from before a restart
                None | Some(DigestFailure::Malformed) => {
                    (401, self.challenger.challenge(&self.config.realm, false, now))
                }
                Some(DigestFailure::Stale | DigestFailure::Replayed) => {
                    (401, self.challenger.challenge(&self.config.realm, true, now))
                }
            };
            let headers =
                challenges.into_iter().map(|value| ("WWW-Authenticate".to_owned(), value)).collect();
            return self.ua.respond(request.request, status, headers, b"", now);
        }
        let strangers_name =
            request.authorization.as_ref().is_some_and(|proof| proof.username != identity.account);
        if strangers_name || request.aor_user != identity.account || request.from_user != identity.account {
            return self.ua.respond(request.request, 403, Vec::new(), b"", now);
        }
        let outcome = self.update_bindings(&identity.account, &request, now);
        self.touch(&identity.account);
        let (status, headers) = match &outcome {
            Ok(_) => (200, self.contacts_of(&identity.account, now)),
            Err(refusal) => refusal.clone(),
        };
        self.ua.respond(request.request, status, headers, b"", now);
        match outcome {
            Ok(Some(bound @ (Bound::New | Bound::Moved))) => {
                self.phone_is_there(&identity.account, request.flow, bound, now);
            }
            Ok(Some(Bound::Refreshed) | None) | Err(_) => {}
        }
    }

    /// What a REGISTER did to the bindings.
    ///
    /// # Errors
    /// The status and the headers of its refusal.
    fn update_bindings(
        &mut self,
        account: &str,
        request: &RegisterRequest,
        now: Instant,
    ) -> Result<Option<Bound>, RefusedWith> {
        if request.wildcard {
            if request.expires != Some(0) || !request.contacts.is_empty() {
                return Err((400, Vec::new()));
            }
            self.registrar.unbind(account, request.flow);
            return Ok(None);
        }
        let mut outcome = None;
        for contact in &request.contacts {
            let asked = contact.expires.or(request.expires).map_or(USUAL, |s| Duration::from_secs(s.into()));
            if asked.is_zero() {
                self.registrar.unbind(account, request.flow);
                continue;
            }
            if asked < SHORTEST {
                return Err((423, vec![("Min-Expires".to_owned(), SHORTEST.as_secs().to_string())]));
            }
            let binding = Binding {
                flow: request.flow,
                contact: contact.uri.clone(),
                instance: contact.instance.clone(),
                call_id: request.sip_call_id.clone(),
                cseq: request.cseq,
                expires_at: now + asked.min(LONGEST),
            };
            outcome = Some(self.registrar.bind(account, binding).map_err(|error| match error {
                BindError::OutOfOrder => (500, Vec::new()),
                BindError::TooMany => (403, Vec::new()),
            })?);
        }
        Ok(outcome)
    }

    fn contacts_of(&self, account: &str, now: Instant) -> Vec<(String, String)> {
        let contact = |binding: &Binding| {
            let left = binding.expires_at.since(now).as_secs();
            ("Contact".to_owned(), format!("<{}>;expires={left}", binding.contact))
        };
        self.registrar.bindings(account).iter().map(contact).collect()
    }

    /// A phone calls.
    pub(crate) fn incoming(&mut self, invite: InboundInvite, now: Instant) {
        match self.accept_caller(&invite) {
            Err(cause) => self.ua.refuse(invite.dialog, cause.sip_status(), None, now),
            Ok(accepted) => {
                let call = self.new_call(accepted, Phase::Ringing, now);
                let leg = self.calls[&call].caller_leg;
                self.dialogs.insert(invite.dialog, leg);
                self.timers
                    .set(Timer::NoAnswer(call), Deadline::new(now + self.config.ring_time, "no answer"));
                let flow = invite.flow;
                let phone = self.phone_on(flow, &invite.from_user);
                self.legs.insert(
                    leg,
                    Leg {
                        call,
                        side: Side::Caller,
                        dialog: Some(invite.dialog),
                        flow,
                        target: String::new(),
                        phone,
                        sip_call_id: Some(invite.sip_call_id),
                        state: LegState::Incoming,
                        held: false,
                        connected: false,
                        offer: invite.sdp,
                        replaces: None,
                    },
                );
                self.tell(call, Side::Caller, PhoneFactKind::Dialling);
                self.place(call, now);
            }
        }
    }

    fn accept_caller(&self, invite: &InboundInvite) -> Result<NewCall, EndCause> {
        let identity = self.identities.get(&invite.flow).ok_or(EndCause::Forbidden)?;
        let registered =
            self.registrar.bindings(&identity.account).iter().any(|binding| binding.flow == invite.flow);
        if invite.from_user != identity.account || !registered {
            return Err(EndCause::Forbidden);
        }
        let line = self.directory.line(&identity.account).ok_or(EndCause::Forbidden)?.clone();
        let dialled: PhoneNumber = invite.request_user.parse().map_err(|_| EndCause::UnknownNumber)?;
        let destination = self.directory.route(&dialled).ok_or(EndCause::UnknownNumber)?;
        let offer = invite.sdp.as_deref().ok_or(EndCause::NotAcceptable)?;
        let codecs = media::sdp::offered_codecs(offer).map_err(|_| EndCause::NotAcceptable)?;
        if codecs.is_empty() {
            return Err(EndCause::NotAcceptable);
        }
        if self.draining || self.calls.len() >= self.config.most_calls {
            return Err(EndCause::Overloaded);
        }
        if self.calls_of(&identity.account).count() >= MOST_CALLS_OF_A_LINE {
            return Err(EndCause::Busy);
        }
        Ok(NewCall { line, dialled, destination, codecs, variables: BTreeMap::new() })
    }

    /// Makes the call and its parties; the caller's leg is the caller's business.
    pub(crate) fn new_call(&mut self, new: NewCall, phase: Phase, now: Instant) -> CallId {
        let id = self.new_call_id();
        let linked_id = self.new_channel_id(now);
        let caller = Party::of_line(&new.line, linked_id.clone(), CallDirection::Outgoing);
        let channel = self.new_channel_id(now);
        let callee = match &new.destination {
            Destination::Line(account) => match self.directory.line(account) {
                Some(line) => Party::of_line(line, channel, CallDirection::Incoming),
                None => Party::service(new.dialled.clone(), "", channel),
            },
            Destination::Echo => Party::service(new.dialled.clone(), "Echo test", channel),
        };
        let caller_leg = self.new_leg_id();
        let call = Call {
            id,
            linked_id,
            started_at: now,
            answered_at: None,
            phase,
            destination: new.destination,
            caller,
            callee,
            caller_leg,
            branches: Vec::new(),
            codecs: new.codecs,
            refused: None,
            variables: new.variables,
        };
        self.calls.insert(id, call);
        id
    }

    /// The caller is there: call whom he dialled.
    pub(crate) fn place(&mut self, id: CallId, now: Instant) {
        let Some(call) = self.calls.get(&id) else { return };
        match call.destination.clone() {
            Destination::Echo => self.answer_by_service(id, now),
            Destination::Line(account) => self.ring_line(id, &account, now),
        }
    }

    fn answer_by_service(&mut self, id: CallId, now: Instant) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.phase = Phase::Answering;
        let leg = call.caller_leg;
        if self.legs.get(&leg).is_some_and(|leg| leg.state.is_up()) {
            self.connect(id, now);
        } else {
            self.answer_caller(id, CodecPreference::Any);
        }
    }

    fn ring_line(&mut self, id: CallId, account: &str, now: Instant) {
        let bindings = self.registrar.bindings(account).to_vec();
        if bindings.is_empty() {
            return self.end_call(id, EndCause::Unavailable, None, now);
        }
        let own_line =
            self.calls.get(&id).is_some_and(|call| call.caller.account.as_deref() == Some(account));
        if own_line || self.calls_of(account).any(|other| other != id) {
            return self.end_call(id, EndCause::Busy, None, now);
        }
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.phase = Phase::Ringing;
        let codecs = call.codecs.clone();
        for binding in bindings {
            let leg = self.new_leg_id();
            self.legs.insert(leg, Leg::outgoing(id, Side::Callee, &binding));
            if let Some(call) = self.calls.get_mut(&id) {
                call.branches.push(leg);
            }
            let codecs = CodecPreference::Only(codecs.clone());
            self.order(
                id,
                media::Order::MakeOffer { leg: media::LegId(leg.0), codecs, style: media::Style::WebRtc },
            );
        }
    }

    /// The calls that a line takes part in and that its user knows of.
    pub(crate) fn calls_of<'a>(&'a self, account: &'a str) -> impl Iterator<Item = CallId> + 'a {
        self.calls
            .values()
            .filter(move |call| {
                [&call.caller, &call.callee]
                    .iter()
                    .any(|party| party.account.as_deref() == Some(account) && party.is_live())
            })
            .map(|call| call.id)
    }

    /// Media has made the offer for a leg that we invite.
    pub(crate) fn invite(&mut self, leg_id: LegId, sdp: String, now: Instant) {
        let Some(leg) = self.legs.get(&leg_id) else { return };
        let Some(call) = self.calls.get(&leg.call) else { return };
        let (id, side) = (call.id, leg.side);
        let (me, other) = (call.party(side), call.party(side.other()));
        // a party is rung by itself only for its own wish: click to call, or a page that was reloaded
        let auto_answer = side == Side::Caller || leg.replaces.is_some();
        let account = me.account.clone().unwrap_or_default();
        let invite = OutboundInvite {
            flow: leg.flow,
            target: leg.target.clone(),
            from_user: other.number.to_string(),
            from_name: (!other.name.is_empty()).then(|| other.name.clone()),
            from_host: self.config.domain.clone(),
            to_user: account,
            to_host: self.config.domain.clone(),
            sdp,
            auto_answer,
            headers: Vec::new(),
            credentials: None,
        };
        let dialog = self.ua.invite(invite, now);
        let sip_call_id = self.ua.dialog(dialog).map(|info| info.sip_call_id.clone());
        self.dialogs.insert(dialog, leg_id);
        if let Some(leg) = self.legs.get_mut(&leg_id) {
            leg.dialog = Some(dialog);
            leg.sip_call_id = sip_call_id;
            leg.state = LegState::Inviting;
            if leg.replaces.is_some() {
                return;
            }
        }
        let told = self.calls.get(&id).and_then(|call| call.party(side).told);
        if told.is_none() {
            let kind = if side == Side::Caller { PhoneFactKind::Dialling } else { PhoneFactKind::Ringing };
            self.tell(id, side, kind);
        }
    }

    /// A phone that we invited gives a sign of life.
    pub(crate) fn progress(&mut self, dialog: DialogId, status: u16, now: Instant) {
        let Some((leg, call)) = self.leg_of_dialog(dialog).and_then(|id| {
            let leg = self.legs.get(&id)?;
            Some((leg, self.calls.get(&leg.call)?))
        }) else {
            return;
        };
        if leg.side != Side::Callee || status != 180 || call.phase != Phase::Ringing {
            return;
        }
        let caller = self.legs.get(&call.caller_leg).filter(|caller| caller.state == LegState::Incoming);
        if let Some(dialog) = caller.and_then(|caller| caller.dialog) {
            self.ua.progress(dialog, 180, None, now);
        }
    }

    /// A phone that we invited was answered.
    pub(crate) fn answered(&mut self, dialog: DialogId, sdp: Option<String>, now: Instant) {
        let Some(leg_id) = self.leg_of_dialog(dialog) else {
            return self.ua.bye(dialog, None, now);
        };
        let Some(leg) = self.legs.get_mut(&leg_id) else { return };
        let id = leg.call;
        leg.state = LegState::Agreeing;
        let is_callee = leg.side == Side::Callee && leg.replaces.is_none();
        let Some(sdp) = sdp else {
            return self.end_branch(leg_id, EndCause::NotAcceptable, now);
        };
        if is_callee && !self.win(id, leg_id, now) {
            return self.drop_leg(leg_id, EndCause::AnsweredElsewhere, now);
        }
        self.order(id, media::Order::AcceptAnswer { leg: media::LegId(leg_id.0), answer: sdp });
    }

    /// The first phone that answers takes the call; the others stop ringing.
    fn win(&mut self, id: CallId, winner: LegId, now: Instant) -> bool {
        let Some(call) = self.calls.get_mut(&id) else { return false };
        if call.phase != Phase::Ringing {
            return false;
        }
        call.phase = Phase::Answering;
        let losers: Vec<LegId> = call.branches.iter().copied().filter(|leg| *leg != winner).collect();
        call.branches = vec![winner];
        for loser in losers {
            self.drop_leg(loser, EndCause::AnsweredElsewhere, now);
        }
        // media answers in milliseconds; a call is not to hang on it
        self.timers.set(Timer::NoAnswer(id), Deadline::new(now + AGREE_WITHIN, "media does not answer"));
        true
    }

    /// Media has taken the answer of a phone that we invited.
    pub(crate) fn agreed(&mut self, leg_id: LegId, codec: Codec, now: Instant) {
        let Some(leg) = self.legs.get_mut(&leg_id) else { return };
        leg.state = LegState::Up;
        let (id, side) = (leg.call, leg.side);
        if leg.replaces.is_some() {
            return self.take_over(leg_id, now);
        }
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.codecs = vec![codec];
        match side {
            Side::Caller => self.place(id, now),
            Side::Callee if self.legs.get(&call.caller_leg).is_some_and(|leg| leg.state.is_up()) => {
                self.connect(id, now)
            }
            Side::Callee => self.answer_caller(id, CodecPreference::Only(vec![codec])),
        }
    }

    /// Asks media for the answer to the caller's offer.
    fn answer_caller(&mut self, id: CallId, codecs: CodecPreference) {
        let Some(call) = self.calls.get(&id) else { return };
        let leg_id = call.caller_leg;
        let Some(leg) = self.legs.get_mut(&leg_id) else { return };
        leg.state = LegState::Answering;
        let offer = leg.offer.take().expect("a caller without an offer was refused");
        self.order(
            id,
            media::Order::AcceptOffer {
                leg: media::LegId(leg_id.0),
                offer,
                codecs,
                style: media::Style::WebRtc,
            },
        );
    }

    /// Media has answered the caller's offer: 200 OK, and the parties are joined.
    pub(crate) fn answer_made(&mut self, leg_id: LegId, sdp: String, codec: Codec, now: Instant) {
        let Some(leg) = self.legs.get_mut(&leg_id) else { return };
        leg.state = LegState::Up;
        let (id, dialog) = (leg.call, leg.dialog);
        if let Some(call) = self.calls.get_mut(&id) {
            call.codecs = vec![codec];
        }
        if let Some(dialog) = dialog
            && self.ua.answer(dialog, sdp, now).is_ok()
        {
            self.connect(id, now);
        }
        // else the caller has just cancelled: his `Ended` is on its way
    }

    /// Both sides are up: join them.
    pub(crate) fn connect(&mut self, id: CallId, now: Instant) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.phase = Phase::Talking;
        call.answered_at = Some(now);
        let caller = media::LegId(call.caller_leg.0);
        let order = match (&call.destination, call.branches.first()) {
            (Destination::Line(_), Some(callee)) => {
                media::Order::Bridge { a: caller, b: media::LegId(callee.0) }
            }
            _ => media::Order::Echo { leg: caller },
        };
        self.order(id, order);
        self.timers.cancel(&Timer::NoAnswer(id));
        self.await_sound(id, now + SOUND_WITHIN);
        self.tell(id, Side::Caller, PhoneFactKind::Established);
        self.tell(id, Side::Callee, PhoneFactKind::Established);
    }

    /// The phone that registered over `flow`.
    fn phone_on(&self, flow: sip::FlowId, account: &str) -> Option<Phone> {
        self.registrar.bindings(account).iter().find(|b| b.flow == flow).map(Binding::phone)
    }
}

/// The status and the headers of a refusal.
type RefusedWith = (u16, Vec<(String, String)>);

/// What a call begins with.
pub(crate) struct NewCall {
    pub line: crate::directory::Line,
    pub dialled: PhoneNumber,
    pub destination: Destination,
    pub codecs: Vec<Codec>,
    pub variables: BTreeMap<String, String>,
}

impl Leg {
    /// A leg towards a registered phone, before media has made its offer.
    pub(crate) fn outgoing(call: CallId, side: Side, binding: &Binding) -> Self {
        Leg {
            call,
            side,
            dialog: None,
            flow: binding.flow,
            target: binding.contact.clone(),
            phone: Some(binding.phone()),
            sip_call_id: None,
            state: LegState::Offering,
            held: false,
            connected: false,
            offer: None,
            replaces: None,
        }
    }
}

/// Why a leg is being ended, as its peer reads it (RFC 3326).
pub(crate) fn reason_of(cause: EndCause) -> Reason {
    match cause {
        EndCause::AnsweredElsewhere => {
            Reason { protocol: "SIP".into(), cause: 200, text: Some("Call completed elsewhere".into()) }
        }
        _ => Reason { protocol: "Q.850".into(), cause: cause.q850().into(), text: None },
    }
}
