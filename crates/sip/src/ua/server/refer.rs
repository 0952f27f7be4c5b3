//! REFER inside a call: the peer wants us to call somebody, and to hear how it went (RFC 3515, RFC 3891).

use sipx_sip::HeaderName;
use sipx_sip::headers::Address;
use sipx_sip::message::{Headers, Method, Request, Response};
use sipx_sip::uri::Uri;
use timing::{Duration, Instant};

use super::super::UserAgent;
use super::super::caller::challenged;
use super::super::exchange::{Purpose, TransactionId};
use super::super::inbound::{host_of, uri_text};
use super::ServerPurpose;
use crate::config::DialogId;
use crate::dialog::DialogState;
use crate::event::Event;
use crate::refer::{ReferId, Replaces};
use crate::wire;

/// More transfers of one call at once are a fault.
const MAX_REFERS: usize = 4;
/// How long the peer is told that it will be kept informed; longer than any phone rings.
const NOTIFIED_FOR: Duration = Duration::from_secs(300);

/// A REFER, from its arrival until its last NOTIFY.
#[derive(Debug)]
pub(super) struct Refer {
    pub(super) id: ReferId,
    /// Its number, which names the subscription where a dialog has seen more than one (RFC 3515 §2.4.6).
    cseq: u32,
    is_first: bool,
    /// The peer wants no NOTIFY (RFC 4488).
    is_quiet: bool,
    /// Until when the peer has been promised news; nothing before it is accepted.
    notified_until: Option<Instant>,
}

impl UserAgent {
    /// The call, be it answered or not, that an INVITE or REFER means by `Replaces` (RFC 3891 §3).
    ///
    /// Where it is `early_only`, and the call is answered, the INVITE is to be refused with 486.
    pub fn dialog_by(&self, replaces: &Replaces) -> Option<DialogId> {
        let dialog = *self.by_local_tag.get(&replaces.to_tag)?;
        let leg = self.legs.get(&dialog).filter(|leg| !leg.ended)?;
        // RFC 3891 §3: a tag of 0 stands for none, as in RFC 2543
        let tag: &[u8] = if replaces.from_tag == "0" { b"" } else { replaces.from_tag.as_bytes() };
        let is_peer = leg.knows_tag(tag) || leg.knows_tag(replaces.from_tag.as_bytes());
        (wire::display(&leg.call_id) == replaces.sip_call_id && is_peer).then_some(dialog)
    }

    /// Accepts a REFER with 202, and tells the peer that we are trying.
    ///
    /// The application places the call, and tells its course by [`notify_refer`](Self::notify_refer).
    pub fn accept_refer(&mut self, dialog: DialogId, refer: ReferId, now: Instant) {
        let Some(asked) = self.asked_refer(dialog, refer) else { return };
        asked.notified_until = Some(now + NOTIFIED_FOR);
        let is_quiet = asked.is_quiet;
        let id = TransactionId(refer.0);
        // gone with its flow, it is answered by the NOTIFY alone
        if let Some(request) = self.exchange.pending(id).map(|(request, _)| request.clone()) {
            let mut response = self.dialog_response(dialog, &request, 202, None, None);
            if is_quiet {
                wire::set(&mut response.headers, HeaderName::ReferSub, "false");
            }
            self.exchange.respond(id, response, now);
        }
        if is_quiet {
            return self.forget_refer(dialog, refer);
        }
        self.notify_refer(dialog, refer, 100, now);
    }

    /// Tells the peer how far the call is that it has asked for; a final status is the last word.
    ///
    /// Does nothing for a REFER that was not accepted, or has had its last word.
    pub fn notify_refer(&mut self, dialog: DialogId, refer: ReferId, status: u16, now: Instant) {
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        let Some(place) = leg.server.refers.iter().position(|r| r.id == refer) else { return };
        let Some(until) = leg.server.refers[place].notified_until else { return };
        let event = match &leg.server.refers[place] {
            Refer { is_first: true, .. } => "refer".to_owned(),
            Refer { cseq, .. } => format!("refer;id={cseq}"),
        };
        let state = if status >= 200 {
            leg.server.refers.remove(place);
            "terminated;reason=noresource".to_owned()
        } else {
            format!("active;expires={}", until.since(now).as_secs().max(1))
        };
        let body = format!("SIP/2.0 {status} {}\r\n", wire::phrase(status));
        let request = leg
            .draft(&mut self.exchange, Method::Notify)
            .header(HeaderName::Event, event)
            .header(HeaderName::SubscriptionState, state)
            .finish(Some("message/sipfrag;version=2.0"), body.as_bytes());
        let flow = leg.flow();
        let purpose = Purpose::Server(ServerPurpose::ReferNotify(dialog, refer));
        self.exchange.request(flow, request, purpose, now);
    }

    /// Refuses a REFER; a status below 300 is taken for 603.
    pub fn refuse_refer(&mut self, dialog: DialogId, refer: ReferId, status: u16, now: Instant) {
        if self.asked_refer(dialog, refer).is_some() {
            let status = if (300..=699).contains(&status) { status } else { 603 };
            self.reply(TransactionId(refer.0), status, &[], now);
            self.forget_refer(dialog, refer);
        }
    }

    pub(super) fn handle_refer(
        &mut self,
        dialog: DialogId,
        id: TransactionId,
        request: &Request,
        now: Instant,
    ) {
        let Some(leg) = self.live_leg(dialog, &[DialogState::Answered, DialogState::Confirmed]) else {
            return self.reply(id, 403, &[], now);
        };
        let target = match read(&request.headers) {
            Ok(_) if leg.server.refers.len() >= MAX_REFERS => Err(503),
            target => target,
        };
        let (uri, replaces) = match target {
            Ok(target) => target,
            Err(status) => return self.reply(id, status, &[], now),
        };
        let refer = ReferId(id.0);
        let is_quiet = wire::text_of(&request.headers, &HeaderName::ReferSub)
            .is_some_and(|value| value.trim().eq_ignore_ascii_case("false"));
        leg.server.refers.push(Refer {
            id: refer,
            cseq: leg.remote_cseq.unwrap_or_default(),
            is_first: !std::mem::replace(&mut leg.server.was_referred, true),
            is_quiet,
            notified_until: None,
        });
        self.await_application(id, now);
        self.events.push_back(Event::Refer {
            dialog,
            refer,
            target: uri_text(&uri),
            target_user: wire::user_of(&uri),
            target_host: host_of(&uri),
            replaces,
            referred_by: wire::text_of(&request.headers, &HeaderName::ReferredBy),
        });
    }

    /// A REFER that the application has not answered yet.
    fn asked_refer(&mut self, dialog: DialogId, refer: ReferId) -> Option<&mut Refer> {
        let refers = &mut self.legs.get_mut(&dialog)?.server.refers;
        refers.iter_mut().find(|asked| asked.id == refer && asked.notified_until.is_none())
    }

    pub(super) fn forget_refer(&mut self, dialog: DialogId, refer: ReferId) {
        if let Some(leg) = self.legs.get_mut(&dialog) {
            leg.server.refers.retain(|known| known.id != refer);
        }
    }

    /// A peer that takes no NOTIFY has lost interest (RFC 6665 §4.2.2), which says nothing of the call.
    pub(super) fn handle_refer_notified(
        &mut self,
        dialog: DialogId,
        refer: ReferId,
        request: Request,
        response: &Response,
        now: Instant,
    ) {
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        match response.status.code() {
            100..=199 => {}
            200..=299 => leg.auth.accepted(),
            401 | 407 if challenged(&mut leg.auth, response) => {
                leg.local_cseq += 1;
                let (flow, sequence) = (leg.flow(), leg.local_cseq);
                let request = self.authorized(dialog, request);
                let purpose = Purpose::Server(ServerPurpose::ReferNotify(dialog, refer));
                self.exchange.request_again(flow, request, sequence, purpose, now);
            }
            _ => self.forget_refer(dialog, refer),
        }
    }

    /// The call is over: who was not answered yet is refused. An accepted REFER outlives its call for a while,
    /// as long as stragglers are waited for (RFC 5057 §4.1).
    pub(super) fn end_refers(&mut self, dialog: DialogId, now: Instant) {
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        let refers = std::mem::take(&mut leg.server.refers).into_iter();
        let (accepted, asked): (Vec<_>, Vec<_>) = refers.partition(|refer| refer.notified_until.is_some());
        leg.server.refers = accepted;
        for refer in asked {
            self.reply(TransactionId(refer.id.0), 481, &[], now);
        }
    }
}

/// Whom a REFER names, without its URI's headers, and the dialog in them. The error is a status.
fn read(headers: &Headers) -> Result<(Uri, Option<Replaces>), u16> {
    let mut values = headers.get_all(&HeaderName::ReferTo);
    let (Some(value), None) = (values.next(), values.next()) else { return Err(400) };
    let mut uri = Address::parse(&value.value(), "Refer-To").map_err(|_| 400_u16)?.uri;
    if !uri.scheme().is_sip() && uri.tel_parts().is_none() {
        return Err(416);
    }
    let method = uri.params().and_then(|params| params.value("method")).map(<[u8]>::to_vec);
    if method.is_some_and(|method| !method.eq_ignore_ascii_case(b"INVITE")) {
        return Err(603);
    }
    uri.remove_param("method");
    let mut carried: Vec<_> =
        uri.headers().map(|headers| headers.iter().cloned().collect()).unwrap_or_default();
    for header in &carried {
        uri.remove_header(&String::from_utf8_lossy(header.name()));
    }
    carried.retain(|header| header.has_name("Replaces"));
    if uri.has_headers() || carried.len() > 1 {
        return Err(400);
    }
    let replaces = carried.first().map(|header| wire::unescape(header.value().unwrap_or_default()));
    Ok((uri, replaces.map(|value| Replaces::parse(&value)).transpose().map_err(|_| 400_u16)?))
}
