use axum::extract::State;
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::response::Response;
use gateway::{LineProfile, Profile};
use http::{HeaderMap, header};
use tokio::sync::mpsc;

use super::run::Wish;
use crate::app::AppState;
use crate::auth::{ApiError, Entrance, Principal, unreadable};
use crate::http::sized_for_signalling;
use crate::socket::{Incoming, OUTBOX, carry};

/// `/xuc/api/2.0/cti?token=`: one CTI socket.
///
/// # Errors
/// A JSON error body before the upgrade, as [`Entrance`] says.
pub async fn socket(
    State(app): State<AppState>,
    Entrance { principal, .. }: Entrance,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Result<Response, ApiError> {
    let user = app.store.user(principal.user_id).await.map_err(unreadable)?.ok_or(ApiError::UNHANDLED)?;
    let line = app.store.line_of(user.id).await.map_err(unreadable)?;
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let profile = Profile {
        user: user.id,
        login: user.login.clone(),
        first_name: user.first_name.clone(),
        last_name: user.last_name.clone(),
        mobile_number: user.mobile_number.as_ref().map(ToString::to_string).unwrap_or_default(),
        role: user.role,
        agent: user.agent_id,
        line: line.map(|line| LineProfile {
            id: line.id,
            password: app.auth.sip_secrets.password(&principal.session, &line.name),
            number: line.number,
            account: line.name,
            host: without_port(host).to_owned(),
        }),
    };
    Ok(sized_for_signalling(upgrade).on_upgrade(move |socket| run(app, socket, principal, profile)))
}

async fn run(app: AppState, socket: WebSocket, principal: Principal, profile: Profile) {
    let _guard = app.shutdown.guard();
    let session = app.cti.new_session();
    let (outbox, frames) = mpsc::channel(OUTBOX);
    if !app.cti.tell(Wish::Open { session, profile: Box::new(profile), outbox }).await {
        return;
    }
    carry(socket, frames, app.cti.inbox(), app.auth.ended(&principal), |incoming| match incoming {
        Incoming::Text(text) => Some(Wish::Frame { session, text }),
        // the protocol has text frames only
        Incoming::Binary(_) => None,
    })
    .await;
    app.cti.tell(Wish::Closed { session }).await;
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.is_empty() => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::without_port;

    #[test]
    fn the_port_is_taken_off_and_nothing_else() {
        assert_eq!(without_port("127.0.0.1:8090"), "127.0.0.1");
        assert_eq!(without_port("desk.example.org"), "desk.example.org");
        assert_eq!(without_port("[::1]:8090"), "[::1]");
        assert_eq!(without_port("[::1]"), "[::1]");
    }
}
