//! Phones register with a digest, stay registered, and leave.

mod world;

use sip::digest::{Challenger, DigestFailure, Ha1};
use sip::{
    Credentials, EndedBy, Event, FlowId, OutboundInvite, OutboundRegister, Owner, RegisterRequest, Transport,
};
use timing::{Duration, Instant};
use world::by_hand::{ByHand, header};
use world::{ANSWER, End, FLOW, Fate, World, invitation};

const REALM: &str = "example.org";

/// A registrar with one account, `anna` with password `secret`.
struct Registrar {
    challenger: Challenger,
    accepted: Vec<RegisterRequest>,
    failures: Vec<DigestFailure>,
}

impl Registrar {
    fn new() -> Self {
        Registrar { challenger: Challenger::new([9; 32]), accepted: Vec::new(), failures: Vec::new() }
    }

    /// Answers every REGISTER that waits at the desk.
    fn serve(&mut self, world: &mut World, grant: u32) {
        for event in world.events(End::Desk) {
            let Event::Register(register) = event else { continue };
            let checked = register.authorization.as_ref().map(|authorization| {
                let ha1 = Ha1::new("anna", REALM, "secret");
                self.challenger.verify(authorization, "REGISTER", &register.request_uri, &ha1, world.now)
            });
            let request = register.request.clone();
            if let Some(Ok(())) = checked {
                let seconds = if register.expires == Some(0) { 0 } else { grant };
                let contact = format!("<{}>;expires={seconds}", register.contacts[0].uri);
                let headers = vec![("Contact".to_owned(), contact)];
                world.desk.respond(request, 200, headers, b"", world.now);
                self.accepted.push(register);
                continue;
            }
            let failure = checked.and_then(Result::err);
            let stale = matches!(failure, Some(DigestFailure::Stale | DigestFailure::Replayed));
            self.failures.extend(failure);
            if failure.is_none() || stale {
                let headers = self.challenger.challenge(REALM, stale, world.now);
                let headers =
                    headers.into_iter().map(|value| ("WWW-Authenticate".to_owned(), value)).collect();
                world.desk.respond(request, 401, headers, b"", world.now);
            } else {
                world.desk.respond(request, 403, vec![], b"", world.now);
            }
        }
    }

    fn run(&mut self, world: &mut World, span: Duration, grant: u32) {
        let until = world.now + span;
        while world.now < until {
            world.settle();
            self.serve(world, grant);
        }
    }
}

fn registration(password: &str) -> OutboundRegister {
    OutboundRegister {
        flow: FLOW,
        user: "anna".into(),
        domain: REALM.into(),
        name: Some("Anna".into()),
        expires: 60,
        credentials: Some(Credentials { user: "anna".into(), password: password.into(), realm: None }),
        instance: Some("urn:uuid:1".into()),
    }
}

#[test]
fn a_phone_registers_with_sha_256_renews_at_half_time_and_leaves() {
    let mut world = World::new(Transport::Wss);
    let mut registrar = Registrar::new();
    let id = world.phone.register(registration("secret"), world.now);
    registrar.run(&mut world, Duration::from_secs(1), 60);
    assert_eq!(world.events(End::Phone), [Event::Registered { id, expires: 60 }]);
    let first = registrar.accepted[0].clone();
    assert_eq!((first.aor_user.as_str(), first.aor_host.as_str()), ("anna", REALM));
    assert_eq!(first.contacts[0].instance.as_deref(), Some("urn:uuid:1"));
    assert_eq!(first.contacts[0].uri, "sip:anna@df7jal23ls0d.invalid;transport=ws");
    assert!(world.wire.iter().any(|(_, text)| text.contains("algorithm=SHA-256, qop=auth")));

    registrar.run(&mut world, Duration::from_secs(28), 60);
    assert_eq!(registrar.accepted.len(), 1);
    registrar.run(&mut world, Duration::from_secs(4), 60);
    assert_eq!(world.events(End::Phone), [Event::Registered { id, expires: 60 }]);
    assert_eq!(registrar.accepted[1].sip_call_id, first.sip_call_id);
    assert!(registrar.accepted[1].cseq > first.cseq);
    assert_eq!(registrar.failures, [], "the nonce was good for both, with a higher count");

    world.phone.unregister(id, world.now);
    registrar.run(&mut world, Duration::from_secs(1), 60);
    assert_eq!(world.events(End::Phone), [Event::Unregistered { id }]);
    assert_eq!(registrar.accepted[2].expires, Some(0));
    world.nothing_is_left();
}

#[test]
fn a_nonce_that_grew_old_is_replaced_without_the_phone_failing() {
    let mut world = World::new(Transport::Wss);
    let mut registrar = Registrar::new();
    let id = world.phone.register(OutboundRegister { expires: 1_000, ..registration("secret") }, world.now);
    registrar.run(&mut world, Duration::from_secs(600), 1_000);
    assert_eq!(registrar.failures, [DigestFailure::Stale]);
    assert_eq!(world.events(End::Phone), vec![Event::Registered { id, expires: 1_000 }; 2]);
}

#[test]
fn a_wrong_password_fails_after_one_try() {
    let mut world = World::new(Transport::Wss);
    let mut registrar = Registrar::new();
    let id = world.phone.register(registration("guess"), world.now);
    registrar.run(&mut world, Duration::from_secs(1), 60);
    let reason = "Forbidden".to_owned();
    assert_eq!(world.events(End::Phone), [Event::RegistrationFailed { id, status: Some(403), reason }]);
    assert_eq!(
        (registrar.failures.as_slice(), world.sent(End::Phone, "REGISTER")),
        (&[DigestFailure::Wrong][..], 2)
    );
}

#[test]
fn a_captured_register_is_good_for_nothing() {
    let mut world = World::new(Transport::Wss);
    let mut registrar = Registrar::new();
    world.phone.register(registration("secret"), world.now);
    registrar.run(&mut world, Duration::from_secs(1), 60);
    let (_, captured) = world.wire.iter().find(|(_, text)| text.contains("Authorization:")).unwrap().clone();

    let thief = FlowId(2);
    world.desk.open_flow(thief, Transport::Ws, Owner::Account("mallory".into()), world.now);
    world.desk.handle_message(thief, captured.as_bytes(), world.now);
    registrar.serve(&mut world, 60);
    let answer = std::iter::from_fn(|| world.desk.poll_transmit()).find(|t| t.flow == thief).unwrap();
    let answer = String::from_utf8(answer.bytes).unwrap();
    assert!(answer.starts_with("SIP/2.0 401 ") && answer.contains("stale=true"), "{answer}");
    assert_eq!(registrar.failures, [DigestFailure::Replayed]);
    assert_eq!(registrar.accepted.len(), 1);
}

#[test]
fn credentials_are_checked_in_every_part() {
    let now = Instant::ORIGIN + Duration::from_secs(1_000);
    let mut world = World::new(Transport::Wss);
    let mut registrar = Registrar::new();
    world.phone.register(registration("secret"), world.now);
    registrar.run(&mut world, Duration::from_secs(1), 60);
    let good = registrar.accepted[0].authorization.clone().unwrap();
    let ha1 = Ha1::new("anna", REALM, "secret");
    let mut check = |change: &dyn Fn(&mut sip::digest::Authorization)| {
        let mut authorization = good.clone();
        change(&mut authorization);
        registrar.challenger.verify(
            &authorization,
            "REGISTER",
            "sip:example.org",
            &ha1,
            now + Duration::from_secs(2),
        )
    };
    assert_eq!(check(&|_| {}), Err(DigestFailure::Replayed));
    assert_eq!(check(&|a| a.uri = "sip:other.org".into()), Err(DigestFailure::Wrong));
    assert_eq!(check(&|a| a.qop = None), Err(DigestFailure::Wrong), "qop stripped");
    assert_eq!(check(&|a| a.qop = Some("auth-int".into())), Err(DigestFailure::Malformed));
    assert_eq!(check(&|a| a.algorithm = Some(sip::digest::Algorithm::Md5)), Err(DigestFailure::Wrong));
    assert_eq!(check(&|a| a.algorithm = None), Err(DigestFailure::Malformed));
    for forged in ["", "x", &"A".repeat(54), &"x".repeat(10_240)] {
        assert_eq!(check(&|a| a.nonce = forged.into()), Err(DigestFailure::Malformed));
    }
    let mut fresh = Challenger::new([1; 32]);
    let decoy = fresh.decoy("nobody", REALM);
    assert_eq!(fresh.decoy("nobody", REALM), decoy);
    assert_ne!(fresh.decoy("somebody", REALM), decoy);
    assert_eq!(fresh.verify(&good, "REGISTER", "sip:example.org", &ha1, now), Err(DigestFailure::Malformed));
    assert_eq!(fresh.challenge(REALM, false, now).len(), 2);
}

#[test]
fn a_digest_for_another_uri_is_refused_though_the_password_is_right() {
    let mut world = World::new(Transport::Wss);
    let mut registrar = Registrar::new();
    world
        .phone
        .register(OutboundRegister { domain: "other.org".into(), ..registration("secret") }, world.now);
    world.settle();
    registrar.serve(&mut world, 60);
    world.settle();
    let Some(Event::Register(register)) = world.events(End::Desk).pop() else { panic!("no REGISTER") };
    let ha1 = Ha1::new("anna", REALM, "secret");
    let checked = registrar.challenger.verify(
        &register.authorization.unwrap(),
        "REGISTER",
        "sip:example.org",
        &ha1,
        world.now,
    );
    assert_eq!(checked, Err(DigestFailure::UriMismatch));
}

#[test]
fn registrations_fall_with_their_flow() {
    let mut world = World::new(Transport::Wss);
    let mut registrar = Registrar::new();
    let id = world.phone.register(registration("secret"), world.now);
    registrar.run(&mut world, Duration::from_secs(1), 60);
    world.events(End::Phone);
    world.phone.close_flow(FLOW, world.now);
    let reason = "the flow is closed".to_owned();
    assert_eq!(world.events(End::Phone), [Event::RegistrationFailed { id, status: None, reason }]);
    world.phone.unregister(id, world.now);
    assert_eq!(world.phone.poll_timeout(), None);
}

#[test]
fn a_registrar_that_does_not_answer_is_given_up_after_32_seconds() {
    let mut world = World::new(Transport::Udp);
    world.weather(|_, _| Fate::IsLost);
    let id = world.phone.register(registration("secret"), world.now);
    world.run(Duration::from_secs(33));
    let reason = "no response".to_owned();
    assert_eq!(world.events(End::Phone), [Event::RegistrationFailed { id, status: None, reason }]);
    assert_eq!(world.sent(End::Phone, "REGISTER"), 11, "Timer E: 0.5, 1, 2, then every 4 s");
}

#[test]
fn a_register_that_the_application_forgets_is_answered_in_the_end() {
    let mut world = World::new(Transport::Ws);
    world.phone.register(registration("secret"), world.now);
    world.run(Duration::from_secs(33));
    assert_eq!(world.sent(End::Desk, "SIP/2.0 503"), 1);
    world.events(End::Phone);
    world.nothing_is_left();
}

#[test]
fn a_call_is_made_again_with_credentials_when_it_is_challenged() {
    let mut world = World::new(Transport::Ws);
    let mut challenger = Challenger::new([9; 32]);
    let credentials = Some(Credentials { user: "anna".into(), password: "secret".into(), realm: None });
    let at_phone = world.phone.invite(OutboundInvite { credentials, ..invitation() }, world.now);
    world.settle();
    let Some(Event::Invite(first)) = world.desk.poll_event() else { panic!("no call") };
    let challenges = challenger.challenge(REALM, false, world.now);
    let headers = challenges.into_iter().map(|value| ("Proxy-Authenticate".to_owned(), value)).collect();
    world.desk.refuse_with(first.dialog, 407, None, headers, world.now);
    world.settle();
    assert_eq!(world.events(End::Phone), []);
    let events = world.events(End::Desk);
    assert!(matches!(&events[0], Event::Ended { by: EndedBy::Local, status: Some(407), .. }), "{events:?}");
    let Event::Invite(second) = &events[1] else { panic!("{events:?}") };
    let ha1 = Ha1::new("anna", REALM, "secret");
    let authorization = second.authorization.as_ref().expect("credentials");
    challenger.verify(authorization, "INVITE", &second.request_uri, &ha1, world.now).expect("right");
    assert!(second.header("Proxy-Authorization").is_none(), "not for everyone to see");
    world.desk.answer(second.dialog, ANSWER.into(), world.now).expect("it rings");
    world.settle();
    assert_eq!(world.events(End::Phone).len(), 1);
    let ack = world.wire.iter().rfind(|(_, text)| text.starts_with("ACK")).unwrap();
    assert!(ack.1.contains("Proxy-Authorization:"), "RFC 3261 §22.1");
    world.phone.bye(at_phone, None, world.now);
    world.settle();
    assert_eq!(world.sent(End::Desk, "SIP/2.0 401"), 0);
}

#[test]
fn without_credentials_a_challenge_ends_the_call_and_gives_nothing_away() {
    let mut world = World::new(Transport::Ws);
    let (at_phone, invite) = world.call(End::Phone);
    let headers = vec![("WWW-Authenticate".to_owned(), "Digest realm=\"trunk\", nonce=\"1\"".to_owned())];
    world.desk.refuse_with(invite.dialog, 401, None, headers, world.now);
    world.settle();
    let events = world.events(End::Phone);
    assert!(matches!(&events[..], [Event::Ended { dialog, status: Some(401), .. }] if *dialog == at_phone));
    assert!(!world.wire.iter().any(|(_, text)| text.contains("Authorization:")));
}

#[test]
fn credentials_for_one_realm_are_shown_to_no_other_in_no_request() {
    let mut peer = ByHand::new(Transport::Tcp);
    let realm =
        |realm: &str| format!("WWW-Authenticate: Digest realm=\"{realm}\", nonce=\"n\", qop=\"auth\"\r\n");
    let credentials =
        Some(Credentials { user: "trunk".into(), password: "secret".into(), realm: Some("carrier".into()) });
    let (_, invite) = peer.called(OutboundInvite { credentials: credentials.clone(), ..invitation() });
    peer.reply(&invite, 401, &realm("Carrier"), "");
    let told = peer.events();
    assert!(matches!(told[..], [Event::Ended { by: EndedBy::Refused { status: 401, .. }, .. }]), "{told:?}");
    assert!(peer.unread().iter().all(|text| !text.contains("Authorization")));

    let (dialog, invite) = peer.called(OutboundInvite { credentials, ..invitation() });
    peer.reply(&invite, 401, &realm("carrier"), "");
    let again = peer.next("INVITE");
    assert!(header(&again, "Authorization").unwrap().contains("realm=\"carrier\""));
    peer.reply(&again, 200, "Content-Type: application/sdp\r\n", ANSWER);
    peer.desk.bye(dialog, None, peer.now);
    let bye = peer.next("BYE");
    peer.reply(&bye, 401, &realm("thief"), "");
    assert!(peer.unread().is_empty(), "a BYE is not worth a password");
}
