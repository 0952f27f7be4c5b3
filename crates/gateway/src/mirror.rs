//! What the switch has told so far, kept for sessions that come later.

use std::collections::BTreeMap;

use model::UserId;
use switch::{LineStatus, PhoneFact, PhoneFactKind};

/// The last fact of each living call and the status of each line, by user.
#[derive(Debug, Default)]
pub(crate) struct Mirror {
    calls: BTreeMap<UserId, BTreeMap<String, PhoneFact>>,
    lines: BTreeMap<UserId, LineStatus>,
}

impl Mirror {
    pub fn phone(&mut self, fact: &PhoneFact) {
        let calls = self.calls.entry(fact.user).or_default();
        if matches!(fact.kind, PhoneFactKind::Released(_)) {
            calls.remove(&fact.unique_id);
        } else {
            calls.insert(fact.unique_id.clone(), fact.clone());
        }
        if calls.is_empty() {
            self.calls.remove(&fact.user);
        }
    }

    pub fn line(&mut self, user: UserId, status: LineStatus) {
        self.lines.insert(user, status);
    }

    pub fn line_of(&self, user: UserId) -> LineStatus {
        self.lines.get(&user).copied().unwrap_or_default()
    }

    /// The user's living calls, in the order of their channels.
    pub fn calls_of(&self, user: UserId) -> impl Iterator<Item = &PhoneFact> {
        self.calls.get(&user).into_iter().flat_map(BTreeMap::values)
    }
}
