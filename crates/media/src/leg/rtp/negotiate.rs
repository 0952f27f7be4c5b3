use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use timing::Instant;

use super::incoming::Incoming;
use super::keypad::Keypad;
use super::outgoing::Outgoing;
use super::path::{Path, Policy};
use super::reports::Reports;
use super::{FIGURES_EVERY, LATCH_WITHIN, Link, Negotiation, RtpLeg, Settled, WATCH_EVERY};
use crate::codec::{Codec, CodecPreference};
use crate::leg::splice::Splice;
use crate::leg::telephone_event::TelephoneEvents;
use crate::leg::{Agreed, Fresh};
use crate::order::Sdes;
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
    pub(crate) secure: Sdes,
    pub(crate) signalled: IpAddr,
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
        let codec = codecs.choose(&audio.codecs()).ok_or(Unsupported::NoCommonCodec)?;
        let offered = Negotiation::Offered { codecs: vec![], profile: audio.profile, crypto: vec![] };
        let mut leg = RtpLeg::new(setup, offered, now);
        let answer = leg.answer(setup.fresh, audio, codec, now);
        Ok((leg, answer))
    }

    /// A leg that waits for an answer, and our offer.
    pub(crate) fn make_offer(
        setup: &Setup<'_>,
        codecs: &CodecPreference,
        now: Instant,
    ) -> Result<(RtpLeg, String), Unsupported> {
        let codecs = codecs.to_offer();
        if codecs.is_empty() {
            return Err(Unsupported::NoCommonCodec);
        }
        let key = MasterKey(setup.fresh.key);
        let suites = if setup.secure == Sdes::Never { &[][..] } else { &Suite::ALL[..] };
        let crypto: Vec<Crypto> =
            (1..).zip(suites).map(|(tag, suite)| Crypto { tag, suite: *suite, key }).collect();
        let profile = if setup.secure == Sdes::Required { Profile::Savp } else { Profile::Avp };
        let payloads = plain_payloads(&codecs);
        let offered = Negotiation::Offered { codecs, profile, crypto: crypto.clone() };
        let mut leg = RtpLeg::new(setup, offered, now);
        leg.origin.version += 1;
        let stream = PlainStream {
            origin: &leg.origin,
            profile,
            payloads: &payloads,
            direction: Direction::SendRecv,
            crypto: &crypto,
            mux: false,
        };
        let offer = stream.offer();
        leg.receives = payloads;
        Ok((leg, offer))
    }

    /// The peer's answer to our offer. One that is refused leaves the offer standing.
    pub(crate) fn accept_answer(&mut self, answer: &str, now: Instant) -> Result<Agreed, Unsupported> {
        let Negotiation::Offered { codecs, profile, crypto } = &self.negotiation else {
            return Err(Unsupported::OutOfOrder { what: "no offer of ours waits for an answer" });
        };
        let audio = PlainAudio::find(&Description::parse(answer)?, self.secure)?;
        if audio.media_count() != 1 {
            return Err(Unsupported::AnswerMismatch { what: "number of m-lines" });
        }
        if audio.profile != *profile {
            return Err(Unsupported::AnswerMismatch { what: "profile" });
        }
        // the answerer's first is what it will send (RFC 3264 §6.1)
        let codec = audio.codecs().into_iter().find(|codec| codecs.contains(codec));
        let codec = codec.ok_or(Unsupported::NoCommonCodec)?;
        let protection = match audio.crypto.as_slice() {
            [] => None,
            [theirs] => {
                let ours = crypto.iter().find(|ours| ours.tag == theirs.tag && ours.suite == theirs.suite);
                ours.ok_or(Unsupported::AnswerMismatch { what: "crypto suite" })?;
                Some((theirs.suite, theirs.key))
            }
            _ => return Err(Unsupported::AnswerMismatch { what: "more than one crypto suite" }),
        };
        let sends = audio.payloads_for(codec);
        let wanted = |payload: &Payload| sends.iter().any(|sent| sent.usage == payload.usage);
        let mut receives: Vec<Payload> = self.receives.iter().copied().filter(wanted).collect();
        // some send by their own numbers instead of those we offered
        receives
            .extend(sends.iter().filter(|sent| !self.receives.iter().any(|own| own.number == sent.number)));
        self.outgoing.sealer = protection.map(|(suite, _)| Sealer::new(suite, &self.own_key));
        self.incoming.opener = protection.map(|(suite, key)| Opener::new(suite, &key));
        (self.sends, self.receives) = (sends, receives);
        Ok(self.settle(&audio, codec, protection, now))
    }

    /// A later offer of the peer: hold, resume, or another device. On an error the media goes on as before.
    pub(crate) fn accept_reoffer(
        &mut self,
        fresh: &Fresh,
        offer: &str,
        now: Instant,
    ) -> Result<(String, Agreed), Unsupported> {
        let Some(Settled { agreed, protection }) = self.settled() else {
            return Err(Unsupported::OutOfOrder { what: "an offer of ours waits for its answer" });
        };
        let codec = agreed.codec;
        let secure = if protection.is_some() { Sdes::Required } else { self.secure };
        let audio = PlainAudio::find(&Description::parse(offer)?, secure)?;
        if !audio.codecs().contains(&codec) {
            return Err(Unsupported::NoCommonCodec);
        }
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
        self.sends = audio.payloads_for(codec);
        self.receives.clone_from(&self.sends);
        self.mux = audio.mux;
        let agreed = self.settle(audio, codec, protection, now);
        self.origin.version += 1;
        let own = chosen.map(|crypto| Crypto { key: self.own_key, ..*crypto });
        let stream = PlainStream {
            origin: &self.origin,
            profile: audio.profile,
            payloads: &self.sends,
            direction: mirrored(agreed.direction),
            crypto: own.as_slice(),
            mux: self.mux,
        };
        stream.answer(audio)
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
        now: Instant,
    ) -> Agreed {
        let agreed = Agreed { codec, direction: audio.direction };
        self.negotiation = Negotiation::Settled(Settled { agreed, protection });
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

    fn new(setup: &Setup<'_>, negotiation: Negotiation, now: Instant) -> RtpLeg {
        let Fresh { origin, ssrc, key, first_sequence, first_timestamp, .. } = setup.fresh;
        let mut rtcp_local = setup.local;
        rtcp_local.set_port(setup.local.port() + 1);
        let splice = Splice::new(*first_sequence, *first_timestamp);
        // a name that tells nothing of us (RFC 7022 §4.2)
        let cname = format!("{:016x}", origin ^ u64::from(*ssrc) << 32);
        RtpLeg {
            origin: Origin { id: *origin, version: 0, address: setup.local },
            secure: setup.secure,
            negotiation,
            receives: Vec::new(),
            sends: Vec::new(),
            rtp: Path::new(setup.policy, setup.local, setup.signalled),
            rtcp: Path::new(setup.policy, rtcp_local, setup.signalled),
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

/// What we answer to the peer's direction (RFC 3264 §6.1).
fn mirrored(direction: Direction) -> Direction {
    match direction {
        Direction::SendRecv => Direction::SendRecv,
        Direction::SendOnly => Direction::RecvOnly,
        Direction::RecvOnly => Direction::SendOnly,
        Direction::Inactive => Direction::Inactive,
    }
}
