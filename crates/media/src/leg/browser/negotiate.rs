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
use super::{BrowserLeg, FIGURES_EVERY, Link, Negotiation, Settled, WATCH_EVERY};
use crate::codec::{Codec, CodecPreference, Content};
use crate::leg::reception::Reception;
use crate::leg::splice::Splice;
use crate::leg::telephone_event::TelephoneEvents;
use crate::leg::{Agreed, Leg as _, Output};
use crate::sdp::{Audio, Description, Origin, Payload, Unsupported, dress_answer, dress_offer};

/// Offer and answer (RFC 3264, RFC 8829).
impl BrowserLeg {
    /// A leg from a peer's first offer, and our answer to it.
    pub(crate) fn accept_offer(
        shared: &Arc<Shared>,
        fresh: &Fresh,
        offer: &str,
        codecs: &CodecPreference,
        now: Instant,
    ) -> Result<(BrowserLeg, String), Unsupported> {
        let description = Description::parse(offer)?;
        let audio = Audio::find(&description)?;
        let codec = codecs.choose(&audio.codecs()).ok_or(Unsupported::NoCommonCodec)?;
        let payloads = audio.payloads_for(codec);
        let mut rtc = shared.engine(fresh, &payloads, now);
        let mid = Mid::from(audio.engine_mid());
        let answer = take_offer(&mut rtc, &audio.for_engine(audio.engine_mid(), &payloads))?;
        let settled = Negotiation::Settled(Settled::of(&audio, codec));
        let mut leg = BrowserLeg::new(shared, fresh, rtc, mid, settled, payloads, now);
        let answer = leg.dress(|origin| dress_answer(&answer, origin, &description, &audio));
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
        let offered = Negotiation::Offered { pending, codecs };
        let mut leg = BrowserLeg::new(shared, fresh, rtc, mid, offered, payloads, now);
        let offer = leg.dress(|origin| dress_offer(&offer.to_sdp_string(), origin));
        leg.drain(now);
        Ok((leg, offer))
    }

    /// The peer's answer to our offer. An answer that does not pass the gate leaves the offer standing.
    pub(crate) fn accept_answer(&mut self, answer: &str, now: Instant) -> Result<Agreed, Unsupported> {
        let Negotiation::Offered { codecs, .. } = &self.negotiation else {
            return Err(Unsupported::OutOfOrder { what: "no offer of ours waits for an answer" });
        };
        let description = Description::parse(answer)?;
        if description.media.len() != 1 {
            return Err(Unsupported::AnswerMismatch { what: "number of m-lines" });
        }
        let audio = Audio::find(&description)?;
        if audio.mid.as_deref().is_some_and(|mid| mid != &*self.mid) {
            return Err(Unsupported::AnswerMismatch { what: "mid" });
        }
        let answered = |payload: &Payload| audio.payloads.contains(payload);
        let payloads: Vec<Payload> = self.payloads.iter().copied().filter(answered).collect();
        let accepted = |codec: &Codec| {
            let usage = Content::Audio(*codec);
            codecs.contains(codec) && payloads.iter().any(|payload| payload.usage == usage)
        };
        // the answerer's first is what it will send (RFC 3264 §6.1)
        let codec = audio.codecs().into_iter().find(accepted).ok_or(Unsupported::NoCommonCodec)?;
        let settled = Settled::of(&audio, codec);
        let agreed = settled.agreed;
        let engine_answer =
            SdpAnswer::from_sdp_string(&audio.for_engine(&self.mid, &payloads)).map_err(engine)?;
        let Negotiation::Offered { pending, .. } =
            std::mem::replace(&mut self.negotiation, Negotiation::Failed)
        else {
            return Err(Unsupported::OutOfOrder { what: "no offer of ours waits for an answer" });
        };
        self.rtc.sdp_api().accept_answer(pending, engine_answer).map_err(engine)?;
        self.negotiation = Negotiation::Settled(settled);
        self.payloads = payloads;
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
        if audio.index != before.index {
            return Err(Unsupported::OutOfOrder { what: "the audio stream moved to another m-line" });
        }
        if audio.mid.is_some() && before.peer_mid.is_some() && audio.mid != before.peer_mid {
            return Err(Unsupported::OutOfOrder { what: "the audio stream changed its mid" });
        }
        let payloads = audio.payloads_for(codec);
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
        let settled = Settled::of(&audio, codec);
        let agreed = settled.agreed;
        self.negotiation = Negotiation::Settled(settled);
        self.audio_heard = now;
        self.splice.interrupt();
        let answer = self.dress(|origin| dress_answer(&answer, origin, &description, &audio));
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
        let only = CodecPreference::Only(vec![codec]);
        let shared = Arc::clone(&self.shared);
        let fresh = Fresh { origin: self.origin.id, ..fresh.copy() };
        let (mut leg, answer) = BrowserLeg::accept_offer(&shared, &fresh, offer, &only, now)?;
        // the session is the same one to the peer's signalling
        let old_version = format!("o=- {} {} ", leg.origin.id, leg.origin.version);
        leg.origin.version = self.origin.version + 1;
        let answer =
            answer.replacen(&old_version, &format!("o=- {} {} ", leg.origin.id, leg.origin.version), 1);
        let Negotiation::Settled(settled) = &leg.negotiation else {
            return Err(Unsupported::OutOfOrder { what: "nothing was settled" });
        };
        let agreed = settled.agreed;
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
        Ok((answer, agreed))
    }

    fn new(
        shared: &Arc<Shared>,
        fresh: &Fresh,
        rtc: Rtc,
        mid: Mid,
        negotiation: Negotiation,
        payloads: Vec<Payload>,
        now: Instant,
    ) -> BrowserLeg {
        let unspecified = std::net::SocketAddr::from(([0, 0, 0, 0], 9));
        let address = shared.candidates.first().copied().unwrap_or(unspecified);
        BrowserLeg {
            shared: Arc::clone(shared),
            rtc,
            mid,
            origin: Origin { id: fresh.origin, version: 0, address },
            negotiation,
            payloads,
            link: Link::New,
            splice: Splice::new(fresh.first_sequence, fresh.first_timestamp),
            events: TelephoneEvents::default(),
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

    /// Dresses a description under the next version number.
    fn dress(&mut self, dress: impl FnOnce(&Origin) -> String) -> String {
        self.origin.version += 1;
        dress(&self.origin)
    }

    /// What is agreed, once it is.
    pub(crate) fn agreed(&self) -> Option<Agreed> {
        match &self.negotiation {
            Negotiation::Settled(settled) => Some(settled.agreed),
            Negotiation::Offered { .. } | Negotiation::Failed => None,
        }
    }
}

impl Settled {
    fn of(audio: &Audio, codec: Codec) -> Settled {
        Settled {
            agreed: Agreed { codec, direction: audio.direction },
            fingerprint: audio.fingerprint.clone(),
            peer_mid: audio.mid.clone(),
            index: audio.index,
        }
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
