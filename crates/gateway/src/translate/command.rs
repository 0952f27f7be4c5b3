use std::collections::BTreeMap;

use cti::{Command as Wire, ConfigObject, List};
use model::{PhoneNumber, UserId};
use switch::{Command, PhoneAct};

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
        Wire::Dial { destination, variables } => match destination.parse::<PhoneNumber>() {
            Ok(destination) => {
                Meaning::Act(Command::Dial { user, destination, variables: prefixed(variables) })
            }
            Err(not_a_number) => Meaning::Refused(not_a_number.to_string()),
        },
        Wire::Hangup { unique_id } => Meaning::Act(Command::HangUp { user, unique_id }),
        Wire::Answer { unique_id } => phone(user, unique_id, PhoneAct::Answer),
        Wire::Hold { unique_id } => phone(user, unique_id, PhoneAct::ToggleHold),
        Wire::ToggleMicrophone { unique_id } => phone(user, unique_id, PhoneAct::ToggleMicrophone),
        Wire::SendDtmf { key } => phone(user, None, PhoneAct::SendDtmf(key)),
        Wire::SetData { variables } => {
            Meaning::Act(Command::SetData { user, variables: prefixed(variables) })
        }
        Wire::Unknown { name } => Meaning::Refused(format!("unknown command {name:?}")),
        known @ (Wire::DirectTransfer { .. }
        | Wire::AttendedTransfer { .. }
        | Wire::CompleteTransfer
        | Wire::CancelTransfer
        | Wire::Conference) => Meaning::Refused(format!("{} is not offered by this server", known.name())),
    }
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
