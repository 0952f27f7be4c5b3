//! From an INVITE to two parties who hear each other.

use std::collections::BTreeMap;

use media::{Codec, CodecPreference};
use model::{CallId, EndCause, LegId, PhoneNumber};
use sip::{DialogId, InboundInvite, OutboundInvite};
use timing::{Deadline, Duration, Instant};

use crate::call::{Began, Call, Leg, LegState, Party, Phase, Side};
use crate::directory::{Destination, Line};
use crate::fact::{CallDirection, Fact, PhoneFactKind};
use crate::features::Feature;
use crate::flows::Offers;
use crate::outward::Led;
use crate::proving::Proven;
use crate::registrar::{Binding, Phone};
use crate::switch::{Switch, Timer};
use crate::trunk::{Origin, TrunkId};

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
            let dialog = invite.dialog;
            if let Err(cause) = self.replace_by(invite, &proven, &replaces, now) {
                let status = if cause == EndCause::UnknownNumber { 481 } else { cause.sip_status() };
                self.ua.refuse(dialog, status, None, now);
            }
            return;
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
        if invite.from_user != proven.name {
            return Err(EndCause::Forbidden);
        }
        let line = self.directory.line(&proven.account).ok_or(EndCause::Forbidden)?.clone();
        let dialled: PhoneNumber = invite.request_user.parse().map_err(|_| EndCause::UnknownNumber)?;
        let led = self.lead(&dialled, Origin::User(line.user), now)?;
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
            (None, media::Style::Rtp { .. }) => and_all_others(&[Codec::Pcma, Codec::Pcmu]),
            (Some(offer), media::Style::WebRtc) => {
                media::sdp::offered_codecs(offer).map_err(|_| EndCause::NotAcceptable)?
            }
            (Some(offer), media::Style::Rtp { secure, .. }) => {
                media::sdp::plain_offered_codecs(offer, secure).map_err(|_| EndCause::NotAcceptable)?
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
            self.timers.set(Timer::NoAnswer(id), deadline);
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

    /// A phone that we invited was answered.
    pub(crate) fn answered(&mut self, dialog: DialogId, sdp: Option<String>, now: Instant) {
        let Some(leg_id) = self.leg_of_dialog(dialog) else {
            return self.ua.bye(dialog, None, now);
        };
        let Some(leg) = self.legs.get_mut(&leg_id) else { return };
        let id = leg.call;
        let early = matches!(leg.state, LegState::EarlyAgreeing | LegState::EarlyUp).then_some(leg.state);
        leg.state = early.unwrap_or(LegState::Agreeing);
        let is_callee = leg.side == Side::Callee && leg.replaces.is_none();
        let Some(sdp) = sdp.or_else(|| early.map(|_| String::new())) else {
            return self.leg_ended(leg_id, EndCause::NotAcceptable, now);
        };
        if is_callee && !self.win(id, leg_id, now) {
            return self.drop_leg(leg_id, EndCause::AnsweredElsewhere, now);
        }
        match early {
            None => {
                let leg = media::LegId(leg_id.0);
                self.order(id, media::Order::AcceptAnswer { leg, answer: sdp });
            }
            // the answer is the one that came before (RFC 3261 §13.2.1)
            Some(LegState::EarlyUp) => {
                let codec = self.calls.get(&id).and_then(|call| call.codecs.first().copied());
                self.agreed(leg_id, codec.unwrap_or(Codec::Pcmu), now);
            }
            Some(_) => {}
        }
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
        self.await_media(id, now);
        true
    }

    /// An answered call is given up when its media is not agreed on soon.
    pub(crate) fn await_media(&mut self, id: CallId, now: Instant) {
        self.timers.set(Timer::NoAnswer(id), Deadline::new(now + AGREE_WITHIN, "media does not answer"));
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

    /// The dialog of a caller who waits for his answer.
    pub(crate) fn waiting_caller(&self, id: CallId) -> Option<DialogId> {
        let leg = self.legs.get(&self.calls.get(&id)?.caller_leg)?;
        leg.dialog.filter(|_| leg.state == LegState::Incoming)
    }

    /// Tells a phone with whom it is connected now (RFC 3311, RFC 3325); a page learns it by CTI.
    pub(crate) fn tell_identity(&mut self, id: CallId, side: Side, now: Instant) {
        let Some(call) = self.calls.get(&id) else { return };
        let other = call.party(side.other());
        let name = other.name.replace(['"', '\\'], "");
        let identity = format!("\"{name}\" <sip:{}@{}>", other.shown(), self.config.domain);
        let leg = call.leg_of(side).and_then(|leg| self.legs.get(&leg));
        if let Some(leg) = leg.filter(|leg| !leg.is_page)
            && let Some(dialog) = leg.dialog
        {
            self.ua.update(dialog, vec![("P-Asserted-Identity".to_owned(), identity)], now);
        }
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
        let caller = self.legs.get(&call.caller_leg).map(|leg| leg.state);
        match (side, caller) {
            (Side::Caller, _) if call.phase == Phase::Answering => self.connect(id, now),
            (Side::Caller, _) => self.place(id, now),
            (Side::Callee, Some(state)) if state.is_up() => self.connect(id, now),
            (Side::Callee, _) => self.answer_caller(id, vec![codec], now),
        }
    }

    /// Has the caller answered, with one of these codecs if he has one of them.
    fn answer_caller(&mut self, id: CallId, wanted: Vec<Codec>, now: Instant) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        if !wanted.is_empty() {
            call.codecs = wanted;
        }
        let caller = call.caller_leg;
        match self.legs.get(&caller).map(|leg| leg.state) {
            Some(LegState::EarlyAnswered) => self.answer_early_caller(id, now),
            // media's answer for him is on its way
            Some(LegState::EarlyAnswering) => {}
            _ => self.answer_leg(caller),
        }
    }

    /// Asks media for the answer to a phone's offer, or for an offer where it made none.
    pub(crate) fn answer_leg(&mut self, leg_id: LegId) {
        let Some(leg) = self.legs.get_mut(&leg_id) else { return };
        let (id, flow, offer) = (leg.call, leg.flow, leg.offer.take());
        leg.state = if offer.is_some() { LegState::Answering } else { LegState::LateOffering };
        let Some(call) = self.calls.get(&id) else { return };
        let leg = media::LegId(leg_id.0);
        let codecs = CodecPreference::Only(and_all_others(&call.codecs));
        let order = match offer {
            Some(offer) => {
                let style = self.style_on(flow, Offers::Theirs);
                media::Order::AcceptOffer { leg, offer, codecs, style }
            }
            None => media::Order::MakeOffer { leg, codecs, style: self.style_on(flow, Offers::Ours) },
        };
        self.order(id, order);
    }

    /// Media has answered the caller's offer: 200 OK, and the parties are joined.
    pub(crate) fn answer_made(&mut self, leg_id: LegId, sdp: String, codec: Codec, now: Instant) {
        let Some(leg) = self.legs.get_mut(&leg_id) else { return };
        leg.state = LegState::Up;
        let (id, dialog, side, replaces) = (leg.call, leg.dialog, leg.side, leg.replaces);
        // else he has just cancelled, and his `Ended` is on its way
        if dialog.is_none_or(|dialog| self.ua.answer(dialog, sdp, now).is_err()) {
            return;
        }
        if replaces.is_none() && side == Side::Callee {
            return self.picked_up(leg_id, codec, now);
        }
        if let Some(call) = self.calls.get_mut(&id) {
            call.codecs = vec![codec];
        }
        if replaces.is_some() { self.take_over(leg_id, now) } else { self.connect(id, now) }
    }

    /// Both sides are up: join them.
    pub(crate) fn connect(&mut self, id: CallId, now: Instant) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.phase = Phase::Talking;
        call.answered_at = Some(now);
        self.facts.push_back(Fact::CallAnswered { call: id });
        if matches!(call.destination, Destination::Feature(_)) {
            self.end_service_soon(id, now);
        }
        self.limit_time(id, now);
        self.join_sound(id);
        self.timers.cancel(&Timer::NoAnswer(id));
        self.await_sound(id, now + SOUND_WITHIN);
        let is_other = self.calls.get(&id).is_some_and(|call| call.is_other);
        for side in [Side::Caller, Side::Callee] {
            self.tell_talking(id, side);
            if is_other {
                self.tell_identity(id, side, now);
            }
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
