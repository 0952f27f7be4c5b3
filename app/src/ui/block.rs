//! A part of the page behind a pointer, so that all parts are of one type.
//!
//! What `AnyView` does, in a quarter of the code: it carries no way to turn one part into another like it. A part that
//! changes follows signals inside of it, or is taken out and put in anew.

use leptos::{
    prelude::*,
    tachys::{
        html::attribute::any_attribute::AnyAttribute,
        hydration::Cursor,
        no_attrs,
        renderer::types::{Element, Node},
        view::{Mountable, Position, PositionState},
    },
};

/// A part of the page that is still to be built.
pub struct Block(Box<dyn FnOnce() -> Placed + Send>);

/// Makes a [`Block`] of a view.
pub trait IntoBlock {
    /// Puts the view behind a pointer.
    fn block(self) -> Block;
}

impl<V: Render<State: 'static> + Send + 'static> IntoBlock for V {
    fn block(self) -> Block {
        Block(Box::new(move || Placed(Box::new(self.build()))))
    }
}

impl Block {
    /// Nothing to see; it keeps the place for what may come.
    pub fn nothing() -> Self {
        None::<()>.block()
    }
}

/// A built part in the page.
pub struct Placed(Box<dyn Place>);

/// What is asked of a built part: [`Mountable`] without the list of its elements, which nothing here needs.
trait Place {
    fn take_out(&mut self);
    fn put(&mut self, parent: &Element, before: Option<&Node>);
    fn put_before(&self, child: &mut dyn Mountable) -> bool;
}

impl<M: Mountable> Place for M {
    fn take_out(&mut self) {
        self.unmount();
    }

    fn put(&mut self, parent: &Element, before: Option<&Node>) {
        self.mount(parent, before);
    }

    fn put_before(&self, child: &mut dyn Mountable) -> bool {
        self.insert_before_this(child)
    }
}

impl Mountable for Placed {
    fn unmount(&mut self) {
        self.0.take_out();
    }

    fn mount(&mut self, parent: &Element, marker: Option<&Node>) {
        self.0.put(parent, marker);
    }

    fn insert_before_this(&self, child: &mut dyn Mountable) -> bool {
        self.0.put_before(child)
    }

    fn elements(&self) -> Vec<Element> {
        Vec::new()
    }
}

impl Render for Block {
    type State = Placed;

    fn build(self) -> Placed {
        (self.0)()
    }

    fn rebuild(self, state: &mut Placed) {
        let mut new = self.build();
        state.insert_before_this(&mut new);
        state.unmount();
        *state = new;
    }
}

no_attrs!(Block);

/// Pages are built in the browser alone: the ways to and from HTML are there because the trait asks for them.
impl RenderHtml for Block {
    type AsyncOutput = Self;
    type Owned = Self;

    const MIN_LENGTH: usize = 0;

    fn dry_resolve(&mut self) {}

    async fn resolve(self) -> Self {
        self
    }

    fn to_html_with_buf(self, _: &mut String, _: &mut Position, _: bool, _: bool, _: Vec<AnyAttribute>) {}

    fn hydrate<const FROM_SERVER: bool>(self, _: &Cursor, _: &PositionState) -> Placed {
        self.build()
    }

    fn into_owned(self) -> Self {
        self
    }
}
