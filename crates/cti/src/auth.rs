//! Bodies of `/xuc/api/2.0/auth/login` and `/xuc/api/2.0/auth/check`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Body of `POST …/auth/login`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginRequest {
    /// The CTI login.
    pub login: String,
    /// In clear; the route must be reached over TLS or loopback.
    pub password: String,
    /// What program asks, e.g. `webBrowser`. It comes back as a claim of the token.
    #[serde(rename = "softwareType", default, skip_serializing_if = "Option::is_none")]
    pub software_type: Option<String>,
    /// Which application asks. Any text is taken.
    #[serde(rename = "applicationType", default, skip_serializing_if = "Option::is_none")]
    pub application_type: Option<String>,
}

/// The answer to a login and, with a renewed token, to a check.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginAnswer {
    /// The CTI login as the server keeps it.
    pub login: String,
    /// Opaque to the page.
    pub token: String,
    /// Seconds from now for which the token holds; a check may leave it out.
    #[serde(rename = "TTL", default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u64>,
}

/// Body of every refusal. Clients decide on `error` and show `message`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthError {
    /// The code, one of [`ErrorCode`] when it comes from us.
    pub error: String,
    /// A sentence for people.
    #[serde(default)]
    pub message: String,
}

/// Codes of [`AuthError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// Login or password is wrong; which of them is not told.
    InvalidCredentials,
    /// The body is no JSON or lacks a field.
    InvalidJson,
    /// The token was good and is no longer.
    TokenExpired,
    /// The token is none of ours.
    InvalidToken,
    /// The `Authorization` header holds no `Bearer` token.
    BearerNotFound,
    /// There is no `Authorization` header.
    AuthorizationHeaderNotFound,
    /// Too many attempts in a short time. Not known to old clients, which show the message.
    TooManyRequests,
    /// We are wrong.
    UnhandledError,
}

impl ErrorCode {
    /// The text on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorCode::InvalidCredentials => "InvalidCredentials",
            ErrorCode::InvalidJson => "InvalidJson",
            ErrorCode::TokenExpired => "TokenExpired",
            ErrorCode::InvalidToken => "InvalidToken",
            ErrorCode::BearerNotFound => "BearerNotFound",
            ErrorCode::AuthorizationHeaderNotFound => "AuthorizationHeaderNotFound",
            ErrorCode::TooManyRequests => "TooManyRequests",
            ErrorCode::UnhandledError => "UnhandledError",
        }
    }

    /// The HTTP status that goes with the code.
    pub fn status(self) -> u16 {
        match self {
            ErrorCode::InvalidCredentials | ErrorCode::TokenExpired | ErrorCode::InvalidToken => 401,
            ErrorCode::InvalidJson | ErrorCode::BearerNotFound | ErrorCode::AuthorizationHeaderNotFound => {
                400
            }
            ErrorCode::TooManyRequests => 429,
            ErrorCode::UnhandledError => 500,
        }
    }

    /// The refusal body with that code.
    pub fn with_message(self, message: &str) -> AuthError {
        AuthError { error: self.as_str().to_owned(), message: message.to_owned() }
    }
}

impl fmt::Debug for LoginRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginRequest").field("login", &self.login).finish_non_exhaustive()
    }
}

impl fmt::Debug for LoginAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginAnswer")
            .field("login", &self.login)
            .field("ttl", &self.ttl)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_request_needs_login_and_password_only() {
        let request: LoginRequest =
            serde_json::from_str(r#"{"login":"aroche","password":"p","other":1}"#).unwrap();
        assert_eq!(serde_json::to_string(&request).unwrap(), r#"{"login":"aroche","password":"p"}"#);
        let request = LoginRequest { software_type: Some("webBrowser".into()), ..request };
        assert_eq!(
            serde_json::to_string(&request).unwrap(),
            r#"{"login":"aroche","password":"p","softwareType":"webBrowser"}"#
        );
        assert!(serde_json::from_str::<LoginRequest>(r#"{"login":"aroche"}"#).is_err());
    }

    #[test]
    fn the_time_to_live_is_in_capitals_and_may_be_absent() {
        let answer = LoginAnswer { login: "aroche".into(), token: "t".into(), ttl: Some(3600) };
        assert_eq!(serde_json::to_string(&answer).unwrap(), r#"{"login":"aroche","token":"t","TTL":3600}"#);
        let read: LoginAnswer = serde_json::from_str(r#"{"login":"aroche","token":"t"}"#).unwrap();
        assert_eq!(read, LoginAnswer { ttl: None, ..answer });
    }

    #[test]
    fn a_refusal_has_code_and_message() {
        let refusal = ErrorCode::InvalidCredentials.with_message("Login or password rejected");
        assert_eq!(
            serde_json::to_string(&refusal).unwrap(),
            r#"{"error":"InvalidCredentials","message":"Login or password rejected"}"#
        );
    }

    #[test]
    fn secrets_are_not_printed() {
        let request = LoginRequest {
            login: "aroche".into(),
            password: "hidden".into(),
            software_type: None,
            application_type: None,
        };
        let answer = LoginAnswer { login: "aroche".into(), token: "hidden".into(), ttl: None };
        assert!(!format!("{request:?} {answer:?}").contains("hidden"));
    }
}
