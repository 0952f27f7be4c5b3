use timing::Instant;

/// How loud a notice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Good to know.
    Info,
    /// Something did not go as wished.
    Warning,
    /// Something is broken until somebody acts.
    Error,
}

impl Level {
    /// The name for styles and tests.
    pub const fn slug(self) -> &'static str {
        match self {
            Level::Info => "info",
            Level::Warning => "warning",
            Level::Error => "error",
        }
    }
}

/// One line of the notices list; every toast is in it too, because toasts are missed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Never used twice in one page.
    pub id: u64,
    /// When it was last said.
    pub at: Instant,
    /// How loud.
    pub level: Level,
    /// What happened, as a sentence.
    pub text: String,
    /// How often it was said in a row.
    pub times: u32,
}

/// The list keeps this many, newest first.
const KEPT: usize = 50;

#[derive(Clone, Debug, Default)]
pub(crate) struct Notices {
    list: Vec<Notice>,
    next: u64,
}

impl Notices {
    /// Says something; what was said last is counted, not repeated.
    pub fn say(&mut self, level: Level, text: impl Into<String>, now: Instant) {
        let text = text.into();
        if let Some(last) = self.list.first_mut().filter(|last| last.text == text) {
            last.times += 1;
            last.at = now;
            return;
        }
        self.next += 1;
        self.list.insert(0, Notice { id: self.next, at: now, level, text, times: 1 });
        self.list.truncate(KEPT);
    }

    pub fn dismiss(&mut self, id: u64) {
        self.list.retain(|notice| notice.id != id);
    }

    pub fn list(&self) -> &[Notice] {
        &self.list
    }

    pub fn clear(&mut self) {
        self.list.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_twice_in_a_row_is_counted() {
        let mut notices = Notices::default();
        notices.say(Level::Warning, "a", Instant::ORIGIN);
        notices.say(Level::Warning, "a", Instant::ORIGIN);
        notices.say(Level::Info, "b", Instant::ORIGIN);
        let said: Vec<_> = notices.list().iter().map(|notice| (notice.text.as_str(), notice.times)).collect();
        assert_eq!(said, [("b", 1), ("a", 2)]);
        notices.dismiss(notices.list()[0].id);
        assert_eq!(notices.list().len(), 1);
    }

    #[test]
    fn the_list_does_not_grow_without_end() {
        let mut notices = Notices::default();
        (0..200).for_each(|n| notices.say(Level::Info, n.to_string(), Instant::ORIGIN));
        assert_eq!(notices.list().len(), KEPT);
        assert_eq!(notices.list()[0].text, "199");
    }
}
