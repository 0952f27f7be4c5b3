//! Values that follow signals, each kind as one type.
//!
//! A closure in a view has a type of its own, and the compiler writes the code that renders it anew for each. Behind a
//! pointer all closures of one result share that code: a third of the module's size.

use std::sync::Arc;

use crate::signal::Memo;
use leptos::prelude::*;

use super::block::{Block, IntoBlock};

/// What is shown or asked for, worked out anew whenever a signal in it changes.
pub type Live<T> = Arc<dyn Fn() -> T + Send + Sync>;

/// A part of the page that is built anew whenever a signal in it changes.
pub type Part = Box<dyn FnMut() -> Block + Send>;

/// Makes one.
pub fn live<T>(work_out: impl Fn() -> T + Send + Sync + 'static) -> Live<T> {
    Arc::new(work_out)
}

/// Makes a part.
pub fn part(build: impl FnMut() -> Block + Send + 'static) -> Part {
    Box::new(build)
}

/// One that never changes.
pub fn fixed<T: Clone + Send + Sync + 'static>(value: T) -> Live<T> {
    Arc::new(move || value.clone())
}

/// One that is worked out once for all who ask, and wakes them only when it differs.
pub fn memo<T: PartialEq + Send + Sync + 'static>(
    work_out: impl Fn() -> T + Send + Sync + 'static,
) -> Memo<T> {
    Memo::new(work_out)
}

/// Shows a part of the page while something holds; it is built anew only when that changes.
pub fn when(
    holds: impl Fn() -> bool + Send + Sync + 'static,
    mut build: impl FnMut() -> Block + Send + 'static,
) -> Part {
    let holds = memo(holds);
    part(move || if holds.get() { build() } else { Block::nothing() })
}

/// A list whose items are known by numbers: what has the same number stays in the page as it is.
///
/// `item` builds one from its number when it comes; what changes in it afterwards follows signals of its own.
pub fn list(
    numbers: impl Fn() -> Vec<u64> + Send + Sync + 'static,
    item: impl Fn(u64) -> Block + Send + Sync + 'static,
) -> Block {
    fn built(numbers: Live<Vec<u64>>, item: Arc<dyn Fn(u64) -> Block + Send + Sync>) -> Block {
        view! { <For each=move || numbers() key=|number| *number children=move |number| item(number)/> }
            .block()
    }
    built(live(numbers), Arc::new(item))
}

/// Does something now, and again whenever a signal in it changes.
pub fn follow(act: impl FnMut() + 'static) {
    let mut act: Box<dyn FnMut()> = Box::new(act);
    let act: Box<dyn FnMut(Option<()>)> = Box::new(move |_| act());
    Effect::new(act);
}
