//! Sentences about what has happened.

use model::EndCause;
use softphone::{CallDirection, CallEnd, PhoneCall};

use crate::control::Refusal;
use crate::notice::Level;

/// What is said about the end of a call; nothing where the person ended it or the two had talked.
pub(super) fn ending(call: &PhoneCall, end: CallEnd, who: &str) -> Option<(Level, String)> {
    let incoming = call.direction == CallDirection::Incoming;
    let text = match end {
        CallEnd::HungUp => return None,
        CallEnd::RemoteHungUp => return Some((Level::Info, format!("{who} hung up."))),
        CallEnd::Cancelled if incoming => format!("You missed a call from {who}."),
        CallEnd::AnsweredElsewhere => {
            return Some((Level::Info, format!("The call from {who} was answered on another phone.")));
        }
        CallEnd::Cancelled | CallEnd::NoResponse => format!("The call with {who} was lost."),
        CallEnd::MediaFailed(_) => format!("The call with {who} had no sound and was ended."),
        CallEnd::Refused(status) => match EndCause::from_sip_status(status) {
            EndCause::UnknownNumber => format!("{} is not a known number.", call.remote_user),
            EndCause::Busy => format!("{who} is busy."),
            EndCause::Declined => format!("{who} declined the call."),
            EndCause::NoAnswer | EndCause::Cancelled => format!("{who} did not answer."),
            EndCause::Unavailable | EndCause::ConnectionLost => format!("{who} cannot be reached right now."),
            EndCause::Forbidden => format!("You may not call {who}."),
            EndCause::NotAcceptable => format!("{who} has a phone that this page cannot talk to."),
            EndCause::Overloaded | EndCause::ServerStopping => {
                "The server has no room for this call. Try again in a moment.".to_owned()
            }
            EndCause::Normal | EndCause::AnsweredElsewhere | EndCause::TimeLimit | EndCause::Internal => {
                format!("The call to {who} did not work. Try again.")
            }
        },
    };
    Some((Level::Warning, text))
}

pub(super) fn refused(refusal: softphone::Refusal) -> &'static str {
    match refusal {
        softphone::Refusal::NotRegistered => Refusal::PhoneLost.text(),
        softphone::Refusal::NoSuchCall => Refusal::NoSuchCall.text(),
        softphone::Refusal::WrongState => Refusal::NotAnswered.text(),
        softphone::Refusal::TooManyCalls => Refusal::TwoCalls.text(),
        softphone::Refusal::NotANumber => Refusal::NotANumber.text(),
        softphone::Refusal::NotAKey => Refusal::NotAKey.text(),
    }
}
