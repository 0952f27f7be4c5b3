//! Sign in: two labelled fields that password managers know, and the reason in plain words when it fails.

use crate::signal::RwSignal;
use desk::{Session, SignInProblem};
use leptos::{ev, html, prelude::*};

use super::{brand::Mark, page::name_screen, theme::theme_switch};
use crate::{
    store::{Store, use_store},
    ui::{
        button::button,
        icon::{Glyph, icon},
        live::{follow, live, memo},
    },
};

/// The screen of whoever is not signed in.
#[component]
pub fn Login() -> impl IntoView {
    name_screen("login");
    view! {
        <div class="login">
            <main class="login-middle">
                <div class="login-sheet">
                    <div class="login-head">
                        <Mark/>
                        <h1>"Sign in to Hotdesk"</h1>
                        <p>"Take and make calls in this browser."</p>
                    </div>
                    <LoginForm/>
                </div>
            </main>
            <footer class="login-foot">
                <a href="/echo">"Test your sound"</a>
                <a href="/sample">"API sample"</a>
                {theme_switch()}
            </footer>
        </div>
    }
}

#[component]
fn LoginForm() -> impl IntoView {
    let store = use_store();
    let login = NodeRef::<html::Input>::new();
    let password = NodeRef::<html::Input>::new();
    let shown = RwSignal::new(false);
    let missing = RwSignal::new(None::<&'static str>);
    let busy = memo(move || store.session.with(|session| matches!(session, Session::SigningIn)));
    let problem = memo(move || missing.get().or_else(|| refusal(store)));

    // Values are read at the moment of sending: password managers do not always tell the page what they filled in.
    let send = move || {
        let read = |field: NodeRef<html::Input>| {
            field.get_untracked().map(|field| field.value()).unwrap_or_default()
        };
        let (name, secret) = (read(login).trim().to_owned(), read(password));
        if busy.get_untracked() {
            return;
        }
        let gap = match (name.is_empty(), secret.is_empty()) {
            (true, _) => Some(("Type your login.", login)),
            (_, true) => Some(("Type your password.", password)),
            _ => None,
        };
        missing.set(gap.map(|(text, _)| text));
        match gap {
            Some((_, field)) => focus(field),
            None => store.sign_in(name, secret),
        }
    };
    let submit = move |event: ev::SubmitEvent| {
        event.prevent_default();
        send();
    };
    follow(move || {
        // After a refusal the password is what one types again.
        if let (Some(_), Some(field)) = (refusal(store), password.get()) {
            field.select();
        }
    });
    follow(move || {
        if login.get().is_some() {
            focus(login);
        }
    });
    let described = live(move || problem.get().map(|_| "login-problem"));
    let eye = button("Show password", move || shown.update(|shown| *shown = !*shown))
        .word(move || if shown.get() { "Hide password" } else { "Show password" })
        .glyphs(move || if shown.get() { Glyph::EyeOff } else { Glyph::Eye })
        .icon_only();
    let sign_in = button("Sign in", || ())
        .word(move || if busy.get() { "Signing in…" } else { "Sign in" })
        .kind("primary")
        .submits()
        .busy(move || busy.get());

    view! {
        <form class="login-form" on:submit=submit novalidate method="post" aria-label="Sign in">
            <div class="login-alert" role="alert">
                <p class="login-error" id="login-problem" data-tone="bad" hidden=live(move || problem.get().is_none())>
                    {icon(Glyph::Bad)}
                    <span>{live(move || problem.get())}</span>
                </p>
            </div>
            <div class="field">
                <label class="field-label" for="login">"Login"</label>
                <div class="field-frame">
                    <input
                        node_ref=login
                        class="field-input"
                        id="login"
                        name="login"
                        type="text"
                        autocomplete="username"
                        autocapitalize="none"
                        spellcheck="false"
                        required
                        aria-describedby=described.clone()
                    />
                </div>
            </div>
            <div class="field">
                <label class="field-label" for="password">"Password"</label>
                <div class="field-frame">
                    <input
                        node_ref=password
                        class="field-input"
                        id="password"
                        name="password"
                        type=live(move || if shown.get() { "text" } else { "password" })
                        autocomplete="current-password"
                        required
                        aria-describedby=described
                    />
                    {eye.show()}
                </div>
            </div>
            {sign_in.show()}
        </form>
    }
}

fn refusal(store: Store) -> Option<&'static str> {
    store.session.with(|session| match session {
        Session::SignedOut { problem } => problem.as_ref().map(SignInProblem::text),
        _ => None,
    })
}

fn focus(field: NodeRef<html::Input>) {
    if let Some(field) = field.get_untracked() {
        let _ = field.focus();
    }
}
