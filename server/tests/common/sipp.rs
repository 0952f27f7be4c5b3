//! sipp, as caller and as callee.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;

use super::tools::{Tool, free_port, wait_until};

/// One run of sipp with a scenario of `server/tests/sipp`.
pub struct Sipp {
    tool: Tool,
    name: String,
    folder: tempfile::TempDir,
}

/// What a scenario is played with.
#[derive(Clone)]
pub struct Role {
    /// The account that it speaks for.
    pub user: &'static str,
    /// Whom it calls.
    pub calls: &'static str,
    /// Its port.
    pub port: u16,
    /// By TCP instead of UDP.
    pub tcp: bool,
    /// Whatever it hears it says again.
    pub echoes: bool,
    /// `STATUS` in the scenario.
    pub status: u16,
    /// `EXTRA` in the scenario: a header line.
    pub extra: String,
}

impl Role {
    pub fn of(user: &'static str) -> Role {
        let extra = "Subject: none".to_owned();
        Role { user, calls: "*55", port: free_port(), tcp: false, echoes: false, status: 486, extra }
    }
}

impl Sipp {
    /// Starts a scenario against the server at `target`.
    pub fn start(scenario: &str, role: &Role, target: SocketAddr) -> Sipp {
        let folder = tempfile::tempdir().unwrap();
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sipp").join(format!("{scenario}.xml"));
        let text = std::fs::read_to_string(&file).unwrap();
        let text = text
            .replace("[user]", role.user)
            .replace("STATUS", &role.status.to_string())
            .replace("EXTRA", &role.extra);
        let played = folder.path().join("scenario.xml");
        std::fs::write(&played, text).unwrap();
        let (played, target) = (played.to_str().unwrap(), target.to_string());
        let (port, sound) = (role.port.to_string(), free_port().to_string());
        let mut arguments = vec!["-sf", played, &target, "-i", "127.0.0.1", "-p", &port];
        arguments.extend(["-mi", "127.0.0.1", "-mp", &sound, "-t", if role.tcp { "t1" } else { "u1" }]);
        arguments.extend(["-s", role.calls, "-au", role.user, "-ap", "hotdesk"]);
        arguments.extend([
            "-m",
            "1",
            "-nostdin",
            "-timeout",
            "40",
            "-timeout_error",
            "-recv_timeout",
            "20000",
        ]);
        arguments.extend(["-trace_err", "-error_file", "errors", "-trace_msg", "-message_file", "messages"]);
        // left alone it signs the address of the server instead of the Request-URI
        let signed = format!("{}@{target}", role.calls);
        if !scenario.starts_with("register") {
            arguments.extend(["-auth_uri", &signed]);
        }
        if role.echoes {
            arguments.push("-rtp_echo");
        }
        let tool = Tool::start("sipp", folder.path(), &arguments);
        Sipp { tool, name: scenario.to_owned(), folder }
    }

    /// Starts one that waits to be called, and returns when it listens.
    pub fn waiting(scenario: &str, role: &Role, target: SocketAddr) -> Sipp {
        let sipp = Sipp::start(scenario, role, target);
        wait_until("sipp listens", || UdpSocket::bind((Ipv4Addr::LOCALHOST, role.port)).is_err());
        sipp
    }

    /// Waits for its end, which must be that of the scenario. What it has sent and received.
    pub fn played(mut self) -> String {
        let status = self.tool.ended();
        let read = |name: &str| std::fs::read(self.folder.path().join(name)).unwrap_or_default();
        let messages = String::from_utf8_lossy(&read("messages")).into_owned();
        let errors = String::from_utf8_lossy(&read("errors")).into_owned();
        assert!(status.success(), "{} failed ({status}):\n{errors}\n{messages}", self.name);
        messages
    }
}

/// Plays a scenario from its beginning to its end.
pub fn plays(scenario: &str, role: &Role, target: SocketAddr) -> String {
    Sipp::start(scenario, role, target).played()
}
