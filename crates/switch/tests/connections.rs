//! Phones lose their connection and come back; the server may notice late, or not at all.

use model::EndCause;
use softphone::{CallEnd, CallState, Command as Phone};
use switch::PhoneFactKind::{Dialling, Established, OnHold, Released, Ringing};
use testkit::World;
use timing::Duration;

fn office() -> World {
    let mut world = World::new().line("alice", "1001").line("bruno", "1002");
    world.opens_page("alice");
    world.opens_page("bruno");
    world
}

fn ringing() -> World {
    let mut world = office();
    world.dials("alice", "1002");
    world.run_until(|w| w.state("bruno") == Some(CallState::Ringing));
    world
}

fn talking() -> World {
    let mut world = ringing();
    world.acts("bruno", |call| Phone::Answer { call });
    world.run_until(|w| w.hears("alice", "bruno") && w.hears("bruno", "alice"));
    world
}

/// Alice hears herself through a phone of another make, so far as such a phone hears at all.
fn desk_phone_in_an_echo_call() -> World {
    let mut world = World::new().line("alice", "1001").line("bruno", "1002");
    world.plugs_in("desk", 1, "alice");
    world.desk_phone_dials("desk", "*55", "sendrecv");
    assert_eq!(world.told("alice"), [Dialling, Established]);
    world
}

#[test]
fn a_call_goes_on_when_only_the_phone_has_noticed_the_loss() {
    let mut world = talking();
    world.loses_socket("alice");
    world.run_for(Duration::from_secs(30));
    world.server_notices();
    world.run_for(Duration::from_secs(90));
    assert!(world.hears("alice", "bruno") && world.hears("bruno", "alice"));
    assert_eq!(world.told("alice"), [Dialling, Established]);
    world.acts("bruno", |call| Phone::HangUp { call });
    world.run_until(|w| w.browser("alice").calls().is_empty());
}

#[test]
fn a_hang_up_without_a_connection_ends_the_call_as_soon_as_there_is_one() {
    for half_open in [true, false] {
        let mut world = talking();
        world.loses_socket("alice");
        if !half_open {
            world.server_notices();
        }
        world.acts("alice", |call| Phone::HangUp { call });
        assert_eq!(world.switch.calls(), 1);
        world.run_for(Duration::from_secs(3));
        assert_eq!(world.switch.calls(), 0);
        assert_eq!(world.records()[0].cause, EndCause::Normal);
        assert_eq!(world.browser("bruno").ended(), [CallEnd::RemoteHungUp]);
    }
}

#[test]
fn a_phone_that_lost_its_connection_while_it_rang_rings_anew() {
    let mut world = ringing();
    world.loses_socket("bruno");
    assert_eq!(world.browser("bruno").ended(), [CallEnd::NoResponse]);
    world.run_for(Duration::from_secs(2));
    assert_eq!(world.state("bruno"), Some(CallState::Ringing));
    world.server_notices();
    world.acts("bruno", |call| Phone::Answer { call });
    world.run_until(|w| w.hears("alice", "bruno") && w.hears("bruno", "alice"));
    assert_eq!(world.told("bruno"), [Ringing, Ringing, Established]);
    let facts = world.phone_facts("bruno");
    assert_ne!(facts[0].sip_call_id, facts[1].sip_call_id);
    assert_eq!(facts[1].sip_call_id, world.browser("bruno").calls()[0].sip_call_id);
}

#[test]
fn a_caller_who_lost_his_connection_has_dropped_his_call() {
    let mut world = ringing();
    world.loses_socket("alice");
    world.run_for(Duration::from_secs(2));
    assert_eq!(world.switch.calls(), 0);
    assert_eq!(world.told("bruno"), [Ringing, Released(EndCause::Cancelled)]);
    assert!(world.browser("bruno").calls().is_empty() && world.browser("alice").calls().is_empty());
}

#[test]
fn what_was_not_answered_ends_with_its_connection() {
    for (leaver, cause) in [("alice", EndCause::Cancelled), ("bruno", EndCause::Unavailable)] {
        let mut world = ringing();
        world.network(leaver, false);
        world.run_for(Duration::from_secs(1));
        assert_eq!(world.records()[0].cause, cause);
        assert!(world.browser("alice").calls().is_empty() && world.browser("bruno").calls().is_empty());
    }
}

#[test]
fn a_phone_that_comes_back_without_its_call_ends_it() {
    let mut world = desk_phone_in_an_echo_call();
    world.plugs_in("desk", 1, "alice");
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.told("alice").last(), Some(&Released(EndCause::Normal)));
}

#[test]
fn a_phone_that_registers_but_says_nothing_of_its_call_loses_it_after_ten_seconds() {
    let mut world = desk_phone_in_an_echo_call();
    world.desk_phone("desk").deaf_to = Some("OPTIONS");
    world.plugs_in("desk", 1, "alice");
    world.run_for(Duration::from_secs(9));
    assert_eq!(world.switch.calls(), 1);
    world.run_for(Duration::from_secs(2));
    assert_eq!(world.records()[0].cause, EndCause::ConnectionLost);
}

#[test]
fn a_page_that_was_open_all_the_time_takes_the_call_of_one_that_was_closed() {
    let mut world = talking();
    world.opens_another_page("laptop", "alice");
    world.closes_page("alice");
    world.run_for(Duration::from_secs(4));
    assert!(world.browser("laptop").calls().is_empty(), "it might come back");
    world.run_until(|w| w.hears("laptop", "bruno") && w.hears("bruno", "alice"));
    assert_eq!(world.told("alice"), [Dialling, Established, Established]);
    let facts = world.phone_facts("alice");
    assert_eq!(facts[2].sip_call_id, world.browser("laptop").calls()[0].sip_call_id);
    assert!(world.records().is_empty());
}

#[test]
fn a_phone_that_takes_a_call_over_and_has_no_sound_is_given_up() {
    let mut world = talking();
    world.closes_page("alice");
    world.plugs_in("desk", 1, "alice");
    world.desk_phone_answers("desk", true);
    world.run_for(Duration::from_secs(29));
    assert_eq!(world.switch.calls(), 1);
    world.run_for(Duration::from_secs(2));
    assert_eq!(world.records()[0].cause, EndCause::ConnectionLost);
}

#[test]
fn a_phone_that_takes_a_call_over_without_a_description_ends_nothing() {
    let mut world = office();
    world.dials("alice", "*55");
    world.run_until(|w| w.hears("alice", "alice"));
    world.closes_page("alice");
    world.plugs_in("desk", 1, "alice");
    world.desk_phone_answers("desk", false);
    world.run_for(Duration::from_secs(1));
    assert_eq!((world.switch.calls(), world.records().len()), (1, 0), "the call waits on for its page");
}

#[test]
fn who_begins_on_hold_is_told_so_and_who_only_listens_holds_nobody() {
    for (direction, told) in [("sendonly", OnHold), ("inactive", OnHold), ("recvonly", Established)] {
        let mut world = World::new().line("alice", "1001");
        world.plugs_in("desk", 1, "alice");
        world.desk_phone_dials("desk", "*55", direction);
        assert_eq!(world.told("alice"), [Dialling, told], "{direction}");
    }
}
