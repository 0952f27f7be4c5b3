//! Where a request comes from, with configured reverse proxies looked through.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderMap;
use http::request::Parts;

use crate::app::AppState;
use crate::auth::ApiError;

/// The other end of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The client's address; behind a configured proxy, the one that the proxy tells.
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
    /// `X-Forwarded-For` is read from its end: each proxy appends whom it heard, so the first address that is no
    /// proxy of ours is the last that can be believed.
    fn behind_proxies(self, headers: &HeaderMap, proxies: &[IpAddr]) -> Self {
        if !proxies.contains(&self.remote.ip()) {
            return self;
        }
        let heard: Vec<IpAddr> = headers
            .get_all("x-forwarded-for")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map_while(|address| address.trim().parse().ok())
            .map(|address: IpAddr| address.to_canonical())
            .collect();
        let client = heard.iter().rev().find(|address| !proxies.contains(address));
        let secure = headers.get("x-forwarded-proto").map_or(self.secure, |scheme| scheme == "https");
        Peer { address: client.copied().unwrap_or(self.address), secure, ..self }
    }
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
        headers.insert("x-forwarded-for", forwarded_for.parse().unwrap());
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
    fn a_proxy_that_says_nonsense_stands_for_itself() {
        let peer = Peer::direct("[::ffff:192.0.2.9]:1234".parse().unwrap(), false);
        let proxy: IpAddr = "192.0.2.9".parse().unwrap();
        assert_eq!(peer.behind_proxies(&headers("unknown"), &[proxy]).address, proxy);
    }
}
