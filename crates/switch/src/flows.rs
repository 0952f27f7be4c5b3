use sip::{FlowEnds, FlowId, Owner, Transport};
use timing::Instant;

use crate::switch::Switch;

impl Switch {
    /// A peer that has proved nothing is there, by UDP, TCP or TLS. It is told what we are able to do
    /// (OPTIONS), and refused whatever else it asks.
    pub fn open_stranger(&mut self, flow: FlowId, transport: Transport, ends: FlowEnds, now: Instant) {
        self.ua.open_flow(flow, transport, Owner::Unproved, now);
        self.ua.set_ends(flow, ends);
    }

    /// Whether the peer on this flow has proved who it is, so that it may ask as much as it likes.
    pub fn knows(&self, flow: FlowId) -> bool {
        self.identities.contains_key(&flow)
    }

    /// Whether a call or a registration would be lost with this flow.
    pub fn lives_on(&self, flow: FlowId) -> bool {
        self.ua.lives_on(flow) || self.registrar.is_bound(flow)
    }
}
