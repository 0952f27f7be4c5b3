use timing::Instant;

use super::Desk;
use crate::calls::{Asked, Entry};
use crate::card::{CallCard, CardId, CardState, Waiting};
use crate::command::Order;
use crate::control::{Control, Refusal};
use crate::session::{Microphone, Session, Tab};

/// The server allows two calls per browser line.
const MOST_CALLS: usize = 2;

/// Clicks.
impl Desk {
    pub(super) fn dial_refusal(&self) -> Option<Refusal> {
        let states: Vec<CardState> = self.calls.iter().map(Entry::state).collect();
        if !self.is_signed_in() {
            return Some(Refusal::SignedOut);
        }
        if self.tab == Tab::Owner {
            if self.microphone == Microphone::Insecure {
                return Some(Refusal::InsecurePage);
            }
            if self.line.as_ref().is_some_and(|line| !line.in_browser) {
                return self.events_refusal();
            }
            if !self.phone_up() {
                return Some(if self.no_line { Refusal::NoBrowserLine } else { Refusal::PhoneLost });
            }
        } else if let Some(refusal) = self.events_refusal() {
            return Some(refusal);
        }
        if states.contains(&CardState::Ringing) {
            return Some(Refusal::Ringing);
        }
        if states.iter().any(|state| !state.is_answered()) {
            return Some(Refusal::Dialling);
        }
        (states.len() >= MOST_CALLS).then_some(Refusal::TwoCalls)
    }

    pub(super) fn events_refusal(&self) -> Option<Refusal> {
        (!self.link.connection().is_up()).then_some(Refusal::EventsLost)
    }

    pub(super) fn dial(&mut self, text: &str) -> Result<(), Refusal> {
        let number = Desk::read_number(text)?;
        self.can_dial().check()?;
        let here = self.tab == Tab::Owner && self.phone_up();
        self.orders.push_back(if here {
            Order::Phone(softphone::Command::Dial { number: number.into() })
        } else {
            Order::Cti(cti::Command::Dial { destination: number.into(), variables: Default::default() })
        });
        Ok(())
    }

    pub(super) fn answer(&mut self, card: CardId, now: Instant) -> Result<(), Refusal> {
        self.click(
            card,
            |card| card.controls.answer,
            |entry| match entry.phone_id() {
                Some(call) => Order::Phone(softphone::Command::Answer { call }),
                None => {
                    entry.asked = Some(Asked::now(Waiting::Answer, now));
                    Order::Cti(cti::Command::Answer { unique_id: entry.unique_id() })
                }
            },
        )
    }

    pub(super) fn decline(&mut self, card: CardId, now: Instant) -> Result<(), Refusal> {
        self.click(
            card,
            |card| card.controls.decline,
            |entry| match entry.phone_id() {
                Some(call) => Order::Phone(softphone::Command::Decline { call }),
                None => {
                    entry.asked = Some(Asked::now(Waiting::End, now));
                    Order::Cti(cti::Command::Hangup { unique_id: entry.unique_id() })
                }
            },
        )
    }

    pub(super) fn end(&mut self, card: CardId, now: Instant) -> Result<(), Refusal> {
        self.click(
            card,
            |card| card.controls.end,
            |entry| match entry.phone_id() {
                Some(call) => Order::Phone(softphone::Command::HangUp { call }),
                None => {
                    entry.asked = Some(Asked::now(Waiting::End, now));
                    Order::Cti(cti::Command::Hangup { unique_id: entry.unique_id() })
                }
            },
        )
    }

    pub(super) fn toggle_hold(&mut self, card: CardId, now: Instant) -> Result<(), Refusal> {
        self.click(
            card,
            |card| card.controls.hold,
            |entry| match entry.phone_id() {
                Some(call) if entry.state() == CardState::OnHold => {
                    Order::Phone(softphone::Command::Resume { call })
                }
                Some(call) => Order::Phone(softphone::Command::Hold { call }),
                None => {
                    let held = entry.state() == CardState::OnHold;
                    entry.asked = Some(Asked::now(if held { Waiting::Resume } else { Waiting::Hold }, now));
                    Order::Cti(cti::Command::Hold { unique_id: entry.unique_id() })
                }
            },
        )
    }

    pub(super) fn toggle_mute(&mut self, card: CardId) -> Result<(), Refusal> {
        self.click(
            card,
            |card| card.controls.mute,
            |entry| match &entry.phone {
                Some(phone) => Order::Phone(softphone::Command::Mute { call: phone.id, on: !phone.muted }),
                None => Order::Cti(cti::Command::ToggleMicrophone { unique_id: entry.unique_id() }),
            },
        )
    }

    pub(super) fn send_dtmf(&mut self, card: CardId, key: char) -> Result<(), Refusal> {
        let key = key.to_ascii_uppercase();
        if !matches!(key, '0'..='9' | '*' | '#' | 'A'..='D') {
            return Err(Refusal::NotAKey);
        }
        self.click(
            card,
            |card| card.controls.keypad,
            |entry| {
                entry.sent(key);
                match entry.phone_id() {
                    Some(call) => Order::Phone(softphone::Command::SendDtmf { call, key }),
                    None => Order::Cti(cti::Command::SendDtmf { key }),
                }
            },
        )
    }

    pub(super) fn take_phone(&mut self) -> Result<(), Refusal> {
        self.can_take_phone().check()?;
        let Session::SignedIn { login } = &self.session else { return Err(Refusal::SignedOut) };
        self.orders.push_back(Order::ClaimPhone { login: login.clone(), steal: true });
        Ok(())
    }

    /// Checks a card's control and makes the order.
    pub(super) fn click(
        &mut self,
        id: CardId,
        control: fn(&CallCard) -> Control,
        order: impl FnOnce(&mut Entry) -> Order,
    ) -> Result<(), Refusal> {
        let card = self.calls().into_iter().find(|card| card.id == id).ok_or(Refusal::NoSuchCall)?;
        control(&card).check()?;
        let entry = self.calls.get_mut(id).ok_or(Refusal::NoSuchCall)?;
        let order = order(entry);
        self.orders.push_back(order);
        Ok(())
    }
}
