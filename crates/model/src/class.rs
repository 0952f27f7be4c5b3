use serde::{Deserialize, Serialize};

/// What kind of number a call goes to, as far as leave to call it is concerned.
///
/// Emergency numbers are in no class: nobody needs leave for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallClass {
    /// Lines and services of our own.
    Internal,
    /// Fixed lines of the own country, and its short numbers.
    National,
    /// Mobile phones of the own country.
    Mobile,
    /// Other countries.
    International,
    /// Numbers that cost more than a call.
    Premium,
}

impl CallClass {
    /// All classes, in the order of their declaration.
    pub const ALL: [CallClass; 5] = [
        CallClass::Internal,
        CallClass::National,
        CallClass::Mobile,
        CallClass::International,
        CallClass::Premium,
    ];

    /// The name in settings and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            CallClass::Internal => "internal",
            CallClass::National => "national",
            CallClass::Mobile => "mobile",
            CallClass::International => "international",
            CallClass::Premium => "premium",
        }
    }

    /// The class of that name.
    pub fn from_name(name: &str) -> Option<CallClass> {
        CallClass::ALL.into_iter().find(|class| class.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for class in CallClass::ALL {
            assert_eq!(CallClass::from_name(class.as_str()), Some(class));
        }
    }
}
