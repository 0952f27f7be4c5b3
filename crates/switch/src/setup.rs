//! From an INVITE, or a wish to dial, to phones that ring.

use std::collections::BTreeMap;

use media::{Codec, CodecPreference};
use model::{CallId, EndCause, LegId, PhoneNumber};
use sip::{InboundInvite, OutboundInvite};
use timing::{Deadline, Instant};

use crate::call::{Began, Call, Leg, LegState, Party, Phase, Side};
use crate::directory::{Destination, Line};
use crate::fact::{CallDirection, PhoneFactKind};
use crate::features::Feature;
use crate::flows::Offers;
use crate::inward::hides;
use crate::outward::Led;
use crate::proving::Proven;
use crate::referring::By;
use crate::registrar::{Binding, Phone};
use crate::switch::{Switch, Timer};
use crate::trunk::{Origin, TrunkId};

/// Calls that one line may have when it makes another: one is held for the other, and a third is refused.
/// Who has any call at all is not rung: whoever calls him hears busy.
pub(crate) const MOST_CALLS_OF_A_LINE: usize = 2;

impl Switch {
    /// A phone calls.
    pub(crate) fn incoming(&mut self, invite: InboundInvite, now: Instant) {
        if let Some(trunk) = self.trunk_on(invite.flow) {
            return self.incoming_from_trunk(invite, trunk, now);
        }
        let (uri, proof) = (&invite.request_uri, invite.authorization.as_ref());
        let proven = match self.sender(invite.flow, ("INVITE", &invite.sip_call_id), uri, proof, now) {
            Ok(proven) => proven,
            Err((status, headers)) => {
                return self.ua.refuse_with(invite.dialog, status, None, headers, now);
            }
        };
        if let Some(replaces) = invite.replaces.clone() {
            return self.replace_on_request(invite, By::Phone(&proven), &replaces, now);
        }
        if let Some(Feature::Pickup(number)) =
            invite.request_user.parse().ok().and_then(|n| Feature::dialled(&n))
        {
            let ringing = self.ringing_at(&number).ok_or(EndCause::UnknownNumber);
            if let Err(cause) = ringing.and_then(|call| self.pick_up(&invite, &proven, call, now)) {
                self.refuse(invite.dialog, cause, now);
            }
            return;
        }
        match self.accept_caller(&invite, &proven, now) {
            Err(cause) => self.refuse(invite.dialog, cause, now),
            Ok(accepted) => {
                let phone = self.phone_on(invite.flow, &proven);
                self.begin_from(invite, accepted, phone, None, now);
            }
        }
    }

    /// A call that was let in: from a phone, or by a trunk.
    pub(crate) fn begin_from(
        &mut self,
        invite: InboundInvite,
        accepted: NewCall,
        phone: Option<Phone>,
        trunk: Option<TrunkId>,
        now: Instant,
    ) {
        let call = self.new_call(accepted, Phase::Ringing, now);
        let leg = self.calls[&call].caller_leg;
        self.dialogs.insert(invite.dialog, leg);
        self.timers.set(Timer::NoAnswer(call), Deadline::new(now + self.config.ring_time, "no answer"));
        if let Some(call) = self.calls.get_mut(&call) {
            call.caller.sip_call_id = Some(invite.sip_call_id.clone());
        }
        if let Some(trunk) = trunk {
            self.enter_trunk(trunk, leg, now);
        }
        let new = Leg { phone, trunk, ..self.incoming_leg(call, Side::Caller, &invite) };
        self.legs.insert(leg, new);
        self.tell(call, Side::Caller, PhoneFactKind::Dialling);
        self.place(call, now);
    }

    fn accept_caller(
        &mut self,
        invite: &InboundInvite,
        proven: &Proven,
        now: Instant,
    ) -> Result<NewCall, EndCause> {
        // who hides has no name in `From` (RFC 3323 §4.1.1.3): his password says who he is
        let hides = hides(invite);
        if invite.from_user != proven.name && !(hides && invite.from_host == "anonymous.invalid") {
            return Err(EndCause::Forbidden);
        }
        let line = self.directory.line(&proven.account).ok_or(EndCause::Forbidden)?.clone();
        let dialled: PhoneNumber = invite.request_user.parse().map_err(|_| EndCause::UnknownNumber)?;
        let mut led = self.lead(&dialled, Origin::User(line.user), now)?;
        if let Some(outward) = &mut led.outward {
            outward.outside.anonymous |= hides;
        }
        let codecs = self.codecs_of(invite)?;
        if !led.is_emergency() {
            self.has_room()?;
            if self.calls_of(&proven.account).count() >= MOST_CALLS_OF_A_LINE {
                return Err(EndCause::Busy);
            }
        }
        let (caller, hops) = (Caller::Line(line), Some(invite.max_forwards));
        Ok(NewCall { caller, dialled, led, codecs, variables: BTreeMap::new(), hops })
    }

    /// What the caller's offer leaves to choose from.
    pub(crate) fn codecs_of(&self, invite: &InboundInvite) -> Result<Vec<Codec>, EndCause> {
        let codecs = match (&invite.sdp, self.style_on(invite.flow, Offers::Theirs)) {
            (None, media::Style::WebRtc) => Codec::ALL.to_vec(),
            // of a phone that says nothing one may expect G.711
            (None, media::Style::Rtp(_)) => and_all_others(&[Codec::Pcma, Codec::Pcmu]),
            (Some(offer), media::Style::WebRtc) => {
                media::sdp::offered_codecs(offer).map_err(|_| EndCause::NotAcceptable)?
            }
            (Some(offer), media::Style::Rtp(plain)) => {
                media::sdp::plain_offered_codecs(offer, plain.secure).map_err(|_| EndCause::NotAcceptable)?
            }
        };
        if codecs.is_empty() { Err(EndCause::NotAcceptable) } else { Ok(codecs) }
    }

    /// Whether one more call may begin.
    pub(crate) fn has_room(&self) -> Result<(), EndCause> {
        let full = self.draining || self.calls.len() >= self.config.most_calls;
        if full { Err(EndCause::Overloaded) } else { Ok(()) }
    }

    /// Makes the call and its parties; the caller's leg is the caller's business.
    pub(crate) fn new_call(&mut self, new: NewCall, phase: Phase, now: Instant) -> CallId {
        let id = self.new_call_id();
        let linked_id = self.new_channel_id(now);
        let direction = CallDirection::Outgoing;
        let caller = match &new.caller {
            Caller::Line(line) => Party::of_line(line, linked_id.clone(), linked_id.clone(), direction),
            Caller::Outside { number, name } => {
                Party::outside(number.clone(), name, linked_id.clone(), linked_id.clone(), direction)
            }
        };
        let payer = caller.account.clone();
        let channel = self.new_channel_id(now);
        let Led { destination, outward } = new.led;
        let callee = self.callee(&destination, &new.dialled, linked_id.clone(), channel);
        // what one line has to do with may come together one day
        let own = payer.as_deref().and_then(|account| self.calls_of(account).next());
        let home = own.and_then(|call| self.calls.get(&call));
        let home = home.map_or(id, |call| call.home);
        let caller_leg = self.new_leg_id();
        let codecs = new.codecs;
        let call = Call {
            codecs,
            variables: new.variables,
            outward,
            home,
            payer,
            hops: new.hops,
            ..Call::new(Began { id, linked_id, phase, destination, caller, callee, caller_leg }, now)
        };
        self.begin(call);
        self.take_toll(id, now);
        id
    }

    /// The caller is there: call whom he dialled.
    pub(crate) fn place(&mut self, id: CallId, now: Instant) {
        let Some(call) = self.calls.get(&id) else { return };
        match call.destination.clone() {
            Destination::Echo => self.answer_by_service(id, now),
            Destination::Feature(feature) => self.use_feature(id, feature, now),
            Destination::Line(account) => self.ring_line(id, &account, now),
            Destination::Outside(_) => self.call_out(id, now),
        }
    }

    pub(crate) fn answer_by_service(&mut self, id: CallId, now: Instant) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.phase = Phase::Answering;
        let leg = call.caller_leg;
        if self.legs.get(&leg).is_some_and(|leg| leg.state.is_up()) {
            self.connect(id, now);
        } else {
            self.answer_caller(id, Vec::new(), now);
        }
    }

    fn ring_line(&mut self, id: CallId, account: &str, now: Instant) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.phase = Phase::Ringing;
        let own_line = call.caller.account.as_deref() == Some(account);
        let services = self.services_of(account);
        if let Some(target) = services.unconditional.target()
            && self.divert(id, target, EndCause::Unavailable, now)
        {
            return;
        }
        let others = self.calls_of(account).filter(|other| *other != id).count();
        let room = if services.call_waiting { MOST_CALLS_OF_A_LINE } else { 1 };
        if own_line || services.do_not_disturb || others >= room {
            return self.callee_failed(id, EndCause::Busy, now);
        }
        let bindings = self.registrar.bindings(account).to_vec();
        if bindings.is_empty() {
            return self.callee_failed(id, EndCause::Unavailable, now);
        }
        self.share_home(id, account);
        self.wait_for_answer(id, now);
        if services.no_answer.target().is_some() {
            let deadline = Deadline::new(now + self.config.forward_after, "forwarded when not answered");
            self.timers.set(Timer::Forward(id), deadline);
        }
        // of several phones the one that registered last is the one in use, and the one the user is told of
        for binding in bindings.iter().rev() {
            self.ring_phone(id, binding);
        }
    }

    pub(crate) fn ring_phone(&mut self, id: CallId, binding: &Binding) {
        let leg = self.new_leg_id();
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.branches.push(leg);
        let codecs = call.codecs.clone();
        // a browser has all that we know, and is to take what needs no transcoding
        let codecs = if self.is_browser(binding.flow) { codecs } else { and_all_others(&codecs) };
        let codecs = CodecPreference::Only(codecs);
        let new = self.outgoing_leg(id, Side::Callee, binding);
        self.legs.insert(leg, new);
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
        let side = leg.side;
        if let Some(trunk) = leg.trunk {
            return self.invite_trunk(leg_id, trunk, sdp, now);
        }
        let (me, other) = (call.party(side), call.party(side.other()));
        // a party is rung by itself only for its own wish: click to call, or a page that was reloaded
        let auto_answer = side == Side::Caller || leg.replaces.is_some();
        let account = me.account.clone().unwrap_or_default();
        let mut headers = call.hops_left();
        if auto_answer && !leg.is_page {
            // what desk phones know in place of `Alert-Info: xivo-autoanswer`
            headers.push(("Call-Info".to_owned(), format!("<sip:{}>;answer-after=0", self.config.domain)));
        }
        let invite = OutboundInvite {
            flow: leg.flow,
            target: leg.target.clone(),
            from_user: other.shown(),
            from_name: (!other.name.is_empty()).then(|| other.name.clone()),
            from_host: self.config.domain.clone(),
            to_user: account,
            to_host: self.config.domain.clone(),
            sdp,
            auto_answer,
            headers,
            credentials: None,
        };
        self.send_invite(leg_id, invite, now);
    }

    pub(crate) fn send_invite(&mut self, leg_id: LegId, invite: OutboundInvite, now: Instant) {
        let Some(leg) = self.legs.get(&leg_id) else { return };
        let (id, side) = (leg.call, leg.side);
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

    /// A second call of a line lives with the first, so that they can come together.
    fn share_home(&mut self, id: CallId, account: &str) {
        let other =
            self.calls_of(account).find(|other| *other != id).and_then(|other| self.calls.get(&other));
        let Some(home) = other.map(|other| other.home) else { return };
        let has_media = self.legs.values().any(|leg| leg.call == id && leg.state != LegState::Incoming);
        if let Some(call) = self.calls.get_mut(&id).filter(|_| !has_media) {
            call.home = home;
        }
    }

    /// A call that begins at its caller's own phone lives where the one that he calls has a call already, so that the
    /// two can come together.
    pub(crate) fn live_with_callee(&mut self, id: CallId) {
        let call = self.calls.get(&id).filter(|call| call.home == id);
        let Some(Destination::Feature(Feature::Pickup(number))) = call.map(|call| &call.destination) else {
            if let Some(Destination::Line(account)) = call.map(|call| call.destination.clone()) {
                self.share_home(id, &account);
            }
            return;
        };
        let ringing = self.ringing_at(number).and_then(|ringing| self.calls.get(&ringing));
        let Some(home) = ringing.map(|ringing| ringing.home) else { return };
        if let Some(call) = self.calls.get_mut(&id) {
            call.home = home;
        }
    }

    /// The phone that registered over `flow`.
    pub(crate) fn phone_on(&self, flow: sip::FlowId, proven: &Proven) -> Option<Phone> {
        let mut bindings = self.registrar.bindings(&proven.account).iter();
        bindings.find(|b| b.flow == flow && b.device == proven.device).map(Binding::phone)
    }
}

/// These first, then whatever else we know: passing sound through costs less than transcoding it.
pub(crate) fn and_all_others(wanted: &[Codec]) -> Vec<Codec> {
    let others = Codec::ALL.into_iter().filter(|codec| !wanted.contains(codec));
    wanted.iter().copied().chain(others).collect()
}

/// Who begins a call.
pub(crate) enum Caller {
    Line(Line),
    Outside { number: Option<PhoneNumber>, name: String },
}

/// What a call begins with.
pub(crate) struct NewCall {
    pub caller: Caller,
    pub dialled: PhoneNumber,
    pub led: Led,
    pub codecs: Vec<Codec>,
    pub variables: BTreeMap<String, String>,
    /// How many hops the caller has left it.
    pub hops: Option<u8>,
}
