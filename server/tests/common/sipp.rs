//! sipp, as caller and as callee.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;

use super::tools::{Tool, free_port, wait_until};

/// One run of sipp with a scenario of `server/tests/sipp`.
pub struct Sipp {
    tool: Tool,
    name: String,
    folder: tempfile::TempDir,
    /// It plays its scenario when it is called, beside another.
    is_called: bool,
}

/// The file that tells that a call has come to its right end.
const CALLED: &str = "called";

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
    /// Seconds until the scenario must be over.
    pub within: u16,
    /// `STATUS` in the scenario.
    pub status: u16,
    /// `EXTRA` in the scenario: a header line.
    pub extra: String,
}

impl Role {
    pub fn of(user: &'static str) -> Role {
        let extra = "Subject: none".to_owned();
        let (tcp, echoes) = (false, false);
        Role { user, calls: "*55", port: free_port(), tcp, echoes, within: 40, status: 486, extra }
    }
}

impl Sipp {
    /// Starts a scenario against the server at `target`.
    pub fn start(scenario: &str, role: &Role, target: SocketAddr) -> Sipp {
        let folder = tempfile::tempdir().unwrap();
        let played = written(&folder, scenario, role, "</scenario>");
        let target = target.to_string();
        let mut arguments = vec!["-sf", &played, &target];
        // left alone it signs the address of the server instead of the Request-URI
        let signed = format!("{}@{target}", role.calls);
        if !scenario.starts_with("register") {
            arguments.extend(["-auth_uri", &signed]);
        }
        Sipp::run(scenario, role, folder, &arguments)
    }

    /// Starts one that waits to be called, and returns when it listens.
    pub fn waiting(scenario: &str, role: &Role, target: SocketAddr) -> Sipp {
        let sipp = Sipp::start(scenario, role, target);
        let here = (Ipv4Addr::LOCALHOST, role.port);
        wait_until("sipp listens", || {
            if role.tcp { TcpListener::bind(here).is_err() } else { UdpSocket::bind(here).is_err() }
        });
        sipp
    }

    /// Starts one that registers by a connection and waits to be called by it, and returns when it is registered.
    pub fn connected(scenario: &str, role: &Role, target: SocketAddr) -> Sipp {
        let folder = tempfile::tempdir().unwrap();
        let stays = "<pause milliseconds=\"100000\"/></scenario>";
        let registers = written(&folder, "register", role, stays);
        // how it ends says nothing of calls that came in beside the scenario
        let tells = format!("<nop><action><exec command=\"touch {CALLED}\"/></action></nop></scenario>");
        let is_called = written(&folder, scenario, role, &tells);
        let target = target.to_string();
        let arguments = ["-sf", &registers, "-oocsf", &is_called, &target];
        let sipp = Sipp { is_called: true, ..Sipp::run(scenario, role, folder, &arguments) };
        wait_until("sipp registers", || sipp.read("messages").contains("SIP/2.0 200"));
        sipp
    }

    fn run(scenario: &str, role: &Role, folder: tempfile::TempDir, first: &[&str]) -> Sipp {
        let (port, sound) = (role.port.to_string(), free_port().to_string());
        let within = role.within.to_string();
        let mut arguments = first.to_vec();
        arguments.extend(["-i", "127.0.0.1", "-p", &port, "-mi", "127.0.0.1", "-mp", &sound]);
        arguments.extend(["-t", if role.tcp { "t1" } else { "u1" }, "-m", "1", "-nostdin"]);
        arguments.extend(["-s", role.calls, "-au", role.user, "-ap", "hotdesk"]);
        arguments.extend(["-timeout", &within, "-timeout_error", "-recv_timeout", "20000"]);
        arguments.extend(["-trace_err", "-error_file", "errors", "-trace_msg", "-message_file", "messages"]);
        if role.echoes {
            arguments.push("-rtp_echo");
        }
        let tool = Tool::start("sipp", folder.path(), &arguments);
        Sipp { tool, name: scenario.to_owned(), folder, is_called: false }
    }

    /// Waits for its end, which must be that of the scenario. What it has sent and received.
    pub fn played(mut self) -> String {
        let is_right = if self.is_called {
            let has_failed = |errors: String| errors.to_lowercase().contains("abort");
            wait_until("sipp is called", || {
                self.folder.path().join(CALLED).exists() || has_failed(self.read("errors"))
            });
            self.folder.path().join(CALLED).exists()
        } else {
            self.tool.ended().success()
        };
        let (messages, errors) = (self.read("messages"), self.read("errors"));
        assert!(is_right, "{} failed:\n{errors}\n{messages}", self.name);
        messages
    }

    fn read(&self, name: &str) -> String {
        let bytes = std::fs::read(self.folder.path().join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Writes a scenario as this role plays it, with this end; its path.
fn written(folder: &tempfile::TempDir, scenario: &str, role: &Role, end: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sipp").join(format!("{scenario}.xml"));
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text
        .replace("[user]", role.user)
        .replace("STATUS", &role.status.to_string())
        .replace("EXTRA", &role.extra)
        .replace("</scenario>", end);
    let written = folder.path().join(format!("{scenario}.xml"));
    std::fs::write(&written, text).unwrap();
    written.to_str().unwrap().to_owned()
}

/// Plays a scenario from its beginning to its end.
pub fn plays(scenario: &str, role: &Role, target: SocketAddr) -> String {
    Sipp::start(scenario, role, target).played()
}
