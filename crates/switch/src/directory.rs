use std::collections::BTreeMap;

use model::{LineId, PhoneNumber, UserId};

use crate::features::Feature;

/// A line that can be dialled: whose it is and how its SIP account is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The line's id in the store.
    pub id: LineId,
    /// The user who owns the line.
    pub user: UserId,
    /// The number that rings it.
    pub number: PhoneNumber,
    /// The SIP account: authentication user and user part of the address of record.
    pub account: String,
    /// The owner's full name, shown to the other party.
    pub full_name: String,
}

/// A phone that proves itself by a password of its own, with every request (RFC 3261 §22): a desk phone, a softphone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its SIP account: the digest user and the user part of its addresses.
    pub name: String,
    /// The SIP account of the line that it belongs to.
    pub account: String,
    /// Digest hashes of its password.
    pub ha1: sip::digest::Ha1,
}

/// Who may use a flow, proved by the token of the connection it runs on.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The user of the token.
    pub user: UserId,
    /// The SIP account of the user's line.
    pub account: String,
    /// Digest hashes of the password minted for this login.
    pub ha1: sip::digest::Ha1,
}

/// What a dialled number leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// The caller hears himself.
    Echo,
    /// A user's line, by SIP account.
    Line(String),
    /// The outside, by canonical number.
    Outside(PhoneNumber),
    /// The caller wants something changed, or to take a call that rings elsewhere.
    Feature(Feature),
}

/// The dial plan: lines by number and by account, and the service numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directory {
    by_account: BTreeMap<String, Line>,
    by_number: BTreeMap<PhoneNumber, String>,
    devices: BTreeMap<String, Device>,
}

/// The number of the echo test.
pub(crate) const ECHO_NUMBER: &str = "*55";

impl Directory {
    /// A directory of these lines; of two lines with one number the later one rings.
    pub fn new(lines: impl IntoIterator<Item = Line>) -> Self {
        let mut directory = Directory::default();
        for line in lines {
            directory.by_number.insert(line.number.clone(), line.account.clone());
            directory.by_account.insert(line.account.clone(), line);
        }
        directory
    }

    /// The same with these devices; one whose line is not here is left out.
    #[must_use]
    pub fn with_devices(mut self, devices: impl IntoIterator<Item = Device>) -> Self {
        let known = devices.into_iter().filter(|device| self.by_account.contains_key(&device.account));
        self.devices = known.map(|device| (device.name.clone(), device)).collect();
        self
    }

    /// The device of that SIP account.
    pub fn device(&self, name: &str) -> Option<&Device> {
        self.devices.get(name)
    }

    /// The line of that SIP account.
    pub fn line(&self, account: &str) -> Option<&Line> {
        self.by_account.get(account)
    }

    /// The line of that user.
    pub fn line_of(&self, user: UserId) -> Option<&Line> {
        self.by_account.values().find(|line| line.user == user)
    }

    /// Where a call to `number` goes; `None` if the number exists nowhere.
    pub fn route(&self, number: &PhoneNumber) -> Option<Destination> {
        if number.as_str() == ECHO_NUMBER {
            return Some(Destination::Echo);
        }
        let line = self.by_number.get(number).cloned().map(Destination::Line);
        line.or_else(|| Feature::dialled(number).map(Destination::Feature))
    }

    /// All lines, by account.
    pub fn lines(&self) -> impl Iterator<Item = &Line> {
        self.by_account.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lead_to_lines_and_services() {
        let directory = Directory::new([Line {
            id: LineId(1),
            user: UserId(7),
            number: "1001".parse().unwrap(),
            account: "k3v9xq".into(),
            full_name: "Alice".into(),
        }]);
        assert_eq!(directory.route(&"1001".parse().unwrap()), Some(Destination::Line("k3v9xq".into())));
        assert_eq!(directory.route(&"*55".parse().unwrap()), Some(Destination::Echo));
        assert_eq!(directory.route(&"1002".parse().unwrap()), None);
        assert_eq!(directory.line_of(UserId(7)).unwrap().account, "k3v9xq");
    }
}
