//! Errors that the framework answers get the body that every other error of ours has.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::{StatusCode, header};

use super::headers::is_api;
use crate::auth::ApiError;

/// Gives refusals of the API, the sockets and the sound test a JSON body; their headers stay.
pub(super) async fn errors(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let concerned = is_api(request.uri()) || path.starts_with("/echo/") || path.starts_with("/ws");
    let response = next.run(request).await;
    match error_of(response.status()) {
        Some(error) if concerned && !is_json(&response) => with_body_of(error, response),
        _ => response,
    }
}

fn error_of(status: StatusCode) -> Option<ApiError> {
    let (code, message) = match status {
        StatusCode::BAD_REQUEST => ("BadRequest", "The request is not well-formed"),
        StatusCode::METHOD_NOT_ALLOWED => ("MethodNotAllowed", "This path does not take that method"),
        StatusCode::REQUEST_TIMEOUT => ("RequestTimeout", "The request took too long"),
        StatusCode::PAYLOAD_TOO_LARGE => ("PayloadTooLarge", "The body is too long"),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => ("UnsupportedMediaType", "This kind of body is not taken here"),
        StatusCode::UPGRADE_REQUIRED => ("UpgradeRequired", "This path is for WebSockets (RFC 6455)"),
        _ => return None,
    };
    Some(ApiError::new(status, code, message))
}

fn is_json(response: &Response) -> bool {
    response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json")
}

fn with_body_of(error: ApiError, response: Response) -> Response {
    let (mut parts, _) = response.into_parts();
    let (body_parts, body) = error.into_response().into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.extend(body_parts.headers);
    Response::from_parts(parts, body)
}
