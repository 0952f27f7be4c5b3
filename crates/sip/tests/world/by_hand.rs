//! A peer whose every word is written by the story, in front of a real desk.

use std::collections::VecDeque;

use sip::{DialogId, Event, InboundInvite, OutboundInvite, Transport, UserAgent};
use timing::{Duration, Instant};

use super::{ANSWER, FLOW, OFFER, anna, user_agent};

pub struct ByHand {
    pub desk: UserAgent,
    pub now: Instant,
    pub call_id: String,
    /// The peer's tag.
    pub our_tag: String,
    /// The desk's tag, once it has one.
    pub desk_tag: String,
    pub cseq: u32,
    branch: u32,
    inbox: VecDeque<String>,
}

impl ByHand {
    pub fn new(transport: Transport) -> Self {
        let now = Instant::ORIGIN + Duration::from_secs(1_000);
        let mut desk = user_agent(2, transport, true);
        desk.open_flow(FLOW, transport, anna(), now);
        ByHand {
            desk,
            now,
            call_id: "by-hand".into(),
            our_tag: "hand".into(),
            desk_tag: String::new(),
            cseq: 0,
            branch: 0,
            inbox: VecDeque::new(),
        }
    }

    /// Puts a message on the wire.
    pub fn send(&mut self, text: &str) {
        self.desk.handle_message(FLOW, text.as_bytes(), self.now);
        self.collect();
    }

    /// Writes a request without sending it; `more` are whole lines.
    pub fn draft(&mut self, method: &str, more: &str, body: &str) -> String {
        if method != "ACK" && method != "CANCEL" {
            self.cseq += 1;
            self.branch += 1;
        }
        let tag = if self.desk_tag.is_empty() { String::new() } else { format!(";tag={}", self.desk_tag) };
        format!(
            "{method} sip:200@example.org SIP/2.0\r\nVia: SIP/2.0/WS x.invalid;branch=z9hG4bKh{}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:anna@example.org>;tag={}\r\nTo: <sip:200@example.org>{tag}\r\n\
             Call-ID: {}\r\nCSeq: {} {method}\r\nContact: <sip:anna@x.invalid;transport=ws>\r\n{more}\
             Content-Length: {}\r\n\r\n{body}",
            self.branch,
            self.our_tag,
            self.call_id,
            self.cseq,
            body.len(),
        )
    }

    /// Sends a request.
    pub fn request(&mut self, method: &str, more: &str, body: &str) {
        let text = self.draft(method, more, body);
        self.send(&text);
    }

    /// Answers a request of the desk's.
    pub fn reply(&mut self, request: &str, status: u16, more: &str, body: &str) {
        let mut text = format!("SIP/2.0 {status} By Hand\r\n");
        for name in ["Via", "From", "Call-ID", "CSeq"] {
            text.push_str(&format!("{name}: {}\r\n", header(request, name).expect("every request has it")));
        }
        let to = header(request, "To").expect("every request has it");
        let tag = if to.contains(";tag=") || status == 100 {
            String::new()
        } else {
            format!(";tag={}", self.our_tag)
        };
        text.push_str(&format!(
            "To: {to}{tag}\r\nContact: <sip:anna@x.invalid;transport=ws>\r\n{more}Content-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        self.send(&text);
    }

    /// The next message from the desk that begins like this; what came before it is skipped.
    pub fn next(&mut self, start: &str) -> String {
        self.collect();
        while let Some(text) = self.inbox.pop_front() {
            if text.starts_with(start) {
                return text;
            }
        }
        panic!("nothing begins with {start:?}");
    }

    /// Everything the desk has sent and nobody has read.
    pub fn unread(&mut self) -> Vec<String> {
        self.collect();
        self.inbox.drain(..).collect()
    }

    pub fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.desk.poll_event()).collect()
    }

    /// Lets time pass.
    pub fn run(&mut self, span: Duration) {
        let until = self.now + span;
        while let Some(wake) = self.desk.poll_timeout().filter(|wake| wake.at <= until) {
            self.now = self.now.max(wake.at);
            self.desk.handle_timeout(self.now);
            self.collect();
        }
        self.now = until;
    }

    /// Calls the desk, with these lines in the INVITE.
    pub fn calls(&mut self, more: &str) -> InboundInvite {
        let more = format!("{more}Content-Type: application/sdp\r\n");
        self.request("INVITE", &more, OFFER);
        match self.events().pop() {
            Some(Event::Invite(invite)) => invite,
            other => panic!("no call: {other:?}"),
        }
    }

    /// Calls the desk, which answers, and acknowledges that; `more` are lines of the INVITE.
    pub fn established(&mut self, more: &str) -> DialogId {
        let dialog = self.calls(more).dialog;
        self.desk.answer(dialog, ANSWER.into(), self.now).expect("it rings");
        let answer = self.next("SIP/2.0 200");
        self.desk_tag = tag_of(&answer, "To");
        self.request("ACK", "", "");
        assert_eq!(self.events(), [Event::Confirmed { dialog }]);
        dialog
    }

    /// The desk calls us: its handle, and its INVITE.
    pub fn called(&mut self, invite: OutboundInvite) -> (DialogId, String) {
        let dialog = self.desk.invite(invite, self.now);
        let invite = self.next("INVITE");
        self.call_id = header(&invite, "Call-ID").expect("a Call-ID");
        self.desk_tag = tag_of(&invite, "From");
        (dialog, invite)
    }

    fn collect(&mut self) {
        while let Some(transmit) = self.desk.poll_transmit() {
            self.inbox.push_back(String::from_utf8_lossy(&transmit.bytes).into_owned());
        }
    }
}

/// The value of a header, as it stands there first.
pub fn header(text: &str, name: &str) -> Option<String> {
    let head = text.split("\r\n\r\n").next()?;
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

/// The tag in `From` or `To`.
pub fn tag_of(text: &str, name: &str) -> String {
    let value = header(text, name).expect("an address");
    value.split(";tag=").nth(1).and_then(|rest| rest.split(';').next()).expect("a tag").to_owned()
}

/// What stands behind the headers.
pub fn body_of(text: &str) -> &str {
    text.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}
