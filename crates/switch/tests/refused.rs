//! Calls that do not come about: each side learns exactly why.

use std::collections::BTreeMap;

use model::EndCause;
use softphone::{CallEnd, CallState, Command as Phone};
use switch::PhoneFactKind::{Dialling, Released, Ringing};
use switch::{CallDirection, Command, PhoneFact, Refusal};
use testkit::World;
use timing::Duration;

fn office() -> World {
    let mut world = World::new().line("alice", "1001").line("bruno", "1002").line("carla", "1003");
    for name in ["alice", "bruno", "carla"] {
        world.opens_page(name);
    }
    world
}

#[test]
fn an_unknown_number_is_404_and_no_call_at_all() {
    let mut world = office();
    world.dials("alice", "9999");
    world.run_until(|w| w.browser("alice").calls().is_empty());
    assert_eq!(world.browser("alice").ended(), [CallEnd::Refused(404)]);
    assert!(world.records().is_empty() && world.told("alice").is_empty());
}

#[test]
fn a_declined_call_is_603() {
    let mut world = office();
    world.dials("alice", "1002");
    world.run_until(|w| w.state("bruno") == Some(CallState::Ringing));
    world.acts("bruno", |call| Phone::Decline { call });
    world.run_until(|w| w.browser("alice").calls().is_empty());
    assert_eq!(world.browser("alice").ended(), [CallEnd::Refused(603)]);
    assert_eq!(world.records()[0].cause, EndCause::Declined);
}

#[test]
fn of_two_who_call_one_in_the_same_instant_one_hears_busy() {
    let mut world = office();
    world.at_once(["alice", "carla"].map(|name| (name, Phone::Dial { number: "1002".into() })));
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.browser("bruno").calls().len(), 1);
    let ended: Vec<CallEnd> =
        ["alice", "carla"].iter().flat_map(|name| world.browser(name).ended()).collect();
    assert_eq!(ended, [CallEnd::Refused(486)]);
    assert_eq!(world.records()[0].cause, EndCause::Busy);
}

#[test]
fn a_third_dial_is_refused_also_before_any_phone_was_asked() {
    let mut world = office();
    let dial = Command::Dial {
        user: world.user("alice"),
        destination: "1002".parse().unwrap(),
        variables: BTreeMap::new(),
    };
    let now = world.now;
    let outcomes = [(); 3].map(|()| world.switch.handle_command(dial.clone(), now));
    assert_eq!(outcomes, [Ok(()), Ok(()), Err(Refusal::TooManyCalls)]);
}

#[test]
fn a_phone_that_says_why_it_refuses_is_believed() {
    for (status, reason, cause) in [
        (480, Some("Q.850;cause=19"), EndCause::NoAnswer),
        (480, Some("SIP;cause=486, Q.850;cause=17;text=\"busy\""), EndCause::Busy),
        (480, None, EndCause::Unavailable),
    ] {
        let mut world = World::new().line("alice", "1001").line("bruno", "1002");
        world.opens_page("alice");
        world.plugs_in("desk", 1, "bruno");
        world.dials("alice", "1002");
        world.run_for(Duration::from_secs(1));
        world.desk_phone_refuses("desk", status, reason);
        assert_eq!(world.records()[0].cause, cause, "{status} {reason:?}");
    }
}

#[test]
fn nobody_answering_is_told_as_that() {
    let mut world = World::new().line("alice", "1001").line("bruno", "1002");
    world.plugs_in("desk", 1, "alice");
    world.opens_page("bruno");
    world.desk_phone_dials("desk", "1002", "sendrecv");
    world.run_for(Duration::from_secs(61));
    let refused = world.desk_phone("desk").events.last().cloned();
    let Some(sip::Event::Ended { status: Some(480), reason_header: Some(reason), .. }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(reason, "Q.850;cause=19");
}

#[test]
fn the_last_word_about_a_call_names_its_dialog_also_when_the_phone_is_gone() {
    type Leave = fn(&mut World);
    let refuses: Leave = |world| world.acts("bruno", |call| Phone::HangUp { call });
    let vanishes: Leave = |world| world.closes_page("bruno");
    for leave in [refuses, vanishes] {
        let mut world = office();
        world.dials("alice", "1002");
        world.run_until(|w| w.state("bruno") == Some(CallState::Ringing));
        let sip_call_id = world.browser("bruno").calls()[0].sip_call_id.clone();
        assert!(sip_call_id.is_some());
        leave(&mut world);
        world.run_for(Duration::from_secs(1));
        let facts = world.phone_facts("bruno");
        let expected = |kind| PhoneFact {
            user: world.user("bruno"),
            kind,
            call: facts[0].call,
            number: "1002".parse().unwrap(),
            other_number: "1001".into(),
            other_name: "alice".into(),
            linked_id: facts[0].linked_id.clone(),
            unique_id: facts[0].unique_id.clone(),
            direction: CallDirection::Incoming,
            sip_call_id: sip_call_id.clone(),
            variables: BTreeMap::new(),
        };
        assert_eq!(facts, [&expected(Ringing), &expected(Released(EndCause::Unavailable))]);
        let alices = world.phone_facts("alice");
        assert_eq!(alices.iter().map(|fact| fact.kind).collect::<Vec<_>>()[0], Dialling);
        assert!(alices[1].sip_call_id.is_some() && alices[1].sip_call_id == alices[0].sip_call_id);
    }
}
