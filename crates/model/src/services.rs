use crate::PhoneNumber;

/// What a user has chosen to happen to his calls.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct UserServices {
    /// Callers hear busy.
    pub do_not_disturb: bool,
    /// A second call rings while the first goes on; else its caller hears busy.
    pub call_waiting: bool,
    /// Of all calls, before anything rings.
    pub unconditional: Forward,
    /// Of calls that find the user busy.
    pub busy: Forward,
    /// Of calls that nobody answers, or for which no phone is there.
    pub no_answer: Forward,
}

/// A forward of calls.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Forward {
    /// Whether it is in force. Without a destination it has no effect.
    pub enabled: bool,
    /// Where to; kept while not in force.
    pub destination: Option<PhoneNumber>,
}

impl Forward {
    /// Where calls go, if the forward is in force.
    pub fn target(&self) -> Option<&PhoneNumber> {
        self.destination.as_ref().filter(|_| self.enabled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forward_needs_a_destination_and_to_be_in_force() {
        let destination: Option<PhoneNumber> = "1002".parse().ok();
        let forward = |enabled, destination| Forward { enabled, destination };
        assert_eq!(forward(true, destination.clone()).target(), destination.as_ref());
        assert_eq!(forward(false, destination).target(), None);
        assert_eq!(forward(true, None).target(), None);
    }
}
