//! Peers by UDP, TCP and TLS of whom nothing is known yet.

use model::UserId;
use sip::digest::Ha1;
use sip::{FlowEnds, FlowId, Transport};
use switch::{Config, Identity, Switch};
use timing::Instant;

const NOW: Instant = Instant::ORIGIN;

fn told(switch: &mut Switch, flow: FlowId, method: &str) -> Vec<String> {
    let text = format!(
        "{method} sip:1001@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK{method}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:1002@default>;tag=1\r\nTo: <sip:1001@default>\r\nCall-ID: {method}\r\n\
         CSeq: 1 {method}\r\nContact: <sip:1002@192.0.2.7>\r\nContent-Length: 0\r\n\r\n"
    );
    switch.handle_message(flow, text.as_bytes(), NOW);
    let sent = std::iter::from_fn(|| switch.poll_transmit());
    sent.map(|transmit| String::from_utf8_lossy(&transmit.bytes[8..11]).into_owned()).collect()
}

#[test]
fn a_stranger_may_ask_what_we_can_and_nothing_else() {
    let mut switch = Switch::new(Config::default());
    let (stranger, page) = (FlowId(1), FlowId(2));
    let ends = FlowEnds { local: "192.0.2.1:5060".into(), remote: "192.0.2.7:5060".parse().unwrap() };
    switch.open_stranger(stranger, Transport::Udp, Some(ends), None, NOW);
    for (method, statuses) in [
        ("OPTIONS", &["200"][..]),
        ("REGISTER", &["401"]),
        ("INVITE", &["100", "401"]),
        ("MESSAGE", &["401"]),
        ("REFER", &["403"]),
        ("SUBSCRIBE", &["489"]),
        ("BYE", &["481"]),
    ] {
        assert_eq!(told(&mut switch, stranger, method), statuses, "{method}");
    }
    assert_eq!(switch.calls(), 0);
    assert!(!switch.knows(stranger) && !switch.lives_on(stranger));

    let ha1 = Ha1::new("a", "hotdesk", "secret");
    switch.open_flow(page, Transport::Wss, Identity { user: UserId(1), account: "a".into(), ha1 }, NOW);
    assert!(switch.knows(page) && !switch.knows(stranger));
    switch.close_flow(stranger, NOW);
    assert!(told(&mut switch, stranger, "OPTIONS").is_empty());
}
