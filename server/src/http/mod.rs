//! The HTTP front: accept loop, routes, headers, pages and probes.

pub mod accept;
mod assets;
mod headers;
mod origin;
mod peer;
mod probes;
mod router;

pub use assets::Site;
pub use origin::{Origin, OriginCheck, Origins};
pub use peer::Peer;
pub use probes::metrics_handle;
pub use router::{router, sized_for_signalling};
