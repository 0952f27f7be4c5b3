//! baresip: a phone that is driven by its control socket.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use super::tone::{samples, wav};
use super::tools::{Tool, free_port, wait_until};

/// A baresip with one account, driven by its control socket; its microphone is a tone in a file.
pub struct Baresip {
    /// Ends with the rest.
    _tool: Tool,
    folder: tempfile::TempDir,
    control: TcpStream,
    told: Arc<Mutex<String>>,
}

/// How a baresip is set up.
#[derive(Clone)]
pub struct Account {
    pub user: &'static str,
    /// `udp`, `tcp` or `tls`.
    pub transport: &'static str,
    /// `pcmu`, `pcma`, `g722` or `opus`.
    pub codec: &'static str,
    /// The tone that it speaks with.
    pub hertz: u32,
    /// Whether it answers by itself.
    pub answers: bool,
}

impl Account {
    pub fn of(user: &'static str, hertz: u32) -> Account {
        Account { user, transport: "udp", codec: "pcmu", hertz, answers: false }
    }
}

impl Baresip {
    /// Starts one and waits until it has registered.
    pub fn registered(account: &Account, server: SocketAddr) -> Baresip {
        let phone = Baresip::start(account, server);
        // its events may have come before we listened
        wait_until("baresip registers", || {
            phone.log().split("REGISTER sip:").skip(1).any(|said| said.contains("SIP/2.0 200"))
        });
        phone
    }

    /// Starts one, which begins to register.
    pub fn start(account: &Account, server: SocketAddr) -> Baresip {
        let folder = tempfile::tempdir().unwrap();
        let (listen, control, rtp) = (free_port(), free_port(), free_port());
        // the file must have the rate of the codec
        let rate = match account.codec {
            "opus" => 48_000,
            "g722" => 16_000,
            _ => 8_000,
        };
        std::fs::write(folder.path().join("tone.wav"), wav(account.hertz, rate)).unwrap();
        let here = folder.path().display();
        let mut config = format!(
            "poll_method epoll\nsip_listen 127.0.0.1:{listen}\nnet_interface 127.0.0.1\naudio_player aubridge,ear\n\
             audio_source aufile,{here}/tone.wav\nauplay_format s16\nausrc_format s16\nsnd_path {here}\n\
             opus_stereo no\nrtp_ports {}-{}\nctrl_tcp_listen 127.0.0.1:{control}\nmodule_path {}\n",
            rtp,
            rtp.saturating_add(20),
            modules().display()
        );
        for module in ["g711", "g722", "opus", "aufile", "aubridge", "sndfile"] {
            writeln!(config, "module {module}.so").unwrap();
        }
        for module in ["uuid", "account"] {
            writeln!(config, "module_tmp {module}.so").unwrap();
        }
        for module in ["menu", "ctrl_tcp"] {
            writeln!(config, "module_app {module}.so").unwrap();
        }
        std::fs::write(folder.path().join("config"), config).unwrap();
        let Account { user, transport, codec, answers, .. } = account;
        let mode = if *answers { "auto" } else { "manual" };
        let account = format!(
            "<sip:{user}@{server};transport={transport}>;auth_user={user};auth_pass=hotdesk;regint=60;\
             audio_codecs={codec}/{rate}/1;answermode={mode}\n"
        );
        std::fs::write(folder.path().join("accounts"), account).unwrap();
        std::fs::write(folder.path().join("contacts"), "").unwrap();
        let here = folder.path().to_str().unwrap();
        let tool = Tool::start("baresip", folder.path(), &["-f", here, "-s", "-t", "150"]);
        let mut connected = None;
        wait_until("baresip comes up", || {
            connected = TcpStream::connect((Ipv4Addr::LOCALHOST, control)).ok();
            connected.is_some()
        });
        let control = connected.unwrap();
        let told = Arc::new(Mutex::new(String::new()));
        let (mut events, hearing) = (control.try_clone().unwrap(), told.clone());
        std::thread::spawn(move || {
            let mut buffer = [0; 4_096];
            while let Ok(length) = events.read(&mut buffer) {
                if length == 0 {
                    return;
                }
                hearing.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..length]));
            }
        });
        Baresip { _tool: tool, folder, control, told }
    }

    /// The events and answers on its control socket so far.
    pub fn told(&self) -> String {
        self.told.lock().unwrap().clone()
    }

    /// What it has printed, the SIP messages among it.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.folder.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits until it tells of this event so many times in all.
    pub fn tells(&self, event: &str, times: usize) {
        wait_until(&format!("{event} {times} times"), || self.told().matches(event).count() >= times);
    }

    /// One of its commands: `dial`, `accept`, `hangup`, `sndcode`, `transfer`.
    pub fn command(&self, command: &str, parameter: &str) {
        let json = serde_json::json!({ "command": command, "params": parameter, "token": "t" }).to_string();
        (&self.control).write_all(format!("{}:{json},", json.len()).as_bytes()).unwrap();
    }

    /// Hangs up, and says what it has heard at the end of its last call: samples and their rate.
    pub fn hang_up(&self) -> (Vec<f64>, f64) {
        let closed = self.told().matches("CALL_CLOSED").count();
        self.command("hangup", "");
        self.tells("CALL_CLOSED", closed + 1);
        self.heard()
    }

    /// What it has heard in its last call, once that has ended.
    pub fn heard(&self) -> (Vec<f64>, f64) {
        let names = self.folder.path().read_dir().unwrap().map(|entry| entry.unwrap().path());
        let mut heard: Vec<_> = names.filter(|path| path.to_string_lossy().ends_with("-dec.wav")).collect();
        heard.sort();
        samples(&heard.last().map_or(Vec::new(), |path| std::fs::read(path).unwrap()))
    }
}

fn modules() -> PathBuf {
    let folders = ["/usr/lib/baresip/modules", "/usr/lib/x86_64-linux-gnu/baresip/modules"];
    let found = folders.iter().map(PathBuf::from).find(|folder| folder.join("ausine.so").is_file());
    found.expect("baresip's modules are missing: install the package baresip-core")
}
