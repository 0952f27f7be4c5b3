//! The registrar's nonces: on one node and on several, replayed, weakened, and with a secret that changes.

mod world;

use sip::digest::{Algorithm, Authorization, Challenger, DigestFailure, Ha1, SKEW};
use sip::{Credentials, Event, OutboundRegister, Transport};
use timing::{Duration, Instant};
use world::{End, FLOW, World};

const REALM: &str = "example.org";
const SECRET: [u8; 32] = [7; 32];
const NOW: Instant = Instant::from_micros(1_000_000_000);

/// What a phone makes of this challenge, by our own client.
fn answer(challenges: &[String], count: usize) -> Authorization {
    let mut world = World::new(Transport::Wss);
    world.phone.register(
        OutboundRegister {
            flow: FLOW,
            user: "anna".into(),
            domain: REALM.into(),
            expires: 60,
            credentials: Some(Credentials { user: "anna".into(), password: "secret".into(), realm: None }),
            ..OutboundRegister::default()
        },
        world.now,
    );
    for round in 0..=count {
        world.settle();
        let told = world.events(End::Desk).pop();
        let Some(Event::Register(register)) = told else { panic!("no REGISTER: {told:?}") };
        if round == count {
            return register.authorization.expect("it was challenged");
        }
        if round == 0 {
            let headers =
                challenges.iter().map(|value| ("WWW-Authenticate".to_owned(), value.clone())).collect();
            world.desk.respond(register.request, 401, headers, b"", world.now);
        } else {
            let contact = format!("<{}>;expires=10", register.contacts[0].uri);
            world.desk.respond(register.request, 200, vec![("Contact".to_owned(), contact)], b"", world.now);
            world.run(Duration::from_secs(6));
        }
    }
    unreachable!("the last round returns")
}

fn ha1() -> Ha1 {
    Ha1::new("anna", REALM, "secret")
}

fn check(
    node: &mut Challenger,
    client: &str,
    proof: &Authorization,
    now: Instant,
) -> Result<(), DigestFailure> {
    node.verify_from(client, proof, "REGISTER", "sip:example.org", &ha1(), now)
}

/// Two nodes whose processes began at different times.
fn two_nodes() -> (Challenger, Challenger) {
    let begun = 1_790_000_000_000;
    (Challenger::new(SECRET).in_cluster(1, begun), Challenger::new(SECRET).in_cluster(2, begun + 500_000))
}

#[test]
fn a_nonce_of_one_node_is_good_on_the_other_for_the_same_client() {
    let (mut one, mut two) = two_nodes();
    let proof = answer(&one.challenge_for("192.0.2.1", REALM, false, NOW), 1);
    let there = Instant::from_micros(501_000_000);
    assert_eq!(check(&mut two, "192.0.2.1", &proof, there), Ok(()));
    assert_eq!(check(&mut two, "192.0.2.1", &proof, there), Err(DigestFailure::Replayed));
    let much_later = there + Duration::from_secs(301);
    assert_eq!(check(&mut two, "192.0.2.1", &proof, much_later), Err(DigestFailure::Stale));
    let mut stranger = Challenger::new([8; 32]).in_cluster(3, 1_790_000_000_000);
    assert_eq!(check(&mut stranger, "192.0.2.1", &proof, NOW), Err(DigestFailure::Malformed));
}

#[test]
fn what_was_captured_is_good_on_no_node() {
    let (mut one, mut two) = two_nodes();
    let proof = answer(&one.challenge_for("192.0.2.1", REALM, false, NOW), 1);
    let there = Instant::from_micros(500_000_000);
    assert_eq!(check(&mut one, "192.0.2.1", &proof, NOW), Ok(()));
    assert_eq!(check(&mut one, "192.0.2.1", &proof, NOW), Err(DigestFailure::Replayed));
    for (node, now) in [(&mut one, NOW), (&mut two, there)] {
        assert_eq!(
            check(node, "198.51.100.66", &proof, now),
            Err(DigestFailure::Malformed),
            "a thief elsewhere"
        );
    }
}

#[test]
fn a_clock_that_runs_ahead_a_little_makes_nonces_that_are_good() {
    let mut ahead = Challenger::new(SECRET).in_cluster(1, 1_790_000_000_000 + 9_000);
    let mut behind = Challenger::new(SECRET).in_cluster(2, 1_790_000_000_000);
    let proof = answer(&ahead.challenge(REALM, false, NOW), 1);
    assert_eq!(check(&mut behind, "", &proof, NOW), Ok(()));
    let far = NOW + SKEW;
    let proof = answer(&ahead.challenge(REALM, false, far), 1);
    assert_eq!(check(&mut behind, "", &proof, NOW), Err(DigestFailure::Stale), "from the future");
}

#[test]
fn two_nodes_never_make_the_same_nonce() {
    let mut one = Challenger::new(SECRET).in_cluster(1, 5);
    let mut two = Challenger::new(SECRET).in_cluster(2, 5);
    assert_ne!(one.challenge(REALM, false, NOW), two.challenge(REALM, false, NOW));
    assert_ne!(one.challenge(REALM, false, NOW), one.challenge(REALM, false, NOW));
}

#[test]
fn a_secret_that_changes_is_noticed_by_none_of_a_thousand_phones() {
    let mut node = Challenger::new(SECRET);
    let nonces: Vec<_> = (0..1_000).map(|_| node.challenge(REALM, false, NOW)).collect();
    node.rotate([8; 32], NOW + Duration::from_secs(10));
    let proof = answer(&nonces[0], 1);
    let next = answer(&nonces[0], 2);
    let stolen = answer(&nonces[1], 1);
    let later = NOW + Duration::from_secs(299);
    for nonce in &nonces[2..10] {
        assert_eq!(check(&mut node, "", &answer(nonce, 1), later), Ok(()));
    }
    assert_eq!(check(&mut node, "", &proof, later), Ok(()));
    assert_eq!(check(&mut node, "", &proof, later), Err(DigestFailure::Replayed));
    node.rotate([9; 32], later);
    assert_eq!(check(&mut node, "", &next, later), Ok(()), "the count goes on over two rotations");
    let fresh = answer(&node.challenge(REALM, false, later), 1);
    assert_eq!(check(&mut node, "", &fresh, later), Ok(()));
    let too_late = NOW + Duration::from_secs(301);
    assert_eq!(check(&mut node, "", &stolen, too_late), Err(DigestFailure::Stale));
    let long_after = NOW + Duration::from_secs(10 + 300 + 11);
    assert_eq!(check(&mut node, "", &stolen, long_after), Err(DigestFailure::Malformed), "nobody knows it");
}

#[test]
fn weaker_credentials_than_were_asked_for_are_refused() {
    let mut node = Challenger::new(SECRET);
    let mut both = node.challenge(REALM, false, NOW);
    let md5 = answer(&[both.remove(1)], 1);
    assert_eq!(md5.algorithm, Some(Algorithm::Md5));
    let only_better = Ha1 { md5: String::new(), ..ha1() };
    let verdict = node.verify(&md5, "REGISTER", "sip:example.org", &only_better, NOW);
    assert_eq!(verdict, Err(DigestFailure::Wrong), "this account may not");
    assert_eq!(check(&mut node, "", &md5, NOW), Ok(()), "this one may");

    let mut strict = Challenger::new(SECRET).offering(&[Algorithm::Sha256]);
    let md5 = answer(&[node.challenge(REALM, false, NOW).remove(1)], 1);
    assert_eq!(check(&mut strict, "", &md5, NOW), Err(DigestFailure::Malformed), "never offered");

    // as a client of RFC 2069 would, though we have asked for qop
    let old = answer(&[both.remove(0).replace(", qop=\"auth\"", "")], 1);
    assert_eq!((old.qop.as_deref(), old.nonce_count), (None, None));
    assert_eq!(check(&mut node, "", &old, NOW), Err(DigestFailure::Malformed));
}

#[test]
fn an_empty_hash_is_no_password() {
    let mut node = Challenger::new(SECRET);
    let challenge = node.challenge(REALM, false, NOW);
    let proof = answer(&challenge, 1);
    let none = Ha1 { md5: String::new(), sha256: String::new() };
    let verdict = node.verify(&proof, "REGISTER", "sip:example.org", &none, NOW);
    assert_eq!(verdict, Err(DigestFailure::Wrong));
}
