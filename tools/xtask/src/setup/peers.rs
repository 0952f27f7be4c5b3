//! The SIP programs of others that tests talk to and attacks are made with.

use std::path::Path;

use super::Scope;
use crate::house::{run, which};

/// By program, with the Debian package that has it.
const PEERS: &[(&str, &str)] = &[
    ("sipp", "sip-tester"),
    ("baresip", "baresip-core"),
    ("kamailio", "kamailio"),
    ("svcrack", "sipvicious"),
];

/// The packages that `scope` needs and this machine lacks: whoever only builds needs none.
pub(super) fn missing(scope: Scope) -> Vec<&'static str> {
    let needed = if scope == Scope::Build { &[] } else { PEERS };
    needed.iter().filter(|(program, _)| which(program).is_none()).map(|(_, package)| *package).collect()
}

/// Stops the services that came with packages just installed: the tests start their own on ports of their own,
/// and a proxy that listens at SIP's usual port would be in the demo's way.
pub(super) fn keep_quiet(installed: &[&str]) {
    if installed.contains(&"kamailio") && Path::new("/run/systemd/system").is_dir() {
        let mut command = std::process::Command::new("systemctl");
        if let Err(error) = run(command.args(["disable", "--now", "kamailio"])) {
            println!("   {error:#}; it may be in the way of the demo, which wants the same port");
        }
    }
}
