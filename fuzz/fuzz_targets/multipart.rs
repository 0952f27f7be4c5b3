//! Bodies of many parts: the first line is the `Content-Type`, the rest the body.
#![no_main]

use hotdesk_fuzz::{Desk, all_harmless, request};
use libfuzzer_sys::fuzz_target;
use sip::{Event, Transport};

fuzz_target!(|input: &[u8]| {
    let Some(end) = input.iter().position(|&b| b == b'\n') else { return };
    let (kind, body) = (&input[..end], &input[end + 1..]);
    let mut desk = Desk::new(Transport::Udp, &[0]);
    let header = [b"Content-Type: ", kind, b"\r\n"].concat();
    desk.hear(&request("INVITE", b"sip:*55@192.0.2.1", &header, body));
    let events = desk.told();
    for event in &events {
        if let Event::Invite(invite) = event {
            assert!(invite.sdp.is_some() || body.is_empty(), "a body that nobody can read was let through");
            assert!(invite.sdp.as_ref().is_none_or(|sdp| sdp.len() <= 3 * body.len()), "more than came");
        }
    }
    all_harmless(&events);
    desk.nothing_is_left();
});
