use std::fmt;

use model::PhoneNumber;

/// A trunk. What it is made of is the server's to know; the store keeps the text.
#[derive(Clone, PartialEq, Eq)]
pub struct TrunkEntry {
    /// What people call it, unique.
    pub name: String,
    /// Its settings, a text of TOML with the keys of `[[trunk]]` but the name.
    pub settings: String,
}

/// One of our numbers of the outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberEntry {
    /// The number, unique.
    pub number: PhoneNumber,
    /// Whom it rings, as in `[[number]]`.
    pub to: String,
}

/// The settings, which hold a password, stay out of it.
impl fmt::Debug for TrunkEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrunkEntry").field("name", &self.name).finish_non_exhaustive()
    }
}
