//! What strangers and ill-meaning peers send. Each story ends with the call going on.

mod support;

use media::sdp::Unsupported;
use media::{Fact, Order, Style, Transmit};
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use support::{ANY, SERVER, World, address, leg};
use timing::Duration;

const STRANGER: u16 = 666;
const MID_EXTENSION: &str = "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n";
/// A fatal handshake_failure alert in the clear (RFC 5246 §7.2, RFC 6347 §4.1).
const FATAL_ALERT: [u8; 15] = [21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 2, 40];

fn echo() -> World {
    let mut world = World::new();
    world.add(1, 111);
    world.call(1, ANY);
    world.order(Order::Echo { leg: leg(1) });
    world
}

fn goes_on(world: &mut World) {
    world.client(1).voice = Some((111, b"still here".to_vec()));
    world.forget_heard();
    world.run_for(Duration::from_secs(1));
    let heard = world.payloads(1);
    assert!(heard.len() >= 45 && heard.iter().all(|payload| payload == b"still here"), "{}", heard.len());
    assert!(!world.facts.iter().any(|fact| matches!(fact, Fact::Crashed { .. } | Fact::Lost { .. })));
}

fn sent_to(world: &World, number: u16) -> Vec<&Transmit> {
    world.sent.iter().filter(|transmit| transmit.destination == address(number)).collect()
}

#[test]
fn an_offer_with_one_payload_type_for_two_codecs_is_refused_without_a_panic() {
    let mut world = World::new();
    world.add(1, 111);
    let offer = world.offer(1);
    let second = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na=sendrecv\r\na=rtcp-mux\r\n\
        a=rtpmap:111 PCMU/8000\r\n";
    let offer = format!("{}{second}", offer.replace("a=group:BUNDLE ", "a=group:BUNDLE 1 "));
    world.order(Order::AcceptOffer { leg: leg(1), offer, codecs: ANY, style: Style::WebRtc });
    let why = Unsupported::PayloadTypeConflict { payload_type: 111 };
    assert_eq!(world.facts, [Fact::Refused { leg: leg(1), why }]);
    assert_eq!(world.plane.leg_count(), 0);
}

#[test]
fn mutilated_offers_are_answered_or_refused_and_never_crash() {
    let mut world = World::new();
    world.add(1, 111);
    let offer = world.offer(1);
    let lines: Vec<&str> = offer.split_inclusive("\r\n").collect();
    let mut random = ChaCha8Rng::seed_from_u64(475);
    for round in 0..2000_u64 {
        let mut mutant: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        for _ in 0..=random.next_u32() % 3 {
            let at = random.next_u32() as usize % mutant.len();
            match random.next_u32() % 5 {
                0 => drop(mutant.remove(at)),
                1 => mutant.insert(at, lines[random.next_u32() as usize % lines.len()].to_owned()),
                2 => mutant[at] = mutant[at].replace(['0', '1'], "9"),
                3 => {
                    let cut = random.next_u32() as usize % mutant[at].len();
                    mutant[at] = format!("{}\r\n", &mutant[at][..cut]);
                }
                _ => {
                    let other = random.next_u32() as usize % mutant.len();
                    mutant.swap(at, other);
                }
            }
            if mutant.is_empty() {
                break;
            }
        }
        let id = leg(100 + round);
        world.order(Order::AcceptOffer {
            leg: id,
            offer: mutant.concat(),
            codecs: ANY,
            style: Style::WebRtc,
        });
        match world.facts.pop() {
            Some(Fact::AnswerMade { .. }) => world.order(Order::Close { leg: id }),
            Some(Fact::Refused { why, .. }) => {
                assert!(!format!("{why}").contains("panicked"), "{why} on\n{}", mutant.concat());
            }
            other => panic!("{other:?} on\n{}", mutant.concat()),
        }
        world.facts.clear();
    }
    assert_eq!(world.plane.leg_count(), 0);
}

#[test]
fn a_stranger_gets_no_answer_before_during_or_after_the_set_up() {
    let mut world = echo();
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut spray = |world: &mut World| {
        for _ in 0..50 {
            let mut bytes = vec![0; 20 + random.next_u32() as usize % 200];
            random.fill_bytes(&mut bytes);
            bytes[0] = [0, 1, 20, 21, 22, 23, 128, 144, 255][random.next_u32() as usize % 9];
            world.inject(address(STRANGER), &bytes);
            world.inject(address(STRANGER), &FATAL_ALERT);
        }
    };
    spray(&mut world);
    for _ in 0..20 {
        world.run_for(Duration::from_millis(5));
        spray(&mut world);
    }
    world.run_until_connected(&[1]);
    spray(&mut world);
    goes_on(&mut world);
    assert!(sent_to(&world, STRANGER).is_empty());
}

#[test]
fn a_check_with_our_fragment_but_another_password_gets_no_answer_and_no_media() {
    let mut world = World::new();
    world.add(1, 111);
    let answer = world.call(1, ANY);
    world.order(Order::Echo { leg: leg(1) });
    world.run_until_connected(&[1]);
    // a second client that knows all of the answer but the password
    world.add(STRANGER, 111);
    world.offer(STRANGER);
    let password = answer.lines().find(|line| line.starts_with("a=ice-pwd:")).expect("a password");
    let guessed = answer.replace(password, "a=ice-pwd:0123456789012345678901234567");
    let mid = answer.lines().find_map(|line| line.strip_prefix("a=mid:")).expect("a mid").to_owned();
    let own_mid = world.client(STRANGER).mid();
    world.take_answer(STRANGER, &guessed.replace(&mid, &own_mid));
    world.run_for(Duration::from_secs(3));
    assert!(sent_to(&world, STRANGER).is_empty());
    goes_on(&mut world);
    assert!(sent_to(&world, STRANGER).is_empty());
}

#[test]
fn junk_from_the_peers_own_address_does_not_end_the_call() {
    for early in [true, false] {
        let mut world = echo();
        if early {
            world.run_for(Duration::from_millis(15));
        } else {
            world.run_until_connected(&[1]);
        }
        let mut random = ChaCha8Rng::seed_from_u64(2);
        world.inject(address(1), &FATAL_ALERT);
        for kind in [20, 21, 22, 23, 25, 63, 128, 143, 191] {
            for length in [1, 4, 12, 13, 19, 20, 28, 60, 300, 1400] {
                let mut bytes = vec![0; length];
                random.fill_bytes(&mut bytes);
                bytes[0] = kind;
                world.inject(address(1), &bytes);
                if length > 1 {
                    bytes[1] = 200;
                    world.inject(address(1), &bytes);
                }
            }
        }
        world.inject(address(1), &[]);
        world.run_until_connected(&[1]);
        goes_on(&mut world);
    }
}

#[test]
fn recorded_packets_replayed_by_anyone_are_heard_once() {
    let mut world = echo();
    world.run_until_connected(&[1]);
    world.client(1).voice = Some((111, b"once".to_vec()));
    world.run_for(Duration::from_millis(500));
    // what the plane sent is not what it accepts, and what it has accepted it does not take again
    let replayed: Vec<Transmit> = world.sent.iter().rev().take(20).cloned().collect();
    world.client(1).voice = None;
    world.run_for(Duration::from_millis(100));
    world.forget_heard();
    for transmit in &replayed {
        world.inject(transmit.destination, &transmit.bytes);
        world.inject(address(STRANGER), &transmit.bytes);
    }
    world.run_for(Duration::from_millis(200));
    assert!(world.client(1).heard.is_empty());
    goes_on(&mut world);
}

#[test]
fn a_datagram_to_an_address_that_is_not_ours_does_no_harm() {
    let mut world = echo();
    world.run_until_connected(&[1]);
    let elsewhere = "192.0.2.1:9".parse().expect("an address");
    for bytes in [&FATAL_ALERT[..], &[128, 111, 0, 1], &[0; 20]] {
        world.plane.handle_datagram(address(1), elsewhere, bytes, world.now);
    }
    goes_on(&mut world);
    assert!(world.sent.iter().all(|transmit| transmit.source == SERVER.parse().expect("an address")));
}

/// RTP from a source of its own, with the stream's mid in it and nothing that SRTP would take.
fn forgery(ssrc: u32, mid: &str) -> Vec<u8> {
    let mut packet = vec![0x90, 111, 0x12, 0x34, 0, 0, 0, 1];
    packet.extend(ssrc.to_be_bytes());
    let mut extension = vec![0x40 | (mid.len() as u8 - 1)];
    extension.extend(mid.as_bytes());
    extension.resize(extension.len().next_multiple_of(4), 0);
    packet.extend([0xbe, 0xde, 0, (extension.len() / 4) as u8]);
    packet.extend(extension);
    packet.extend([0x5a; 60]);
    packet
}

/// An echo for a peer that offers to name its stream in its packets and, as browsers do after the first of
/// them, does not.
fn echo_without_mids() -> World {
    let mut world = World::new();
    world.add_with(1, |config| {
        *config = std::mem::take(config).clear_extension_map();
        config.codec_config().enable_opus(true, false);
    });
    let offer = world.offer(1).replace("a=rtcp-mux\r\n", &format!("a=rtcp-mux\r\n{MID_EXTENSION}"));
    world.order(Order::AcceptOffer { leg: leg(1), offer, codecs: ANY, style: Style::WebRtc });
    let answer = world.answer_made(1).replace(MID_EXTENSION, "");
    world.take_answer(1, &answer);
    world.order(Order::Echo { leg: leg(1) });
    world.run_until_connected(&[1]);
    world
}

#[test]
fn a_forged_packet_that_names_the_stream_does_not_silence_its_owner() {
    let mut world = echo_without_mids();
    goes_on(&mut world);
    let mid = world.client(1).mid();
    world.inject(address(1), &forgery(4711, &mid));
    goes_on(&mut world);
}

#[test]
fn a_thousand_forged_sources_silence_neither_who_speaks_nor_who_speaks_next() {
    for spoke_before in [true, false] {
        let mut world = echo_without_mids();
        if spoke_before {
            goes_on(&mut world);
        }
        let mid = world.client(1).mid();
        for ssrc in 1..1000 {
            world.inject(address(1), &forgery(ssrc, &mid));
        }
        goes_on(&mut world);
    }
}

#[test]
fn a_peer_that_names_no_source_and_has_an_odd_mid_is_heard() {
    let mut world = World::new();
    world.add(1, 111);
    let offer = world.offer(1);
    let own = world.client(1).mid();
    let odd = "a-mid-that-no-engine-can-spell";
    let rename = |sdp: &str, from: &str, to: &str| {
        let sdp = sdp.replace(&format!("a=mid:{from}"), &format!("a=mid:{to}"));
        sdp.replace(&format!("BUNDLE {from}"), &format!("BUNDLE {to}"))
    };
    let offer: String = offer.split_inclusive("\r\n").filter(|line| !line.starts_with("a=ssrc")).collect();
    let offer = rename(&offer, &own, odd);
    world.order(Order::AcceptOffer { leg: leg(1), offer, codecs: ANY, style: Style::WebRtc });
    let answer = rename(&world.answer_made(1), odd, &own);
    world.take_answer(1, &answer);
    world.order(Order::Echo { leg: leg(1) });
    world.run_until_connected(&[1]);
    goes_on(&mut world);
}

#[test]
fn checks_from_ever_more_ports_are_answered_within_bounds() {
    let mut world = echo();
    world.run_until_connected(&[1]);
    let check = world.checks[&address(1)].clone();
    let spray = |world: &mut World| {
        for port in 1000..2000 {
            world.inject(([127, 0, 0, 2], port).into(), &check);
        }
        let answers = std::iter::from_fn(|| world.plane.poll_transmit());
        answers.filter(|answer| answer.destination.port() < 2000).count()
    };
    assert_eq!(spray(&mut world), 31, "beside the peer's own");
    goes_on(&mut world);
}
