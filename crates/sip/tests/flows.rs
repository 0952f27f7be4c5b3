//! How flows over UDP, TCP and TLS differ from a WebSocket: we name ourselves as the peer reaches us.

mod world;

use sip::{FlowEnds, FlowId, Owner, Transport};
use timing::Instant;
use world::{FLOW, user_agent};

const NOW: Instant = Instant::ORIGIN;

#[test]
fn via_and_contact_name_the_flows_own_end() {
    for (transport, local) in [
        (Transport::Udp, "192.0.2.1:5060"),
        (Transport::Tcp, "[2001:db8::1]:5060"),
        (Transport::Tls, "sip.example.org:5061"),
    ] {
        let mut desk = user_agent(2, transport, true);
        desk.open_flow(FLOW, transport, Owner::Unproved, NOW);
        desk.set_ends(FLOW, FlowEnds { local: local.into(), remote: "192.0.2.7:5060".parse().unwrap() });
        let dialog = desk.invite(world::invitation(), NOW);
        let invite = String::from_utf8(desk.poll_transmit().unwrap().bytes).unwrap();
        let (via, parameter) = (transport.via_token(), transport.uri_token());
        assert!(invite.contains(&format!("\r\nVia: SIP/2.0/{via} {local};branch=")), "{invite}");
        assert!(invite.contains(&format!("@{local};transport={parameter}>\r\n")), "{invite}");
        assert!(desk.lives_on(FLOW) && !desk.lives_on(FlowId(2)));
        desk.cancel(dialog, NOW);
        assert!(!desk.lives_on(FLOW), "an ended call needs no flow");
    }
}

#[test]
fn a_flow_without_ends_keeps_the_usual_name() {
    let mut desk = user_agent(2, Transport::Ws, true);
    desk.set_ends(FLOW, FlowEnds { local: "192.0.2.1".into(), remote: "192.0.2.7:1".parse().unwrap() });
    desk.open_flow(FLOW, Transport::Ws, Owner::Unproved, NOW);
    desk.invite(world::invitation(), NOW);
    let invite = String::from_utf8(desk.poll_transmit().unwrap().bytes).unwrap();
    assert!(invite.contains("\r\nVia: SIP/2.0/WS desk.example.org;branch="), "{invite}");
}
