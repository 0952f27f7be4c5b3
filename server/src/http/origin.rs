//! Which web pages may talk to us: our own, and those that the configuration names.

use std::fmt;

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde::Deserialize;

use super::Peer;
use crate::app::AppState;
use crate::auth::ApiError;

/// The origin of a web page (RFC 6454 §6.1) just as a browser writes it: `https://desk.example.org:8443`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Origin(String);

/// The text is no origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not an origin: expected http:// or https://, a host in lower case and at most a port, nothing after it"
)]
pub struct NotAnOrigin;

impl TryFrom<String> for Origin {
    type Error = NotAnOrigin;

    fn try_from(text: String) -> Result<Self, NotAnOrigin> {
        let (scheme, authority) = text.split_once("://").ok_or(NotAnOrigin)?;
        if !matches!(scheme, "http" | "https") || !is_authority(authority) {
            return Err(NotAnOrigin);
        }
        Ok(Origin(written(scheme == "https", authority)))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The origins that are let in besides our own.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct Origins(Vec<Origin>);

impl Origins {
    /// Whether a page of this origin may talk to the server that it reached as `host`.
    ///
    /// Scheme, host and port must be the same to the letter; browsers write origins in one way only.
    pub fn admit(&self, origin: &HeaderValue, host: Option<&HeaderValue>, secure: bool) -> bool {
        let Ok(origin) = origin.to_str() else { return false };
        self.lists(origin) || own_origin(host, secure).is_some_and(|own| own == origin)
    }

    /// Whether no other origin is let in.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn lists(&self, origin: &str) -> bool {
        self.0.iter().any(|allowed| allowed.0 == origin)
    }
}

/// The origin of our own pages as the browser sees it.
fn own_origin(host: Option<&HeaderValue>, secure: bool) -> Option<String> {
    let host = host?.to_str().ok()?.to_ascii_lowercase();
    is_authority(&host).then(|| written(secure, &host))
}

/// The host and port of a request, if they are fit to be repeated in a header.
pub(super) fn own_host(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::HOST)?.to_str().ok().filter(|host| is_authority(&host.to_ascii_lowercase()))
}

fn is_authority(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_');
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((v6, port)) => return v6.parse::<std::net::Ipv6Addr>().is_ok() && is_port_or_nothing(port),
        None => text.split_once(':').map_or((text, ""), |(host, _)| (host, &text[host.len()..])),
    };
    !host.is_empty() && host.len() <= 253 && host.chars().all(plain) && is_port_or_nothing(port)
}

fn is_port_or_nothing(text: &str) -> bool {
    text.is_empty() || text.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())
}

fn written(secure: bool, authority: &str) -> String {
    let (scheme, default_port) = if secure { ("https", ":443") } else { ("http", ":80") };
    format!("{scheme}://{}", authority.strip_suffix(default_port).unwrap_or(authority))
}

/// Proof that the request's `Origin`, if it has one, is let in. Refuses with 403.
#[derive(Clone, Copy, Debug)]
pub struct OriginCheck;

impl FromRequestParts<AppState> for OriginCheck {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, ApiError> {
        const REFUSED: ApiError = ApiError::new(
            StatusCode::FORBIDDEN,
            "OriginNotAllowed",
            "Pages of this origin are not allowed here",
        );
        let peer = Peer::from_request_parts(parts, app).await?;
        let mut origins = parts.headers.get_all(header::ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (None, _) => Ok(OriginCheck),
            (Some(origin), None) => {
                let host = parts.headers.get(header::HOST);
                let admitted = app.config.http.origins.admit(origin, host, peer.secure);
                admitted.then_some(OriginCheck).ok_or(REFUSED)
            }
            (Some(_), Some(_)) => Err(REFUSED),
        }
    }
}

/// Lets pages of the configured origins read answers under `/xuc` (the CORS protocol), and nobody else.
pub(super) async fn share_with_allowed_origins(
    State(app): State<AppState>,
    request: Request,
    next: Next,
) -> Response {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let allowed = origin
        .filter(|origin| origin.to_str().is_ok_and(|origin| app.config.http.origins.lists(origin)))
        .filter(|_| request.uri().path().starts_with("/xuc/"));
    let asks_first = request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = match &allowed {
        Some(_) if asks_first => StatusCode::NO_CONTENT.into_response(),
        _ => next.run(request).await,
    };
    if let Some(origin) = allowed {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        if asks_first {
            headers.insert(
                header::ACCESS_CONTROL_ALLOW_METHODS,
                HeaderValue::from_static("GET, POST, PUT, DELETE"),
            );
            let allowed_headers = HeaderValue::from_static("Authorization, Content-Type");
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed_headers);
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(origin: &'static str, host: &'static str, secure: bool) -> bool {
        let allowed = Origins(vec![Origin::try_from("https://crm.example.org".to_owned()).unwrap()]);
        allowed.admit(&HeaderValue::from_static(origin), Some(&HeaderValue::from_static(host)), secure)
    }

    #[test]
    fn our_own_pages_and_listed_ones_are_let_in() {
        assert!(admitted("http://127.0.0.1:8090", "127.0.0.1:8090", false));
        assert!(admitted("https://desk.example.org", "desk.example.org", true));
        assert!(admitted("https://desk.example.org", "Desk.Example.org:443", true));
        assert!(admitted("http://[::1]:8090", "[::1]:8090", false));
        assert!(admitted("https://crm.example.org", "desk.example.org", true));
    }

    #[test]
    fn everything_else_is_kept_out() {
        for (origin, secure) in [
            ("null", true),
            ("", true),
            ("http://desk.example.org", true),
            ("https://desk.example.org", false),
            ("https://desk.example.org:8443", true),
            ("https://desk.example.org.evil.example", true),
            ("https://evil-desk.example.org", true),
            ("https://DESK.example.org", true),
            ("https://desk.example.org/", true),
            ("https://crm.example.org.evil.example", true),
            ("http://crm.example.org", true),
            ("file://", true),
        ] {
            assert!(!admitted(origin, "desk.example.org", secure), "{origin}");
        }
        assert!(!admitted("https://a b", "a b", true));
    }

    #[test]
    fn configured_origins_are_checked() {
        for text in
            ["crm.example.org", "ftp://x", "https://", "https://x/", "https://X", "https://x:99999", "*"]
        {
            assert_eq!(Origin::try_from(text.to_owned()), Err(NotAnOrigin), "{text}");
        }
        assert_eq!(Origin::try_from("https://x:443".to_owned()).unwrap().to_string(), "https://x");
    }
}
