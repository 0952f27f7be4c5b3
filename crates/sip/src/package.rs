//! The bodies of NOTIFY in the event packages that we serve: lamps and mailboxes.

use std::fmt::Write as _;

use crate::dialog::Direction;

/// The media type of [`message_summary`].
pub const MESSAGE_SUMMARY: &str = "application/simple-message-summary";
/// The media type of [`dialog_info`].
pub const DIALOG_INFO: &str = "application/dialog-info+xml";

/// What a mailbox holds (RFC 3842 §5.2). `account` is its SIP address.
pub fn message_summary(account: &str, new: u32, old: u32) -> String {
    let waiting = if new > 0 { "yes" } else { "no" };
    let account: String = account.chars().filter(|c| !c.is_control()).collect();
    format!(
        "Messages-Waiting: {waiting}\r\nMessage-Account: {account}\r\nVoice-Message: {new}/{old} (0/0)\r\n"
    )
}

/// How far a call is, as a lamp shows it (RFC 4235 §3.7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LampState {
    /// Dialled, and nobody rings yet.
    Trying,
    /// Rings.
    Early,
    /// Two people talk.
    Confirmed,
    /// Over.
    Terminated,
}

/// A call of the line that a lamp is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LampCall {
    /// Tells it from other calls of the line.
    pub id: String,
    /// Who called: the line itself, or somebody else.
    pub direction: Direction,
    /// How far it is.
    pub state: LampState,
    /// The address of the other side, where it may be shown.
    pub remote: Option<String>,
}

/// The calls of a line, all of them (RFC 4235 §4.1). `entity` is the address that was subscribed to, and
/// `version` counts the notices of one subscription from 0.
pub fn dialog_info(entity: &str, version: u32, calls: &[LampCall]) -> String {
    let entity = escaped(entity);
    let mut xml = format!(
        "<?xml version=\"1.0\"?>\r\n<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" \
         version=\"{version}\" state=\"full\" entity=\"{entity}\">\r\n"
    );
    for call in calls {
        let direction = match call.direction {
            Direction::Inbound => "recipient",
            Direction::Outbound => "initiator",
        };
        let state = match call.state {
            LampState::Trying => "trying",
            LampState::Early => "early",
            LampState::Confirmed => "confirmed",
            LampState::Terminated => "terminated",
        };
        let id = escaped(&call.id);
        let _ = write!(xml, "<dialog id=\"{id}\" direction=\"{direction}\"><state>{state}</state>");
        if let Some(remote) = &call.remote {
            let _ = write!(xml, "<remote><identity>{}</identity></remote>", escaped(remote));
        }
        xml.push_str("</dialog>\r\n");
    }
    xml.push_str("</dialog-info>\r\n");
    xml
}

/// Text for XML, without what XML cannot say at all.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars().filter(|c| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}')) {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mailbox_says_whether_something_waits() {
        assert_eq!(
            message_summary("sip:200@example.org\r\nEvil: 1", 2, 3),
            "Messages-Waiting: yes\r\nMessage-Account: sip:200@example.orgEvil: 1\r\nVoice-Message: 2/3 (0/0)\r\n"
        );
        assert!(message_summary("sip:200@example.org", 0, 3).starts_with("Messages-Waiting: no\r\n"));
    }

    #[test]
    fn a_lamp_shows_all_calls_of_its_line() {
        let call = LampCall {
            id: "7\"".into(),
            direction: Direction::Inbound,
            state: LampState::Early,
            remote: Some("sip:<a&b>@example.org".into()),
        };
        let quiet = LampCall {
            direction: Direction::Outbound,
            state: LampState::Confirmed,
            remote: None,
            ..call.clone()
        };
        let xml = dialog_info("sip:200@example.org", 3, &[call, quiet]);
        assert!(xml.contains("version=\"3\" state=\"full\" entity=\"sip:200@example.org\""), "{xml}");
        assert!(xml.contains("<dialog id=\"7&quot;\" direction=\"recipient\"><state>early</state>"), "{xml}");
        assert!(xml.contains("<identity>sip:&lt;a&amp;b&gt;@example.org</identity>"), "{xml}");
        assert!(xml.contains("direction=\"initiator\"><state>confirmed</state></dialog>"), "{xml}");
        assert!(!dialog_info("sip:200@example.org", 0, &[]).contains("<dialog "));
    }
}
