use std::net::SocketAddr;

use timing::Instant;

use super::{Agreed, BrowserLeg, Frame, Fresh, Leg, Output, RtpLeg};
use crate::order::LegFigures;
use crate::sdp::Unsupported;

/// A leg of either kind; it never changes its kind.
pub(crate) enum AnyLeg {
    Browser(Box<BrowserLeg>),
    Rtp(Box<RtpLeg>),
}

impl AnyLeg {
    /// The peer's answer to our offer.
    pub(crate) fn accept_answer(&mut self, answer: &str, now: Instant) -> Result<Agreed, Unsupported> {
        match self {
            AnyLeg::Browser(leg) => leg.accept_answer(answer, now),
            AnyLeg::Rtp(leg) => leg.accept_answer(answer, now),
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
