//! Whole calls in one process: two pages, the switch and the media plane, in simulated time.

use model::EndCause;
use softphone::{CallEnd, CallState, Command as Phone};
use switch::PhoneFactKind::{Dialling, Established, OnHold, Released, Ringing};
use switch::{Command, PhoneAct, Refusal};
use testkit::World;
use timing::Duration;

fn office() -> World {
    let mut world = World::new().line("alice", "1001").line("bruno", "1002").line("carla", "1003");
    world.opens_page("alice");
    world.opens_page("bruno");
    world
}

/// Alice calls Bruno, who answers; both hear each other.
fn talking() -> World {
    let mut world = office();
    world.dials("alice", "1002");
    world.run_until(|w| w.state("bruno") == Some(CallState::Ringing));
    world.acts("bruno", |call| Phone::Answer { call });
    world.run_until(|w| w.hears("alice", "bruno") && w.hears("bruno", "alice"));
    world
}

#[test]
fn the_echo_test_brings_back_ones_own_voice() {
    let mut world = office();
    world.dials("alice", "*55");
    world.run_until(|w| w.hears("alice", "alice"));
    world.acts("alice", |call| Phone::HangUp { call });
    world.run_until(|w| w.switch.calls() == 0);
    assert_eq!(world.told("alice"), [Dialling, Established, Released(EndCause::Normal)]);
    let records = world.records();
    assert_eq!((records[0].callee.number.as_str(), records[0].cause), ("*55", EndCause::Normal));
    assert!(records[0].answered_at.is_some());
}

#[test]
fn two_people_hear_each_other_and_not_themselves() {
    let mut world = talking();
    world.run_for(Duration::from_secs(1));
    assert!(!world.hears("alice", "alice") && !world.hears("bruno", "bruno"));
    assert_eq!(world.told("bruno"), [Ringing, Established]);
}

#[test]
fn the_caller_hears_that_it_rings() {
    let mut world = office();
    world.dials("alice", "1002");
    world.run_until(|w| w.state("alice") == Some(CallState::Alerting));
}

#[test]
fn hold_brings_music_and_resume_restores_both() {
    for holder in ["alice", "bruno"] {
        let mut world = talking();
        world.acts(holder, |call| Phone::Hold { call });
        world.run_until(|w| w.state(holder) == Some(CallState::Held));
        world.run_for(Duration::from_secs(1));
        let other = if holder == "alice" { "bruno" } else { "alice" };
        assert!(world.hears_nobody(holder), "{holder} holds");
        assert!(world.hears_a_sound(other) && !world.hears(other, holder), "{other} hears music");
        world.acts(holder, |call| Phone::Resume { call });
        world.run_until(|w| w.hears("alice", "bruno") && w.hears("bruno", "alice"));
        assert_eq!(world.told(holder)[1..], [Established, OnHold, Established]);
    }
}

#[test]
fn either_side_may_hang_up() {
    for leaver in ["alice", "bruno"] {
        let mut world = talking();
        world.acts(leaver, |call| Phone::HangUp { call });
        world.run_until(|w| w.switch.calls() == 0);
        world.run_for(Duration::from_secs(1));
        for name in ["alice", "bruno"] {
            assert!(world.browser(name).calls().is_empty());
            assert_eq!(world.told(name).last(), Some(&Released(EndCause::Normal)));
        }
        assert_eq!(world.records().len(), 1);
    }
}

#[test]
fn a_call_for_which_no_media_worker_has_time_is_refused_with_503() {
    let mut world = office();
    world.media_is_overloaded = true;
    world.dials("alice", "1002");
    world.run_until(|w| !w.records().is_empty());
    assert_eq!(world.records()[0].cause, EndCause::Overloaded);
    assert_eq!(EndCause::Overloaded.sip_status(), 503);
    world.run_for(Duration::from_secs(1));
    assert!(world.browser("alice").calls().is_empty() && world.switch.calls() == 0);
}

#[test]
fn a_caller_who_gives_up_stops_the_ringing() {
    let mut world = office();
    world.dials("alice", "1002");
    world.run_until(|w| w.state("bruno") == Some(CallState::Ringing));
    world.acts("alice", |call| Phone::HangUp { call });
    world.run_until(|w| w.browser("bruno").calls().is_empty());
    assert_eq!(world.told("bruno"), [Ringing, Released(EndCause::Cancelled)]);
}

#[test]
fn nobody_answers_and_the_call_is_given_up() {
    let mut world = office();
    world.dials("alice", "1002");
    world.run_until(|w| w.switch.calls() == 1);
    world.run_until(|w| w.switch.calls() == 0);
    assert_eq!(world.records()[0].cause, EndCause::NoAnswer);
    world.run_for(Duration::from_secs(1));
    assert!(world.browser("bruno").calls().is_empty());
}

#[test]
fn a_third_caller_hears_busy() {
    let mut world = talking();
    world.opens_page("carla");
    world.dials("carla", "1002");
    world.run_until(|w| !w.records().is_empty());
    assert_eq!(world.records()[0].cause, EndCause::Busy);
    world.run_for(Duration::from_secs(1));
    assert!(world.hears("alice", "bruno"), "the running call is not disturbed");
}

#[test]
fn nobody_calls_himself() {
    let mut world = office();
    world.dials("alice", "1001");
    world.run_until(|w| !w.records().is_empty());
    assert_eq!(world.records()[0].cause, EndCause::Busy);
}

#[test]
fn a_line_without_a_phone_is_unavailable() {
    let mut world = office();
    world.dials("alice", "1003");
    world.run_until(|w| !w.records().is_empty());
    assert_eq!(world.records()[0].cause, EndCause::Unavailable);
    assert_eq!(world.browser("alice").ended(), [CallEnd::Refused(480)]);
}

#[test]
fn click_to_call_rings_ones_own_phone_first_which_answers_by_itself() {
    let mut world = office();
    let user = world.user("alice");
    let dial = Command::Dial {
        user,
        destination: "1002".parse().unwrap(),
        variables: [("USR_A".into(), "7".into())].into(),
    };
    world.command(dial).unwrap();
    world.run_until(|w| w.state("bruno") == Some(CallState::Ringing));
    world.acts("bruno", |call| Phone::Answer { call });
    world.run_until(|w| w.hears("alice", "bruno") && w.hears("bruno", "alice"));
    assert_eq!(world.told("alice"), [Dialling, Established]);
    world.command(Command::HangUp { user, unique_id: None }).unwrap();
    world.run_until(|w| w.browser("alice").calls().is_empty() && w.browser("bruno").calls().is_empty());
}

#[test]
fn click_to_call_works_for_the_echo_test_too() {
    let mut world = office();
    let user = world.user("alice");
    world
        .command(Command::Dial { user, destination: "*55".parse().unwrap(), variables: Default::default() })
        .unwrap();
    world.run_until(|w| w.hears("alice", "alice"));
}

#[test]
fn commands_that_make_no_sense_are_refused() {
    let mut world = office();
    let (alice, carla) = (world.user("alice"), world.user("carla"));
    let dial = |user, number: &str| Command::Dial {
        user,
        destination: number.parse().unwrap(),
        variables: Default::default(),
    };
    assert_eq!(world.command(dial(carla, "1001")), Err(Refusal::PhoneUnavailable));
    assert_eq!(world.command(dial(alice, "9999")), Err(Refusal::UnknownNumber));
    assert_eq!(world.command(Command::HangUp { user: alice, unique_id: None }), Err(Refusal::NoSuchCall));
    let answer = Command::Phone { user: alice, unique_id: None, act: PhoneAct::Answer };
    assert_eq!(world.command(answer), Err(Refusal::NoSuchCall));
}

#[test]
fn a_call_outlives_the_connection_of_its_page() {
    let mut world = talking();
    world.network("alice", false);
    world.run_for(Duration::from_secs(3));
    world.network("alice", true);
    world.run_until(|w| w.hears("alice", "bruno") && w.hears("bruno", "alice"));
    world.run_for(Duration::from_secs(90));
    assert_eq!(world.switch.calls(), 1, "the reconnect window is closed again");
    world.acts("bruno", |call| Phone::HangUp { call });
    world.run_until(|w| w.browser("alice").calls().is_empty());
}

#[test]
fn a_reloaded_page_gets_its_call_back() {
    let mut world = talking();
    world.opens_page("alice");
    world.run_until(|w| w.hears("alice", "bruno") && w.hears("bruno", "alice"));
    assert_eq!(world.records().len(), 0);
    assert_eq!(world.told("alice"), [Dialling, Established, Established]);
    world.acts("alice", |call| Phone::HangUp { call });
    world.run_until(|w| w.switch.calls() == 0 && w.browser("bruno").calls().is_empty());
}

#[test]
fn a_page_that_does_not_come_back_loses_its_call_after_a_minute() {
    let mut world = talking();
    world.closes_page("alice");
    world.run_for(Duration::from_secs(59));
    assert_eq!(world.switch.calls(), 1);
    world.run_until(|w| w.switch.calls() == 0);
    assert_eq!(world.records()[0].cause, EndCause::ConnectionLost);
    world.run_for(Duration::from_secs(1));
    assert!(world.browser("bruno").calls().is_empty());
}

#[test]
fn a_server_that_stops_says_goodbye_to_everyone() {
    let mut world = talking();
    world.command(Command::Drain).unwrap();
    world.run_for(Duration::from_secs(1));
    assert!(world.browser("alice").calls().is_empty() && world.browser("bruno").calls().is_empty());
    assert_eq!(world.records()[0].cause, EndCause::ServerStopping);
    world.dials("alice", "1002");
    world.run_until(|w| w.browser("alice").calls().is_empty());
}
