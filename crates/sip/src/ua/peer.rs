//! Where the other side of a dialog is, and how a request gets there (RFC 3261 §12).

use bytes::Bytes;
use sipx_sip::headers::{Contact, RecordRoute, Route};
use sipx_sip::message::{Headers, Method};
use sipx_sip::{HeaderName, TypedHeader as _, Uri};

use super::exchange::Exchange;
use crate::config::FlowId;
use crate::wire::{self, Draft};

/// Where and who the other side is.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    /// Its address, with its tag once there is one.
    pub(super) address: Bytes,
    /// The tag alone; nothing before the first response with one.
    pub(super) tag: Option<Vec<u8>>,
    /// The remote target.
    pub(super) target: Uri,
    pub(super) routes: Vec<Bytes>,
}

impl Peer {
    /// The other side as a message shows it; `header` says whether it is in `From` or in `To`.
    pub(super) fn read(headers: &Headers, header: &HeaderName, target: Uri) -> Self {
        let address = headers.value(header).unwrap_or_default().into_owned();
        let tag = match header {
            HeaderName::From => wire::tag_of::<sipx_sip::headers::From>(headers),
            _ => wire::tag_of::<sipx_sip::headers::To>(headers),
        };
        let mut routes = record_routes(headers);
        if *header == HeaderName::To {
            routes.reverse();
        }
        Peer { address: address.into(), tag: Some(tag), target: contact(headers).unwrap_or(target), routes }
    }

    /// Request-URI and `Route` values for a request to this peer (RFC 3261 §12.2.1.1).
    pub(super) fn route(&self) -> (Uri, Vec<Bytes>) {
        let first = self.routes.first().and_then(|route| Route::decode(route).ok());
        match first {
            Some(strict) if strict.uri.params().is_none_or(|params| !params.contains("lr")) => {
                let target = [b"<", &self.target.to_bytes()[..], b">"].concat();
                let rest = self.routes.iter().skip(1).cloned().chain([target.into()]).collect();
                (strict.uri.clone(), rest)
            }
            _ => (self.target.clone(), self.routes.clone()),
        }
    }
}

/// Our side of a dialog of any kind.
pub(super) struct Ends<'a> {
    pub(super) flow: FlowId,
    /// Our address with our tag.
    pub(super) local: &'a [u8],
    pub(super) call_id: &'a [u8],
    pub(super) contact_user: &'a str,
}

/// Begins a request inside a dialog (RFC 3261 §12.2.1.1).
pub(super) fn draft_in_dialog(
    exchange: &mut Exchange,
    ends: &Ends<'_>,
    peer: &Peer,
    method: Method,
    sequence: u32,
) -> Draft {
    let (uri, routes) = peer.route();
    let via = exchange.via(ends.flow);
    let cseq = [format!("{sequence} ").as_bytes(), method.as_bytes()].concat();
    let refreshes_target = matches!(method, Method::Invite | Method::Update | Method::Notify);
    let mut draft = Draft::new(method, uri)
        .header(HeaderName::Via, via)
        .header(HeaderName::MaxForwards, "70")
        .header(HeaderName::From, ends.local)
        .header(HeaderName::To, &peer.address)
        .header(HeaderName::CallId, ends.call_id)
        .header(HeaderName::CSeq, cseq);
    for route in &routes {
        draft = draft.header(HeaderName::Route, route);
    }
    if refreshes_target {
        let contact = exchange.contact(ends.flow, ends.contact_user);
        draft = draft.header(HeaderName::Contact, contact).header(HeaderName::Allow, exchange.allow());
    }
    if let Some(supported) = exchange.supported().filter(|_| refreshes_target) {
        draft = draft.header(HeaderName::Supported, supported);
    }
    draft.header(HeaderName::UserAgent, &exchange.config.user_agent)
}

/// The URI of the first `Contact`.
pub(super) fn contact(headers: &Headers) -> Option<Uri> {
    Some(headers.typed::<Contact>()?.ok()?.uri.clone())
}

/// The values of `Record-Route`, one by one, as they came.
fn record_routes(headers: &Headers) -> Vec<Bytes> {
    headers
        .typed_all::<RecordRoute>()
        .filter_map(Result::ok)
        .map(|route| [b"<", &route.uri.to_bytes()[..], b">"].concat().into())
        .collect()
}
