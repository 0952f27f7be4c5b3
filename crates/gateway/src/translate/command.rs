use std::collections::BTreeMap;

use cti::{Command as Wire, ConfigObject, List};
use model::{Forward, NotANumber, PhoneNumber, UserId};
use switch::{Command, PhoneAct, ServiceChange};

/// What a frame asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// A heartbeat.
    Ping,
    /// The user's own line.
    Line,
    /// The ICE servers.
    Ice,
    /// A list; there is nothing in any of them yet.
    List(List),
    /// The user's living calls.
    Calls,
    /// A login's full name.
    NameOf(String),
    /// A line for the log.
    Log { level: String, text: String },
    /// For the switch.
    Act(Command),
    /// Not possible, and why.
    Refused(String),
}

pub(crate) fn command(wire: Wire, user: UserId) -> Meaning {
    match wire {
        Wire::Ping => Meaning::Ping,
        Wire::GetConfig { object: ConfigObject::Line } => Meaning::Line,
        Wire::GetConfig { object: ConfigObject::Other(name) } => {
            Meaning::Refused(format!("no configuration {name:?}"))
        }
        Wire::GetIceConfig => Meaning::Ice,
        Wire::GetList { list } if list.answer().is_some() => Meaning::List(list),
        Wire::GetList { list } => Meaning::Refused(format!("no list {:?}", list.as_str())),
        Wire::GetCurrentCallsPhoneEvents => Meaning::Calls,
        Wire::DisplayNameLookup { username } => Meaning::NameOf(username),
        Wire::PushLogToServer { level, log } => Meaning::Log { level, text: log },
        Wire::Dial { destination, variables } => dialled(&destination, |destination| Command::Dial {
            user,
            destination,
            variables: prefixed(variables),
        }),
        Wire::Hangup { unique_id } => Meaning::Act(Command::HangUp { user, unique_id }),
        Wire::Answer { unique_id } => phone(user, unique_id, PhoneAct::Answer),
        Wire::Hold { unique_id } => phone(user, unique_id, PhoneAct::ToggleHold),
        Wire::ToggleMicrophone { unique_id } => phone(user, unique_id, PhoneAct::ToggleMicrophone),
        Wire::SendDtmf { key } => phone(user, None, PhoneAct::SendDtmf(key)),
        Wire::SetData { variables } => {
            Meaning::Act(Command::SetData { user, variables: prefixed(variables) })
        }
        Wire::DirectTransfer { destination } => {
            dialled(&destination, |destination| Command::DirectTransfer { user, destination })
        }
        Wire::AttendedTransfer { destination, device: _ } => {
            dialled(&destination, |destination| Command::Consult { user, destination })
        }
        Wire::CompleteTransfer => Meaning::Act(Command::CompleteTransfer { user }),
        Wire::CancelTransfer => Meaning::Act(Command::CancelTransfer { user }),
        Wire::Conference => Meaning::Act(Command::Merge { user }),
        Wire::Dnd { state } => change(user, ServiceChange::DoNotDisturb(state)),
        Wire::UncFwd { forward } => forwarded(user, &forward, ServiceChange::Unconditional),
        Wire::BusyFwd { forward } => forwarded(user, &forward, ServiceChange::Busy),
        Wire::NaFwd { forward } => forwarded(user, &forward, ServiceChange::NoAnswer),
        Wire::Unknown { name } => Meaning::Refused(format!("unknown command {name:?}")),
    }
}

fn dialled(destination: &str, command: impl FnOnce(PhoneNumber) -> Command) -> Meaning {
    match destination.parse() {
        Ok(number) => Meaning::Act(command(number)),
        Err(not_a_number) => Meaning::Refused(not_a_number.to_string()),
    }
}

fn change(user: UserId, change: ServiceChange) -> Meaning {
    Meaning::Act(Command::ChangeServices { user, change })
}

/// A forward that is switched off may come without a number.
fn forwarded(user: UserId, forward: &cti::Forward, into: fn(Forward) -> ServiceChange) -> Meaning {
    let destination = match forward.destination.trim() {
        "" => None,
        text => match text.parse() {
            Ok(number) => Some(number),
            Err(NotANumber) if !forward.enabled => None,
            Err(not_a_number) => return Meaning::Refused(not_a_number.to_string()),
        },
    };
    change(user, into(Forward { enabled: forward.enabled, destination }))
}

fn phone(user: UserId, unique_id: Option<String>, act: PhoneAct) -> Meaning {
    Meaning::Act(Command::Phone { user, unique_id, act })
}

/// Attached data is kept under names with `USR_`; the prefix is added where it is missing (§4.3.3).
fn prefixed(variables: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let name = |name: String| if name.starts_with("USR_") { name } else { format!("USR_{name}") };
    variables.into_iter().map(|(key, value)| (name(key), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attached_data_gets_its_prefix_once() {
        let wire = Wire::Dial {
            destination: "1002".into(),
            variables: [("CASE".to_owned(), "A".to_owned()), ("USR_X".to_owned(), "B".to_owned())].into(),
        };
        let Meaning::Act(Command::Dial { variables, .. }) = command(wire, UserId(1)) else {
            panic!("a dial")
        };
        assert_eq!(variables.into_keys().collect::<Vec<_>>(), ["USR_CASE", "USR_X"]);
    }

    #[test]
    fn addresses_are_not_dialled() {
        for destination in ["sip:x@evil.example", "127.0.0.1:5060", "", "10 01;ext=2"] {
            let wire = Wire::Dial { destination: destination.into(), variables: BTreeMap::new() };
            assert!(matches!(command(wire, UserId(1)), Meaning::Refused(_)), "{destination:?}");
        }
    }

    #[test]
    fn what_we_do_not_know_is_named_in_the_refusal() {
        let refused = command(Wire::Unknown { name: "flyToMoon".into() }, UserId(1));
        assert_eq!(refused, Meaning::Refused("unknown command \"flyToMoon\"".into()));
    }
}
