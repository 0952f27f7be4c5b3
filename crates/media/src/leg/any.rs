use std::net::{IpAddr, SocketAddr};

use timing::{Duration, Instant};

use super::{Agreed, BrowserLeg, Frame, Fresh, Leg, Output, RtpLeg};
use crate::codec::CodecPreference;
use crate::fact::LegFigures;
use crate::sdp::{Direction, Unsupported};

/// A leg of either kind; it never changes its kind.
pub(crate) enum AnyLeg {
    Browser(Box<BrowserLeg>),
    Rtp(Box<RtpLeg>),
}

impl AnyLeg {
    /// The peer's answer to our offer.
    pub(crate) fn accept_answer(
        &mut self,
        fresh: &Fresh,
        answer: &str,
        now: Instant,
    ) -> Result<Agreed, Unsupported> {
        match self {
            AnyLeg::Browser(leg) => leg.accept_answer(fresh, answer, now),
            AnyLeg::Rtp(leg) => leg.accept_answer(fresh, answer, now),
        }
    }

    /// A later offer of ours.
    pub(crate) fn make_reoffer(
        &mut self,
        direction: Direction,
        codecs: &CodecPreference,
        now: Instant,
    ) -> Result<String, Unsupported> {
        match self {
            AnyLeg::Browser(leg) => leg.make_reoffer(direction, now),
            AnyLeg::Rtp(leg) => leg.make_reoffer(direction, codecs),
        }
    }

    /// The peer has not taken our later offer.
    pub(crate) fn retract(&mut self) {
        match self {
            AnyLeg::Browser(leg) => leg.retract(),
            AnyLeg::Rtp(leg) => leg.retract(),
        }
    }

    /// The peer's signalling comes from another address now.
    pub(crate) fn signalled(&mut self, from: IpAddr) {
        match self {
            // which has its own way to find the peer: ICE
            AnyLeg::Browser(_) => {}
            AnyLeg::Rtp(leg) => leg.signalled(from),
        }
    }

    /// A later offer of the peer, and our answer. On an error the media goes on as before.
    pub(crate) fn accept_reoffer(
        &mut self,
        fresh: &Fresh,
        offer: &str,
        now: Instant,
    ) -> Result<(String, Agreed), Unsupported> {
        match self {
            AnyLeg::Browser(leg) => leg.accept_reoffer(fresh, offer, now),
            AnyLeg::Rtp(leg) => leg.accept_reoffer(fresh, offer, now),
        }
    }

    /// The ICE user fragment by which checks for this leg are known, where it has one.
    pub(crate) fn ufrag(&mut self) -> Option<String> {
        match self {
            AnyLeg::Browser(leg) => Some(leg.ufrag()),
            AnyLeg::Rtp(_) => None,
        }
    }

    /// What is agreed, once it is.
    pub(crate) fn agreed(&self) -> Option<Agreed> {
        match self {
            AnyLeg::Browser(leg) => leg.agreed(),
            AnyLeg::Rtp(leg) => leg.agreed(),
        }
    }

    fn leg(&self) -> &dyn Leg {
        match self {
            AnyLeg::Browser(leg) => &**leg,
            AnyLeg::Rtp(leg) => &**leg,
        }
    }

    fn leg_mut(&mut self) -> &mut dyn Leg {
        match self {
            AnyLeg::Browser(leg) => &mut **leg,
            AnyLeg::Rtp(leg) => &mut **leg,
        }
    }
}

impl Leg for AnyLeg {
    fn handle_datagram(&mut self, source: SocketAddr, local: SocketAddr, bytes: &[u8], now: Instant) {
        self.leg_mut().handle_datagram(source, local, bytes, now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.leg_mut().handle_timeout(now);
    }

    fn send(&mut self, frame: &Frame, now: Instant) {
        self.leg_mut().send(frame, now);
    }

    fn skip(&mut self, frame: &Frame) {
        self.leg_mut().skip(frame);
    }

    fn takes_keys(&self) -> bool {
        self.leg().takes_keys()
    }

    fn press(&mut self, event: u8, held: Duration, now: Instant) {
        self.leg_mut().press(event, held, now);
    }

    fn interrupt(&mut self) {
        self.leg_mut().interrupt();
    }

    fn close(&mut self, now: Instant) {
        self.leg_mut().close(now);
    }

    fn poll(&mut self) -> Option<Output> {
        self.leg_mut().poll()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.leg().poll_timeout()
    }

    fn hears(&self) -> bool {
        self.leg().hears()
    }

    fn speaks(&self) -> bool {
        self.leg().speaks()
    }

    fn figures(&self) -> LegFigures {
        self.leg().figures()
    }
}
