//! Which path leads where, and what every request passes on its way.

use std::any::Any;
use std::time::Duration;

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{Method, StatusCode};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;

use super::{assets, headers, host, origin, peer, probes, uniform};
use crate::app::AppState;
use crate::auth::{self, ApiError};
use crate::{cti, signalling};

/// No request of ours has a body longer than this.
const MAX_BODY_BYTES: usize = 64 * 1024;
/// A request, its body included, is answered within this time. Upgraded sockets are answered at once and live on.
const REQUEST_TIME: Duration = Duration::from_secs(30);

/// One message on a socket, SIP or CTI.
const MAX_MESSAGE_BYTES: usize = 64 * 1024;
/// What may wait to be written to a client that does not read.
const MAX_UNWRITTEN_BYTES: usize = 1024 * 1024;

/// All routes with all layers.
pub fn router(app: AppState) -> Router {
    Router::new()
        .route("/xuc/api/2.0/cti", get(cti::socket))
        .route("/wssip", get(signalling::sip_socket))
        .route("/wssip-{proxy}", get(signalling::sip_socket))
        .route("/ws", get(signalling::sip_socket))
        .route("/ws-{proxy}", get(signalling::sip_socket))
        .route("/echo/session", post(signalling::open_echo))
        .route("/echo/session/{id}", get(signalling::echo_figures).delete(signalling::close_echo))
        .merge(auth::routes())
        .merge(probes::routes())
        .fallback(fallback)
        .layer(RequestBodyLimitLayer::new(MAX_BODY_BYTES))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, REQUEST_TIME))
        .layer(CatchPanicLayer::custom(caught))
        .layer(middleware::from_fn(uniform::errors))
        .layer(middleware::from_fn_with_state(app.clone(), host::must_be_local))
        .layer(middleware::from_fn_with_state(app.clone(), origin::share_with_allowed_origins))
        .layer(middleware::from_fn(headers::secure))
        .layer(middleware::from_fn(observe))
        .layer(middleware::from_fn_with_state(app.clone(), peer::look_through_proxies))
        .with_state(app)
}

/// Sets the limits that every signalling socket has: 64 KiB a message, 1 MiB waiting to be written.
pub fn sized_for_signalling(upgrade: WebSocketUpgrade) -> WebSocketUpgrade {
    upgrade
        .max_message_size(MAX_MESSAGE_BYTES)
        .max_frame_size(MAX_MESSAGE_BYTES)
        .max_write_buffer_size(MAX_UNWRITTEN_BYTES)
}

async fn fallback(State(app): State<AppState>, request: Request) -> Response {
    if headers::is_api(request.uri()) {
        return ApiError::NOT_FOUND.into_response();
    }
    assets::serve(&app.site, request).await
}

/// Logs and counts each request. Only the path is looked at: queries carry tokens.
async fn observe(request: Request, next: Next) -> Response {
    let started = std::time::Instant::now();
    let method = request.method().clone();
    let path: String = request.uri().path().chars().take(200).collect();
    let response = next.run(request).await;
    let status = response.status().as_u16();
    let seconds = started.elapsed().as_secs_f64();
    tracing::debug!(%method, path, status, ms = seconds * 1000.0, "request");
    let labels = [("method", counted(&method)), ("status", status.to_string().into())];
    metrics::counter!("hotdesk_http_requests_total", &labels).increment(1);
    metrics::histogram!("hotdesk_http_request_seconds").record(seconds);
    response
}

/// A client may invent methods; it does not get a time series for each.
fn counted(method: &Method) -> metrics::SharedString {
    match method.as_str() {
        known @ ("GET" | "HEAD" | "POST" | "PUT" | "DELETE" | "OPTIONS") => known.to_owned().into(),
        _ => "other".into(),
    }
}

/// A panic ends one request. Its text stays in the log.
#[expect(clippy::needless_pass_by_value, reason = "the layer hands the box over")]
fn caught(panic: Box<dyn Any + Send>) -> Response {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    tracing::error!(text, "a request handler panicked");
    metrics::counter!("hotdesk_panics_total").increment(1);
    ApiError::UNHANDLED.into_response()
}
