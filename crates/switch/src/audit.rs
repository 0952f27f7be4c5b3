//! What must hold at any time, whatever has happened.

use crate::switch::{Switch, Timer};

impl Switch {
    /// The first thing that is not as it must be: a leg without its call, a call without a leg, a dialog that leads
    /// nowhere, a timer of what is over. Always `None`; tests ask after every step.
    pub fn inconsistency(&self) -> Option<String> {
        let no_call = self.legs.iter().find(|(_, leg)| !self.calls.contains_key(&leg.call));
        if let Some((id, leg)) = no_call {
            return Some(format!("leg {id} is of call {}, which is over", leg.call));
        }
        for call in self.calls.values() {
            let parts = std::iter::once(&call.caller_leg).chain(&call.branches);
            for leg in parts {
                match self.legs.get(leg) {
                    None => return Some(format!("call {} has leg {leg}, which is gone", call.id)),
                    Some(leg) if leg.call != call.id => {
                        return Some(format!("call {} has a leg of call {}", call.id, leg.call));
                    }
                    Some(_) => {}
                }
            }
            for other in [call.merged, call.consults].into_iter().flatten() {
                if call.merged == Some(other)
                    && self.calls.get(&other).and_then(|o| o.merged) != Some(call.id)
                {
                    return Some(format!("call {} is merged with {other}, which is not", call.id));
                }
            }
        }
        for (dialog, leg) in &self.dialogs {
            if self.legs.get(leg).and_then(|leg| leg.dialog) != Some(*dialog) {
                return Some(format!("dialog {dialog:?} leads to leg {leg}, which is not its own"));
            }
        }
        let lost = self.timers.keys().find(|timer| match timer {
            Timer::NoAnswer(call)
            | Timer::Forward(call)
            | Timer::ServiceOver(call)
            | Timer::TooLong(call) => !self.calls.contains_key(call),
            Timer::Detached(leg) | Timer::Orphaned(leg) | Timer::NoSound(leg) | Timer::TrunkSilent(leg) => {
                !self.legs.contains_key(leg)
            }
            Timer::Message(message) => !self.messages.waits(*message),
            Timer::Trunk(_) | Timer::Registrations => false,
        });
        lost.map(|timer| format!("{timer:?} is set for what is over"))
    }
}
