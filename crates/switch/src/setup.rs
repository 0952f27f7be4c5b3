//! From an INVITE to two parties who hear each other.

use std::collections::BTreeMap;

use media::{Codec, CodecPreference};
use model::{CallId, EndCause, LegId, PhoneNumber};
use sip::{DialogId, InboundInvite, OutboundInvite};
use timing::{Deadline, Duration, Instant};

use crate::call::{Call, Leg, LegState, Party, Phase, Side};
use crate::directory::Destination;
use crate::fact::{CallBegan, CallDirection, Fact, PhoneFactKind};
use crate::flows::Offers;
use crate::proving::Proven;
use crate::registrar::{Binding, Phone};
use crate::switch::{Switch, Timer};

/// Calls that one line may have when it makes another: one is held for the other, and a third is refused.
/// Who has any call at all is not rung: whoever calls him hears busy.
pub(crate) const MOST_CALLS_OF_A_LINE: usize = 2;
/// From a phone's 200 to agreed media on both sides.
const AGREE_WITHIN: Duration = Duration::from_secs(10);
/// From the answer to the first sound: ICE and DTLS take a fraction of a second where the path is open.
pub(crate) const SOUND_WITHIN: Duration = Duration::from_secs(30);

impl Switch {
    /// A phone calls.
    pub(crate) fn incoming(&mut self, invite: InboundInvite, now: Instant) {
        let (uri, proof) = (&invite.request_uri, invite.authorization.as_ref());
        let proven = match self.may_call(&invite) {
            // a page's connection and registration speak for it
            Some(account) => Proven { name: account.clone(), account, device: None },
            None => match self.prove(invite.flow, "INVITE", uri, proof, now) {
                Ok(proven) => proven,
                Err((status, headers)) => {
                    return self.ua.refuse_with(invite.dialog, status, None, headers, now);
                }
            },
        };
        match self.accept_caller(&invite, &proven) {
            Err(cause) => self.refuse(invite.dialog, cause, now),
            Ok(accepted) => {
                let call = self.new_call(accepted, Phase::Ringing, now);
                let leg = self.calls[&call].caller_leg;
                self.dialogs.insert(invite.dialog, leg);
                self.timers
                    .set(Timer::NoAnswer(call), Deadline::new(now + self.config.ring_time, "no answer"));
                let flow = invite.flow;
                let phone = self.phone_on(flow, &proven);
                if let Some(call) = self.calls.get_mut(&call) {
                    call.caller.sip_call_id = Some(invite.sip_call_id.clone());
                }
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
                        lost_at: None,
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

    /// The account of a page that has registered on the flow by which it calls.
    fn may_call(&self, invite: &InboundInvite) -> Option<String> {
        let account = &self.ways.get(&invite.flow)?.identity.as_ref()?.account;
        let registered = self.registrar.bindings(account).iter().any(|binding| binding.flow == invite.flow);
        registered.then(|| account.clone())
    }

    fn accept_caller(&self, invite: &InboundInvite, proven: &Proven) -> Result<NewCall, EndCause> {
        if invite.from_user != proven.name {
            return Err(EndCause::Forbidden);
        }
        let line = self.directory.line(&proven.account).ok_or(EndCause::Forbidden)?.clone();
        let dialled: PhoneNumber = invite.request_user.parse().map_err(|_| EndCause::UnknownNumber)?;
        let destination = self.directory.route(&dialled).ok_or(EndCause::UnknownNumber)?;
        let offer = invite.sdp.as_deref().ok_or(EndCause::NotAcceptable)?;
        let codecs = match self.style_on(invite.flow, Offers::Theirs) {
            media::Style::WebRtc => media::sdp::offered_codecs(offer),
            media::Style::Rtp { secure, .. } => media::sdp::plain_offered_codecs(offer, secure),
        };
        let codecs = codecs.map_err(|_| EndCause::NotAcceptable)?;
        if codecs.is_empty() {
            return Err(EndCause::NotAcceptable);
        }
        if self.draining || self.calls.len() >= self.config.most_calls {
            return Err(EndCause::Overloaded);
        }
        if self.calls_of(&proven.account).count() >= MOST_CALLS_OF_A_LINE {
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
        self.facts.push_back(Fact::CallBegan(CallBegan {
            call: id,
            linked_id: call.linked_id.clone(),
            caller: call.caller.info(),
            callee: call.callee.info(),
        }));
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
            return self.end_call(id, EndCause::Unavailable, now);
        }
        let own_line =
            self.calls.get(&id).is_some_and(|call| call.caller.account.as_deref() == Some(account));
        if own_line || self.calls_of(account).any(|other| other != id) {
            return self.end_call(id, EndCause::Busy, now);
        }
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.phase = Phase::Ringing;
        // of several phones the one that registered last is the one in use, and the one the user is told of
        for binding in bindings.iter().rev() {
            self.ring_phone(id, binding);
        }
    }

    pub(crate) fn ring_phone(&mut self, id: CallId, binding: &Binding) {
        let leg = self.new_leg_id();
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.branches.push(leg);
        let codecs = CodecPreference::Only(call.codecs.clone());
        self.legs.insert(leg, Leg::outgoing(id, Side::Callee, binding));
        let style = self.style_on(binding.flow, Offers::Ours);
        self.order(id, media::Order::MakeOffer { leg: media::LegId(leg.0), codecs, style });
    }

    /// The calls that a line takes part in, whether or not its user has been told.
    pub(crate) fn calls_of<'a>(&'a self, account: &'a str) -> impl Iterator<Item = CallId> + 'a {
        self.calls.values().filter(move |call| call.engages(account)).map(|call| call.id)
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
            leg.sip_call_id = sip_call_id.clone();
            leg.state = LegState::Inviting;
            if leg.replaces.is_some() {
                return;
            }
        }
        let Some(call) = self.calls.get_mut(&id) else { return };
        let party = call.party_mut(side);
        if party.sip_call_id.is_none() {
            party.sip_call_id = sip_call_id;
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
            return self.leg_ended(leg_id, EndCause::NotAcceptable, now);
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
        call.callee.sip_call_id = self.legs.get(&winner).and_then(|leg| leg.sip_call_id.clone());
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
        let flow = leg.flow;
        let style = self.style_on(flow, Offers::Theirs);
        self.order(id, media::Order::AcceptOffer { leg: media::LegId(leg_id.0), offer, codecs, style });
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
        self.facts.push_back(Fact::CallAnswered { call: id });
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
        self.tell_talking(id, Side::Caller);
        self.tell_talking(id, Side::Callee);
    }

    /// The phone that registered over `flow`.
    fn phone_on(&self, flow: sip::FlowId, proven: &Proven) -> Option<Phone> {
        let mut bindings = self.registrar.bindings(&proven.account).iter();
        bindings.find(|b| b.flow == flow && b.device == proven.device).map(Binding::phone)
    }
}

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
            lost_at: None,
            connected: false,
            offer: None,
            replaces: None,
        }
    }
}
