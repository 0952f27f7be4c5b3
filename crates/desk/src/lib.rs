//! What an agent sees and may do, as plain state: the CTI socket and the phone meet here.
//!
//! [`Desk`] is the one entry type. [`Desk::apply`] folds what has happened into what is shown; a click becomes a
//! [`Command`], which is refused with a sentence or turns into [`Order`]s for the sockets, the softphone and the
//! browser. Every word that names a state or says why a button cannot be used stands in this crate.
//!
//! ```
//! use desk::{Desk, Event, Session, SignInProblem};
//! use timing::Instant;
//!
//! let mut desk = Desk::new([7; 32]);
//! desk.apply(Event::SigningIn, Instant::ORIGIN);
//! desk.apply(Event::SignInFailed(SignInProblem::WrongPassword), Instant::ORIGIN);
//! assert_eq!(desk.session(), &Session::SignedOut { problem: Some(SignInProblem::WrongPassword) });
//! ```
//!
//! Left to others: tokens and passwords (`app/browser`), the softphone itself, layout and colours (`app/view`).
#![warn(missing_docs)]

mod calls;
mod card;
mod command;
mod connection;
mod control;
mod desk;
mod event;
mod link;
mod notice;
mod recent;
mod session;
mod text;

pub use calls::KeptCall;
pub use card::{CallCard, CardId, CardState, Direction, Voice, Waiting, heading, in_hand, ringing};
pub use command::{Command, Order};
pub use connection::{Connection, Connections, Outage};
pub use control::{Control, Controls, Refusal};
pub use desk::{Desk, ECHO_NUMBER};
pub use event::{CallMicrophone, Event};
pub use link::{ANSWER_LIMIT, SessionCheck};
pub use notice::{Level, Notice};
pub use recent::{Outcome, PastCall};
pub use session::{DeskState, LineCard, Microphone, Session, SignInProblem, Tab, UserCard};
pub use text::readable;
