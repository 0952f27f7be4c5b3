use std::cell::Cell;
use std::rc::Rc;

use cti::auth::LoginRequest;
use desk::{SessionCheck, SignInProblem};
use gloo_net::http::{Request, Response};
use serde_json::Value;
use web_sys::AbortSignal;

use super::page;
use super::question::Question;

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
    let question = Question::new();
    let request = Request::post("/xuc/api/2.0/auth/login")
        .header("Content-Type", "application/json")
        .abort_signal(question.signal().as_ref())
        .body(body);
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

/// Asks whether the kept token holds, and keeps the renewed one. Nothing is told any more once it is dropped.
pub(crate) struct Check {
    question: Question,
    live: Rc<Cell<bool>>,
}

impl Check {
    pub fn new(tell: impl FnOnce(SessionCheck) + 'static) -> Check {
        let check = Check { question: Question::new(), live: Rc::new(Cell::new(true)) };
        let (signal, live) = (check.question.signal(), check.live.clone());
        spawn_local(async move {
            let answer = ask(signal, &live).await;
            if live.get() {
                tell(answer);
            }
        });
        check
    }
}

impl Drop for Check {
    fn drop(&mut self) {
        self.live.set(false);
        self.question.give_up();
    }
}

async fn ask(signal: Option<AbortSignal>, live: &Cell<bool>) -> SessionCheck {
    let Some(token) = page::token() else { return SessionCheck::Expired };
    let request = Request::get("/xuc/api/2.0/auth/check")
        .header("Authorization", &format!("Bearer {token}"))
        .abort_signal(signal.as_ref());
    let Ok(response) = request.send().await else { return SessionCheck::Unreachable };
    match response.status() {
        200 => match read(&response).await {
            Some((login, renewed)) => {
                // What comes late, after a sign-out or even another login, is not kept.
                if live.get() && page::token().as_ref() == Some(&token) {
                    page::keep_session(&login.login, &renewed);
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
