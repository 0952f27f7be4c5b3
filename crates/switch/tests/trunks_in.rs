//! Calls from outside: whose they are, whom they ring, and what is believed of them.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the report")]

mod outside;

use media::Codec;
use model::EndCause;
use outside::{ONE, TWO, asked, causes, plan, site};
use sip::{FlowEnds, FlowId, Transport};
use switch::{Identify, Limits};
use timing::Duration;

#[test]
fn one_of_our_numbers_rings_its_line() {
    let mut world = site(plan());
    world.carrier_brings("one", "+33611223344", "+33144500211", &[]);
    world.run_until(|world| world.sip_phone_rings("desk-alice"));
    let invite = world.sip_phone("desk-alice").events.iter().rev().find_map(|event| match event {
        sip::Event::Invite(invite) => Some(invite.clone()),
        _ => None,
    });
    assert_eq!(invite.unwrap().from_user, "+33611223344");
    world.sip_phone_answers("desk-alice");
    world.run_until(|world| world.hears("desk-alice", "one") && world.hears("one", "desk-alice"));
    assert_eq!(world.switch.calls_on_trunk(ONE), 1);
    let dialog = world.sip_phone("desk-alice").dialogs()[0];
    world.sip_phone_hangs_up("desk-alice", dialog);
    world.run_for(Duration::from_secs(1));
    let record = world.records()[0].clone();
    assert!(record.caller.outside && !record.callee.outside);
    assert_eq!(record.caller.number, "+33611223344");
    assert_eq!(world.switch.calls_on_trunk(ONE), 0);
}

#[test]
fn numbers_are_read_however_the_carrier_writes_them_and_a_service_answers() {
    let mut plan = plan();
    plan.trunks[0].format = switch::NumberFormat::Bare;
    plan.trunks[1].format = switch::NumberFormat::National;
    let mut world = site(plan);
    world.carrier_brings("one", "33611223344", "33144500219", &[]);
    world.run_until(|world| world.hears("one", "one"));
    world.carrier_brings("two", "0611223344", "0144500211", &[]);
    world.run_until(|world| world.sip_phone_rings("desk-alice"));
}

#[test]
fn what_is_not_ours_goes_nowhere_unless_a_route_lets_it() {
    let mut world = site(plan());
    for number in ["+33144509999", "0144509999", "112", "1001", "*55", "+33199999999", "alice"] {
        world.carrier_brings("one", "+33611223344", number, &[]);
        world.run_for(Duration::from_secs(1));
    }
    assert_eq!(world.sip_phone("one").refusals(), [Some(404); 7]);
    assert!(asked(&mut world, "two").is_empty() && asked(&mut world, "one").is_empty());
    assert_eq!(causes(&world), [], "no call ever began");

    let mut plan = plan();
    plan.routes[0].from = vec![ONE];
    plan.routes[0].trunks = vec![TWO];
    let mut world = site(plan);
    world.carrier_brings("one", "+33611223344", "+33144509999", &[]);
    world.run_until(|world| world.sip_phone_rings("two"));
    world.sip_phone_answers("two");
    world.run_until(|world| world.hears("one", "two") && world.hears("two", "one"));
}

#[test]
fn only_a_trusted_carrier_is_believed_who_calls() {
    for (trusted, shown) in [(false, "+33611223344"), (true, "+33144507777")] {
        let mut plan = plan();
        plan.trunks[0].trusted = trusted;
        let mut world = site(plan);
        let forged = [
            ("P-Asserted-Identity", "<sip:+33144507777@carrier1.example>"),
            ("Remote-Party-ID", "<sip:+33100000001@x>"),
            ("Diversion", "<sip:+33100000002@x>"),
            ("History-Info", "<sip:+33100000003@x>;index=1"),
            ("X-Queue", "vip"),
        ];
        world.carrier_brings("one", "+33611223344", "+33144500211", &forged);
        world.run_until(|world| world.sip_phone_rings("desk-alice"));
        let events = world.sip_phone("desk-alice").events.clone();
        let invite = events.iter().rev().find_map(|event| match event {
            sip::Event::Invite(invite) => Some(invite),
            _ => None,
        });
        let invite = invite.expect("a call");
        assert_eq!(invite.from_user, shown);
        for (name, _) in forged {
            assert_eq!(invite.header(name), None, "{name}");
        }
        let facts = world.phone_facts("alice");
        assert_eq!(facts[0].other_number, shown);
        assert!(facts[0].variables.is_empty());
    }
}

#[test]
fn an_address_alone_is_no_proof_by_udp_unless_that_was_agreed() {
    let mut plan = plan();
    plan.trunks[0].identify = Identify::Flow;
    let registers = switch::Registers { user: "acc7".into(), expires: 300 };
    (plan.trunks[1].identify, plan.trunks[1].registers) = (Identify::Flow, Some(registers));
    let mut world = site(plan);
    for carrier in ["one", "two"] {
        world.carrier_brings(carrier, "+33611223344", "+33144500211", &[]);
        world.run_for(Duration::from_secs(1));
        assert_eq!(world.sip_phone(carrier).refusals(), [Some(403)], "{carrier}");
    }
    assert_eq!(world.switch.calls(), 0);
}

#[test]
fn who_hides_has_no_number() {
    let mut plan = plan();
    plan.trunks[0].trusted = true;
    let mut world = site(plan);
    let headers = [("P-Asserted-Identity", "<sip:+33144507777@carrier1.example>"), ("Privacy", "id")];
    world.carrier_brings("one", "anonymous", "+33144500211", &headers);
    world.run_until(|world| world.sip_phone_rings("desk-alice"));
    assert_eq!(world.phone_facts("alice")[0].other_number, "anonymous");
}

#[test]
fn a_call_goes_on_when_its_carrier_closes_an_idle_connection() {
    let mut world = site(plan());
    world.sip_phone("desk-alice").picks_up = true;
    world.carrier_brings("one", "+33611223344", "+33144500211", &[]);
    world.run_until(|world| world.hears("desk-alice", "one") && world.hears("one", "desk-alice"));
    world.disconnects("one");
    // longer than a phone may be away
    world.run_for(Duration::from_secs(100));
    assert!(world.hears("desk-alice", "one") && world.hears("one", "desk-alice"));
    world.sip_phone("one").mail.clear();
    world.connects(ONE, "one", 11);
    world.run_for(Duration::from_millis(100));
    let refresh = world.sip_phone("one").mail[0].clone();
    assert!(refresh.starts_with("UPDATE ") && refresh.contains("\r\nContact: "), "{refresh}");
    let dialog = world.sip_phone("desk-alice").dialogs()[0];
    world.sip_phone_hangs_up("desk-alice", dialog);
    world.run_for(Duration::from_secs(1));
    assert_eq!(causes(&world), [EndCause::Normal]);
    assert!(world.sip_phone("one").dialogs().is_empty(), "the carrier was told by the new connection");
}

#[test]
fn a_full_trunk_brings_no_more() {
    let mut plan = plan();
    plan.trunks[0].limits = Limits { at_once: Some(1), ..Limits::default() };
    let mut world = site(plan);
    world.carrier_brings("one", "+33611223344", "+33144500211", &[]);
    world.carrier_brings("one", "+33611223345", "+33144500212", &[]);
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.sip_phone("one").refusals(), [Some(503)]);
}

#[test]
fn a_carrier_may_speak_what_the_phone_does_not() {
    let mut plan = plan();
    plan.trunks[0].codecs = vec![Codec::Pcma];
    let mut world = site(plan);
    world.sip_phone_dials("desk-alice", "0144509999");
    world.run_until(|world| world.sip_phone_rings("one"));
    let sip::Event::Invite(invite) = world.sip_phone("one").events[0].clone() else { panic!("an INVITE") };
    let sdp = invite.sdp.expect("an offer");
    assert!(sdp.contains("RTP/AVP 8 ") && !sdp.contains(" 0 "), "{sdp}");
}

/// A stranger's INVITE by that transport from there; what it is told at last.
fn stranger(
    world: &mut testkit::World,
    flow: u64,
    transport: Transport,
    remote: &str,
    certificate: Option<&str>,
) -> String {
    let flow = FlowId(flow);
    let ends = FlowEnds { local: "127.0.0.1:5060".into(), remote: remote.parse().unwrap() };
    world.switch.open_stranger(flow, transport, Some(ends), certificate, world.now);
    let sdp =
        "v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";
    let text = format!(
        "INVITE sip:+33144500211@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/{} {remote};branch=z9hG4bK{flow}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:+33611223344@x>;tag=1\r\nTo: <sip:+33144500211@127.0.0.1>\r\n\
         Call-ID: stranger-{flow}\r\nCSeq: 1 INVITE\r\nContact: <sip:{remote}>\r\nContent-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{sdp}",
        transport.via_token(),
        sdp.len(),
        flow = flow.0,
    );
    world.switch.handle_message(flow, text.as_bytes(), world.now);
    let sent = std::iter::from_fn(|| world.switch.poll_transmit()).filter(|transmit| transmit.flow == flow);
    let told = sent.map(|transmit| String::from_utf8_lossy(&transmit.bytes[8..11]).into_owned()).last();
    told.unwrap_or_default()
}

#[test]
fn a_peer_that_comes_by_itself_is_a_trunk_only_by_what_was_agreed() {
    let mut plan = plan();
    plan.trunks[0].identify = Identify::Address { transport: Transport::Udp, port: Some(5060) };
    plan.trunks[1].identify = Identify::Certificate("sip.carrier2.example".into());
    let mut world = site(plan);
    world.switch.set_trunk_addresses(ONE, vec!["192.0.2.7".parse().unwrap()], world.now);
    let mut flow = 1_000;
    for (transport, remote, certificate, is_trunk) in [
        (Transport::Udp, "192.0.2.7:5060", None, true),
        (Transport::Udp, "192.0.2.7:5061", None, false),
        (Transport::Tcp, "192.0.2.7:5060", None, false),
        (Transport::Udp, "192.0.2.8:5060", None, false),
        (Transport::Tls, "198.51.100.9:40000", Some("sip.carrier2.example"), true),
        (Transport::Tls, "198.51.100.9:40001", Some("sip.other.example"), false),
        (Transport::Tls, "192.0.2.7:5060", None, false),
    ] {
        flow += 1;
        let before = world.switch.calls();
        let told = stranger(&mut world, flow, transport, remote, certificate);
        let calls = world.switch.calls() - before;
        // a trunk's second call finds the line busy; a stranger is asked who he is
        if is_trunk {
            assert!(calls == 1 || told == "486", "{transport:?} {remote}: {told}");
            assert!(world.switch.knows(FlowId(flow)));
        } else {
            assert_eq!((told.as_str(), calls), ("401", 0), "{transport:?} {remote}");
            assert!(!world.switch.knows(FlowId(flow)));
        }
        world.switch.close_flow(FlowId(flow), world.now);
        world.run_for(Duration::from_secs(1));
    }
}

#[test]
fn a_peer_that_speaks_before_its_name_is_looked_up_is_known_then_and_only_while_it_has_that_name() {
    let mut world = site(plan());
    world.switch.set_trunk_addresses(ONE, Vec::new(), world.now);
    let (flow, remote) = (FlowId(1_001), "192.0.2.7:5060");
    assert_eq!(stranger(&mut world, flow.0, Transport::Udp, remote, None), "401");
    world.switch.set_trunk_addresses(ONE, vec!["192.0.2.7".parse().unwrap()], world.now);
    assert!(world.switch.knows(flow));
    world.switch.set_trunk_addresses(ONE, vec!["192.0.2.8".parse().unwrap()], world.now);
    assert!(!world.switch.knows(flow));
    // what is known otherwise stays so
    assert!(world.switch.phones("acc-alice") > 0);
    world.sip_phone_dials("desk-alice", "1002");
    world.run_until(|world| world.sip_phone_rings("desk-bruno"));
    world.switch.close_flow(flow, world.now);
}

#[test]
fn who_has_proved_nothing_reaches_no_trunk() {
    let mut world = site(plan());
    let flow = FlowId(2_000);
    let ends = FlowEnds { local: "127.0.0.1:5060".into(), remote: "192.0.2.66:5060".parse().unwrap() };
    world.switch.open_stranger(flow, Transport::Udp, Some(ends), None, world.now);
    for (at, number) in
        ["0144509999", "+33144509999", "112", "+33144500211", "1001", "*55"].iter().enumerate()
    {
        let sdp = "v=0\r\no=- 1 1 IN IP4 192.0.2.66\r\ns=-\r\nc=IN IP4 192.0.2.66\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";
        for from in ["stranger", "desk-alice", "acc-alice", "+33144500211"] {
            let text = format!(
                "INVITE sip:{number}@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.66:5060;branch=z9hG4bK{at}{from}\r\n\
                 Max-Forwards: 70\r\nFrom: <sip:{from}@default>;tag=1\r\nTo: <sip:{number}@default>\r\n\
                 Call-ID: fraud-{at}-{from}\r\nCSeq: 1 INVITE\r\nContact: <sip:192.0.2.66>\r\n\
                 P-Asserted-Identity: <sip:1001@default>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
                sdp.len(),
            );
            world.switch.handle_message(flow, text.as_bytes(), world.now);
            world.run_for(Duration::from_millis(100));
        }
    }
    assert_eq!(world.switch.calls(), 0);
    assert!(asked(&mut world, "one").is_empty() && asked(&mut world, "two").is_empty());
    assert_eq!((world.switch.calls_on_trunk(ONE), world.switch.calls_on_trunk(TWO)), (0, 0));
    assert!(!world.facts.iter().any(|fact| matches!(fact, switch::Fact::CallBegan(_))));
    world.switch.close_flow(flow, world.now);
    assert_eq!(causes(&world), Vec::<EndCause>::new());
}

#[test]
fn an_outsider_is_none_of_us_whatever_he_writes() {
    let mut world = site(plan());
    let away = switch::ServiceChange::Unconditional(model::Forward {
        enabled: true,
        destination: "0644000001".parse().ok(),
    });
    let user = world.user("bruno");
    world.command(switch::Command::ChangeServices { user, change: away }).unwrap();
    world.carrier_brings("one", "1001", "+33144500211", &[]);
    world.run_until(|world| world.sip_phone_rings("desk-alice"));
    assert_eq!(world.phone_facts("alice")[0].other_number, "anonymous");
    world.carrier_brings("two", "1001", "+33144500212", &[]);
    world.run_until(|world| world.sip_phone_rings("one"));
    let shown =
        world.sip_phone("one").mail.iter().rfind(|text| text.starts_with("INVITE ")).cloned().unwrap();
    assert!(!shown.contains("+33144500211") && !shown.contains("1001"), "{shown}");
}

#[test]
fn whom_a_call_was_forwarded_to_is_no_business_of_the_caller_outside() {
    for (trusted, forwarded_to, told) in [
        (false, "0644000001", false),
        (true, "0644000001", false),
        (false, "1001", false),
        (true, "1001", true),
    ] {
        let mut plan = plan();
        plan.trunks[0].trusted = trusted;
        let mut world = site(plan);
        for phone in ["two", "one", "desk-alice"] {
            world.sip_phone(phone).picks_up = true;
        }
        let destination = forwarded_to.parse().ok();
        let change = switch::ServiceChange::Unconditional(model::Forward { enabled: true, destination });
        let user = world.user("bruno");
        world.command(switch::Command::ChangeServices { user, change }).unwrap();
        world.carrier_brings("one", "+33611223344", "+33144500212", &[]);
        world.run_for(Duration::from_secs(2));
        assert!(world.facts.iter().any(|fact| matches!(fact, switch::Fact::CallAnswered { .. })));
        let mail = world.sip_phone("one").mail.clone();
        let updates: Vec<_> = mail.iter().filter(|text| text.starts_with("UPDATE ")).collect();
        let asserted = "P-Asserted-Identity: <sip:+33144500211@";
        assert_eq!(updates.iter().any(|text| text.contains(asserted)), told, "{trusted} {forwarded_to}");
        assert!(told || updates.iter().all(|text| !text.contains("Asserted")), "{updates:?}");
    }
}

#[test]
fn an_exchange_replaces_its_own_calls_and_no_others() {
    let mut world = site(plan());
    world.sip_phone("desk-alice").picks_up = true;
    let first = world.carrier_brings("one", "+33611223344", "+33144500211", &[]);
    world.run_until(|world| world.hears("desk-alice", "one"));
    let info = world.sip_phone("one").agent.dialog(first).unwrap().clone();
    let tags = format!("to-tag={};from-tag={}", info.remote_tag.unwrap(), info.local_tag);
    let replaces = format!("{};{tags}", info.sip_call_id);
    let by_another = world.carrier_brings("two", "+33655443322", "+33144500211", &[("Replaces", &replaces)]);
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.sip_phone("two").refusals(), [Some(481)], "{by_another:?}");
    let unknown =
        world.carrier_brings("one", "+33655443322", "+33144500211", &[("Replaces", "x;to-tag=1;from-tag=2")]);
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.sip_phone("one").refusals(), [Some(481)], "{unknown:?}");
    assert!(world.hears("desk-alice", "one") && world.hears("one", "desk-alice"));
    let second = world.carrier_brings("one", "+33655443322", "+33144500211", &[("Replaces", &replaces)]);
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.sip_phone("one").dialogs(), [second], "the first is over");
    assert!(world.hears("desk-alice", "one") && world.hears("one", "desk-alice"));
    assert_eq!((world.switch.calls(), world.switch.calls_on_trunk(ONE)), (1, 1));
    world.sip_phone_hangs_up("one", second);
    world.run_for(Duration::from_secs(1));
    assert_eq!((world.switch.calls(), world.switch.calls_on_trunk(ONE)), (0, 0));
    assert!(world.sip_phone_rests("desk-alice"));
}
