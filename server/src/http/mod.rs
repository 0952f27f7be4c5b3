//! The HTTP front: accept loop, routes, headers, pages and probes.

pub mod accept;
mod assets;
mod headers;
mod host;
mod origin;
mod peer;
mod probes;
mod router;
mod uniform;

pub use assets::Site;
pub use origin::{Origin, OriginCheck, Origins};
pub use peer::Peer;
pub use probes::{keep_metrics, metrics_handle};
pub use router::{router, sized_for_signalling};
