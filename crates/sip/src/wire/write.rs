//! Writing: every value passes [`clean`], so that no line end can get into a header.

use bytes::Bytes;
use sipx_sip::message::{Header, Headers, Message, Method, Request, Response, StatusCode};
use sipx_sip::{HeaderName, Uri};

use super::text::{clean, phrase};

/// Puts a header in, in place of those of the same name.
pub(crate) fn set(headers: &mut Headers, name: HeaderName, value: impl AsRef<[u8]>) {
    headers.remove_all(&name);
    add(headers, name, value);
}

/// Adds a header; one whose name is no token is left out.
pub(crate) fn add(headers: &mut Headers, name: HeaderName, value: impl AsRef<[u8]>) {
    if let Ok(header) = Header::build(name, clean(value.as_ref())) {
        headers.push(header);
    }
}

/// The bytes of a message.
pub(crate) fn bytes_of(message: &Message) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.write_to(&mut bytes);
    bytes
}

/// A response with the headers that RFC 3261 §8.2.6.2 copies, and a tag in `To` unless it is a 100.
pub(crate) fn response_to(request: &Request, status: u16, reason: Option<&str>, tag: &str) -> Response {
    let status = StatusCode::new(status).unwrap_or_else(|| StatusCode::new(500).expect("500 is a status"));
    let reason = clean(reason.unwrap_or(phrase(status.code())).as_bytes());
    let mut response = Response::new(status, reason);
    for name in [HeaderName::Via, HeaderName::From, HeaderName::To, HeaderName::CallId, HeaderName::CSeq] {
        for header in request.headers.get_all(&name) {
            add(&mut response.headers, name.clone(), header.value());
        }
    }
    if status.code() > 100 {
        add_to_tag(&mut response.headers, tag);
    }
    response
}

/// Gives `To` a tag if it has none.
pub(super) fn add_to_tag(headers: &mut Headers, tag: &str) {
    if !super::tag_of::<sipx_sip::headers::To>(headers).is_empty() {
        return;
    }
    if let Some(to) = headers.value(&HeaderName::To).map(|v| v.into_owned()) {
        let tagged = [&to[..], b";tag=", tag.as_bytes()].concat();
        set(headers, HeaderName::To, tagged);
    }
}

/// Puts a body in, with its type and length.
pub(crate) fn set_body(headers: &mut Headers, content_type: Option<&str>, body: &[u8]) -> Bytes {
    if let Some(content_type) = content_type {
        set(headers, HeaderName::ContentType, content_type);
    }
    set(headers, HeaderName::ContentLength, body.len().to_string());
    Bytes::copy_from_slice(body)
}

/// A request that is being written.
pub(crate) struct Draft(Request);

impl Draft {
    /// An empty request; [`finish`](Self::finish) completes it.
    pub(crate) fn new(method: Method, uri: Uri) -> Self {
        Draft(Request::new(method, uri))
    }

    /// Adds a header; one whose name is no token is left out.
    pub(crate) fn header(mut self, name: HeaderName, value: impl AsRef<[u8]>) -> Self {
        add(&mut self.0.headers, name, value);
        self
    }

    /// Puts a header in, in place of those of the same name.
    pub(crate) fn replace(mut self, name: HeaderName, value: impl AsRef<[u8]>) -> Self {
        set(&mut self.0.headers, name, value);
        self
    }

    /// Adds headers that an application names, but none that the message's structure hangs on.
    pub(crate) fn extra(mut self, headers: &[(String, String)]) -> Self {
        for (name, value) in headers {
            let name = HeaderName::parse(&Bytes::copy_from_slice(name.trim().as_bytes()));
            match name {
                HeaderName::MaxForwards => set(&mut self.0.headers, name, value),
                name if is_structural(&name) || name == HeaderName::Contact => {}
                name => add(&mut self.0.headers, name, value),
            }
        }
        self
    }

    /// The whole request, with its body.
    pub(crate) fn finish(mut self, content_type: Option<&str>, body: &[u8]) -> Request {
        let body = set_body(&mut self.0.headers, content_type, body);
        self.0.set_body(body);
        self.0
    }
}

/// Whether an application may not set this header itself.
fn is_structural(name: &HeaderName) -> bool {
    const STRUCTURAL: [HeaderName; 10] = [
        HeaderName::Via,
        HeaderName::From,
        HeaderName::To,
        HeaderName::CallId,
        HeaderName::CSeq,
        HeaderName::MaxForwards,
        HeaderName::ContentLength,
        HeaderName::Route,
        HeaderName::RecordRoute,
        HeaderName::Authorization,
    ];
    STRUCTURAL.contains(name)
}

/// Adds to a response what an application gives: its headers, and its body.
pub(crate) fn add_to_response(response: &mut Response, headers: &[(String, String)], body: &[u8]) {
    for (name, value) in headers {
        let name = HeaderName::parse(&Bytes::copy_from_slice(name.trim().as_bytes()));
        if !is_structural(&name) {
            add(&mut response.headers, name, value);
        }
    }
    let body = set_body(&mut response.headers, None, body);
    response.set_body(body);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_can_break_out_of_its_line() {
        let uri = Uri::parse(Bytes::from_static(b"sip:a@b")).expect("valid");
        let extra = [
            ("X-Note".to_owned(), "a\r\nVia: evil".to_owned()),
            ("Bad name\r\n".to_owned(), "x".to_owned()),
            ("Call-ID".to_owned(), "mine".to_owned()),
        ];
        let request = Draft::new(Method::Options, uri)
            .header(HeaderName::Subject, "x\r\n\r\nBYE sip:x SIP/2.0")
            .extra(&extra)
            .finish(None, b"");
        let text = String::from_utf8(bytes_of(&Message::Request(request))).expect("ASCII");
        assert_eq!(text.matches("\r\n").count(), 5, "{text}");
        assert!(text.contains("X-Note: a  Via: evil\r\n"), "{text}");
        assert!(!text.contains("mine") && !text.contains("Bad"), "{text}");
    }
}
