use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use timing::Instant;

use super::incoming::Incoming;
use super::outgoing::Outgoing;
use super::path::{Path, Policy};
use super::reports::Reports;
use super::{FIGURES_EVERY, LATCH_WITHIN, Link, Negotiation, Offer, RtpLeg, Settled, WATCH_EVERY};
use crate::codec::{Codec, CodecPreference};
use crate::leg::keypad::Keypad;
use crate::leg::splice::Splice;
use crate::leg::telephone_event::TelephoneEvents;
use crate::leg::{Agreed, Fresh};
use crate::order::{Plain, Sdes};
use crate::sdp::{
    Crypto, Description, Direction, Origin, Payload, PlainAudio, PlainStream, Profile, Unsupported,
    plain_payloads,
};
use crate::srtp::{MasterKey, Opener, Sealer, Suite};

/// What a plain leg is made with.
pub(crate) struct Setup<'a> {
    pub(crate) policy: &'a Arc<Policy>,
    /// Where RTP comes in; RTCP on the next port.
    pub(crate) local: SocketAddr,
    pub(crate) plain: Plain,
    pub(crate) fresh: &'a Fresh,
}

/// Offer and answer (RFC 3264, RFC 4568 §5).
impl RtpLeg {
    /// A leg from a peer's first offer, and our answer to it.
    pub(crate) fn accept_offer(
        setup: &Setup<'_>,
        audio: &PlainAudio,
        codecs: &CodecPreference,
        now: Instant,
    ) -> Result<(RtpLeg, String), Unsupported> {
        let codec = codecs.choose(&audio.payloads.codecs()).ok_or(Unsupported::NoCommonCodec)?;
        let nothing = Offer {
            codecs: vec![],
            payloads: vec![],
            profile: audio.profile,
            crypto: vec![],
            direction: Direction::SendRecv,
            sections: vec![None],
        };
        let mut leg = RtpLeg::new(setup, codecs, Negotiation::Offered(nothing), now);
        let answer = leg.answer(setup.fresh, audio, codec, now);
        Ok((leg, answer))
    }

    /// A leg that waits for an answer, and our offer.
    pub(crate) fn make_offer(
        setup: &Setup<'_>,
        codecs: &CodecPreference,
        now: Instant,
    ) -> Result<(RtpLeg, String), Unsupported> {
        let allowed = codecs;
        let codecs = codecs.to_offer();
        if codecs.is_empty() {
            return Err(Unsupported::NoCommonCodec);
        }
        let key = MasterKey(setup.fresh.key);
        let suites = if setup.plain.secure == Sdes::Never { &[][..] } else { &Suite::ALL[..] };
        let crypto: Vec<Crypto> =
            (1..).zip(suites).map(|(tag, suite)| Crypto { tag, suite: *suite, key }).collect();
        let profile = if setup.plain.secure == Sdes::Required { Profile::Savp } else { Profile::Avp };
        let payloads = plain_payloads(&codecs, &[]);
        let (direction, sections) = (Direction::SendRecv, vec![None]);
        let offered = Offer { codecs, payloads, profile, crypto, direction, sections };
        let mut leg = RtpLeg::new(setup, allowed, Negotiation::Offered(offered.clone()), now);
        let offer = leg.write(&offered, false);
        leg.receives = offered.payloads;
        Ok((leg, offer))
    }

    /// A later offer of ours: which way we want sound to flow from now on, and by which codecs.
    pub(crate) fn make_reoffer(
        &mut self,
        direction: Direction,
        codecs: &CodecPreference,
    ) -> Result<String, Unsupported> {
        let Negotiation::Settled(settled) = &self.negotiation else {
            return Err(Unsupported::OutOfOrder { what: "an offer of ours waits for its answer" });
        };
        let settled = Settled { first: None, ..settled.clone() };
        let codecs_offered = match codecs {
            // a hold shall not change the codec
            CodecPreference::Any => codecs.keeping(settled.agreed.codec).to_offer(),
            CodecPreference::Only(_) => codecs.to_offer(),
        };
        if codecs_offered.is_empty() {
            return Err(Unsupported::NoCommonCodec);
        }
        let payloads = plain_payloads(&codecs_offered, &self.receives);
        let own_key = |(suite, _)| Crypto { tag: 1, suite, key: self.own_key };
        let offered = Offer {
            codecs: codecs_offered,
            payloads,
            profile: settled.profile,
            crypto: settled.protection.map(own_key).into_iter().collect(),
            direction,
            sections: settled.sections.clone(),
        };
        let offer = self.write(&offered, self.mux);
        // the peer may send by them before its answer is here (RFC 3264 §8.3.2)
        let known = self.receives.clone();
        let new = |payload: &&Payload| !known.iter().any(|known| known.number == payload.number);
        self.receives.extend(offered.payloads.iter().filter(new));
        self.negotiation = Negotiation::Reoffered(offered, settled);
        Ok(offer)
    }

    /// Takes a later offer of ours back that the peer has not taken: all is as it was before.
    pub(crate) fn retract(&mut self) {
        if let Negotiation::Reoffered(_, settled) = &self.negotiation {
            self.negotiation = Negotiation::Settled(settled.clone());
            self.receives.retain(|payload| self.sends.iter().any(|sent| sent.usage == payload.usage));
        }
    }

    fn write(&mut self, offer: &Offer, mux: bool) -> String {
        self.origin.version += 1;
        let stream = PlainStream {
            origin: &self.origin,
            profile: offer.profile,
            payloads: &offer.payloads,
            direction: offer.direction,
            crypto: &offer.crypto,
            mux,
        };
        stream.among(&offer.sections)
    }

    /// The peer's answer to our offer. One that is refused leaves the offer standing.
    pub(crate) fn accept_answer(
        &mut self,
        fresh: &Fresh,
        answer: &str,
        now: Instant,
    ) -> Result<Agreed, Unsupported> {
        let (offered, before, is_first) = match &self.negotiation {
            Negotiation::Offered(offered) => (offered, None, true),
            Negotiation::Settled(settled) => match &settled.first {
                Some(offered) => (&**offered, Some(settled), true),
                None => {
                    return Err(Unsupported::OutOfOrder { what: "no offer of ours waits for an answer" });
                }
            },
            Negotiation::Reoffered(offered, before) => (offered, Some(before), false),
        };
        let audio = PlainAudio::find(&Description::parse(answer)?, self.secure)?;
        let place = |sections: &[Option<String>]| sections.iter().position(Option::is_none);
        if audio.sections().len() != offered.sections.len() {
            return Err(Unsupported::AnswerMismatch { what: "number of m-lines" });
        }
        if place(audio.sections()) != place(&offered.sections) {
            return Err(Unsupported::AnswerMismatch { what: "place of the audio stream" });
        }
        if audio.profile != offered.profile {
            return Err(Unsupported::AnswerMismatch { what: "profile" });
        }
        // the answerer's first is what it will send (RFC 3264 §6.1)
        let codec = audio.payloads.codecs().into_iter().find(|codec| offered.codecs.contains(codec));
        let codec = codec.ok_or(Unsupported::NoCommonCodec)?;
        let protection = match audio.crypto.as_slice() {
            [] => None,
            [theirs] => {
                let fits = |ours: &&Crypto| ours.tag == theirs.tag && ours.suite == theirs.suite;
                let ours = offered.crypto.iter().find(fits);
                ours.ok_or(Unsupported::AnswerMismatch { what: "crypto suite" })?;
                Some((theirs.suite, theirs.key))
            }
            _ => return Err(Unsupported::AnswerMismatch { what: "more than one crypto suite" }),
        };
        let protected_before = before.map(|before| before.protection);
        if protected_before.is_some_and(|before| before.is_some() && protection.is_none()) {
            return Err(Unsupported::Protection { what: "it was protected before" });
        }
        let first = is_first.then(|| Box::new(offered.clone()));
        let (payloads, direction) = (offered.payloads.clone(), offered.direction);
        let sends = audio.payloads.with_any_events(codec);
        let wanted = |payload: &Payload| sends.iter().any(|sent| sent.usage == payload.usage);
        let mut receives: Vec<Payload> = payloads.iter().copied().filter(wanted).collect();
        // some send by their own numbers instead of those we offered
        receives.extend(sends.iter().filter(|sent| !payloads.iter().any(|own| own.number == sent.number)));
        if protected_before != Some(protection) {
            self.protect(fresh, protection);
        }
        (self.sends, self.receives, self.own) = (sends, receives, direction);
        let agreed = self.settle(&audio, codec, protection, direction, now);
        if let Negotiation::Settled(settled) = &mut self.negotiation {
            settled.first = first;
        }
        if protected_before.is_some() {
            self.interrupt_after_negotiation(now);
        }
        Ok(agreed)
    }

    /// A later offer of the peer: hold, resume, or another device. Its codec stays, where that is on offer. On an
    /// error the media goes on as before.
    pub(crate) fn accept_reoffer(
        &mut self,
        fresh: &Fresh,
        offer: &str,
        now: Instant,
    ) -> Result<(String, Agreed), Unsupported> {
        let Negotiation::Settled(Settled { agreed, protection, .. }) = &self.negotiation else {
            return Err(Unsupported::OutOfOrder { what: "an offer of ours waits for its answer" });
        };
        let in_use = agreed.codec;
        let secure = if protection.is_some() { Sdes::Required } else { self.secure };
        let audio = PlainAudio::find(&Description::parse(offer)?, secure)?;
        let codec =
            self.codecs.keeping(in_use).choose(&audio.payloads.codecs()).ok_or(Unsupported::NoCommonCodec)?;
        let answer = self.answer(fresh, &audio, codec, now);
        let agreed = self.agreed().ok_or(Unsupported::OutOfOrder { what: "nothing was settled" })?;
        self.interrupt_after_negotiation(now);
        Ok((answer, agreed))
    }

    /// What is agreed, once it is.
    pub(crate) fn agreed(&self) -> Option<Agreed> {
        self.settled().map(|settled| settled.agreed)
    }

    /// Takes an offer and writes our answer to it.
    fn answer(&mut self, fresh: &Fresh, audio: &PlainAudio, codec: Codec, now: Instant) -> String {
        let before = self.settled().and_then(|settled| settled.protection);
        // the suite of before, while that is on offer: then our own keys need not change
        let same = audio.crypto.iter().find(|crypto| before.is_some_and(|(suite, _)| suite == crypto.suite));
        let chosen = same.or(audio.crypto.first());
        let protection = chosen.map(|crypto| (crypto.suite, crypto.key));
        if protection != before {
            self.protect(fresh, protection);
        }
        self.sends = audio.payloads.with_any_events(codec);
        self.receives.clone_from(&self.sends);
        self.mux = audio.mux;
        let agreed = self.settle(audio, codec, protection, Direction::SendRecv, now);
        self.origin.version += 1;
        let own = chosen.map(|crypto| Crypto { key: self.own_key, ..*crypto });
        let stream = PlainStream {
            origin: &self.origin,
            profile: audio.profile,
            payloads: &self.sends,
            direction: agreed.direction.mirrored().within(self.own),
            crypto: own.as_slice(),
            mux: self.mux,
        };
        stream.among(audio.sections())
    }

    /// Takes the peer's new key. Whoever has one may be another device, which would take our rollover counter
    /// for zero: our stream begins anew, under another source, unless nothing was sent yet.
    fn protect(&mut self, fresh: &Fresh, protection: Option<(Suite, MasterKey)>) {
        self.incoming.opener = protection.map(|(suite, key)| Opener::new(suite, &key));
        if self.outgoing.sealer.is_some() || self.outgoing.packets > 0 {
            self.outgoing.restart(fresh.ssrc, Splice::new(fresh.first_sequence, fresh.first_timestamp));
            self.reports.restart();
        }
        self.outgoing.sealer = protection.map(|(suite, _)| Sealer::new(suite, &self.own_key));
    }

    fn settle(
        &mut self,
        audio: &PlainAudio,
        codec: Codec,
        protection: Option<(Suite, MasterKey)>,
        offered: Direction,
        now: Instant,
    ) -> Agreed {
        // an answer goes no further than the offer (RFC 3264 §6.1)
        let agreed = Agreed { codec, direction: audio.direction.within(offered.mirrored()) };
        let (profile, sections) = (audio.profile, audio.sections().to_vec());
        self.negotiation =
            Negotiation::Settled(Settled { agreed, profile, protection, sections, first: None });
        self.rtp.describe(audio.rtp, Some(now + LATCH_WITHIN));
        // reports come seldom, so that the first may take its time
        self.rtcp.describe(audio.rtcp, None);
        self.come_up(now);
        agreed
    }

    fn interrupt_after_negotiation(&mut self, now: Instant) {
        self.audio_heard = now;
        self.heard = now;
        self.outgoing.splice.interrupt();
    }

    fn new(setup: &Setup<'_>, codecs: &CodecPreference, negotiation: Negotiation, now: Instant) -> RtpLeg {
        let Fresh { origin, ssrc, key, first_sequence, first_timestamp, .. } = setup.fresh;
        let mut rtcp_local = setup.local;
        rtcp_local.set_port(setup.local.port() + 1);
        let splice = Splice::new(*first_sequence, *first_timestamp);
        // a name that tells nothing of us (RFC 7022 §4.2)
        let cname = format!("{:016x}", origin ^ u64::from(*ssrc) << 32);
        RtpLeg {
            origin: Origin { id: *origin, version: 0, address: setup.local },
            secure: setup.plain.secure,
            keys: setup.plain.keys,
            codecs: codecs.clone(),
            own: Direction::SendRecv,
            negotiation,
            receives: Vec::new(),
            sends: Vec::new(),
            rtp: Path::new(setup.policy, setup.local, setup.plain.signalled),
            rtcp: Path::new(setup.policy, rtcp_local, setup.plain.signalled),
            mux: false,
            own_key: MasterKey(*key),
            incoming: Incoming::new(),
            outgoing: Outgoing::new(*ssrc, splice),
            events: TelephoneEvents::default(),
            keypad: Keypad::default(),
            reports: Reports::new(cname, u64::from(*ssrc), now),
            link: Link::Waiting,
            outbox: VecDeque::new(),
            next_watch: now + WATCH_EVERY,
            next_figures: now + FIGURES_EVERY,
            heard: now,
            audio_heard: now,
            silent: false,
        }
    }
}
