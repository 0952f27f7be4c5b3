//! The ports of plain legs, and how such a leg begins: port first, then the description.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;

use timing::Instant;

use super::Plane;
use crate::codec::CodecPreference;
use crate::fact::Fact;
use crate::leg::{AnyLeg, Policy, Reach, RtpLeg, Setup};
use crate::order::{LegId, Plain, Sdes, SocketOrder};
use crate::sdp::{Description, PlainAudio, Unsupported};

/// Ports that may turn out to be taken before a leg is refused.
const MOST_TRIES: u32 = 16;

/// What a plane needs to know for plain legs.
#[derive(Clone, Debug)]
pub struct RtpConfig {
    /// The addresses to put into descriptions, the default one first.
    pub addresses: Vec<IpAddr>,
    /// This plane's UDP ports: an even one and the next for each leg. `0..=0` has none.
    pub ports: RangeInclusive<u16>,
    /// All media ports of this server on these addresses. No description makes us send there, except from a
    /// peer whose signalling comes over loopback.
    pub reserved: Vec<RangeInclusive<u16>>,
}

/// Which ports belong to which leg.
pub(super) struct RtpPorts {
    addresses: Vec<IpAddr>,
    policy: Arc<Policy>,
    /// Even ports, those that have been free the longest first: what a former peer still sends has ended then.
    free: VecDeque<u16>,
    by_local: HashMap<SocketAddr, LegId>,
    of_leg: BTreeMap<LegId, SocketAddr>,
    opening: BTreeMap<LegId, Opening>,
    orders: VecDeque<SocketOrder>,
}

/// A leg that waits for its ports.
struct Opening {
    plain: Plain,
    codecs: CodecPreference,
    /// The peer's offer; without one, we make ours.
    offer: Option<PlainAudio>,
    tries: u32,
}

impl RtpPorts {
    pub(super) fn none() -> RtpPorts {
        RtpPorts::new(RtpConfig { addresses: Vec::new(), ports: 0..=0, reserved: Vec::new() })
    }

    fn new(config: RtpConfig) -> RtpPorts {
        let RtpConfig { addresses, ports, reserved } = config;
        let last = *ports.end();
        let free = ports.filter(|port| *port > 0 && port % 2 == 0 && *port < last).collect();
        RtpPorts {
            policy: Arc::new(Policy { own: addresses.clone(), reserved }),
            addresses,
            free,
            by_local: HashMap::new(),
            of_leg: BTreeMap::new(),
            opening: BTreeMap::new(),
            orders: VecDeque::new(),
        }
    }

    /// The leg whose port this is.
    pub(super) fn by_local(&self, local: SocketAddr) -> Option<LegId> {
        self.by_local.get(&local).copied()
    }

    /// Takes the ports of a leg back, once what it still had to send has gone.
    pub(super) fn release(&mut self, leg: LegId) {
        self.opening.remove(&leg);
        if let Some(rtp) = self.forget(leg) {
            self.orders.push_back(SocketOrder::Close { rtp });
        }
    }

    fn forget(&mut self, leg: LegId) -> Option<SocketAddr> {
        let rtp = self.of_leg.remove(&leg)?;
        for local in pair(rtp) {
            self.by_local.remove(&local);
        }
        self.free.push_back(rtp.port());
        Some(rtp)
    }

    /// Asks for the next pair of ports for `leg`.
    fn assign(&mut self, leg: LegId, signalled: IpAddr) -> Result<(), Unsupported> {
        let address = self.address_for(signalled).ok_or(Unsupported::Overloaded)?;
        let rtp = SocketAddr::new(address, self.free.pop_front().ok_or(Unsupported::Overloaded)?);
        for local in pair(rtp) {
            self.by_local.insert(local, leg);
        }
        self.of_leg.insert(leg, rtp);
        self.orders.push_back(SocketOrder::Open { rtp });
        Ok(())
    }

    /// Our address of the peer's family: one as far up as the peer's, else the default.
    fn address_for(&self, signalled: IpAddr) -> Option<IpAddr> {
        let signalled = signalled.to_canonical();
        let mut family = self.addresses.iter().filter(|own| own.is_ipv4() == signalled.is_ipv4());
        let near = family.clone().find(|own| Reach::of(**own) == Reach::of(signalled));
        near.or_else(|| family.next()).copied()
    }
}

/// RTP and RTCP.
fn pair(rtp: SocketAddr) -> [SocketAddr; 2] {
    [rtp, SocketAddr::new(rtp.ip(), rtp.port() + 1)]
}

impl Plane {
    /// Makes this a plane that has plain legs too.
    #[must_use]
    pub fn with_rtp(mut self, config: RtpConfig) -> Self {
        self.rtp = RtpPorts::new(config);
        self
    }

    /// The next thing to do about the sockets of plain legs. To be asked after each order, after what waits to
    /// be sent has been sent and before the next order.
    pub fn poll_socket(&mut self) -> Option<SocketOrder> {
        self.rtp.orders.pop_front()
    }

    /// Takes the answer to [`SocketOrder::Open`]: whether `rtp` and the next port are open. If not, both have to
    /// be closed; other ports are tried then, and at last the leg is refused with [`Unsupported::Overloaded`].
    pub fn handle_socket(&mut self, rtp: SocketAddr, opened: bool, now: Instant) {
        let Some(id) = self.rtp.by_local(rtp) else { return };
        let Some(mut opening) = self.rtp.opening.remove(&id) else { return };
        if opened {
            return self.begin_rtp(id, rtp, &opening, now);
        }
        tracing::debug!(leg = %id, %rtp, "the port is taken");
        self.rtp.forget(id);
        opening.tries += 1;
        let again = if opening.tries < MOST_TRIES {
            self.rtp.assign(id, opening.plain.signalled)
        } else {
            Err(Unsupported::Overloaded)
        };
        match again {
            Ok(()) => drop(self.rtp.opening.insert(id, opening)),
            Err(why) => self.refuse(id, why),
        }
    }

    /// Begins a plain leg, with the peer's `offer` or one of ours.
    pub(super) fn open_rtp(&mut self, id: LegId, offer: Option<&str>, codecs: CodecPreference, plain: Plain) {
        if self.legs.contains_key(&id) || self.rtp.opening.contains_key(&id) {
            return self.refuse(id, Unsupported::OutOfOrder { what: "the leg exists" });
        }
        // what cannot be answered takes no port
        let offer = match offer.map(|offer| read(offer, &codecs, plain.secure)).transpose() {
            Ok(offer) => offer,
            Err(why) => return self.refuse(id, why),
        };
        match self.rtp.assign(id, plain.signalled) {
            Ok(()) => {
                let opening = Opening { plain, codecs, offer, tries: 0 };
                self.rtp.opening.insert(id, opening);
            }
            Err(why) => {
                tracing::warn!(leg = %id, "no port is free for sound");
                self.refuse(id, why);
            }
        }
    }

    fn begin_rtp(&mut self, id: LegId, local: SocketAddr, opening: &Opening, now: Instant) {
        let Opening { plain, codecs, offer, .. } = opening;
        let (policy, fresh) = (Arc::clone(&self.rtp.policy), self.fresh());
        let setup = Setup { policy: &policy, local, plain: *plain, fresh: &fresh };
        let made = self.make(id, || {
            let made = match offer {
                Some(audio) => RtpLeg::accept_offer(&setup, audio, codecs, now),
                None => RtpLeg::make_offer(&setup, codecs, now),
            };
            made.map(|(leg, sdp)| (AnyLeg::Rtp(Box::new(leg)), sdp))
        });
        let Some((leg, sdp)) = made else { return self.rtp.release(id) };
        self.facts.push_back(match leg.agreed() {
            Some(agreed) => {
                Fact::AnswerMade { leg: id, sdp, codec: agreed.codec, direction: agreed.direction }
            }
            None => Fact::OfferMade { leg: id, sdp },
        });
        self.admit(id, leg, now);
    }
}

fn read(offer: &str, codecs: &CodecPreference, secure: Sdes) -> Result<PlainAudio, Unsupported> {
    let audio = PlainAudio::find(&Description::parse(offer)?, secure)?;
    codecs.choose(&audio.payloads.codecs()).ok_or(Unsupported::NoCommonCodec)?;
    Ok(audio)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports(range: RangeInclusive<u16>) -> RtpPorts {
        let addresses = ["203.0.113.7", "10.0.0.7", "127.0.0.1", "2001:db8::7"];
        let addresses = addresses.iter().map(|address| address.parse().expect("an address")).collect();
        RtpPorts::new(RtpConfig { addresses, ports: range, reserved: vec![] })
    }

    #[test]
    fn only_whole_pairs_with_an_even_first_port_are_given() {
        assert_eq!(ports(20_001..=20_006).free, [20_002, 20_004]);
        assert_eq!(ports(20_000..=20_003).free, [20_000, 20_002]);
        assert_eq!(ports(65_532..=65_535).free, [65_532, 65_534]);
        assert!(RtpPorts::none().free.is_empty());
    }

    #[test]
    fn the_address_is_one_that_the_peer_can_reach() {
        let ports = ports(20_000..=20_001);
        for (peer, own) in [
            ("198.51.100.1", "203.0.113.7"),
            ("192.168.1.1", "10.0.0.7"),
            ("127.0.0.2", "127.0.0.1"),
            ("169.254.1.1", "203.0.113.7"),
            ("::ffff:10.1.1.1", "10.0.0.7"),
            ("fd00::1", "2001:db8::7"),
        ] {
            let address = ports.address_for(peer.parse().expect("an address")).expect("of that family");
            assert_eq!(address.to_string(), own, "{peer}");
        }
    }

    #[test]
    fn a_port_comes_back_last_and_belongs_to_nobody_meanwhile() {
        let mut ports = ports(20_000..=20_003);
        let peer = "10.0.0.1".parse().expect("an address");
        ports.assign(LegId(1), peer).expect("free");
        ports.assign(LegId(2), peer).expect("free");
        assert_eq!(ports.assign(LegId(3), peer), Err(Unsupported::Overloaded));
        let rtcp = "10.0.0.7:20001".parse().expect("an address");
        assert_eq!(ports.by_local(rtcp), Some(LegId(1)));
        ports.release(LegId(1));
        ports.release(LegId(1));
        assert_eq!(ports.by_local(rtcp), None);
        ports.assign(LegId(3), peer).expect("free again");
        assert_eq!(ports.by_local(rtcp), Some(LegId(3)));
        let closed = ports.orders.iter().filter(|order| matches!(order, SocketOrder::Close { .. })).count();
        assert_eq!((ports.orders.len(), closed), (4, 1));
    }
}
