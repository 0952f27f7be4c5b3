//! What strangers and ill-meaning peers send. Each story ends with the call going on.

mod support;

use media::sdp::Unsupported;
use media::{Fact, Order, Style, Transmit};
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use support::{ANY, SERVER, World, address, leg};
use timing::Duration;

const STRANGER: u16 = 666;
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
