//! Whether trunks take calls: registrations, questions, and what is told of it.

mod outside;

use outside::{ONE, asked, plan, site};
use sip::Credentials;
use switch::{Fact, Plan, Registers, TrunkId, TrunkStatus};
use testkit::World;
use timing::Duration;

fn registering(realm: &str) -> Plan {
    let mut plan = plan();
    plan.trunks[0].registers = Some(Registers { user: "acc7".into(), expires: 300 });
    plan.trunks[0].credentials =
        Some(Credentials { user: "acc7".into(), password: "secret".into(), realm: Some(realm.into()) });
    plan
}

/// The statuses that were told of a trunk.
fn told(world: &World, of: TrunkId) -> Vec<TrunkStatus> {
    let status = |fact: &Fact| match fact {
        Fact::TrunkChanged { trunk, status } if *trunk == of => Some(*status),
        _ => None,
    };
    world.facts.iter().filter_map(status).collect()
}

/// A site whose first carrier takes registrations from its start.
fn site_of_carrier(plan: Plan, realm: &str, password: &str) -> World {
    let mut world = site(Plan { trunks: Vec::new(), ..Plan::default() });
    world.sip_phone("one").takes_registrations("acc7", password, realm);
    world.switch.set_plan(plan);
    world.connects(ONE, "one", 11);
    world.run_for(Duration::from_millis(100));
    world
}

#[test]
fn a_registered_trunk_is_up_and_stays_registered() {
    let mut world = site_of_carrier(registering("carrier1.example"), "carrier1.example", "secret");
    assert_eq!(world.switch.trunk_status(ONE), TrunkStatus::Up);
    assert_eq!(told(&world, ONE), [TrunkStatus::Unconnected, TrunkStatus::Connecting, TrunkStatus::Up]);
    assert_eq!(world.sip_phone("one").registrations(), 1);
    world.run_for(Duration::from_secs(95));
    assert_eq!(world.sip_phone("one").registrations(), 4, "renewed at half of the minute that was granted");
    // it calls our account, and says in To which number was dialled
    world.sip_phone_dials("desk-alice", "0144509999");
    world.run_until(|world| world.sip_phone_rings("one"));
}

#[test]
fn a_password_goes_to_its_own_realm_alone() {
    let mut world = site_of_carrier(registering("carrier1.example"), "evil.example", "secret");
    assert_eq!(world.switch.trunk_status(ONE), TrunkStatus::Failing);
    let proofs =
        world.sip_phone("one").events.iter().filter(
            |event| matches!(event, sip::Event::Register(request) if request.authorization.is_some()),
        );
    assert_eq!(proofs.count(), 0, "no answer was made of the password");
    world.sip_phone_dials("desk-alice", "0144509999");
    world.run_for(Duration::from_secs(1));
    assert!(asked(&mut world, "one").is_empty(), "a trunk that does not know us is not tried");
}

#[test]
fn a_challenge_to_anything_else_gets_no_password_of_another_realm() {
    let mut world = site(registering("carrier1.example"));
    world.sip_phone("one").takes_registrations("acc7", "secret", "carrier1.example");
    world.connects(ONE, "one", 11);
    world.run_until(|world| world.switch.trunk_status(ONE) == TrunkStatus::Up);
    let challenge = "Digest realm=\"other\", nonce=\"abc\", qop=\"auth\", algorithm=MD5".to_owned();
    world.sip_phone("one").refuses = Some((401, vec![("WWW-Authenticate".to_owned(), challenge)]));
    world.sip_phone_dials("desk-alice", "0144509999");
    world.run_until(|world| world.sip_phone_rings("two"));
    assert_eq!(asked(&mut world, "one").len(), 1, "once, and not again with an answer");
    assert!(world.facts.contains(&Fact::TrunkRefusedUs { trunk: ONE, status: Some(401) }), "an alarm");
    assert!(
        world
            .sip_phone("one")
            .events
            .iter()
            .all(|event| { !matches!(event, sip::Event::Invite(invite) if invite.authorization.is_some()) })
    );
}

#[test]
fn a_refused_registration_is_tried_again() {
    let mut world = site_of_carrier(registering("carrier1.example"), "carrier1.example", "other");
    assert_eq!(world.switch.trunk_status(ONE), TrunkStatus::Failing);
    assert!(world.facts.iter().any(|fact| matches!(fact, Fact::TrunkRefusedUs { status: Some(401), .. })));
    world.sip_phone("one").takes_registrations("acc7", "secret", "carrier1.example");
    world.run_for(Duration::from_secs(31));
    assert_eq!(world.switch.trunk_status(ONE), TrunkStatus::Up);
}

#[test]
fn a_trunk_that_does_not_answer_is_failing_and_another_connection_is_wanted() {
    let mut plan = plan();
    plan.trunks[0].ping_every = Some(Duration::from_secs(30));
    let mut world = site(plan);
    world.run_for(Duration::from_millis(100));
    assert_eq!(world.switch.trunk_status(ONE), TrunkStatus::Up, "it has answered");
    world.sip_phone("one").is_deaf = true;
    world.run_for(Duration::from_secs(70));
    assert_eq!(world.switch.trunk_status(ONE), TrunkStatus::Failing);
    world.sip_phone_dials("desk-alice", "0144509999");
    world.run_until(|world| world.sip_phone_rings("two"));
    assert!(asked(&mut world, "one").is_empty());
    world.run_for(Duration::from_secs(90));
    assert!(world.facts.iter().any(|fact| matches!(fact, Fact::TrunkSilent { trunk: ONE, .. })));
    world.disconnects("one");
    world.sip_phone("one").is_deaf = false;
    world.connects(ONE, "one", 11);
    world.run_for(Duration::from_millis(100));
    assert_eq!(world.switch.trunk_status(ONE), TrunkStatus::Up);
    use TrunkStatus::{Connecting, Failing, Unconnected, Up};
    assert_eq!(told(&world, ONE), [Unconnected, Connecting, Up, Failing, Unconnected, Connecting, Up]);
}
