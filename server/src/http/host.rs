//! The names by which the server may be called.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;

use super::origin::own_host;
use crate::app::AppState;
use crate::auth::ApiError;
use crate::config::Config;

/// Answers 421 to foreign names while this machine alone is served. A page from elsewhere can have its own name lead
/// to 127.0.0.1, and its origin would then be ours (DNS rebinding).
pub(super) async fn must_be_local(State(app): State<AppState>, request: Request, next: Next) -> Response {
    const FOREIGN_NAME: ApiError = ApiError::new(
        StatusCode::MISDIRECTED_REQUEST,
        "HostNotServed",
        "This server listens on this machine alone: call it localhost or 127.0.0.1",
    );
    if serves_this_machine_alone(&app.config) && !own_host(request.headers()).is_some_and(is_local_name) {
        return FOREIGN_NAME.into_response();
    }
    next.run(request).await
}

/// Behind a proxy, or for other sites' pages, the server has names that only they know.
fn serves_this_machine_alone(config: &Config) -> bool {
    config.listen.ip().to_canonical().is_loopback()
        && config.http.trusted_proxies.is_empty()
        && config.http.origins.is_empty()
}

/// Whether `host`, perhaps with a port, can only mean this machine (RFC 6761 §6.3).
fn is_local_name(host: &str) -> bool {
    let v6 = host.strip_prefix('[').and_then(|host| host.split_once(']'));
    let name = v6.map_or_else(|| host.split(':').next().unwrap_or_default(), |(address, _)| address);
    let name = name.to_ascii_lowercase();
    name == "localhost"
        || name.ends_with(".localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_names_are_known_by_their_whole() {
        for host in
            ["localhost:8090", "LOCALHOST", "desk.localhost", "127.0.0.1:1", "127.9.9.9", "[::1]:8090"]
        {
            assert!(is_local_name(host), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example:8090",
            "evillocalhost",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "[::2]",
        ] {
            assert!(!is_local_name(host), "{host}");
        }
    }

    #[test]
    fn other_names_are_served_where_others_are() {
        let mut config = Config::default();
        assert!(serves_this_machine_alone(&config));
        config.http.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
        assert!(!serves_this_machine_alone(&config));
        let everywhere = Config { listen: "0.0.0.0:8090".parse().unwrap(), ..Config::default() };
        assert!(!serves_this_machine_alone(&everywhere));
    }
}
