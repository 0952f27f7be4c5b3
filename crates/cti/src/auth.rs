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
    /// The code; the server's routes choose it.
    pub error: String,
    /// A sentence for people.
    #[serde(default)]
    pub message: String,
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
        let refusal =
            AuthError { error: "InvalidCredentials".into(), message: "Login or password rejected".into() };
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
