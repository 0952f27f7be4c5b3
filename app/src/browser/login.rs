use cti::auth::LoginRequest;
use desk::{SessionCheck, SignInProblem};
use gloo_net::http::{Request, Response};
use serde_json::Value;

use super::page;

/// A session that the server has given.
pub(crate) struct Login {
    pub login: String,
    pub ttl: Option<u64>,
}

/// Asks for a session and keeps its token.
pub(crate) async fn login(login: String, password: String) -> Result<Login, SignInProblem> {
    let software_type = Some("webBrowser".to_owned());
    let body =
        serde_json::to_string(&LoginRequest { login, password, software_type, application_type: None })
            .map_err(|_| SignInProblem::ServerFailed)?;
    let request =
        Request::post("/xuc/api/2.0/auth/login").header("Content-Type", "application/json").body(body);
    let request = request.map_err(|_| SignInProblem::ServerFailed)?;
    let response = request.send().await.map_err(|_| SignInProblem::Unreachable)?;
    match response.status() {
        200 => {
            let (login, token) = read(&response).await.ok_or(SignInProblem::ServerFailed)?;
            page::keep_session(&login.login, &token);
            Ok(login)
        }
        400 | 401 | 403 => Err(SignInProblem::WrongPassword),
        429 => Err(SignInProblem::TooManyAttempts),
        502..=504 => Err(SignInProblem::Unreachable),
        _ => Err(SignInProblem::ServerFailed),
    }
}

/// Asks whether the kept token holds, and keeps the renewed one.
pub(crate) async fn check() -> SessionCheck {
    let Some(token) = page::token() else { return SessionCheck::Expired };
    let request = Request::get("/xuc/api/2.0/auth/check").header("Authorization", &format!("Bearer {token}"));
    let Ok(response) = request.send().await else { return SessionCheck::Unreachable };
    match response.status() {
        200 => match read(&response).await {
            Some((login, token)) => {
                // Signed out meanwhile: what comes late is not kept.
                if page::token().is_some() {
                    page::keep_session(&login.login, &token);
                }
                SessionCheck::Valid { ttl: login.ttl }
            }
            None => SessionCheck::Unreachable,
        },
        400 | 401 | 403 => SessionCheck::Expired,
        _ => SessionCheck::Unreachable,
    }
}

/// The answer to a login and to a check: whose session it is, and its token.
async fn read(response: &Response) -> Option<(Login, String)> {
    let answer: Value = serde_json::from_str(&response.text().await.ok()?).ok()?;
    let text = |name: &str| answer.get(name).and_then(Value::as_str).map(str::to_owned);
    let ttl = answer.get("TTL").and_then(Value::as_u64);
    Some((Login { login: text("login")?, ttl }, text("token")?))
}
