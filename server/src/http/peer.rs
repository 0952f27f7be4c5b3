//! Where a request comes from, with configured reverse proxies looked through.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, HeaderValue};

use crate::app::AppState;
use crate::auth::ApiError;

/// The other end of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The client's address; behind a configured proxy, the one that the proxy tells, or `0.0.0.0` if it tells none.
    pub address: IpAddr,
    /// The client's side of the connection as we see it (behind a proxy: the proxy).
    pub remote: SocketAddr,
    /// Whether the client speaks TLS, to us or to the proxy.
    pub secure: bool,
}

impl Peer {
    /// A peer that is connected to us directly.
    pub fn direct(remote: SocketAddr, secure: bool) -> Self {
        let address = remote.ip().to_canonical();
        Peer { address, remote: SocketAddr::new(address, remote.port()), secure }
    }

    /// The client behind this peer, if the peer is one of our proxies.
    ///
    /// `X-Forwarded-For` is read from its end: each proxy appends whom it heard, so the first entry that is no proxy
    /// of ours is the last that can be believed. If that one is no address, nobody knows who the client is.
    fn behind_proxies(self, headers: &HeaderMap, proxies: &[IpAddr]) -> Self {
        if !proxies.contains(&self.remote.ip()) {
            return self;
        }
        let lines: Vec<&[u8]> =
            headers.get_all("x-forwarded-for").iter().map(HeaderValue::as_bytes).collect();
        let entries = lines.iter().rev().flat_map(|line| line.rsplit(|byte| *byte == b','));
        let client = entries
            .map(|entry| forwarded_address(entry).unwrap_or(UNKNOWN))
            .find(|address| !proxies.contains(address));
        let secure = headers.get("x-forwarded-proto").map_or(self.secure, |scheme| scheme == "https");
        Peer { address: client.unwrap_or(self.address), secure, ..self }
    }

    /// Whether the client is on this machine, as far as can be known: a proxy that stands beside us and names nobody
    /// brings anybody's requests.
    pub fn is_local(&self, headers: &HeaderMap) -> bool {
        let is_forwarded = FORWARDED.iter().any(|name| headers.contains_key(*name));
        self.address.is_loopback() && !(is_forwarded && self.address == self.remote.ip())
    }
}

/// The address of a client whose proxy does not say who it is.
const UNKNOWN: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// What proxies add to requests.
const FORWARDED: [&str; 6] =
    ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"];

/// An entry of `X-Forwarded-For`: an address, with a port behind some proxies.
fn forwarded_address(entry: &[u8]) -> Option<IpAddr> {
    let entry = std::str::from_utf8(entry).ok()?.trim();
    let bare = entry.strip_prefix('[').and_then(|entry| entry.strip_suffix(']')).unwrap_or(entry);
    let address = bare.parse().ok().or_else(|| Some(entry.parse::<SocketAddr>().ok()?.ip()));
    address.map(|address| address.to_canonical())
}

impl<S: Sync> FromRequestParts<S> for Peer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get().copied().ok_or(ApiError::UNHANDLED)
    }
}

/// Replaces the connection's peer by the client behind our proxies.
pub(super) async fn look_through_proxies(
    State(app): State<AppState>,
    mut request: Request,
    next: Next,
) -> Response {
    if let Some(peer) = request.extensions().get::<Peer>().copied() {
        let peer = peer.behind_proxies(request.headers(), &app.config.http.trusted_proxies);
        request.extensions_mut().insert(peer);
    }
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(forwarded_for: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", HeaderValue::from_bytes(forwarded_for.as_bytes()).unwrap());
        headers.insert("x-forwarded-proto", "https".parse().unwrap());
        headers
    }

    #[test]
    fn only_configured_proxies_are_believed() {
        let peer = Peer::direct("192.0.2.9:1234".parse().unwrap(), false);
        assert_eq!(peer.behind_proxies(&headers("198.51.100.1"), &[]), peer);
        let proxy: IpAddr = "192.0.2.9".parse().unwrap();
        let seen = peer.behind_proxies(&headers("203.0.113.66, 198.51.100.1, 192.0.2.9"), &[proxy]);
        assert_eq!(seen.address, "198.51.100.1".parse::<IpAddr>().unwrap());
        assert!(seen.secure);
    }

    #[test]
    fn only_the_end_of_the_list_is_believed() {
        let peer = Peer::direct("192.0.2.9:1234".parse().unwrap(), false);
        let proxy: IpAddr = "192.0.2.9".parse().unwrap();
        let client: IpAddr = "198.51.100.1".parse().unwrap();
        for (forwarded, seen) in [
            ("x, 198.51.100.1", client),
            ("é, 198.51.100.1", client),
            ("203.0.113.66,198.51.100.1:4711", client),
            ("[::ffff:198.51.100.1]", client),
            ("198.51.100.1, unknown", UNKNOWN),
            ("198.51.100.1, \u{e9}", UNKNOWN),
            ("198.51.100.1, x, 192.0.2.9", UNKNOWN),
            ("198.51.100.1,", UNKNOWN),
            ("192.0.2.9", proxy),
        ] {
            assert_eq!(peer.behind_proxies(&headers(forwarded), &[proxy]).address, seen, "{forwarded}");
        }
        let mut lines = headers("203.0.113.66");
        lines.append("x-forwarded-for", HeaderValue::from_bytes(b"198.51.100.1").unwrap());
        assert_eq!(peer.behind_proxies(&lines, &[proxy]).address, client, "the last line counts");
        lines.append("x-forwarded-for", HeaderValue::from_bytes(b"\xff").unwrap());
        assert_eq!(peer.behind_proxies(&lines, &[proxy]).address, UNKNOWN);
    }

    #[test]
    fn a_proxy_on_this_machine_is_not_its_clients() {
        let peer = Peer::direct("[::ffff:127.0.0.1]:1234".parse().unwrap(), false);
        let proxy: IpAddr = "127.0.0.1".parse().unwrap();
        assert!(peer.is_local(&HeaderMap::new()));
        for forwarded in ["unknown", "127.0.0.1", "198.51.100.1"] {
            let headers = headers(forwarded);
            assert!(!peer.behind_proxies(&headers, &[proxy]).is_local(&headers), "{forwarded}");
            assert!(!peer.is_local(&headers), "a proxy that the settings do not name: {forwarded}");
        }
    }
}
