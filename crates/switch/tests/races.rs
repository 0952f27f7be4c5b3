//! Two things in one instant: one outcome, on both sides.

use model::EndCause;
use softphone::{CallState, Command as PhoneCommand};
use switch::Command;
use testkit::World;
use timing::Duration;

fn ringing() -> World {
    let mut world = World::new().line("alice", "1001").line("bruno", "1002").line("carla", "1003");
    for name in ["alice", "bruno", "carla"] {
        world.opens_page(name);
    }
    world.dials("alice", "1002");
    world.run_until(|world| world.state("bruno") == Some(CallState::Ringing));
    world
}

fn talking() -> World {
    let mut world = ringing();
    world.acts("bruno", |call| PhoneCommand::Answer { call });
    world.run_until(|world| world.hears("alice", "bruno") && world.hears("bruno", "alice"));
    world
}

fn only_call(world: &World, name: &str) -> softphone::PhoneCallId {
    let calls = world.browser(name).calls();
    assert_eq!(calls.len(), 1, "{name}");
    calls[0].id
}

fn over_for_both(world: &mut World, causes: &[EndCause]) {
    world.run_until(|world| world.state("alice").is_none() && world.state("bruno").is_none());
    let records = world.records();
    assert_eq!(records.len(), 1);
    assert!(causes.contains(&records[0].cause), "{:?}", records[0].cause);
}

#[test]
fn two_phones_of_one_line_answer_at_once_and_one_has_the_call() {
    let mut world = World::new().line("alice", "1001").line("bruno", "1002");
    world.opens_page("alice");
    let desk = world.plugs_in_sip_phone("bruno", 2);
    world.opens_page("bruno");
    world.dials("alice", "1002");
    world.run_until(|world| {
        world.sip_phone_rings("desk-bruno") && world.state("bruno") == Some(CallState::Ringing)
    });
    let call = only_call(&world, "bruno");
    world.at_once([("bruno", PhoneCommand::Answer { call })]);
    if world.sip_phone_rings(&desk) {
        world.sip_phone_answers(&desk);
    }
    world.run_for(Duration::from_secs(2));
    let page = world.hears("alice", "bruno");
    let phone = world.hears("alice", "desk-bruno");
    assert!(page ^ phone, "one of them, and not both");
    assert_eq!(world.sip_phone_rests(&desk), page);
    assert_eq!(world.state("bruno").is_none(), phone);
}

#[test]
fn the_caller_gives_up_as_the_phone_is_answered() {
    for caller_first in [true, false] {
        let mut world = ringing();
        let (alices, brunos) = (only_call(&world, "alice"), only_call(&world, "bruno"));
        let gives_up = ("alice", PhoneCommand::HangUp { call: alices });
        let answers = ("bruno", PhoneCommand::Answer { call: brunos });
        world.at_once(if caller_first { [gives_up, answers] } else { [answers, gives_up] });
        over_for_both(&mut world, &[EndCause::Cancelled, EndCause::Normal]);
    }
}

#[test]
fn both_hang_up_at_once() {
    let mut world = talking();
    let (alices, brunos) = (only_call(&world, "alice"), only_call(&world, "bruno"));
    world.at_once([
        ("alice", PhoneCommand::HangUp { call: alices }),
        ("bruno", PhoneCommand::HangUp { call: brunos }),
    ]);
    over_for_both(&mut world, &[EndCause::Normal]);
}

#[test]
fn both_hold_at_once_and_both_come_back() {
    let mut world = talking();
    let (alices, brunos) = (only_call(&world, "alice"), only_call(&world, "bruno"));
    world.at_once([
        ("alice", PhoneCommand::Hold { call: alices }),
        ("bruno", PhoneCommand::Hold { call: brunos }),
    ]);
    world.run_until(|world| {
        world.state("alice") == Some(CallState::Held) && world.state("bruno") == Some(CallState::Held)
    });
    world.at_once([
        ("alice", PhoneCommand::Resume { call: alices }),
        ("bruno", PhoneCommand::Resume { call: brunos }),
    ]);
    world.run_until(|world| world.hears("alice", "bruno") && world.hears("bruno", "alice"));
}

#[test]
fn a_desk_phone_and_its_command_change_the_session_at_once() {
    let mut world = World::new().line("alice", "1001").line("bruno", "1002");
    world.opens_page("bruno");
    world.plugs_in_sip_phone("alice", 1);
    let dialog = world.sip_phone_dials("desk-alice", "1002");
    world.run_until(|world| world.state("bruno") == Some(CallState::Ringing));
    world.acts("bruno", |call| PhoneCommand::Answer { call });
    world.run_until(|world| world.hears("desk-alice", "bruno"));
    let user = world.user("alice");
    let hold = || Command::Phone { user, unique_id: None, act: switch::PhoneAct::ToggleHold };
    world.sip_phone_reoffers("desk-alice", dialog, "sendonly");
    world.command(hold()).unwrap();
    world.run_until(|world| world.hears_a_sound("bruno"));
    world.sip_phone_reoffers("desk-alice", dialog, "sendrecv");
    world.run_for(Duration::from_secs(1));
    assert!(world.hears_a_sound("bruno"), "one of the two still holds");
    world.command(hold()).unwrap();
    world.run_until(|world| world.hears("desk-alice", "bruno") && world.hears("bruno", "desk-alice"));
}

#[test]
fn the_target_hangs_up_as_the_caller_is_sent_to_it() {
    let mut world = talking();
    let user = world.user("alice");
    world.command(Command::DirectTransfer { user, destination: "1003".parse().unwrap() }).unwrap();
    world.run_until(|world| world.state("carla") == Some(CallState::Ringing));
    let (brunos, carlas) = (only_call(&world, "bruno"), only_call(&world, "carla"));
    world.at_once([
        ("carla", PhoneCommand::Answer { call: carlas }),
        ("bruno", PhoneCommand::HangUp { call: brunos }),
    ]);
    world.run_until(|world| world.state("bruno").is_none() && world.state("carla").is_none());
    world.run_for(Duration::from_secs(2));
    assert_eq!(world.state("alice"), None, "nobody is rung for a caller who is gone");
    assert_eq!(world.records().len(), 2);
}

#[test]
fn a_phone_is_lost_as_its_call_is_transferred() {
    let mut world = talking();
    let user = world.user("alice");
    world.loses_socket("bruno");
    world.command(Command::DirectTransfer { user, destination: "1003".parse().unwrap() }).unwrap();
    world.run_until(|world| world.state("carla") == Some(CallState::Ringing));
    world.acts("carla", |call| PhoneCommand::Answer { call });
    world.server_notices();
    world.run_until(|world| world.hears("bruno", "carla") && world.hears("carla", "bruno"));
}
