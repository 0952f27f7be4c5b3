//! Random wishes in random order, by pages, desk phones and commands: whatever happens, nothing is left over.
//!
//! A run that fails prints its seed; `HOTDESK_SEED=… cargo test -p hotdesk-switch --test any_order` repeats it.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the report")]

use std::collections::BTreeMap;

use model::Forward;
use softphone::{CallState, Command as PhoneCommand};
use switch::{Command, Fact, PhoneAct, ServiceChange};
use testkit::World;
use timing::Duration;

const PAGES: [&str; 3] = ["alice", "bruno", "carla"];
const DESKS: [&str; 2] = ["desk-dave", "desk-alice"];
const NUMBERS: [&str; 8] = ["1001", "1002", "1003", "1004", "*55", "4711", "*81003", "*25"];
/// Wishes of one run.
const WISHES: u32 = 60;
/// Runs when no seed is given.
const RUNS: u64 = 12;

/// A small generator of our own, so that a seed means the same for ever (Marsaglia's xorshift).
struct Chance(u64);

impl Chance {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % below
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.next(all.len())]
    }
}

#[test]
fn whatever_happens_nothing_is_left_over() {
    let given = std::env::var("HOTDESK_SEED").ok().map(|seed| seed.parse().expect("a number"));
    let seeds = given.map_or_else(|| (1..=RUNS).collect(), |seed| vec![seed]);
    for seed in seeds {
        println!("seed {seed}");
        run(seed);
    }
}

fn run(seed: u64) {
    let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut world =
        World::new().line("alice", "1001").line("bruno", "1002").line("carla", "1003").line("dave", "1004");
    for page in PAGES {
        world.opens_page(page);
    }
    world.plugs_in_sip_phone("dave", 4);
    world.plugs_in_sip_phone("alice", 5);
    for wish in 0..WISHES {
        a_wish(&mut world, &mut chance);
        let pause = chance.of(&[0, 5, 20, 200, 1_500]);
        world.run_for(Duration::from_millis(pause));
        if let Some(wrong) = world.switch.inconsistency() {
            panic!("seed {seed}, wish {wish}: {wrong}");
        }
    }
    // everybody goes; the world itself asserts that nothing is left of it
    world.run_for(Duration::from_secs(1));
    for page in PAGES {
        world.closes_page(page);
    }
    for desk in DESKS {
        for dialog in world.sip_phone(desk).dialogs() {
            world.sip_phone_hangs_up(desk, dialog);
        }
    }
    // whose goodbye came to nothing is given up when nothing was heard of him for long enough
    world.run_for(Duration::from_secs(200));
    assert_eq!(world.switch.inconsistency(), None, "seed {seed}");
    let mut ends: BTreeMap<_, u32> = BTreeMap::new();
    for fact in &world.facts {
        if let Fact::CallEnded(ended) = fact {
            *ends.entry(ended.call).or_default() += 1;
        }
    }
    assert!(ends.values().all(|times| *times == 1), "seed {seed}: a call ended twice: {ends:?}");
    let began = world.facts.iter().filter(|fact| matches!(fact, Fact::CallBegan(_))).count();
    assert_eq!(
        (world.switch.calls(), ends.len()),
        (0, began),
        "seed {seed}: every call that began has ended"
    );
}

fn a_wish(world: &mut World, chance: &mut Chance) {
    let page = chance.of(&PAGES);
    let user = world.user(page);
    let destination = chance.of(&NUMBERS).parse().unwrap();
    let calls = world.browser(page).calls();
    let call = if calls.is_empty() { None } else { Some(calls[chance.next(calls.len())].clone()) };
    match chance.next(16) {
        0 => {
            let _ = world.tries(page, PhoneCommand::Dial { number: chance.of(&NUMBERS).into() });
        }
        1 | 2 => {
            let ringing = call.filter(|call| call.state == CallState::Ringing);
            if let Some(call) = ringing {
                let _ = world.tries(page, PhoneCommand::Answer { call: call.id });
            }
        }
        3 => {
            if let Some(call) = call {
                let hold = PhoneCommand::Hold { call: call.id };
                let resume = PhoneCommand::Resume { call: call.id };
                let _ = world.tries(page, if call.state == CallState::Held { resume } else { hold });
            }
        }
        4 => {
            if let Some(call) = call {
                let _ = world.tries(page, PhoneCommand::HangUp { call: call.id });
            }
        }
        5 => {
            let _ = world.command(Command::Dial { user, destination, variables: BTreeMap::new() });
        }
        6 => {
            let _ = world.command(Command::DirectTransfer { user, destination });
        }
        7 | 8 => {
            let _ = world.command(Command::Consult { user, destination });
        }
        9 => {
            let _ = world.command(Command::CompleteTransfer { user });
        }
        10 => {
            let _ = world.command(Command::CancelTransfer { user });
        }
        11 => {
            let _ = world.command(Command::Merge { user });
        }
        12 => {
            let change = match chance.next(4) {
                0 => ServiceChange::DoNotDisturb(chance.next(3) == 0),
                1 => ServiceChange::CallWaiting(chance.next(2) == 0),
                2 => ServiceChange::Busy(Forward { enabled: true, destination: Some(destination) }),
                _ => ServiceChange::Unconditional(Forward {
                    enabled: chance.next(4) == 0,
                    destination: Some(destination),
                }),
            };
            let _ = world.command(Command::ChangeServices { user, change });
        }
        13 => {
            let desk = chance.of(&DESKS);
            match chance.next(4) {
                0 => {
                    let _ = world.sip_phone_dials(desk, chance.of(&NUMBERS));
                }
                1 if world.sip_phone_rings(desk) => world.sip_phone_answers(desk),
                2 => {
                    if let Some(dialog) = world.sip_phone(desk).dialogs().first().copied() {
                        world.sip_phone_hangs_up(desk, dialog);
                    }
                }
                _ => {
                    let picks_up = chance.next(2) == 0;
                    world.sip_phone(desk).picks_up = picks_up;
                }
            }
        }
        14 => {
            world.heeds_acts(page);
            let act = PhoneAct::ToggleHold;
            let _ = world.command(Command::Phone { user: world.user("dave"), unique_id: None, act });
        }
        _ => match chance.next(6) {
            0 => {
                world.opens_page(page);
            }
            1 => {
                world.loses_socket_if_open(page);
            }
            2 => world.server_notices(),
            _ => {
                if let Some(dialog) = world.sip_phone("desk-dave").established() {
                    world.sip_phone_refers(
                        "desk-dave",
                        dialog,
                        &format!("<sip:{}@default>", chance.of(&NUMBERS)),
                    );
                }
            }
        },
    }
}
