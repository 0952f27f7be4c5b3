//! What we call ourselves on a flow, and what we say that we can do.

use rand::RngCore as _;
use sipx_sip::HeaderName;

use super::Exchange;
use crate::config::{FlowId, Transport};
use crate::wire;

/// The methods that a phone takes.
const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE";
/// The methods that a server takes.
const SERVER_ALLOW: &str =
    "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, PRACK, UPDATE, REFER, MESSAGE, SUBSCRIBE";
/// The extensions that a server has.
const SERVER_SUPPORTED: &str = "100rel, timer, replaces";

impl Exchange {
    /// Whether we are set up as a server, and built to be one.
    pub(in crate::ua) fn is_server(&self) -> bool {
        cfg!(feature = "server") && self.config.server
    }

    /// The methods we take, for `Allow`. REGISTER needs no advertising inside calls.
    pub(in crate::ua) fn allow(&self) -> &'static str {
        if self.is_server() { SERVER_ALLOW } else { ALLOW }
    }

    /// The extensions we have, for `Supported`.
    pub(in crate::ua) fn supported(&self) -> Option<&'static str> {
        self.is_server().then_some(SERVER_SUPPORTED)
    }

    /// The same request without the offer of reliable provisional responses: an offer in one of them would have
    /// to be answered by PRACK, where the application answers by ACK.
    pub(in crate::ua) fn without_100rel(&self, draft: wire::Draft) -> wire::Draft {
        match self.supported() {
            Some(all) => draft.replace(HeaderName::Supported, all.replacen("100rel, ", "", 1)),
            None => draft,
        }
    }

    /// Whether we have the extension of this option tag.
    pub(in crate::ua) fn supports(&self, option: &str) -> bool {
        self.supported()
            .is_some_and(|list| list.split(',').any(|known| known.trim().eq_ignore_ascii_case(option)))
    }

    /// Twelve unpredictable bytes in hexadecimal, for tags and branches.
    pub(in crate::ua) fn token(&mut self) -> String {
        let mut bytes = [0; 12];
        self.rng.fill_bytes(&mut bytes);
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// A number below `bound`, which must not be 0.
    pub(in crate::ua) fn below(&mut self, bound: u64) -> u64 {
        self.rng.next_u64() % bound
    }

    /// A `Via` of ours for a flow, with a branch of its own.
    pub(in crate::ua) fn via(&mut self, flow: FlowId) -> String {
        let transport = self.transport(flow).unwrap_or(self.config.transport);
        let rport = if transport == Transport::Udp { ";rport" } else { "" };
        let token = self.token();
        let (transport, host) = (transport.via_token(), self.host(flow));
        format!("SIP/2.0/{transport} {host};branch=z9hG4bK{token}{rport}")
    }

    /// Our `Contact` for a flow.
    pub(in crate::ua) fn contact(&self, flow: FlowId, user: &str) -> String {
        let transport = self.transport(flow).unwrap_or(self.config.transport).uri_token();
        let (user, host) = (wire::user_in_uri(user), self.host(flow));
        let at = if user.is_empty() { "" } else { "@" };
        format!("<sip:{user}{at}{host};transport={transport}>")
    }

    /// By which `host[:port]` the peer of a flow reaches us.
    pub(in crate::ua) fn host(&self, flow: FlowId) -> &str {
        let ends = self.flows.get(&flow).and_then(|flow| flow.ends.as_ref());
        ends.map_or(&self.config.contact_host, |ends| &ends.local)
    }
}
