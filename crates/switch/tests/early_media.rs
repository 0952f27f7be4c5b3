//! Sound before the answer.

use softphone::{CallState, Command as PhoneCommand};
use switch::ServiceChange;
use testkit::World;
use timing::Duration;

fn office() -> World {
    let mut world = World::new().line("alice", "1001").line("bruno", "1002").line("carla", "1003");
    world.plugs_in_sip_phone("alice", 1);
    world.plugs_in_sip_phone("carla", 3);
    world.opens_page("bruno");
    world
}

#[test]
fn an_announcement_is_heard_before_the_answer_and_the_call_goes_on_from_there() {
    let mut world = office();
    world.sip_phone_dials("desk-alice", "1003");
    world.run_until(|world| world.sip_phone_rings("desk-carla"));
    world.sip_phone_sounds_early("desk-carla");
    world.run_until(|world| world.hears("desk-alice", "desk-carla"));
    assert!(world.facts.iter().all(|fact| !matches!(fact, switch::Fact::CallAnswered { .. })));
    world.sip_phone_answers("desk-carla");
    world.run_until(|world| {
        world.hears("desk-alice", "desk-carla") && world.hears("desk-carla", "desk-alice")
    });
    assert!(world.facts.iter().any(|fact| matches!(fact, switch::Fact::CallAnswered { .. })));
}

#[test]
fn another_branch_may_answer_than_the_one_that_was_heard() {
    for patience in (0..40).chain([5_000]).map(Duration::from_millis) {
        let mut world = office();
        world.sip_phone_dials("desk-alice", "1003");
        world.run_until(|world| world.sip_phone_rings("desk-carla"));
        world.sip_phone_sounds_early("desk-carla");
        world.run_for(patience);
        world.sip_phone_answers_elsewhere("desk-carla");
        world.run_for(Duration::from_secs(1));
        assert!(world.hears("desk-alice", "desk-carla"), "{patience:?}");
        assert!(world.hears("desk-carla", "desk-alice"), "{patience:?}");
        assert_eq!(
            world.facts.iter().filter(|fact| matches!(fact, switch::Fact::CallAnswered { .. })).count(),
            1
        );
    }
}

#[test]
fn who_gives_up_during_an_announcement_leaves_nothing_behind() {
    let mut world = office();
    let dialog = world.sip_phone_dials("desk-alice", "1003");
    world.run_until(|world| world.sip_phone_rings("desk-carla"));
    world.sip_phone_sounds_early("desk-carla");
    world.run_until(|world| world.hears("desk-alice", "desk-carla"));
    world.sip_phone_hangs_up("desk-alice", dialog);
    world.run_until(|world| world.sip_phone_rests("desk-carla"));
    assert_eq!(world.records().len(), 1);
}

#[test]
fn after_an_announcement_the_call_may_go_on_to_somebody_else() {
    let mut world = office();
    let (user, to) = (world.user("carla"), "1002".parse().ok());
    let change = ServiceChange::Busy(model::Forward { enabled: true, destination: to });
    world.command(switch::Command::ChangeServices { user, change }).unwrap();
    world.sip_phone_dials("desk-alice", "1003");
    world.run_until(|world| world.sip_phone_rings("desk-carla"));
    world.sip_phone_sounds_early("desk-carla");
    world.run_until(|world| world.hears("desk-alice", "desk-carla"));
    let (dialog, now) = (world.sip_phone("desk-carla").dialogs()[0], world.now);
    world.sip_phone("desk-carla").agent.refuse(dialog, 486, None, now);
    world.run_until(|world| world.state("bruno") == Some(CallState::Ringing));
    world.run_until(|world| world.hears_a_sound("desk-alice"));
    world.acts("bruno", |call| PhoneCommand::Answer { call });
    world.run_for(Duration::from_secs(1));
    assert!(world.hears("desk-alice", "bruno") && world.hears("bruno", "desk-alice"));
}

#[test]
fn after_an_announcement_a_service_may_answer() {
    let mut world = office();
    let (user, to) = (world.user("carla"), "*55".parse().ok());
    let change = ServiceChange::Busy(model::Forward { enabled: true, destination: to });
    world.command(switch::Command::ChangeServices { user, change }).unwrap();
    world.sip_phone_dials("desk-alice", "1003");
    world.run_until(|world| world.sip_phone_rings("desk-carla"));
    world.sip_phone_sounds_early("desk-carla");
    world.run_until(|world| world.hears("desk-alice", "desk-carla"));
    let (dialog, now) = (world.sip_phone("desk-carla").dialogs()[0], world.now);
    world.sip_phone("desk-carla").agent.refuse(dialog, 486, None, now);
    world.run_until(|world| world.hears("desk-alice", "desk-alice"));
    assert!(world.sip_phone("desk-alice").established().is_some(), "and it is answered");
}

#[test]
fn after_an_announcement_a_third_may_pick_the_call_up() {
    let mut world = office();
    world.sip_phone_dials("desk-alice", "1003");
    world.run_until(|world| world.sip_phone_rings("desk-carla"));
    world.sip_phone_sounds_early("desk-carla");
    world.run_until(|world| world.hears("desk-alice", "desk-carla"));
    world.dials("bruno", "*81003");
    world.run_until(|world| world.hears("desk-alice", "bruno") && world.hears("bruno", "desk-alice"));
    assert!(world.sip_phone("desk-alice").established().is_some(), "and it is answered");
    assert!(world.sip_phone_rests("desk-carla"));
}
