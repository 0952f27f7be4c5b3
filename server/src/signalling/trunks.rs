//! What operators see of trunks: a log line when one stands otherwise than before, and figures.

use std::collections::BTreeMap;

use switch::{Fact, Switch, TrunkId, TrunkStatus};

/// The trunks by the names that people know them by.
pub(super) struct Trunks {
    names: BTreeMap<TrunkId, String>,
}

impl Trunks {
    pub fn new(names: BTreeMap<TrunkId, String>) -> Self {
        Trunks { names }
    }

    fn name(&self, trunk: TrunkId) -> String {
        self.names.get(&trunk).cloned().unwrap_or_else(|| trunk.to_string())
    }

    pub fn hear(&self, fact: &Fact) {
        match fact {
            Fact::TrunkChanged { trunk, status } => {
                let (trunk, status_name) = (self.name(*trunk), status.as_str());
                let up = f64::from(u8::from(*status == TrunkStatus::Up));
                metrics::gauge!("hotdesk_trunk_up", "trunk" => trunk.clone()).set(up);
                match status {
                    TrunkStatus::Up => tracing::info!(trunk, "trunk is up"),
                    TrunkStatus::Connecting => tracing::debug!(trunk, "trunk is connected"),
                    TrunkStatus::Unconnected | TrunkStatus::Failing => {
                        tracing::warn!(trunk, status = status_name, "trunk takes no calls");
                    }
                }
            }
            Fact::TrunkRefusedUs { trunk, status } => {
                let trunk = self.name(*trunk);
                tracing::warn!(trunk, status, "trunk does not accept who we are");
                metrics::counter!("hotdesk_trunk_refused_us_total", "trunk" => trunk).increment(1);
            }
            Fact::NotLetOut { user, why } => {
                tracing::warn!(%user, why = why.as_str(), "a call to the outside was refused");
                metrics::counter!("hotdesk_outside_calls_refused_total", "why" => why.as_str()).increment(1);
            }
            _ => {}
        }
    }

    pub fn count(&self, switch: &Switch) {
        for (trunk, name) in &self.names {
            let calls = switch.calls_on_trunk(*trunk) as f64;
            metrics::gauge!("hotdesk_trunk_calls", "trunk" => name.clone()).set(calls);
        }
    }
}
