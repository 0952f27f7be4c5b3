//! A line with several phones: all ring, one answers.

use model::EndCause;
use softphone::{CallEnd, CallState, Command as Phone};
use switch::PhoneFactKind::{Established, Released, Ringing};
use switch::{Command, Fact, PhoneAct};
use testkit::World;
use timing::Duration;

/// Alice has one page, Bruno two: "bruno", and "laptop", which registered last.
fn office() -> World {
    let mut world = World::new().line("alice", "1001").line("bruno", "1002");
    world.opens_page("alice");
    world.opens_page("bruno");
    world.opens_another_page("laptop", "bruno");
    world
}

/// Alice calls, and both of Bruno's pages ring.
fn ringing() -> World {
    let mut world = office();
    world.dials("alice", "1002");
    world.run_until(|w| ["bruno", "laptop"].iter().all(|page| w.state(page) == Some(CallState::Ringing)));
    world
}

fn sip_call_id(world: &World, page: &str) -> Option<String> {
    world.browser(page).calls()[0].sip_call_id.clone()
}

/// The Call-IDs in what Bruno was told.
fn told_call_ids(world: &World) -> Vec<Option<String>> {
    world.phone_facts("bruno").iter().map(|fact| fact.sip_call_id.clone()).collect()
}

#[test]
fn the_first_phone_that_answers_takes_the_call_and_the_others_hear_so() {
    for (winner, loser) in [("bruno", "laptop"), ("laptop", "bruno")] {
        let mut world = ringing();
        let (rang, winners) = (sip_call_id(&world, "laptop"), sip_call_id(&world, winner));
        world.acts(winner, |call| Phone::Answer { call });
        world.run_until(|w| w.hears("alice", "bruno") && w.hears(winner, "alice"));
        assert_eq!(world.browser(loser).ended(), [CallEnd::AnsweredElsewhere]);
        assert_eq!(world.told("bruno"), [Ringing, Established]);
        assert_eq!(told_call_ids(&world), [rang, winners], "{winner} speaks for the user now");
    }
}

#[test]
fn two_answers_in_the_same_instant_make_one_call() {
    let mut world = ringing();
    let answers = ["bruno", "laptop"].map(|page| (page, world.browser(page).calls()[0].id));
    world.at_once(answers.map(|(page, call)| (page, Phone::Answer { call })));
    world.run_until(|w| w.hears("alice", "bruno"));
    world.run_for(Duration::from_secs(1));
    let talking = ["bruno", "laptop"].map(|page| world.browser(page).calls().len());
    assert_eq!(talking.iter().sum::<usize>(), 1);
    assert_eq!(world.records().len(), 0);
}

#[test]
fn declining_on_one_phone_speaks_for_all() {
    let mut world = ringing();
    world.acts("laptop", |call| Phone::Decline { call });
    world.run_until(|w| w.switch.calls() == 0);
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.records()[0].cause, EndCause::Declined);
    assert_eq!(world.browser("alice").ended(), [CallEnd::Refused(603)]);
    assert_eq!(world.browser("bruno").ended(), [CallEnd::Cancelled]);
}

#[test]
fn a_busy_phone_lets_the_others_ring_and_its_word_is_the_last_when_nobody_answers() {
    let mut world = office();
    world.plugs_in("desk", 1, "bruno");
    world.dials("alice", "1002");
    world.run_until(|w| w.state("laptop") == Some(CallState::Ringing));
    world.desk_phone_refuses("desk", 486, None);
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.state("alice"), Some(CallState::Alerting));
    for page in ["bruno", "laptop"] {
        world.acts(page, |call| Phone::HangUp { call });
    }
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.records()[0].cause, EndCause::Busy);
    assert_eq!(world.browser("alice").ended(), [CallEnd::Refused(486)]);
}

#[test]
fn the_command_to_answer_goes_to_one_phone_the_one_that_registered_last() {
    let mut world = ringing();
    let user = world.user("bruno");
    world.command(Command::Phone { user, unique_id: None, act: PhoneAct::Answer }).unwrap();
    let acts: Vec<&String> = world
        .facts
        .iter()
        .filter_map(
            |fact| if let Fact::PhoneAct { sip_call_id, .. } = fact { Some(sip_call_id) } else { None },
        )
        .collect();
    assert_eq!(acts, [&sip_call_id(&world, "laptop").unwrap()]);
    assert_eq!(told_call_ids(&world), [sip_call_id(&world, "laptop")]);
}

#[test]
fn when_the_phone_that_was_told_of_rings_no_more_another_is_told_of() {
    let mut world = ringing();
    world.acts("laptop", |call| Phone::HangUp { call });
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.told("bruno"), [Ringing, Ringing]);
    let other = sip_call_id(&world, "bruno");
    assert_eq!(told_call_ids(&world)[1], other);
    world.acts("alice", |call| Phone::HangUp { call });
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.told("bruno")[2], Released(EndCause::Cancelled));
    assert_eq!(told_call_ids(&world)[2], other, "the dialog is gone, its name is not");
}
