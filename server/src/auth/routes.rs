//! `POST /xuc/api/2.0/auth/login` and `GET /xuc/api/2.0/auth/check`.

use axum::body::Bytes;
use axum::extract::{FromRequestParts, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};

use super::{AdmitError, Login, LoginError, TokenError, retry_after_seconds};
use crate::app::AppState;
use crate::http::Peer;

/// The routes of this room.
pub fn routes() -> Router<AppState> {
    Router::new().route("/xuc/api/2.0/auth/login", post(login)).route("/xuc/api/2.0/auth/check", get(check))
}

/// An error body as every route under `/xuc` sends it: `{"error": code, "message": text}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: &'static str,
    retry_after_seconds: Option<u64>,
}

/// What a route answers when the store cannot be read; the log says why.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub fn unreadable(error: store::StoreError) -> ApiError {
    tracing::error!(%error, "the store cannot be read");
    ApiError::UNHANDLED
}

impl ApiError {
    /// An error with a code that programs read and a text that people read.
    pub const fn new(status: StatusCode, code: &'static str, message: &'static str) -> Self {
        ApiError { status, code, message, retry_after_seconds: None }
    }

    /// The status it is sent with.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) fn with_status(self, status: StatusCode) -> Self {
        ApiError { status, ..self }
    }

    const fn retry_after(self, seconds: u64) -> Self {
        ApiError { retry_after_seconds: Some(seconds), ..self }
    }

    /// We are wrong, or the world failed; the log knows more than the answer.
    pub const UNHANDLED: ApiError =
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "UnhandledError", "The server could not do this");
    /// The path is unknown.
    pub const NOT_FOUND: ApiError =
        ApiError::new(StatusCode::NOT_FOUND, "NotFound", "There is nothing at this path");
    pub(super) const INVALID_JSON: ApiError = ApiError::new(
        StatusCode::BAD_REQUEST,
        "InvalidJson",
        "Expected Content-Type application/json and an object with login and password",
    );
    pub(super) const INVALID_TOKEN: ApiError =
        ApiError::new(StatusCode::UNAUTHORIZED, "InvalidToken", "The token is not valid");
    pub(super) const TOKEN_EXPIRED: ApiError =
        ApiError::new(StatusCode::UNAUTHORIZED, "TokenExpired", "The token has expired");
    pub(super) const NO_AUTHORIZATION: ApiError = ApiError::new(
        StatusCode::BAD_REQUEST,
        "AuthorizationHeaderNotFound",
        "The Authorization header is missing",
    );
    pub(crate) const NO_BEARER: ApiError = ApiError::new(
        StatusCode::UNAUTHORIZED,
        "BearerNotFound",
        "The Authorization header does not carry a Bearer token",
    );
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Body {
            error: &'static str,
            message: &'static str,
        }
        let mut response =
            (self.status, Json(Body { error: self.code, message: self.message })).into_response();
        if let Some(seconds) = self.retry_after_seconds {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<TokenError> for ApiError {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Expired => ApiError::TOKEN_EXPIRED,
            TokenError::Invalid => ApiError::INVALID_TOKEN,
        }
    }
}

impl From<AdmitError> for ApiError {
    fn from(error: AdmitError) -> Self {
        match error {
            AdmitError::Token(error) => error.into(),
            AdmitError::Store(error) => {
                tracing::error!(%error, "a user could not be looked up");
                ApiError::UNHANDLED
            }
        }
    }
}

impl From<LoginError> for ApiError {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Rejected => {
                ApiError::new(StatusCode::UNAUTHORIZED, "InvalidCredentials", "Login or password rejected")
            }
            LoginError::TooMany(too_many) => {
                let text = "Too many wrong passwords; wait a little and try again";
                ApiError::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", text)
                    .retry_after(retry_after_seconds(too_many.0))
            }
            LoginError::Busy(_) => {
                let text = "Too many logins at once; try again in a moment";
                ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", text).retry_after(2)
            }
            LoginError::Store(error) => {
                tracing::error!(%error, "a user could not be looked up");
                ApiError::UNHANDLED
            }
        }
    }
}

/// The body of a login. Further members, such as `applicationType`, are allowed and not looked at.
#[derive(Deserialize)]
struct LoginRequest {
    login: String,
    password: String,
    #[serde(default, rename = "softwareType")]
    software_type: Option<String>,
}

#[derive(Serialize)]
struct LoginAnswer {
    login: String,
    token: String,
    #[serde(rename = "TTL")]
    ttl: i64,
}

async fn login(
    State(app): State<AppState>,
    peer: Peer,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<LoginAnswer>, ApiError> {
    // A form on another site can send text/plain without asking us first, but not application/json.
    let request: LoginRequest = is_json(&headers)
        .then(|| serde_json::from_slice(&body).ok())
        .flatten()
        .ok_or(ApiError::INVALID_JSON)?;
    let result = app.auth.login(&request.login, &request.password, request.software_type, peer.address).await;
    let outcome = match &result {
        Ok(_) => "ok",
        Err(LoginError::Rejected) => "rejected",
        Err(LoginError::TooMany(_)) => "slowed",
        Err(LoginError::Busy(_) | LoginError::Store(_)) => "failed",
    };
    metrics::counter!("hotdesk_logins_total", "outcome" => outcome).increment(1);
    match &result {
        Ok(login) => {
            tracing::info!(user = %login.principal.login, session = %login.principal.session, "login");
        }
        Err(error) => tracing::info!(address = %peer.address, reason = %error, "login refused"),
    }
    Ok(Json(answer(&app, result?)))
}

async fn check(State(app): State<AppState>, bearer: Bearer) -> Result<Json<LoginAnswer>, ApiError> {
    let login = app.auth.renew(&bearer.0).await?;
    tracing::debug!(session = %login.principal.session, "token renewed");
    Ok(Json(answer(&app, login)))
}

fn answer(app: &AppState, login: Login) -> LoginAnswer {
    LoginAnswer { login: login.principal.login, token: login.token, ttl: app.auth.tokens.ttl_seconds() }
}

fn is_json(headers: &HeaderMap) -> bool {
    let content_type =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    content_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}

/// The token of an `Authorization: Bearer` header (RFC 6750 §2.1).
pub(super) struct Bearer(pub String);

impl Bearer {
    pub(super) fn of(headers: &HeaderMap) -> Result<Bearer, ApiError> {
        let value = headers.get(header::AUTHORIZATION).ok_or(ApiError::NO_AUTHORIZATION)?;
        let (scheme, token) =
            value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or(ApiError::NO_BEARER)?;
        if !scheme.eq_ignore_ascii_case("bearer") || token.trim().is_empty() {
            return Err(ApiError::NO_BEARER);
        }
        Ok(Bearer(token.trim().to_owned()))
    }
}

impl FromRequestParts<AppState> for Bearer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, ApiError> {
        Bearer::of(&parts.headers)
    }
}
