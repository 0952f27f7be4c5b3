//! Trunks: the ways to and from the outside, and who may go them.

mod caller_id;
mod limits;
mod plan;
mod redirect;
mod standing;

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use media::{Codec, Sdes};
use model::CallClass;
use sip::{Credentials, Transport};
use timing::Duration;

pub use caller_id::CallerIds;
pub(crate) use caller_id::{Asking, Shown};
pub(crate) use limits::Meter;
pub use limits::{Limited, Limits};
pub use plan::{Attempt, Did, Origin, Plan, Route};
pub(crate) use redirect::{MOST_REDIRECTS, numbers_of};
pub(crate) use standing::{Trunks, owner_of};

use crate::numbering::{Fare, NumberFormat};

/// Our handle of a trunk; the shell numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrunkId(pub u32);

impl fmt::Display for TrunkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A way to a carrier or to another exchange, as far as calls are concerned; the shell knows how to connect it.
#[derive(Clone, Debug)]
pub struct Trunk {
    /// Our handle.
    pub id: TrunkId,
    /// What people call it.
    pub name: String,
    /// The host of our Request-URIs and addresses there.
    pub domain: String,
    /// The account to register, where the peer wants that.
    pub registers: Option<Registers>,
    /// What answers a challenge of its realm.
    pub credentials: Option<Credentials>,
    /// How its calls are known as its own where they do not come by a flow that we have opened to it.
    pub identify: Identify,
    /// Whether what its headers say of callers is believed, and callers are asserted to it.
    pub trusted: bool,
    /// How many calls it carries, and how fast they may begin.
    pub limits: Limits,
    /// What it may carry, the most wanted first.
    pub codecs: Vec<Codec>,
    /// Whether its sound is protected by keys in the description (RFC 4568).
    pub secure: Sdes,
    /// How keys are sent to it.
    pub dtmf: DtmfMode,
    /// How it writes numbers.
    pub format: NumberFormat,
    /// Which callers it is shown.
    pub caller_ids: CallerIds,
    /// How often it is asked whether it is there; never without.
    pub ping_every: Option<Duration>,
}

/// A registration at the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registers {
    /// The user of the address of record, by which calls to us are addressed too.
    pub user: String,
    /// For how many seconds.
    pub expires: u32,
}

/// How calls that a peer brings by itself are known to come from a trunk.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Identify {
    /// They are not: only what comes by a flow that we have opened is the trunk's.
    #[default]
    Flow,
    /// By a certificate of the peer that bears this name and that we trust.
    Certificate(String),
    /// By its address and transport, and by UDP its port where one is given. Addresses can be forged by UDP.
    Address {
        /// What carries the messages.
        transport: Transport,
        /// The port to which it is sent. A connection comes from any other.
        port: Option<u16>,
    },
}

/// How keys are sent to a trunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DtmfMode {
    /// As telephone events beside the sound (RFC 4733).
    #[default]
    Events,
    /// By SIP INFO.
    Info,
}

/// Whether calls can be sent to a trunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TrunkStatus {
    /// There is no flow to it.
    Unconnected,
    /// There is a flow; it has not said yet that it takes calls.
    Connecting,
    /// It takes calls.
    Up,
    /// It has refused our registration, or does not answer.
    Failing,
}

impl TrunkStatus {
    /// The name in logs and figures.
    pub const fn as_str(self) -> &'static str {
        match self {
            TrunkStatus::Unconnected => "unconnected",
            TrunkStatus::Connecting => "connecting",
            TrunkStatus::Up => "up",
            TrunkStatus::Failing => "failing",
        }
    }
}

/// Where a flow that nobody has proved comes from, as far as the shell can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source<'a> {
    pub transport: Transport,
    pub remote: SocketAddr,
    /// A name that the peer's certificate bears, which was verified.
    pub certificate: Option<&'a str>,
}

impl Trunk {
    /// Whether what comes from there is the trunk's, whose peers have these addresses.
    pub(crate) fn is_from(&self, source: &Source<'_>, addresses: &[IpAddr]) -> bool {
        match &self.identify {
            Identify::Flow => false,
            Identify::Certificate(name) => {
                source.transport == Transport::Tls
                    && source.certificate.is_some_and(|shown| shown.eq_ignore_ascii_case(name))
            }
            Identify::Address { transport, port } => {
                let port = port.filter(|_| *transport == Transport::Udp);
                source.transport == *transport
                    && port.is_none_or(|port| port == source.remote.port())
                    && addresses.contains(&source.remote.ip().to_canonical())
            }
        }
    }
}

/// Which numbers somebody may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rights(BTreeSet<CallClass>);

impl Rights {
    /// Leave to call these.
    pub fn to(classes: impl IntoIterator<Item = CallClass>) -> Rights {
        Rights(classes.into_iter().collect())
    }

    /// Whether a call of that fare may be made.
    pub fn allow(&self, fare: Fare) -> bool {
        match fare {
            Fare::Emergency => true,
            Fare::Class(class) => self.0.contains(&class),
        }
    }
}

impl Default for Rights {
    /// The house and the country, without what costs more.
    fn default() -> Self {
        Rights::to([CallClass::Internal, CallClass::National, CallClass::Mobile])
    }
}

/// Why a call to the outside was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotLet {
    /// The caller has no leave to call such numbers.
    #[error("no leave to call such numbers")]
    NoLeave,
    /// The caller calls too much.
    #[error("too many calls: {0}")]
    Limited(Limited),
    /// No route leads there.
    #[error("no route to this number")]
    NoRoute,
}

impl NotLet {
    /// The name in logs and figures.
    pub const fn as_str(self) -> &'static str {
        match self {
            NotLet::NoLeave => "no_leave",
            NotLet::Limited(Limited::AtOnce) => "too_many_at_once",
            NotLet::Limited(Limited::TooFast) => "too_fast",
            NotLet::Limited(Limited::TooManyToday) => "too_many_today",
            NotLet::NoRoute => "no_route",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trunk(identify: Identify) -> Trunk {
        Trunk { identify, ..Trunk::sample() }
    }

    impl Trunk {
        pub(super) fn sample() -> Trunk {
            Trunk {
                id: TrunkId(1),
                name: "carrier".into(),
                domain: "sip.carrier.example".into(),
                registers: None,
                credentials: None,
                identify: Identify::Flow,
                trusted: false,
                limits: Limits::default(),
                codecs: vec![Codec::Pcma],
                secure: Sdes::Never,
                dtmf: DtmfMode::Events,
                format: NumberFormat::E164,
                caller_ids: CallerIds::default(),
                ping_every: None,
            }
        }
    }

    #[test]
    fn a_trunk_is_known_by_all_that_is_asked_for_and_nothing_less() {
        let addresses = ["192.0.2.7".parse().unwrap()];
        let source = |transport, remote: &str, certificate| Source {
            transport,
            remote: remote.parse().unwrap(),
            certificate,
        };
        let by_address = trunk(Identify::Address { transport: Transport::Udp, port: Some(5060) });
        let any_port = trunk(Identify::Address { transport: Transport::Tcp, port: None });
        let connects = trunk(Identify::Address { transport: Transport::Tcp, port: Some(5060) });
        let by_name = trunk(Identify::Certificate("sip.carrier.example".into()));
        for (trunk, source, known) in [
            (&by_address, source(Transport::Udp, "192.0.2.7:5060", None), true),
            (&by_address, source(Transport::Udp, "[::ffff:192.0.2.7]:5060", None), true),
            (&by_address, source(Transport::Udp, "192.0.2.7:5061", None), false),
            (&by_address, source(Transport::Tcp, "192.0.2.7:5060", None), false),
            (&by_address, source(Transport::Udp, "192.0.2.8:5060", None), false),
            (&any_port, source(Transport::Tcp, "192.0.2.7:40000", None), true),
            (&connects, source(Transport::Tcp, "192.0.2.7:40000", None), true),
            (&connects, source(Transport::Tcp, "192.0.2.8:5060", None), false),
            (&any_port, source(Transport::Tls, "192.0.2.7:40000", Some("sip.carrier.example")), false),
            (&by_name, source(Transport::Tls, "198.51.100.1:40000", Some("SIP.carrier.example")), true),
            (&by_name, source(Transport::Tls, "192.0.2.7:5061", None), false),
            (&by_name, source(Transport::Tls, "192.0.2.7:5061", Some("other.example")), false),
            (&by_name, source(Transport::Tcp, "192.0.2.7:5061", Some("sip.carrier.example")), false),
            (&trunk(Identify::Flow), source(Transport::Udp, "192.0.2.7:5060", None), false),
        ] {
            assert_eq!(trunk.is_from(&source, &addresses), known, "{source:?}");
        }
    }

    #[test]
    fn leave_is_by_class_and_emergencies_need_none() {
        let rights = Rights::default();
        for (class, may) in [
            (CallClass::Internal, true),
            (CallClass::National, true),
            (CallClass::Mobile, true),
            (CallClass::International, false),
            (CallClass::Premium, false),
        ] {
            assert_eq!(rights.allow(Fare::Class(class)), may, "{class:?}");
        }
        assert!(Rights::to([]).allow(Fare::Emergency));
    }
}
