//! SIP programs of others, as child processes on loopback ports of their own.
#![allow(dead_code, reason = "each test file uses its part of this")]
#![allow(clippy::unwrap_used, reason = "in tests a panic is the report")]

use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A port of this machine that is free for UDP and TCP, with the next one.
pub fn free_port() -> u16 {
    for _ in 0..100 {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = tcp.local_addr().unwrap().port();
        let next = port.checked_add(1).unwrap_or(1);
        let free = |port| UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        if free(port) && free(next) && TcpListener::bind((Ipv4Addr::LOCALHOST, next)).is_ok() {
            return port;
        }
    }
    panic!("no port is free");
}

/// One run of sipp with a scenario of `server/tests/sipp`.
pub struct Sipp {
    child: Child,
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
    /// `STATUS` in the scenario.
    pub status: u16,
    /// `EXTRA` in the scenario: a header line.
    pub extra: String,
}

impl Role {
    pub fn of(user: &'static str) -> Role {
        let extra = "Subject: none".to_owned();
        Role { user, calls: "*55", port: free_port(), tcp: false, status: 486, extra }
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
        let mut command = Command::new("sipp");
        command
            .current_dir(folder.path())
            .arg("-sf")
            .arg(&played)
            .arg(target.to_string())
            .args(["-i", "127.0.0.1", "-p", &role.port.to_string()])
            .args(["-mp", &(free_port() & !1).to_string()])
            .args(["-s", role.calls, "-au", role.user, "-ap", "hotdesk"])
            .args(["-t", if role.tcp { "t1" } else { "u1" }])
            .args(["-m", "1", "-nostdin", "-timeout", "40", "-timeout_error", "-recv_timeout", "20000"])
            .args(["-trace_err", "-error_file", "errors", "-trace_msg", "-message_file", "messages"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if !scenario.starts_with("register") {
            // left alone it signs the address of the server instead of the Request-URI
            command.args(["-auth_uri", &format!("{}@{target}", role.calls)]);
        }
        let child = command.spawn().expect("sipp is missing: install the package sip-tester");
        Sipp { child, name: scenario.to_owned(), folder }
    }

    /// Starts one that waits to be called, and returns when it listens.
    pub fn waiting(scenario: &str, role: &Role, target: SocketAddr) -> Sipp {
        let sipp = Sipp::start(scenario, role, target);
        wait_until("sipp listens", || UdpSocket::bind((Ipv4Addr::LOCALHOST, role.port)).is_err());
        sipp
    }

    /// Waits for its end, which must be that of the scenario. What it has sent and received.
    pub fn played(mut self) -> String {
        let status = self.child.wait().unwrap();
        let read = |name: &str| std::fs::read(self.folder.path().join(name)).unwrap_or_default();
        let messages = String::from_utf8_lossy(&read("messages")).into_owned();
        let errors = String::from_utf8_lossy(&read("errors")).into_owned();
        assert!(status.success(), "{} failed ({status}):\n{errors}\n{messages}", self.name);
        messages
    }
}

impl Drop for Sipp {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Plays a scenario from its beginning to its end.
pub fn plays(scenario: &str, role: &Role, target: SocketAddr) -> String {
    Sipp::start(scenario, role, target).played()
}

/// Waits, with patience, for what a program of others does in its own time.
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(60), "in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A baresip with one account, driven by its control socket; its microphone is a tone in a file.
pub struct Baresip {
    child: Child,
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
    /// `pcmu`, `pcma` or `g722`.
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
        let rate = if account.codec == "g722" { 16_000 } else { 8_000 };
        std::fs::write(folder.path().join("tone.wav"), tone(account.hertz, rate)).unwrap();
        let here = folder.path().display();
        let mut config = format!(
            "poll_method epoll\nsip_listen 127.0.0.1:{listen}\nnet_interface 127.0.0.1\naudio_player aubridge,ear\n\
             audio_source aufile,{here}/tone.wav\nauplay_format s16\nausrc_format s16\nsnd_path {here}\n\
             rtp_ports {}-{}\nctrl_tcp_listen 127.0.0.1:{control}\nmodule_path {}\n",
            rtp & !1,
            (rtp & !1).saturating_add(20),
            modules().display()
        );
        for module in ["g711", "g722", "aufile", "aubridge", "sndfile"] {
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
             audio_codecs={codec};answermode={mode}\n"
        );
        std::fs::write(folder.path().join("accounts"), account).unwrap();
        std::fs::write(folder.path().join("contacts"), "").unwrap();
        let log = File::create(folder.path().join("log")).unwrap();
        let child = Command::new("baresip")
            .arg("-f")
            .arg(folder.path())
            .args(["-s", "-t", "150"])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("baresip is missing: install the package baresip-core");
        let began = Instant::now();
        let control = loop {
            if let Ok(control) = TcpStream::connect((Ipv4Addr::LOCALHOST, control)) {
                break control;
            }
            assert!(began.elapsed() < Duration::from_secs(20), "baresip does not come up");
            std::thread::sleep(Duration::from_millis(20));
        };
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
        Baresip { child, folder, control, told }
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

impl Drop for Baresip {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn modules() -> PathBuf {
    let folders = ["/usr/lib/baresip/modules", "/usr/lib/x86_64-linux-gnu/baresip/modules"];
    let found = folders.iter().map(PathBuf::from).find(|folder| folder.join("ausine.so").is_file());
    found.expect("baresip's modules are missing: install the package baresip-core")
}

/// A WAV file of a minute of this tone.
fn tone(hertz: u32, rate: u32) -> Vec<u8> {
    let length = rate * 60;
    let mut wav = b"RIFF".to_vec();
    wav.extend((36 + length * 2).to_le_bytes());
    wav.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    wav.extend(rate.to_le_bytes());
    wav.extend((rate * 2).to_le_bytes());
    wav.extend(b"\x02\0\x10\0data");
    wav.extend((length * 2).to_le_bytes());
    for n in 0..length {
        let angle = std::f64::consts::TAU * f64::from(hertz) * f64::from(n) / f64::from(rate);
        wav.extend(((angle.sin() * 12_000.0) as i16).to_le_bytes());
    }
    wav
}

/// The samples of a WAV file of 16 bits, one channel or the first of them.
fn samples(wav: &[u8]) -> (Vec<f64>, f64) {
    if wav.len() < 44 {
        return (Vec::new(), 8_000.0);
    }
    let channels = usize::from(u16::from_le_bytes([wav[22], wav[23]])).max(1);
    let rate = f64::from(u32::from_le_bytes([wav[24], wav[25], wav[26], wav[27]]));
    let samples = wav[44..].chunks_exact(2 * channels);
    (samples.map(|frame| f64::from(i16::from_le_bytes([frame[0], frame[1]]))).collect(), rate)
}

/// Asserts that the end of this is the tone.
pub fn assert_tone((samples, rate): (Vec<f64>, f64), hertz: u32) {
    assert!(is_tone(&samples, rate, f64::from(hertz)), "no {hertz} Hz in {} samples", samples.len());
}

/// Whether the last half second is this tone before all: Goertzel's power at it against the whole.
pub fn is_tone(samples: &[f64], rate: f64, hertz: f64) -> bool {
    let length = (rate / 2.0) as usize;
    if samples.len() < length {
        return false;
    }
    let last = &samples[samples.len() - length..];
    let whole: f64 = last.iter().map(|sample| sample * sample).sum();
    let turn = 2.0 * (std::f64::consts::TAU * hertz / rate).cos();
    let (mut one, mut two) = (0.0, 0.0);
    for sample in last {
        (one, two) = (sample + turn * one - two, one);
    }
    let power = one * one + two * two - turn * one * two;
    let loud_enough = whole / length as f64 > 100.0 * 100.0;
    // a pure tone has all of its power there: N/2 times the sum of squares
    loud_enough && power > 0.5 * whole * length as f64 / 2.0
}
