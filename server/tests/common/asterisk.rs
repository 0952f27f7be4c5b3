//! Asterisk, in the folder that `cargo run -p xtask -- interop-asterisk` has made for it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::outside::Authority;
use super::tone::{is_tone, samples};
use super::tools::{Tool, free_port, wait_until};

/// An Asterisk with settings of its own, from `server/tests/asterisk`.
pub struct Asterisk {
    /// Where it takes SIP by UDP and TCP, and knows calls of its own by.
    pub port: u16,
    /// Where it takes SIP by TLS.
    pub tls: u16,
    /// Where it takes WebSockets.
    pub http: u16,
    /// Who certifies `asterisk.test`.
    pub ca: PathBuf,
    root: PathBuf,
    /// Ends before its folder goes.
    _tool: Tool,
    folder: tempfile::TempDir,
}

/// Its settings that are the same in all tests.
const SETTINGS: [&str; 6] =
    ["asterisk.conf", "extensions.conf", "http.conf", "logger.conf", "modules.conf", "rtp.conf"];

impl Asterisk {
    /// Starts one with this `pjsip.conf`, in which words are replaced, and waits until it is up.
    pub fn start(pjsip: &str, words: &[(&str, &str)]) -> Asterisk {
        let root = std::env::var_os("HOTDESK_ASTERISK").map(PathBuf::from);
        let root =
            root.expect("start this by `cargo run -p xtask -- interop-asterisk`, which installs Asterisk");
        let folder = tempfile::tempdir_in(root.join("tmp")).unwrap();
        let inside = format!("/{}", folder.path().strip_prefix(&root).unwrap().display());
        for name in ["run", "db", "logs", "spool"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let authority = Authority::new();
        let (certificate, key) = authority.certify("asterisk.test", false);
        for (name, text) in [("ca.pem", &authority.pem), ("certificate.pem", &certificate), ("key.pem", &key)]
        {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let (port, tls, http, rtp) = (free_port(), free_port(), free_port(), free_port());
        let places = [
            ("FOLDER", inside.clone()),
            ("SIPPORT", port.to_string()),
            ("TLSPORT", tls.to_string()),
            ("HTTPPORT", http.to_string()),
            ("RTPFIRST", rtp.to_string()),
            ("RTPLAST", rtp.saturating_add(99).to_string()),
        ];
        let written = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/asterisk");
        for (name, from) in SETTINGS.map(|name| (name, name)).into_iter().chain([("pjsip.conf", pjsip)]) {
            let mut text = std::fs::read_to_string(written.join(from)).unwrap();
            for (word, value) in
                places.iter().map(|(word, value)| (*word, value.as_str())).chain(words.iter().copied())
            {
                text = text.replace(word, value);
            }
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let config = format!("{inside}/asterisk.conf");
        let arguments = [root.to_str().unwrap(), "asterisk", "-f", "-n", "-C", &config];
        let tool = Tool::start("chroot", folder.path(), &arguments);
        let ca = folder.path().join("ca.pem");
        let asterisk = Asterisk { port, tls, http, ca, root, _tool: tool, folder };
        wait_until("Asterisk comes up", || asterisk.asked("core waitfullybooted").contains("fully booted"));
        asterisk
    }

    /// Where it takes SIP by UDP.
    pub fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// What it answers to a command of its console.
    pub fn asked(&self, command: &str) -> String {
        let config =
            format!("/{}/asterisk.conf", self.folder.path().strip_prefix(&self.root).unwrap().display());
        let mut asterisk = Command::new("chroot");
        let output =
            asterisk.arg(&self.root).args(["asterisk", "-C", &config, "-rx", command]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Lets it call that number of Hotdesk's, with that extension of `stories` at its own end.
    pub fn calls(&self, number: &str, extension: &str) {
        self.asked(&format!("channel originate Local/{number}@brings extension {extension}@stories"));
    }

    /// What it has logged, the SIP messages among it.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.folder.path().join("logs/full")).unwrap_or_default())
            .into_owned()
    }

    /// Waits until it has logged that so many times in all.
    pub fn logs(&self, text: &str, times: usize) {
        wait_until(&format!("Asterisk says {text} {times} times"), || {
            self.log().matches(text).count() >= times
        });
    }

    /// Waits until its dial plan has said that so many times in all.
    pub fn says(&self, text: &str, times: usize) {
        // the log tells beforehand what is going to be said, but without this colon
        self.logs(&format!(": {text}\n"), times);
    }

    /// Waits until what its extension `tone` has heard, when it was called for that time, ends with this tone.
    pub fn has_heard(&self, time: usize, hertz: u32) {
        let file = self.folder.path().join(format!("heard{time}.wav"));
        wait_until(&format!("Asterisk hears {hertz} Hz"), || {
            let (samples, rate) = samples(&std::fs::read(&file).unwrap_or_default());
            is_tone(&samples, rate, f64::from(hertz))
        });
    }
}

impl Drop for Asterisk {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("what Asterisk has logged:\n{}", self.log());
        }
    }
}
