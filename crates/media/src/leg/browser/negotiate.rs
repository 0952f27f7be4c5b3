use std::collections::VecDeque;
use std::sync::Arc;

use str0m::Rtc;
use str0m::change::{SdpAnswer, SdpOffer};
use str0m::error::RtcError;
use str0m::media::{Direction as EngineDirection, MediaKind, Mid};
use timing::Instant;

use super::engine::{Fresh, Shared, offered_payloads};
use super::paths::Paths;
use super::sources::Sources;
use super::{BrowserLeg, FIGURES_EVERY, Link, Negotiation, Offer, Settled, WATCH_EVERY};
use crate::codec::{Codec, CodecPreference, Content};
use crate::leg::keypad::Keypad;
use crate::leg::reception::Reception;
use crate::leg::splice::Splice;
use crate::leg::telephone_event::TelephoneEvents;
use crate::leg::{Agreed, Leg as _, Output};
use crate::sdp::{Audio, Description, Direction, Dress, Layout, Origin, Payload, Unsupported};

/// An engine, its one stream, and the payload types of that.
struct Engine {
    rtc: Rtc,
    mid: Mid,
    payloads: Vec<Payload>,
}

/// Offer and answer (RFC 3264, RFC 8829).
impl BrowserLeg {
    /// A leg from a peer's first offer, and our answer to it, in which we do no more than `own`.
    pub(crate) fn accept_offer(
        shared: &Arc<Shared>,
        fresh: &Fresh,
        offer: &str,
        codecs: &CodecPreference,
        own: Direction,
        now: Instant,
    ) -> Result<(BrowserLeg, String), Unsupported> {
        let description = Description::parse(offer)?;
        let audio = Audio::find(&description)?;
        let codec = codecs.choose(&audio.payloads.codecs()).ok_or(Unsupported::NoCommonCodec)?;
        let payloads = audio.payloads.with(codec);
        let mut rtc = shared.engine(fresh, &payloads, now);
        let mid = Mid::from(audio.engine_mid());
        let answer = take_offer(&mut rtc, &audio.for_engine(audio.engine_mid(), &payloads))?;
        let layout = Layout::of(&description, &audio);
        let settled = Negotiation::Settled(Settled::of(&audio, codec, audio.direction));
        let mut leg = BrowserLeg::new(shared, fresh, Engine { rtc, mid, payloads }, layout, settled, now);
        leg.own = own;
        leg.codecs = codecs.clone();
        let answer = leg.dress(&answer, audio.answer_direction(own));
        leg.drain(now);
        Ok((leg, answer))
    }

    /// A leg that waits for an answer, and our offer.
    pub(crate) fn make_offer(
        shared: &Arc<Shared>,
        fresh: &Fresh,
        codecs: &CodecPreference,
        now: Instant,
    ) -> Result<(BrowserLeg, String), Unsupported> {
        let allowed = codecs.clone();
        let codecs = codecs.to_offer();
        if codecs.is_empty() {
            return Err(Unsupported::NoCommonCodec);
        }
        let payloads = offered_payloads(&codecs);
        let mut rtc = shared.engine(fresh, &payloads, now);
        let mut changes = rtc.sdp_api();
        let mid = changes.add_media(MediaKind::Audio, EngineDirection::SendRecv, None, None, None);
        let Some((offer, pending)) = changes.apply() else {
            return Err(Unsupported::Engine { what: "nothing to offer".into() });
        };
        let offered = Offer { pending, codecs, direction: Direction::SendRecv };
        let (layout, offered) = (Layout::ours(&mid), Negotiation::Offered(offered));
        let mut leg = BrowserLeg::new(shared, fresh, Engine { rtc, mid, payloads }, layout, offered, now);
        leg.codecs = allowed;
        let offer = leg.dress(&offer.to_sdp_string(), Direction::SendRecv);
        leg.drain(now);
        Ok((leg, offer))
    }

    /// A later offer of ours, to say which way we want sound to flow from now on. Its codec is the one in use.
    pub(crate) fn make_reoffer(&mut self, direction: Direction, now: Instant) -> Result<String, Unsupported> {
        let Negotiation::Settled(settled) = &self.negotiation else {
            return Err(Unsupported::OutOfOrder { what: "an offer of ours waits for its answer" });
        };
        if self.link == Link::Closed {
            return Err(Unsupported::OutOfOrder { what: "the peer has closed its side" });
        }
        let codec = settled.agreed.codec;
        let mut changes = self.rtc.sdp_api();
        // without a change there is no offer; to the engine the stream is `sendrecv` before and after
        changes.set_direction(self.mid, EngineDirection::Inactive);
        changes.set_direction(self.mid, EngineDirection::SendRecv);
        let Some((offer, pending)) = changes.apply() else {
            return Err(Unsupported::Engine { what: "nothing to offer".into() });
        };
        let offered = Offer { pending, codecs: vec![codec], direction };
        self.negotiation = match std::mem::replace(&mut self.negotiation, Negotiation::Failed) {
            Negotiation::Settled(settled) => Negotiation::Reoffered(offered, settled),
            other => other,
        };
        self.payloads.retain(|payload| match payload.usage {
            Content::Audio(known) => known == codec,
            Content::Events(rate) => rate == codec.clock_rate(),
        });
        let offer = self.dress(&offer.to_sdp_string(), direction);
        self.drain(now);
        Ok(offer)
    }

    /// Takes a later offer of ours back that the peer has not taken: all is as it was before.
    pub(crate) fn retract(&mut self) {
        self.negotiation = match std::mem::replace(&mut self.negotiation, Negotiation::Failed) {
            Negotiation::Reoffered(_, settled) => Negotiation::Settled(settled),
            other => other,
        };
    }

    /// The peer's answer to our offer. An answer that does not pass the gate leaves the offer standing; one that
    /// the engine does not take ends it, and what was settled before still holds.
    ///
    /// As with an offer, another certificate means another peer connection.
    pub(crate) fn accept_answer(
        &mut self,
        fresh: &Fresh,
        answer: &str,
        now: Instant,
    ) -> Result<Agreed, Unsupported> {
        let (offered, before) = match &self.negotiation {
            Negotiation::Offered(offered) => (offered, None),
            Negotiation::Reoffered(offered, before) => (offered, Some(before)),
            Negotiation::Settled(_) | Negotiation::Failed => return Err(NO_OFFER),
        };
        let description = Description::parse(answer)?;
        if description.media.len() != self.layout.media_count() {
            return Err(Unsupported::AnswerMismatch { what: "number of m-lines" });
        }
        let audio = Audio::find(&description)?;
        if audio.index != self.layout.index() {
            return Err(Unsupported::AnswerMismatch { what: "place of the audio stream" });
        }
        if audio.mid.is_some() && self.layout.mid().is_some() && audio.mid.as_deref() != self.layout.mid() {
            return Err(Unsupported::AnswerMismatch { what: "mid" });
        }
        let takes_over = before.is_some_and(|before| before.fingerprint != audio.fingerprint);
        let answered = |payload: &Payload| audio.payloads.contains(payload);
        let payloads: Vec<Payload> = self.payloads.iter().copied().filter(answered).collect();
        let accepted = |codec: &Codec| {
            let usage = Content::Audio(*codec);
            offered.codecs.contains(codec) && payloads.iter().any(|payload| payload.usage == usage)
        };
        // the answerer's first is what it will send (RFC 3264 §6.1)
        let codec = audio.payloads.codecs().into_iter().find(accepted).ok_or(Unsupported::NoCommonCodec)?;
        // an answer goes no further than the offer (RFC 3264 §6.1)
        let direction = audio.direction.within(offered.direction.mirrored());
        let settled = Settled::of(&audio, codec, direction);
        let agreed = settled.agreed;
        if takes_over {
            let own = offered.direction;
            self.start_over_answered(fresh, &audio, payloads, settled, now)?;
            self.own = own;
            return Ok(agreed);
        }
        let engine_answer =
            SdpAnswer::from_sdp_string(&audio.for_engine(&self.mid, &payloads)).map_err(engine)?;
        let (offered, before) = match std::mem::replace(&mut self.negotiation, Negotiation::Failed) {
            Negotiation::Offered(offered) => (offered, None),
            Negotiation::Reoffered(offered, before) => (offered, Some(before)),
            Negotiation::Settled(_) | Negotiation::Failed => return Err(NO_OFFER),
        };
        let was_settled = before.is_some();
        if let Err(error) = self.rtc.sdp_api().accept_answer(offered.pending, engine_answer) {
            self.negotiation = before.map_or(Negotiation::Failed, Negotiation::Settled);
            return Err(engine(error));
        }
        self.negotiation = Negotiation::Settled(settled);
        self.own = offered.direction;
        self.payloads = payloads;
        if was_settled {
            self.audio_heard = now;
            self.splice.interrupt();
        }
        self.drain(now);
        Ok(agreed)
    }

    /// A later offer of the peer. On an error the media goes on as before.
    ///
    /// Another certificate means another peer connection: a reloaded page, or another device after a transfer.
    /// The engine keeps its first fingerprint for good, so that it is replaced; and one that was closed stays so.
    pub(crate) fn accept_reoffer(
        &mut self,
        fresh: &Fresh,
        offer: &str,
        now: Instant,
    ) -> Result<(String, Agreed), Unsupported> {
        let Negotiation::Settled(before) = &self.negotiation else {
            return Err(Unsupported::OutOfOrder { what: "an offer of ours waits for its answer" });
        };
        let codec = before.agreed.codec;
        let description = Description::parse(offer)?;
        let audio = Audio::find(&description)?;
        if audio.fingerprint != before.fingerprint || self.link == Link::Closed {
            return self.start_over(fresh, offer, codec, now);
        }
        if audio.index != self.layout.index() {
            return Err(Unsupported::OutOfOrder { what: "the audio stream moved to another m-line" });
        }
        if audio.mid.is_some() && self.layout.mid().is_some() && audio.mid.as_deref() != self.layout.mid() {
            return Err(Unsupported::OutOfOrder { what: "the audio stream changed its mid" });
        }
        let payloads = audio.payloads.with(codec);
        let Some(first) = payloads.first().filter(|first| first.usage == Content::Audio(codec)) else {
            return Err(Unsupported::NoCommonCodec);
        };
        // a payload type keeps its meaning for the whole session (RFC 3264 §8.3.2)
        if !self.payloads.contains(first) {
            return Err(Unsupported::PayloadTypeConflict { payload_type: first.number });
        }
        let kept: Vec<Payload> =
            payloads.into_iter().filter(|payload| self.payloads.contains(payload)).collect();
        let engine_offer = audio.for_engine(&self.mid, &kept);
        let former = self.ufrag();
        let answer = take_offer(&mut self.rtc, &engine_offer)?;
        if self.ufrag() != former {
            self.paths.clear();
        }
        let settled = Settled::of(&audio, codec, audio.direction);
        let agreed = settled.agreed;
        self.negotiation = Negotiation::Settled(settled);
        self.layout = Layout::of(&description, &audio);
        self.audio_heard = now;
        self.splice.interrupt();
        let answer = self.dress(&answer, audio.answer_direction(self.own));
        self.drain(now);
        Ok((answer, agreed))
    }

    fn start_over(
        &mut self,
        fresh: &Fresh,
        offer: &str,
        codec: Codec,
        now: Instant,
    ) -> Result<(String, Agreed), Unsupported> {
        let allowed = self.codecs.clone();
        let shared = Arc::clone(&self.shared);
        let fresh = Fresh { origin: self.origin.id, ..fresh.copy() };
        let wanted = allowed.keeping(codec);
        let (mut leg, answer) = BrowserLeg::accept_offer(&shared, &fresh, offer, &wanted, self.own, now)?;
        leg.codecs = allowed;
        // the session is the same one to the peer's signalling
        let old_version = format!("o=- {} {} ", leg.origin.id, leg.origin.version);
        leg.origin.version = self.origin.version + 1;
        let answer =
            answer.replacen(&old_version, &format!("o=- {} {} ", leg.origin.id, leg.origin.version), 1);
        let Negotiation::Settled(settled) = &leg.negotiation else {
            return Err(Unsupported::OutOfOrder { what: "nothing was settled" });
        };
        let agreed = settled.agreed;
        self.give_way_to(leg, now);
        Ok((answer, agreed))
    }

    /// An answer by another certificate to a later offer of ours: whoever has taken the call over gets an engine
    /// that knows nothing yet, under the credentials that were offered.
    fn start_over_answered(
        &mut self,
        fresh: &Fresh,
        audio: &Audio,
        payloads: Vec<Payload>,
        settled: Settled,
        now: Instant,
    ) -> Result<(), Unsupported> {
        let offered = self.rtc.direct_api().local_ice_credentials();
        let fresh = Fresh { ufrag: offered.ufrag, password: offered.pass, ..fresh.copy() };
        let mut rtc = self.shared.engine(&fresh, &payloads, now);
        let mut changes = rtc.sdp_api();
        let mid = changes.add_media(MediaKind::Audio, EngineDirection::SendRecv, None, None, None);
        let Some((_, pending)) = changes.apply() else {
            return Err(Unsupported::Engine { what: "nothing to offer".into() });
        };
        let answer = SdpAnswer::from_sdp_string(&audio.for_engine(&mid, &payloads)).map_err(engine)?;
        rtc.sdp_api().accept_answer(pending, answer).map_err(engine)?;
        // it is promised in the offer
        let promised = self.rtc.direct_api().stream_tx_by_mid(self.mid, None).map(|stream| stream.ssrc());
        if let Some(ssrc) = promised {
            rtc.direct_api().reset_stream_tx(mid, None, ssrc, None);
        }
        let (layout, settled) = (self.layout.clone(), Negotiation::Settled(settled));
        let engine = Engine { rtc, mid, payloads };
        let mut leg = BrowserLeg::new(&Arc::clone(&self.shared), &fresh, engine, layout, settled, now);
        leg.origin = self.origin.clone();
        leg.codecs = self.codecs.clone();
        leg.drain(now);
        self.give_way_to(leg, now);
        Ok(())
    }

    /// Lets `leg` be this leg from now on.
    fn give_way_to(&mut self, mut leg: BrowserLeg, now: Instant) {
        let was_up = self.link == Link::Up;
        self.close(now);
        leg.reception = std::mem::take(&mut self.reception);
        leg.packets_out = self.packets_out;
        leg.bytes_out = self.bytes_out;
        // what the old engine says of its own end is no fact about the leg; that a connected leg is not
        // connected any more is
        self.outbox.retain(|output| !matches!(output, Output::Lost));
        self.outbox.extend(was_up.then_some(Output::Lost));
        self.outbox.append(&mut leg.outbox);
        std::mem::swap(&mut self.outbox, &mut leg.outbox);
        *self = leg;
    }

    fn new(
        shared: &Arc<Shared>,
        fresh: &Fresh,
        engine: Engine,
        layout: Layout,
        negotiation: Negotiation,
        now: Instant,
    ) -> BrowserLeg {
        let Engine { rtc, mid, payloads } = engine;
        let unspecified = std::net::SocketAddr::from(([0, 0, 0, 0], 9));
        let address = shared.candidates.first().copied().unwrap_or(unspecified);
        BrowserLeg {
            shared: Arc::clone(shared),
            rtc,
            mid,
            origin: Origin { id: fresh.origin, version: 0, address },
            codecs: CodecPreference::Any,
            layout,
            own: Direction::SendRecv,
            negotiation,
            payloads,
            link: Link::New,
            splice: Splice::new(fresh.first_sequence, fresh.first_timestamp),
            events: TelephoneEvents::default(),
            keypad: Keypad::default(),
            paths: Paths::default(),
            sources: Sources::default(),
            reception: Reception::default(),
            packets_out: 0,
            bytes_out: 0,
            lost_by_peer: 0,
            rtt: None,
            outbox: VecDeque::new(),
            engine_wake: None,
            next_watch: now + WATCH_EVERY,
            next_figures: now + FIGURES_EVERY,
            heard: now,
            audio_heard: now,
            silent: false,
        }
    }

    /// Dresses a description of the engine's under the next version number.
    fn dress(&mut self, engine: &str, direction: Direction) -> String {
        self.origin.version += 1;
        let (origin, layout, payloads) = (&self.origin, &self.layout, &self.payloads[..]);
        Dress { origin, layout, direction, payloads }.dress(engine)
    }

    /// What is agreed, once it is.
    pub(crate) fn agreed(&self) -> Option<Agreed> {
        match &self.negotiation {
            Negotiation::Settled(settled) | Negotiation::Reoffered(_, settled) => Some(settled.agreed),
            Negotiation::Offered(_) | Negotiation::Failed => None,
        }
    }
}

const NO_OFFER: Unsupported = Unsupported::OutOfOrder { what: "no offer of ours waits for an answer" };

impl Settled {
    fn of(audio: &Audio, codec: Codec, direction: Direction) -> Settled {
        Settled { agreed: Agreed { codec, direction }, fingerprint: audio.fingerprint.clone() }
    }
}

fn take_offer(rtc: &mut Rtc, offer: &str) -> Result<String, Unsupported> {
    let offer = SdpOffer::from_sdp_string(offer).map_err(engine)?;
    Ok(rtc.sdp_api().accept_offer(offer).map_err(engine)?.to_sdp_string())
}

/// The engine's refusal. Its parser quotes lines, which may hold a password: only the kind is told then.
fn engine(error: impl Into<RtcError>) -> Unsupported {
    let what = match error.into() {
        RtcError::RemoteSdp(what) => what,
        RtcError::Sdp(_) => "its parser does not understand the description".into(),
        other => other.to_string(),
    };
    Unsupported::Engine { what }
}
