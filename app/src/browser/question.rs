use desk::ANSWER_LIMIT;
use super::spawn_local;
use web_sys::{AbortController, AbortSignal};

use super::clock::sleep;

/// A request by HTTP, which hangs no longer than [`ANSWER_LIMIT`].
pub(crate) struct Question {
    controller: Option<AbortController>,
}

impl Question {
    pub fn new() -> Question {
        let controller = AbortController::new().ok();
        let late = controller.clone();
        spawn_local(async move {
            sleep(ANSWER_LIMIT).await;
            if let Some(late) = late {
                late.abort();
            }
        });
        Question { controller }
    }

    pub fn signal(&self) -> Option<AbortSignal> {
        self.controller.as_ref().map(AbortController::signal)
    }

    pub fn give_up(&self) {
        if let Some(controller) = &self.controller {
            controller.abort();
        }
    }
}
