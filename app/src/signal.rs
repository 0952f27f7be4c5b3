//! Signals whose code is in the module once.
//!
//! They stand in for those of Leptos, method by method. The code of one of those is written anew for each type of
//! value, two to three kilobytes of module a time; here what tells of a change, and what keeps a value for as long as
//! its part of the page is shown, is one and the same for all.

use std::{
    any::Any,
    marker::PhantomData,
    sync::{Arc, PoisonError, RwLock},
};

use leptos::prelude::{
    ArcTrigger, Get as _, GetUntracked as _, GetValue as _, Notify as _, StoredValue, Track as _,
};

type Anything = Arc<dyn Any + Send + Sync>;

/// Why a signal can be read: nobody keeps one longer than the part of the page that it was made for.
const SHOWN: &str = "a signal is read only while its part of the page is shown";

struct Kept<T> {
    changed: ArcTrigger,
    value: RwLock<T>,
}

impl<T> Kept<T> {
    fn new(value: T) -> Self {
        Self { changed: ArcTrigger::new(), value: RwLock::new(value) }
    }

    fn look<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&self.value.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        change(&mut self.value.write().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Makes a signal that is never given back: for what is made once a page.
pub fn signal<T>(value: T) -> (ReadSignal<T>, WriteSignal<T>) {
    let kept = Box::leak(Box::new(Kept::new(value)));
    (ReadSignal(kept), WriteSignal(kept))
}

/// The side of who shows: reading makes the reader wake when the value changes, unless it says `untracked`.
pub struct ReadSignal<T: 'static>(&'static Kept<T>);

/// The side of who knows.
pub struct WriteSignal<T: 'static>(&'static Kept<T>);

impl<T> ReadSignal<T> {
    /// Looks at the value.
    pub fn with<R>(self, look: impl FnOnce(&T) -> R) -> R {
        self.0.changed.track();
        self.0.look(look)
    }

    /// Looks at it once.
    pub fn with_untracked<R>(self, look: impl FnOnce(&T) -> R) -> R {
        self.0.look(look)
    }
}

impl<T: Clone> ReadSignal<T> {
    /// The value.
    pub fn get(self) -> T {
        self.with(T::clone)
    }

    /// The value at this moment.
    pub fn get_untracked(self) -> T {
        self.with_untracked(T::clone)
    }
}

impl<T> WriteSignal<T> {
    /// Puts a new value and wakes all who read the old one.
    pub fn set(self, value: T) {
        self.0.change(|old| *old = value);
        self.0.changed.notify();
    }
}

impl<T: PartialEq> WriteSignal<T> {
    /// The same, but nobody wakes if nothing is different.
    pub fn show(self, value: T) {
        if self.0.look(|old| *old != value) {
            self.set(value);
        }
    }
}

/// Both sides in one, for as long as the part of the page is shown in which it was made.
pub struct RwSignal<T> {
    kept: StoredValue<Anything>,
    of: PhantomData<fn() -> T>,
}

impl<T: Send + Sync + 'static> RwSignal<T> {
    /// Makes one.
    pub fn new(value: T) -> Self {
        let kept: Anything = Arc::new(Kept::new(value));
        Self { kept: StoredValue::new(kept), of: PhantomData }
    }

    /// None once the part of the page is gone.
    fn kept(self) -> Option<Arc<Kept<T>>> {
        self.kept.try_get_value()?.downcast().ok()
    }

    /// Looks at the value.
    pub fn with<R>(self, look: impl FnOnce(&T) -> R) -> R {
        let kept = self.kept().expect(SHOWN);
        kept.changed.track();
        kept.look(look)
    }

    /// Looks at it once.
    pub fn with_untracked<R>(self, look: impl FnOnce(&T) -> R) -> R {
        self.kept().expect(SHOWN).look(look)
    }

    /// Puts a new value and wakes all who read the old one.
    pub fn set(self, value: T) {
        self.update(|old| *old = value);
    }

    /// Changes the value and wakes all who read it.
    pub fn update(self, change: impl FnOnce(&mut T)) {
        self.change(|value| {
            change(value);
            true
        });
    }

    /// Changes the value, and wakes its readers if `change` says that it did. Without effect when nobody is left to
    /// see: timers outlive what they were set for.
    pub fn change(self, change: impl FnOnce(&mut T) -> bool) {
        if let Some(kept) = self.kept()
            && kept.change(change)
        {
            kept.changed.notify();
        }
    }
}

impl<T: Clone + Send + Sync + 'static> RwSignal<T> {
    /// The value.
    pub fn get(self) -> T {
        self.with(T::clone)
    }

    /// The value at this moment.
    pub fn get_untracked(self) -> T {
        self.with_untracked(T::clone)
    }
}

/// What is worked out from signals, once for all who ask; it wakes them only when it differs.
pub struct Memo<T> {
    /// Counts the differences: the only thing that Leptos remembers of it.
    version: leptos::prelude::Memo<u64>,
    value: StoredValue<Anything>,
    of: PhantomData<fn() -> T>,
}

impl<T: PartialEq + Send + Sync + 'static> Memo<T> {
    /// Makes one. Nothing is worked out before somebody asks.
    pub fn new(work_out: impl Fn() -> T + Send + Sync + 'static) -> Self {
        let value = Arc::new(RwLock::new(None::<T>));
        let latest = Arc::clone(&value);
        let version = version(Box::new(move || {
            let new = Some(work_out());
            let mut latest = latest.write().unwrap_or_else(PoisonError::into_inner);
            let differs = *latest != new;
            if differs {
                *latest = new;
            }
            differs
        }));
        let value: Anything = value;
        Self { version, value: StoredValue::new(value), of: PhantomData }
    }

    fn look<R>(self, look: impl FnOnce(&T) -> R) -> R {
        let value = self.value.try_get_value().and_then(|value| value.downcast::<RwLock<Option<T>>>().ok());
        let value = value.expect(SHOWN);
        let value = value.read().unwrap_or_else(PoisonError::into_inner);
        look(value.as_ref().expect("the version was asked for first"))
    }

    /// Wakes the reader when the value changes.
    pub fn track(self) {
        self.version.get();
    }

    /// Looks at the value.
    pub fn with<R>(self, look: impl FnOnce(&T) -> R) -> R {
        self.version.get();
        self.look(look)
    }

    /// Looks at it once.
    pub fn with_untracked<R>(self, look: impl FnOnce(&T) -> R) -> R {
        self.version.get_untracked();
        self.look(look)
    }
}

impl<T: Clone + PartialEq + Send + Sync + 'static> Memo<T> {
    /// The value.
    pub fn get(self) -> T {
        self.with(T::clone)
    }

    /// The value at this moment.
    pub fn get_untracked(self) -> T {
        self.with_untracked(T::clone)
    }
}

/// `differs` works the value out and says whether it is another than before.
fn version(differs: Box<dyn Fn() -> bool + Send + Sync>) -> leptos::prelude::Memo<u64> {
    leptos::prelude::Memo::new(move |before: Option<&u64>| {
        let before = before.copied().unwrap_or_default();
        if differs() { before + 1 } else { before }
    })
}

macro_rules! copied {
    ($($name:ident)*) => {$(
        impl<T> Clone for $name<T> {
            fn clone(&self) -> Self {
                *self
            }
        }

        impl<T> Copy for $name<T> {}
    )*};
}

copied!(ReadSignal WriteSignal RwSignal Memo);

#[cfg(test)]
mod tests {
    use leptos::prelude::Owner;

    use super::{Memo, RwSignal, signal};

    #[test]
    fn readers_wake_when_a_value_is_set_and_only_when_a_shown_one_differs() {
        let owner = Owner::new();
        owner.set();
        let (read, write) = signal(1);
        let (looks, looked) = signal(0);
        let double = Memo::new(move || {
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

    #[test]
    fn a_memo_wakes_its_readers_only_when_it_differs() {
        let owner = Owner::new();
        owner.set();
        let number = RwSignal::new(1);
        let odd = Memo::new(move || number.get() % 2 == 1);
        let (looks, looked) = signal(0);
        let word = Memo::new(move || {
            looked.set(looks.get_untracked() + 1);
            if odd.get() { "odd" } else { "even" }
        });
        assert_eq!((word.get(), looks.get_untracked()), ("odd", 1));
        number.set(3);
        assert_eq!((word.get(), looks.get_untracked()), ("odd", 1));
        number.update(|number| *number += 1);
        assert_eq!((word.get(), looks.get_untracked()), ("even", 2));
        number.change(|number| {
            *number = 7;
            false
        });
        assert_eq!((word.get(), looks.get_untracked()), ("even", 2), "nobody was told");
    }

    #[test]
    fn what_comes_after_the_part_is_gone_is_without_effect() {
        let owner = Owner::new();
        let number = owner.with(|| RwSignal::new(1));
        owner.cleanup();
        number.set(2);
        number.update(|number| *number += 1);
    }
}
