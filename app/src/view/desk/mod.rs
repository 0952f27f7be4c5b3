//! The agent's desk: a bar that never moves, the work list, the stage, and the side.

mod account;
mod banners;
mod call_card;
mod dial;
mod incoming;
mod rail;
mod shortcuts;
mod side;
mod stage;
mod status_bar;
mod title;
mod toasts;
mod words;
mod work_list;

use desk::Session;
use leptos::prelude::*;

use super::{login::Login, lost::Lost, page, route::Screen};
use crate::{
    store::{Store, use_store},
    ui::{
        announcer::{Announcer, LiveRegions},
        block::IntoBlock,
        icon::{self, Sprite},
        live::{live, memo, part},
    },
};

/// Starts the desk in the page's shell.
pub fn start() {
    page::mount(|| view! { <Root/> });
}

#[component]
fn Root() -> impl IntoView {
    let announcer = Announcer::provide();
    let screen = match Screen::here() {
        Screen::Desk => view! { <Home/> }.block(),
        Screen::Lost => view! { <Lost/> }.block(),
    };
    view! {
        <Sprite symbols=&[icon::SHARED, icon::DESK]/>
        {screen}
        <LiveRegions announcer/>
    }
}

/// The desk for whoever is signed in, the way in for all others.
#[component]
fn Home() -> impl IntoView {
    let store = Store::start();
    let signed_in = memo(move || store.session.with(|session| matches!(session, Session::SignedIn { .. })));
    part(move || if signed_in.get() { view! { <Desk/> }.block() } else { view! { <Login/> }.block() })
}

#[component]
fn Desk() -> impl IntoView {
    let store = use_store();
    page::name_screen("desk");
    let keys_shown = RwSignal::new(false);
    call_card::OpenPad::provide();
    title::follow_calls(store);
    shortcuts::listen(store, keys_shown);
    view! {
        <div class="desk" data-state=live(move || store.state.get().slug())>
            <status_bar::StatusBar keys_shown/>
            {banners::banners(store)}
            <div class="desk-columns">
                <rail::Rail/>
                <stage::Stage/>
                <work_list::WorkList/>
                <side::Side/>
            </div>
        </div>
        <toasts::Toasts/>
        <shortcuts::ShortcutList shown=keys_shown/>
    }
}
