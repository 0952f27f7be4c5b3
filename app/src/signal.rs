//! Signals for what lives as long as the page: the desk's state, the sound test's figures.
//!
//! They stand in for those of Leptos, method by method. The code of one of those is written anew for each type of
//! value, three kilobytes of module a time; here what tells of a change is one and the same for all values.

use std::sync::{PoisonError, RwLock};

use leptos::prelude::{ArcTrigger, Notify, Track};

/// Makes a signal. It is never given back: for what is made once a page.
pub fn signal<T>(value: T) -> (ReadSignal<T>, WriteSignal<T>) {
    let kept = Box::leak(Box::new(Kept { changed: ArcTrigger::new(), value: RwLock::new(value) }));
    (ReadSignal(kept), WriteSignal(kept))
}

struct Kept<T: 'static> {
    changed: ArcTrigger,
    value: RwLock<T>,
}

/// The side of who shows: reading makes the reader wake when the value changes, unless it says `untracked`.
pub struct ReadSignal<T: 'static>(&'static Kept<T>);

/// The side of who knows.
pub struct WriteSignal<T: 'static>(&'static Kept<T>);

impl<T> ReadSignal<T> {
    /// Looks at the value.
    pub fn with<R>(self, look: impl FnOnce(&T) -> R) -> R {
        self.0.changed.track();
        self.with_untracked(look)
    }

    /// Looks at it once.
    pub fn with_untracked<R>(self, look: impl FnOnce(&T) -> R) -> R {
        look(&self.0.value.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<T: Clone> ReadSignal<T> {
    /// The value.
    pub fn get(self) -> T {
        self.0.changed.track();
        self.get_untracked()
    }

    /// The value at this moment.
    pub fn get_untracked(self) -> T {
        self.with_untracked(T::clone)
    }
}

impl<T> WriteSignal<T> {
    /// Puts a new value and wakes all who read the old one.
    pub fn set(self, value: T) {
        *self.0.value.write().unwrap_or_else(PoisonError::into_inner) = value;
        self.0.changed.notify();
    }
}

impl<T: PartialEq> WriteSignal<T> {
    /// The same, but nobody wakes if nothing is different.
    pub fn show(self, value: T) {
        let differs = *self.0.value.read().unwrap_or_else(PoisonError::into_inner) != value;
        if differs {
            self.set(value);
        }
    }
}

impl<T> Clone for ReadSignal<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for ReadSignal<T> {}

impl<T> Clone for WriteSignal<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for WriteSignal<T> {}

#[cfg(test)]
mod tests {
    use leptos::prelude::{Get, Memo, Owner};

    use super::signal;

    #[test]
    fn readers_wake_when_a_value_is_set_and_only_when_a_shown_one_differs() {
        let owner = Owner::new();
        owner.set();
        let (read, write) = signal(1);
        let (looks, looked) = signal(0);
        let double = Memo::new(move |_| {
            looked.set(looks.get_untracked() + 1);
            read.get() * 2
        });
        assert_eq!((double.get(), looks.get_untracked()), (2, 1));
        write.show(1);
        assert_eq!((double.get(), looks.get_untracked()), (2, 1));
        write.show(2);
        assert_eq!((double.get(), looks.get_untracked()), (4, 2));
        write.set(2);
        assert_eq!((double.get(), looks.get_untracked()), (4, 3));
    }
}
