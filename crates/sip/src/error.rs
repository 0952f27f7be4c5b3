use crate::config::DialogId;
use crate::dialog::DialogState;

/// The peer broke a standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed {what} ({section})")]
pub struct Malformed {
    /// The part of the message.
    pub what: &'static str,
    /// Where the standard says how it must look.
    pub section: &'static str,
}

/// The application asked for what this dialog cannot do now; nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("dialog {} cannot do that in state {state:?}", dialog.0)]
pub struct WrongState {
    /// The dialog.
    pub dialog: DialogId,
    /// Its state; nothing when we do not know it (any more).
    pub state: Option<DialogState>,
}
