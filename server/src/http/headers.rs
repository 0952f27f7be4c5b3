//! The headers that keep pages safe, on every answer.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::header::{self, HeaderName};
use http::{HeaderValue, Uri};

use super::origin::own_host;

const FIXED: [(HeaderName, &str); 6] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("permissions-policy"),
        "microphone=(self), camera=(), geolocation=(), payment=(), usb=()",
    ),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("x-permitted-cross-domain-policies"), "none"),
];

/// Sets the security headers, and keeps answers under `/xuc` out of caches.
pub(super) async fn secure(request: Request, next: Next) -> Response {
    let policy = content_security_policy(own_host(request.headers()));
    let private = is_api(request.uri());
    let script_api = request.uri().path().starts_with("/assets/javascripts/");
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in FIXED {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    // The JavaScript API is there to be loaded by other sites' pages; nothing else of ours is.
    let readers = if script_api { "cross-origin" } else { "same-origin" };
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static(readers));
    if private {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

pub(super) fn is_api(uri: &Uri) -> bool {
    uri.path() == "/xuc" || uri.path().starts_with("/xuc/")
}

/// Everything from ourselves; sockets to our own host by name, since older browsers do not count them to `'self'`.
fn content_security_policy(host: Option<&str>) -> HeaderValue {
    let sockets = host.map(|host| format!(" ws://{host} wss://{host}")).unwrap_or_default();
    let policy = format!(
        "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; \
         connect-src 'self'{sockets}; media-src 'self' blob:; object-src 'none'; base-uri 'none'; \
         frame-ancestors 'none'; form-action 'self'"
    );
    HeaderValue::try_from(policy).expect("a checked host has no control characters")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_names_our_own_sockets_only() {
        let policy = content_security_policy(Some("desk.example.org:8443"));
        let policy = policy.to_str().unwrap();
        assert!(
            policy.contains("connect-src 'self' ws://desk.example.org:8443 wss://desk.example.org:8443;")
        );
        assert!(!policy.contains("unsafe-inline"));
        assert!(content_security_policy(None).to_str().unwrap().contains("connect-src 'self';"));
    }
}
