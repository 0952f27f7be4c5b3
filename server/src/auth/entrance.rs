//! The gate in front of every socket that needs a login.

use axum::extract::{FromRequestParts, Query};
use http::StatusCode;
use http::request::Parts;
use serde::Deserialize;

use super::routes::{ApiError, Bearer};
use super::tokens::Principal;
use crate::app::AppState;
use crate::http::{OriginCheck, Peer};

/// Who opens a socket. Having one proves that origin and token were checked, before the upgrade.
///
/// The token comes as `?token=` (all that a browser can send) or as `Authorization: Bearer`. A request with an
/// `Origin` must come from our own pages or from an origin that the configuration allows; programs that are no
/// browsers send none and are judged by their token alone.
#[derive(Clone, Debug)]
pub struct Entrance {
    /// The user behind the token.
    pub principal: Principal,
    /// Where the connection comes from.
    pub peer: Peer,
}

#[derive(Deserialize)]
struct TokenParameter {
    token: Option<String>,
}

impl FromRequestParts<AppState> for Entrance {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, ApiError> {
        let SideDoor { principal, peer } = SideDoor::from_request_parts(parts, app).await?;
        let principal = principal.ok_or(refused(ApiError::NO_BEARER))?;
        Ok(Entrance { principal, peer })
    }
}

/// The same where a login is not needed. A token that is given must be good all the same.
#[derive(Clone, Debug)]
pub struct SideDoor {
    /// The user behind the token, if there was one.
    pub principal: Option<Principal>,
    /// Where the connection comes from.
    pub peer: Peer,
}

impl FromRequestParts<AppState> for SideDoor {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, ApiError> {
        let peer = Peer::from_request_parts(parts, app).await?;
        OriginCheck::from_request_parts(parts, app).await?;
        let parameter =
            Query::<TokenParameter>::try_from_uri(&parts.uri).ok().and_then(|query| query.0.token);
        let token = parameter.or_else(|| Bearer::of(&parts.headers).ok().map(|bearer| bearer.0));
        let Some(token) = token else { return Ok(SideDoor { principal: None, peer }) };
        match app.auth.admit(&token).await {
            Ok(principal) => Ok(SideDoor { principal: Some(principal), peer }),
            Err(error) => Err(refused(error.into())),
        }
    }
}

/// Sockets refuse with 403: a browser shows its page nothing but the failure anyway, and CTI clients know it.
fn refused(error: ApiError) -> ApiError {
    if error.status() == StatusCode::UNAUTHORIZED { error.with_status(StatusCode::FORBIDDEN) } else { error }
}
