//! Later offers of ours: hold and resume by the server, and the answer to a re-INVITE without an offer.

mod support;

use media::sdp::Unsupported;
use media::{Codec, CodecPreference, Direction, Fact, Order, Sdes};
use str0m::media::Direction as EngineDirection;
use support::phone::{Packet, Phone, at, plain, sdp};
use support::{ANY, Heard, World, anna_and_bruno_talk, leg, only};
use timing::Duration;

const SECOND: Duration = Duration::from_secs(1);
const ANNA: &str = "203.0.113.1:4000";
const BRUNO: &str = "203.0.113.2:5000";

fn browsers_talk() -> World {
    let mut world = anna_and_bruno_talk();
    world.facts.clear();
    world
}

fn make_offer(world: &mut World, number: u64, direction: Direction, codecs: CodecPreference) -> String {
    world.order(Order::MakeReoffer { leg: leg(number), direction, codecs });
    match world.facts.pop() {
        Some(Fact::OfferMade { leg: of, sdp }) if of == leg(number) => sdp,
        other => panic!("no offer but {other:?}"),
    }
}

fn told(world: &mut World, number: u64, answer: String) -> (Codec, Direction) {
    world.order(Order::AcceptAnswer { leg: leg(number), answer });
    match world.facts.pop() {
        Some(Fact::AnswerAccepted { leg: of, codec, direction }) if of == leg(number) => (codec, direction),
        other => panic!("not accepted but {other:?}"),
    }
}

/// We offer, the browser answers; its direction.
fn reoffer(world: &mut World, number: u16, direction: Direction) -> Direction {
    let offer = make_offer(world, number.into(), direction, ANY);
    assert!(offer.contains(&format!("a={direction}\r\n")), "{offer}");
    let answer = world.answer(number, &offer);
    told(world, number.into(), answer).1
}

/// How many packets each browser hears within a second.
fn hear(world: &mut World) -> (usize, usize) {
    world.forget_heard();
    world.run_for(SECOND);
    (world.client(1).heard.len(), world.client(2).heard.len())
}

fn refused(world: &mut World) -> Unsupported {
    match world.facts.pop() {
        Some(Fact::Refused { why, .. }) => why,
        other => panic!("no refusal but {other:?}"),
    }
}

fn is_unbroken(heard: &[Heard]) -> bool {
    heard.windows(2).all(|pair| pair[1].ssrc == pair[0].ssrc && pair[1].sequence == pair[0].sequence + 1)
}

#[test]
fn a_browser_on_our_hold_hears_and_is_not_heard_until_we_resume() {
    // who called, and who was called
    for number in [1, 2] {
        let mut world = browsers_talk();
        assert_eq!(reoffer(&mut world, number, Direction::SendOnly), Direction::RecvOnly);
        let (anna, bruno) = hear(&mut world);
        let (held, other) = if number == 1 { (anna, bruno) } else { (bruno, anna) };
        assert!(held >= 45 && other == 0, "{held} {other}");
        assert_eq!(reoffer(&mut world, number, Direction::Inactive), Direction::Inactive);
        assert_eq!(hear(&mut world), (0, 0));
        assert_eq!(reoffer(&mut world, number, Direction::SendRecv), Direction::SendRecv);
        let (anna, bruno) = hear(&mut world);
        assert!(anna >= 45 && bruno >= 45, "{anna} {bruno}");
    }
}

#[test]
fn the_answer_to_an_empty_reinvite_changes_nothing_for_the_ear() {
    let mut world = browsers_talk();
    let offer = make_offer(&mut world, 1, Direction::SendRecv, ANY);
    for line in ["m=audio 7000 UDP/TLS/RTP/SAVPF 96 101", "a=setup:actpass", "a=end-of-candidates"] {
        assert!(offer.split("\r\n").any(|known| known == line), "{line} missing in\n{offer}");
    }
    world.run_for(SECOND);
    let answer = world.answer(1, &offer);
    assert_eq!(told(&mut world, 1, answer), (Codec::Opus, Direction::SendRecv));
    world.run_for(SECOND);
    for number in [1, 2] {
        let heard = world.client(number).heard.clone();
        assert!(heard.len() >= 140 && is_unbroken(&heard), "{}", heard.len());
    }
}

#[test]
fn a_retracted_offer_leaves_all_as_it_was() {
    let mut world = browsers_talk();
    for direction in [Direction::Inactive, Direction::SendOnly, Direction::SendRecv] {
        make_offer(&mut world, 1, direction, ANY);
        world.order(Order::Retract { leg: leg(1) });
        let (anna, bruno) = hear(&mut world);
        assert!(anna >= 45 && bruno >= 45, "{anna} {bruno}");
    }
    world.order(Order::AcceptAnswer { leg: leg(1), answer: "v=0\r\n".into() });
    assert!(matches!(refused(&mut world), Unsupported::OutOfOrder { .. }));
    assert_eq!(reoffer(&mut world, 1, Direction::SendOnly), Direction::RecvOnly, "and the next one is taken");
}

#[test]
fn of_two_offers_at_once_ours_stands_until_it_is_retracted() {
    let mut world = browsers_talk();
    let ours = make_offer(&mut world, 1, Direction::SendOnly, ANY);
    world.order(Order::MakeReoffer { leg: leg(1), direction: Direction::Inactive, codecs: ANY });
    assert!(matches!(refused(&mut world), Unsupported::OutOfOrder { .. }));
    let theirs = world.reoffer(1, EngineDirection::Inactive);
    world.order(Order::AcceptReoffer { leg: leg(1), offer: theirs.clone() });
    assert!(matches!(refused(&mut world), Unsupported::OutOfOrder { .. }));
    world.order(Order::Retract { leg: leg(1) });
    world.order(Order::AcceptReoffer { leg: leg(1), offer: theirs });
    let answer = world.answer_made(1);
    assert!(answer.contains("a=inactive"), "{answer}");
    world.take_answer(1, &answer);
    world.renegotiate(1, EngineDirection::SendRecv);
    let (anna, bruno) = hear(&mut world);
    assert!(anna >= 45 && bruno >= 45, "{anna} {bruno}: {ours}");
}

#[test]
fn our_hold_outlasts_an_offer_of_the_peer() {
    let mut world = browsers_talk();
    reoffer(&mut world, 1, Direction::SendOnly);
    let offer = world.restart_ice(1).replace("a=recvonly", "a=sendrecv");
    world.order(Order::AcceptReoffer { leg: leg(1), offer });
    let answer = world.answer_made(1);
    assert!(answer.contains("a=sendonly\r\n"), "{answer}");
    world.take_answer(1, &answer);
    world.run_for(SECOND);
    let (anna, bruno) = hear(&mut world);
    assert!(anna >= 45 && bruno == 0, "{anna} {bruno}");
}

#[test]
fn an_answer_that_does_not_fit_leaves_offer_and_sound() {
    let mut world = browsers_talk();
    let offer = make_offer(&mut world, 1, Direction::SendOnly, ANY);
    let good = world.answer(1, &offer);
    for bad in [
        good.replace("a=fingerprint:sha-256", "a=fingerprint:md5"),
        good.replace("opus/48000/2", "speex/8000"),
        format!("{good}m=video 0 UDP/TLS/RTP/SAVPF 120\r\n"),
        "v=0\r\n".into(),
    ] {
        world.order(Order::AcceptAnswer { leg: leg(1), answer: bad });
        refused(&mut world);
        let (anna, bruno) = hear(&mut world);
        assert!(anna >= 45 && bruno >= 45, "{anna} {bruno}");
    }
    // an answer goes no further than the offer
    let sloppy = good.replace("a=recvonly", "a=sendrecv");
    assert_eq!(told(&mut world, 1, sloppy), (Codec::Opus, Direction::RecvOnly));
    let (anna, bruno) = hear(&mut world);
    assert!(anna >= 45 && bruno == 0, "{anna} {bruno}");
}

#[test]
fn another_device_may_answer_our_later_offer_and_takes_the_call_over() {
    for direction in [Direction::SendRecv, Direction::SendOnly] {
        let mut world = browsers_talk();
        let offer = make_offer(&mut world, 1, direction, ANY);
        world.add(1, 96);
        let answer = world.answer(1, &offer);
        world.order(Order::AcceptAnswer { leg: leg(1), answer });
        let theirs = if direction == Direction::SendRecv { direction } else { Direction::RecvOnly };
        let accepted = Fact::AnswerAccepted { leg: leg(1), codec: Codec::Opus, direction: theirs };
        assert_eq!(world.facts, [accepted, Fact::Lost { leg: leg(1) }]);
        world.facts.clear();
        world.run_until_connected(&[1]);
        world.client(1).voice = Some((96, b"another".to_vec()));
        let (another, bruno) = hear(&mut world);
        assert!(another >= 45, "{another}");
        assert_eq!(bruno >= 45, direction == Direction::SendRecv, "{bruno}");
        assert!(world.payloads(2).iter().all(|payload| payload == b"another"));
        assert_eq!(reoffer(&mut world, 1, Direction::SendRecv), Direction::SendRecv);
        let (another, bruno) = hear(&mut world);
        assert!(another >= 45 && bruno >= 45, "{another} {bruno}");
    }
}

#[test]
fn a_leg_without_a_negotiation_or_without_a_peer_makes_no_offer() {
    let mut world = browsers_talk();
    world.add(3, 111);
    world.order(Order::MakeOffer { leg: leg(3), codecs: ANY, style: media::Style::WebRtc });
    world.facts.clear();
    world.client(2).close();
    world.run_for(SECOND);
    world.facts.clear();
    for number in [2, 3, 7] {
        let order = Order::MakeReoffer { leg: leg(number), direction: Direction::SendRecv, codecs: ANY };
        world.order(order);
        assert!(matches!(refused(&mut world), Unsupported::OutOfOrder { .. }), "{number}");
        world.order(Order::Retract { leg: leg(number) });
    }
    assert_eq!(world.facts, []);
}

fn phones_talk() -> (World, Phone, Phone) {
    let mut world = World::with_ports(20_000..=20_019);
    let anna = world.phone_calls(1, ANNA);
    let bruno = world.phone_calls(2, BRUNO);
    world.order(Order::Bridge { a: leg(1), b: leg(2) });
    world.facts.clear();
    (world, anna, bruno)
}

/// What each phone hears of the other in a second of talk.
fn talk(world: &mut World, anna: &mut Phone, bruno: &mut Phone) -> (Vec<Packet>, Vec<Packet>) {
    let before = (world.heard_at(anna.address).len(), world.heard_at(bruno.address).len());
    for _ in 0..25 {
        world.says(anna, &[1; 160]);
        world.says(bruno, &[2; 160]);
    }
    (world.heard_at(anna.address).split_off(before.0), world.heard_at(bruno.address).split_off(before.1))
}

#[test]
fn a_phone_on_our_hold_hears_and_is_not_heard_until_we_resume() {
    let (mut world, mut anna, mut bruno) = phones_talk();
    for (ours, theirs, heard) in [
        (Direction::SendOnly, "a=recvonly\r\n", (25, 0)),
        (Direction::Inactive, "a=inactive\r\n", (0, 0)),
        (Direction::SendRecv, "", (25, 25)),
    ] {
        let offer = make_offer(&mut world, 1, ours, ANY);
        assert!(offer.contains(&format!("a={ours}\r\n")) && offer.contains("RTP/AVP 0 "), "{offer}");
        let (_, direction) = told(&mut world, 1, sdp(at(ANNA), theirs));
        assert_eq!(direction.to_string(), if theirs.is_empty() { "sendrecv" } else { &theirs[2..10] });
        let (to_anna, to_bruno) = talk(&mut world, &mut anna, &mut bruno);
        assert_eq!((to_anna.len(), to_bruno.len()), heard, "{ours}");
    }
    let (to_anna, to_bruno) = (world.heard_at(anna.address), world.heard_at(bruno.address));
    for heard in [to_anna, to_bruno] {
        let follows = |pair: &[Packet]| pair[1].sequence == pair[0].sequence.wrapping_add(1);
        assert!(heard.windows(2).all(|pair| follows(pair) && pair[1].ssrc == pair[0].ssrc));
    }
}

#[test]
fn a_phone_keeps_its_payload_types_and_its_m_lines_in_our_later_offer() {
    let mut world = World::with_ports(20_000..=20_019);
    let more = "m=video 6000 RTP/AVP 31\r\n";
    let offer = sdp(at(ANNA), more).replace("RTP/AVP 0 101", "RTP/AVP 97 0 101");
    let offer = offer.replace("a=rtpmap:101", "a=rtpmap:97 opus/48000/2\r\na=rtpmap:101");
    let (_, answer) = world.phone_offers(1, ANNA, plain(Sdes::Never, "203.0.113.1"), &offer);
    assert!(answer.contains("RTP/AVP 97 101\r\n") && answer.contains("m=video 0 "), "{answer}");
    world.facts.clear();
    let offer = make_offer(&mut world, 1, Direction::SendRecv, ANY);
    let lines: Vec<&str> = offer.lines().filter(|line| line.starts_with("m=")).collect();
    assert_eq!(lines, ["m=audio 20000 RTP/AVP 97 9 0 8 101 110", "m=video 0 RTP/AVP 31"]);
    // it changes its codec now
    let answer = format!("{}m=video 0 RTP/AVP 31\r\n", sdp(at(ANNA), ""));
    assert_eq!(told(&mut world, 1, answer), (Codec::Pcmu, Direction::SendRecv));
}

#[test]
fn a_phones_offer_meanwhile_is_refused_and_taken_after_ours_is_retracted() {
    let (mut world, mut anna, mut bruno) = phones_talk();
    make_offer(&mut world, 1, Direction::Inactive, only(Codec::Pcma));
    let theirs = sdp(at(ANNA), "a=sendonly\r\n");
    world.order(Order::AcceptReoffer { leg: leg(1), offer: theirs.clone() });
    assert!(matches!(refused(&mut world), Unsupported::OutOfOrder { .. }));
    let (to_anna, to_bruno) = talk(&mut world, &mut anna, &mut bruno);
    assert_eq!((to_anna.len(), to_bruno.len()), (25, 25), "the old media goes on");
    world.order(Order::Retract { leg: leg(1) });
    let (answer, direction) = world.phone_reoffers(1, &theirs);
    assert!(answer.contains("a=recvonly") && direction == Direction::SendOnly, "{answer}");
    // and our hold outlasts its resume
    let offer = make_offer(&mut world, 1, Direction::SendOnly, ANY);
    assert!(offer.contains("a=sendonly"), "{offer}");
    told(&mut world, 1, sdp(at(ANNA), "a=recvonly\r\n"));
    let (answer, _) = world.phone_reoffers(1, &sdp(at(ANNA), ""));
    assert!(answer.contains("a=sendonly"), "{answer}");
    let (to_anna, to_bruno) = talk(&mut world, &mut anna, &mut bruno);
    assert_eq!((to_anna.len(), to_bruno.len()), (25, 0));
}

#[test]
fn a_protected_phone_stays_so_through_our_later_offer() {
    let mut world = World::with_ports(20_000..=20_019);
    let key = "a=crypto:3 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n";
    let keyed = sdp(at(ANNA), key).replace("RTP/AVP", "RTP/SAVP");
    let (_, answer) = world.phone_offers(1, ANNA, plain(Sdes::Required, "203.0.113.1"), &keyed);
    let ours = |sdp: &str| sdp.split("inline:").nth(1).expect("a key").lines().next().map(str::to_owned);
    world.facts.clear();
    let offer = make_offer(&mut world, 1, Direction::SendOnly, ANY);
    assert_eq!(ours(&offer), ours(&answer), "our key stays");
    assert!(offer.contains("RTP/SAVP 0 ") && offer.matches("a=crypto:1 ").count() == 1, "{offer}");
    world.order(Order::AcceptAnswer { leg: leg(1), answer: sdp(at(ANNA), "") });
    refused(&mut world);
    let answer = keyed.replace("crypto:3", "crypto:1");
    assert_eq!(told(&mut world, 1, answer), (Codec::Pcmu, Direction::RecvOnly));
}

#[test]
fn sound_follows_the_signalling_to_another_address_and_nobody_else_does() {
    let (mut world, mut anna, mut bruno) = phones_talk();
    talk(&mut world, &mut anna, &mut bruno);
    // the phone is behind another NAT now, and says its private address
    let moved = "198.18.0.5:61000";
    world.order(Order::Signalled { leg: leg(1), from: at(moved).ip() });
    let server = anna.server;
    let phone = |address, ssrc| Phone { address: at(address), ssrc, sequence: 1, timestamp: 0, server };
    let mut stranger = phone("198.18.0.9:61000", 666);
    let offer = make_offer(&mut world, 1, Direction::SendRecv, ANY);
    assert!(!offer.is_empty());
    told(&mut world, 1, sdp(at("192.168.1.5:4000"), ""));
    for _ in 0..5 {
        world.says(&mut stranger, &[6; 160]);
    }
    anna.address = at(moved);
    let (to_anna, to_bruno) = talk(&mut world, &mut anna, &mut bruno);
    assert_eq!((to_anna.len(), to_bruno.len()), (25, 25));
    assert!(to_bruno.iter().all(|packet| packet.payload == [1; 160]));
    for address in [stranger.address, at("192.168.1.5:4000")] {
        assert!(world.heard_at(address).is_empty(), "{address}");
    }
    // latched: another port of that host comes too late
    let mut late = phone("198.18.0.5:61002", 7);
    world.says(&mut late, &[7; 160]);
    assert!(world.heard_at(bruno.address).iter().all(|packet| packet.payload != [7; 160]));
}
