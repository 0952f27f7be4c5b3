//! The SIP programs of others that tests talk to and attacks are made with.

use std::path::Path;

use super::Scope;
use crate::house::{run, which};

/// By program, with the Debian package that has it and what needs it first.
const PEERS: &[(&str, &str, Scope)] = &[
    ("sipp", "sip-tester", Scope::Check),
    ("baresip", "baresip-core", Scope::Check),
    ("kamailio", "kamailio", Scope::Check),
    ("svcrack", "sipvicious", Scope::Everything),
];

/// The packages that `scope` needs and this machine lacks.
pub(super) fn missing(scope: Scope) -> Vec<&'static str> {
    let needed = |from: Scope| match scope {
        Scope::Build => false,
        Scope::Check => from == Scope::Check,
        Scope::Everything => true,
    };
    let lacking = PEERS.iter().filter(|(program, _, from)| needed(*from) && which(program).is_none());
    lacking.map(|(_, package, _)| *package).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_only_builds_needs_none_of_them() {
        assert_eq!(missing(Scope::Build), Vec::<&str>::new());
        let everything = missing(Scope::Everything);
        assert!(missing(Scope::Check).iter().all(|package| everything.contains(package)));
    }
}
