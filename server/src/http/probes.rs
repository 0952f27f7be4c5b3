//! What operators' tools ask: `/healthz` (the process lives), `/readyz` (it takes work), `/metrics`.

use std::sync::OnceLock;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{HeaderMap, StatusCode, header};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde_json::json;

use super::Peer;
use crate::app::AppState;
use crate::auth::ApiError;
use crate::shutdown::Shutdown;

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
}

/// The process's one metrics recorder, installed at the first call.
pub fn metrics_handle() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE
        .get_or_init(|| {
            let recorder = PrometheusBuilder::new()
                .set_buckets(&[0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0])
                .expect("the list of buckets is not empty")
                .build_recorder();
            let handle = recorder.handle();
            // Fails only if a test harness brought a recorder of its own; then `/metrics` stays empty.
            let _ = metrics::set_global_recorder(recorder);
            handle
        })
        .clone()
}

/// What is observed waits in memory until it is sorted into its buckets, whether or not anybody reads the metrics.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// Runs the recorder's upkeep until the server stops.
pub async fn keep_metrics(upkeep: impl Fn(), shutdown: Shutdown) {
    let mut ticks = tokio::time::interval(UPKEEP_EVERY);
    loop {
        tokio::select! {
            () = shutdown.begun() => return,
            _ = ticks.tick() => upkeep(),
        }
    }
}

async fn healthz() -> &'static str {
    "ok\n"
}

async fn readyz(State(app): State<AppState>) -> Response {
    let stopping = app.shutdown.has_begun();
    let store = app.store.health().await;
    if let Err(error) = &store {
        tracing::warn!(%error, "the store is not healthy");
    }
    let ready = !stopping && store.is_ok();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": ready, "stopping": stopping, "store": store.is_ok() }))).into_response()
}

async fn metrics(State(app): State<AppState>, peer: Peer, headers: HeaderMap) -> Response {
    if !peer.is_local(&headers) && !app.config.http.metrics_from.contains(&peer.address) {
        return ApiError::NOT_FOUND.into_response();
    }
    metrics::gauge!("hotdesk_uptime_seconds").set(app.clock.now().since_origin().as_secs_f64());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], app.metrics.render())
        .into_response()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn metrics_are_kept_small_until_the_server_stops() {
        let (shutdown, _ending) = Shutdown::new();
        let runs = Cell::new(0);
        let upkeep = keep_metrics(|| runs.set(runs.get() + 1), shutdown.clone());
        let stop = async {
            tokio::time::sleep(Duration::from_secs(61)).await;
            shutdown.begin();
        };
        tokio::join!(upkeep, stop);
        assert_eq!(runs.get(), 13);
    }
}
