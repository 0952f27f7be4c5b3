use std::net::IpAddr;

use media::{Keys, Plain, Sdes, Style};
use model::CallId;
use sip::{FlowEnds, FlowId, InboundInvite, Owner, Transport};
use timing::Instant;

use crate::call::{Leg, LegState, Side};
use crate::directory::Identity;
use crate::registrar::Binding;
use crate::switch::Switch;
use crate::trunk::{DtmfMode, Source, owner_of};

/// What is known of a flow whatever is said on it.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    pub transport: Transport,
    /// Where its messages come from; not known of a WebSocket, behind whose address proxies may stand.
    pub remote: Option<IpAddr>,
    /// Where it comes from as far as guesses are counted; a WebSocket's is what its proxies say.
    pub source: Option<IpAddr>,
    /// For whom our nonces are good on it: an eavesdropper speaks by another flow.
    pub client: String,
    /// Who holds it, where that was proved before it was opened.
    pub identity: Option<Identity>,
    /// A device has proved on it who it is.
    pub proven: bool,
    /// It did so by MD5, and is asked for nothing else any more: some phones choke on what they do not know.
    pub is_old: bool,
}

impl Way {
    /// Whether its peer has proved who it is.
    pub(crate) fn is_known(&self) -> bool {
        self.identity.is_some() || self.proven
    }
}

impl Switch {
    /// A connection that may speak SIP for `identity` is there.
    pub fn open_flow(&mut self, flow: FlowId, transport: Transport, identity: Identity, now: Instant) {
        self.ua.open_flow(flow, transport, Owner::Account(identity.account.clone()), now);
        let client = format!("account {}", identity.account);
        let identity = Some(identity);
        let way =
            Way { transport, remote: None, source: None, client, identity, proven: false, is_old: false };
        self.ways.insert(flow, way);
    }

    /// A peer that has proved nothing is there, by UDP, TCP or TLS, or by a WebSocket without a login. It is told
    /// what we are able to do (OPTIONS), and must prove by digest who it is for whatever else it asks.
    ///
    /// `ends` are where the flow begins and ends; a WebSocket has none. `certificate` is a name that the peer's
    /// certificate bears and that was verified for a trunk. Who is known as a trunk by it, or by where he is, is one.
    pub fn open_stranger(
        &mut self,
        flow: FlowId,
        transport: Transport,
        ends: Option<FlowEnds>,
        certificate: Option<&str>,
        now: Instant,
    ) {
        let source = ends.as_ref().map(|ends| Source { transport, remote: ends.remote, certificate });
        let trunk = source.and_then(|source| self.trunks.of(&source));
        let owner = trunk.map_or(Owner::Unproved, owner_of);
        self.ua.open_flow(flow, transport, owner, now);
        if let Some(trunk) = trunk {
            self.trunks.visitors.insert(flow, trunk);
        }
        let remote = ends.as_ref().map(|ends| ends.remote.ip());
        let client = ends.as_ref().map_or_else(|| format!("flow {}", flow.0), |ends| ends.remote.to_string());
        if let Some(ends) = ends {
            self.ua.set_ends(flow, ends);
        }
        let (source, proven) = (remote, trunk.is_some());
        let way = Way { transport, remote, source, client, identity: None, proven, is_old: false };
        self.ways.insert(flow, way);
        if let Some(trunk) = trunk {
            self.trunk_is_back(trunk, flow, now);
        }
    }

    /// Where a WebSocket comes from, by its address and by what trusted proxies say.
    pub fn set_source(&mut self, flow: FlowId, source: IpAddr) {
        if let Some(way) = self.ways.get_mut(&flow) {
            way.source = Some(source);
        }
    }

    /// A connection is gone. Its registrations end at once (RFC 5626 §4.2); calls that were answered over it
    /// wait for their phone for [`Config::reconnect_window`](crate::Config::reconnect_window), others end.
    pub fn close_flow(&mut self, flow: FlowId, now: Instant) {
        self.ua.close_flow(flow, now);
        self.ways.remove(&flow);
        self.trunk_flow_closed(flow);
        let lost = self.registrar.close_flow(flow);
        self.touched.extend(lost);
        self.drain_sip(now);
        self.detach_flow(flow, now);
        self.settle(now);
    }

    /// Whether the peer on this flow has proved who it is, so that it may ask as much as it likes.
    pub fn knows(&self, flow: FlowId) -> bool {
        self.ways.get(&flow).is_some_and(Way::is_known)
    }

    /// Whether a call or a registration would be lost with this flow.
    pub fn lives_on(&self, flow: FlowId) -> bool {
        self.ua.lives_on(flow) || self.registrar.is_bound(flow) || self.trunks.is_line(flow)
    }

    /// Whether a page speaks on this flow.
    pub(crate) fn is_browser(&self, flow: FlowId) -> bool {
        let by_websocket = self.ways.get(&flow).is_some_and(|way| way.transport.is_websocket());
        by_websocket && self.trunk_on(flow).is_none()
    }

    /// A leg on that flow, of which nothing more is known yet.
    pub(crate) fn new_leg(&self, call: CallId, side: Side, flow: FlowId, state: LegState) -> Leg {
        Leg {
            call,
            side,
            dialog: None,
            flow,
            target: String::new(),
            is_page: self.is_browser(flow),
            picks_up_for: None,
            phone: None,
            trunk: None,
            sip_call_id: None,
            state,
            held: false,
            parked: false,
            lost_at: None,
            connected: false,
            silence: None,
            offer: None,
            early_answer: None,
            early_sdp: None,
            replaces: None,
        }
    }

    /// The leg of an INVITE that has come.
    pub(crate) fn incoming_leg(&self, call: CallId, side: Side, invite: &InboundInvite) -> Leg {
        Leg {
            dialog: Some(invite.dialog),
            sip_call_id: Some(invite.sip_call_id.clone()),
            offer: invite.sdp.clone(),
            ..self.new_leg(call, side, invite.flow, LegState::Incoming)
        }
    }

    /// A leg towards a registered phone, before media has made its offer.
    pub(crate) fn outgoing_leg(&self, call: CallId, side: Side, binding: &Binding) -> Leg {
        Leg {
            target: binding.contact.clone(),
            phone: Some(binding.phone()),
            ..self.new_leg(call, side, binding.flow, LegState::Offering)
        }
    }

    /// What kind of sound a peer on this flow speaks: a WebSocket's is a browser, everyone else a phone.
    pub(crate) fn style_on(&self, flow: FlowId, offers: Offers) -> Style {
        let Some(Way { transport, remote: Some(signalled), .. }) = self.ways.get(&flow) else {
            return Style::WebRtc;
        };
        if let Some(trunk) = self.trunk_on(flow).and_then(|trunk| self.trunks.plan.trunk(trunk)) {
            let keys = if trunk.dtmf == DtmfMode::Info { Keys::Signalling } else { Keys::Sound };
            return Style::Rtp(Plain { secure: trunk.secure, signalled: *signalled, keys });
        }
        let secure = match offers {
            Offers::Theirs => Sdes::Optional,
            // keys are as secret as what carries them
            Offers::Ours if *transport == Transport::Tls => Sdes::Optional,
            Offers::Ours => Sdes::Never,
        };
        Style::Rtp(Plain { secure, signalled: *signalled, keys: Keys::Sound })
    }
}

/// Who makes the offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offers {
    Ours,
    Theirs,
}
