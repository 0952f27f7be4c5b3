//! Which screen an address means. Only the matching is leptos_router's: its `Router` costs 30 KB, and leaving the desk
//! by a link would let a call go anyway.

use leptos::prelude::*;
use leptos_router::{PossibleRouteMatch, path};

/// The screens of the desk's program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Screen {
    Desk,
    Lost,
}

impl Screen {
    /// The screen of a path, such as `/`.
    pub fn of(path: &str) -> Self {
        match path!("/").test(path) {
            Some(found) if found.is_complete() => Self::Desk,
            _ => Self::Lost,
        }
    }

    /// The screen of the address that the page was opened with.
    pub fn here() -> Self {
        Self::of(&window().location().pathname().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::Screen;

    #[test]
    fn only_the_root_is_the_desk() {
        assert_eq!(Screen::of("/"), Screen::Desk);
        assert_eq!(Screen::of(""), Screen::Desk);
        assert_eq!(Screen::of("/team/7"), Screen::Lost);
    }
}
