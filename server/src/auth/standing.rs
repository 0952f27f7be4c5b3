//! Ends open sockets whose user may no longer have them.
//!
//! A token is looked at when a socket is opened. After that, the end of its time changes nothing, but a user who is
//! switched off, removed or given a new password or role must not go on as before.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::{Role, UserId};
use store::User;
use tokio::sync::watch;
use tokio::time::sleep;

use super::{Auth, Principal};

/// How often users are looked at while sockets are open: an operator who shuts somebody out waits no longer.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(3);

/// Why a socket must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The login is no longer good: the user is gone, switched off, or has a new password.
    Login,
    /// The user has another role; the same login may come back with it.
    Role,
}

/// What decides whether a login is still good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    login: String,
    enabled: bool,
    role: Role,
    password_mark: String,
}

impl Standing {
    pub fn is_good_for(&self, principal: &Principal) -> bool {
        self.enabled && self.login == principal.login && self.password_mark == principal.password_mark
    }
}

/// All users' standings when they were last looked at. A socket that finds itself in doubt asks the store.
#[derive(Clone, Default)]
pub(super) struct Standings(Arc<watch::Sender<BTreeMap<UserId, Standing>>>);

impl Auth {
    pub(super) fn standing(&self, user: &User) -> Standing {
        Standing {
            login: user.login.clone(),
            enabled: user.enabled,
            role: user.role,
            password_mark: self.mark(user),
        }
    }

    /// Compares the users with what is known of them, if a socket is open.
    pub(super) async fn look_at_users(&self) {
        if self.standings.0.receiver_count() == 0 {
            return;
        }
        match self.store.users().await {
            Ok(users) => {
                self.standings.renew(users.iter().map(|user| (user.id, self.standing(user))).collect());
            }
            Err(error) => tracing::warn!(%error, "users cannot be looked at; open sockets stay open"),
        }
    }

    /// Waits until an open socket of `principal` must end; for ever while its login is good.
    pub async fn ended(&self, principal: &Principal) -> Ended {
        let mut seen = self.standings.0.subscribe();
        loop {
            let doubtful = seen
                .borrow_and_update()
                .get(&principal.user_id)
                .is_none_or(|standing| !standing.is_good_for(principal) || standing.role != principal.role);
            if doubtful {
                match self.role_now(principal).await {
                    Ok(None) => return Ended::Login,
                    Ok(Some(role)) if role != principal.role => return Ended::Role,
                    Ok(Some(_)) => {}
                    Err(error) => {
                        tracing::warn!(%error, "a user cannot be looked at; his socket stays open");
                        sleep(LOOK_EVERY).await;
                        continue;
                    }
                }
            }
            // the sender lives in `self`
            let _ = seen.changed().await;
        }
    }
}

impl Standings {
    fn renew(&self, now: BTreeMap<UserId, Standing>) {
        self.0.send_if_modified(|known| {
            let changed = *known != now;
            *known = now;
            changed
        });
    }
}

#[cfg(test)]
mod tests {
    use store::{Memory, NewUser, Store as _};

    use super::*;
    use crate::auth::{ServerSecret, password};
    use crate::clock::Clock;
    use crate::shutdown::Shutdown;

    /// Anna, who is logged in, and a rule that looks at her every three seconds.
    async fn anna() -> (Arc<Memory>, Auth, Principal) {
        let store = Arc::new(Memory::new());
        let new = NewUser {
            password_hash: password::hash(b"long enough").unwrap(),
            ..NewUser::of("anna", Role::Agent)
        };
        store.add_user(new).await.unwrap();
        let auth = Auth::new(store.clone(), &ServerSecret::random().unwrap(), 60, Clock::start()).unwrap();
        let home = "192.0.2.1".parse().unwrap();
        let login = auth.login("anna", "long enough", None, home).await.unwrap();
        (store, auth, login.principal)
    }

    #[tokio::test]
    async fn a_socket_ends_when_the_password_changes_and_not_when_the_token_does() {
        let (store, auth, principal) = anna().await;
        let socket = tokio::spawn({
            let (auth, principal) = (auth.clone(), Principal { expires_at: 0, ..principal.clone() });
            async move { auth.ended(&principal).await }
        });
        tokio::time::pause();
        let (shutdown, _ending) = Shutdown::new();
        tokio::spawn(auth.clone().run(shutdown));
        sleep(LOOK_EVERY * 100).await;
        assert!(!socket.is_finished(), "the end of the token's time is not the end of the socket");
        store.set_password_hash(principal.user_id, "another").await.unwrap();
        assert_eq!(socket.await.unwrap(), Ended::Login);
    }

    #[tokio::test]
    async fn a_socket_of_a_new_login_is_not_judged_by_what_was_seen_before() {
        let (store, auth, principal) = anna().await;
        let old = Standing {
            password_mark: "old".into(),
            ..auth.standing(&store.user(principal.user_id).await.unwrap().unwrap())
        };
        auth.standings.renew(BTreeMap::from([(principal.user_id, old)]));
        tokio::time::pause();
        let ended = tokio::time::timeout(Duration::from_secs(60), auth.ended(&principal)).await;
        assert!(ended.is_err(), "{ended:?}");
    }

    #[tokio::test]
    async fn a_changed_role_is_told_from_an_ended_login() {
        let (_store, auth, principal) = anna().await;
        let before = Principal { role: Role::Supervisor, ..principal };
        assert_eq!(auth.ended(&before).await, Ended::Role);
    }
}
