//! Keeps what users have chosen to happen to their calls.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::{UserId, UserServices};
use store::Store;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::shutdown::Shutdown;

/// A store that fails is asked again after this time.
const AGAIN_AFTER: Duration = Duration::from_secs(2);

/// The way to the task that writes. Only a user's last choice counts, so that it holds no more than there are users.
#[derive(Clone, Debug)]
pub struct ServicesKeeper(mpsc::UnboundedSender<(UserId, UserServices)>);

impl ServicesKeeper {
    /// Has a user's choices written down, as soon as the store takes them.
    pub fn keep(&self, user: UserId, services: UserServices) {
        // the task ends after the last of these
        let _ = self.0.send((user, services));
    }
}

/// Starts the task that writes. It ends when the last keeper is gone, with everything written that can be.
pub fn keep_services(store: Arc<dyn Store>, shutdown: &Shutdown) -> ServicesKeeper {
    let (keeper, mut changes) = mpsc::unbounded_channel();
    let guard = shutdown.guard();
    tokio::spawn(async move {
        let _guard = guard;
        let mut waiting: BTreeMap<UserId, UserServices> = BTreeMap::new();
        let mut open = true;
        while open || !waiting.is_empty() {
            let next = if waiting.is_empty() {
                Ok(changes.recv().await)
            } else {
                timeout(AGAIN_AFTER, changes.recv()).await
            };
            match next {
                Ok(Some((user, services))) => drop(waiting.insert(user, services)),
                Ok(None) => open = false,
                Err(_) => {}
            }
            write(&*store, &mut waiting).await;
            if !open && !waiting.is_empty() {
                tracing::error!(
                    users = waiting.len(),
                    "choices of users are lost: the store does not take them"
                );
                return;
            }
        }
    });
    ServicesKeeper(keeper)
}

async fn write(store: &dyn Store, waiting: &mut BTreeMap<UserId, UserServices>) {
    while let Some((user, services)) = waiting.pop_first() {
        match store.set_services(user, &services).await {
            Ok(()) => {}
            Err(error) if error.is_temporary() => {
                tracing::warn!(%error, "choices of users cannot be kept now; they are tried again");
                waiting.insert(user, services);
                return;
            }
            Err(error) => tracing::error!(%error, %user, "a user's choices cannot be kept"),
        }
    }
}

#[cfg(test)]
mod tests {
    use model::Role;
    use store::{Memory, NewUser};

    use super::*;

    #[tokio::test]
    async fn the_last_choice_is_kept_also_when_the_server_stops() {
        let store = Arc::new(Memory::new());
        let anna = store.add_user(NewUser::of("anna", Role::User)).await.unwrap().id;
        let (shutdown, ending) = Shutdown::new();
        let keeper = keep_services(store.clone(), &shutdown);
        for on in [true, false, true] {
            keeper.keep(anna, UserServices { do_not_disturb: on, ..UserServices::default() });
        }
        keeper.keep(UserId(-7), UserServices::default());
        drop((keeper, shutdown));
        assert!(ending.finish(Duration::from_secs(10)).await);
        assert!(store.services().await.unwrap()[0].1.do_not_disturb);
    }
}
