//! Calls and registrations per second with sipp, on our server and on Kamailio in turns.

use std::fs::File;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::house::{House, run as run_command};
use crate::serve::build_server;
use crate::setup::{self, Scope};
use crate::site::{self, Mode};

/// Calls, and registrations, of one measurement; each is made three times in turns.
const COUNT: u32 = 6_000;
/// Under way at once.
const AT_ONCE: u32 = 100;
const ROUNDS: usize = 3;
/// Phones that register.
const PHONES: u32 = 500;

/// The task: builds the server as it is shipped, and measures.
///
/// # Errors
/// If something cannot be built or started, or a call fails.
pub fn run(house: &House, args: &[String]) -> Result<()> {
    let dev = args.iter().any(|arg| arg == "--dev");
    let mode = if dev { Mode::Dev } else { Mode::Release };
    setup::run(house, Scope::Check)?;
    let site = site::build(house, mode)?;
    let server = build_server(house, mode, &site)?;
    let folder = house.target.join("bench-sip");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    let ends = Ends { caller: free_port()?, callee: free_port()? };
    let mut cargo = house.cargo();
    cargo.args(["run", "--quiet", "-p", "hotdesk-attack", "--", "--make-crowd", &PHONES.to_string()]);
    run_command(cargo.arg("--data-dir").arg(folder.join("data")))?;
    let bench = Bench { scenarios: house.root.join("tools/bench/sipp"), folder };
    bench.write_phones()?;

    let mut results = [[Vec::new(), Vec::new()], [Vec::new(), Vec::new()]];
    for round in 1..=ROUNDS {
        println!("== round {round} of {ROUNDS}");
        for (which, peer) in
            [Peer::hotdesk(&bench, &server, &ends)?, Peer::kamailio(&bench, &ends)?].into_iter().enumerate()
        {
            results[which][0].push(bench.calls(&peer, &ends)?);
            results[which][1].push(bench.registrations(&peer, &ends)?);
        }
    }
    table(&results);
    Ok(())
}

struct Bench {
    scenarios: PathBuf,
    folder: PathBuf,
}

/// Where sipp stands, as caller and as callee.
struct Ends {
    caller: SocketAddr,
    callee: SocketAddr,
}

/// What is measured: its address and its processes.
struct Peer {
    name: &'static str,
    address: SocketAddr,
    child: Child,
}

impl Peer {
    fn hotdesk(bench: &Bench, server: &Path, ends: &Ends) -> Result<Peer> {
        let (address, http) = (free_port()?, free_port()?);
        let trunk = |name: &str, at: SocketAddr| {
            format!(
                "[[trunk]]\nname = \"{name}\"\naddress = \"{at}\"\ntransport = \"udp\"\nidentify = \"address\"\n\
                 options_seconds = 0\n"
            )
        };
        let config = bench.folder.join("hotdesk.toml");
        let text = format!(
            "listen = \"{http}\"\ndemo = true\ndata_dir = \"{}\"\n[log]\nfilter = \"error\"\n[sip]\nudp = [\"{address}\"]\n\
             tcp = []\ndigest = \"md5\"\n[media]\naddresses = [\"127.0.0.1\"]\nport = 0\nworkers = 1\n{}{}[[route]]\n\
             name = \"all\"\npatterns = [\"+\"]\ntrunks = [\"out\"]\nfrom_trunks = [\"in\"]\n",
            bench.folder.join("data").display(),
            trunk("in", ends.caller),
            trunk("out", ends.callee)
        );
        std::fs::write(&config, text)?;
        let mut command = Command::new(server);
        command.args(["serve", "--config"]).arg(config);
        Peer::start("Hotdesk", address, command, &bench.folder)
    }

    fn kamailio(bench: &Bench, ends: &Ends) -> Result<Peer> {
        let address = free_port()?;
        let config = bench.folder.join("kamailio.cfg");
        let text = std::fs::read_to_string(bench.scenarios.join("kamailio.cfg"))?;
        let text = text.replace("LISTEN", &address.to_string()).replace("CALLEE", &ends.callee.to_string());
        std::fs::write(&config, text)?;
        let mut command = Command::new("kamailio");
        command.arg("-f").arg(config).args(["-DD", "-m", "256"]);
        Peer::start("Kamailio", address, command, &bench.folder)
    }

    fn start(name: &'static str, address: SocketAddr, mut command: Command, folder: &Path) -> Result<Peer> {
        let log = File::create(folder.join(format!("{name}.log")))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        let peer = Peer { name, address, child };
        let began = Instant::now();
        while UdpSocket::bind(address).is_ok() {
            if began.elapsed() > Duration::from_secs(30) {
                bail!("{name} does not come up; see its log in {}", folder.display());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        std::thread::sleep(Duration::from_secs(1));
        Ok(peer)
    }

    /// The processor time that its processes have had.
    fn processor(&self) -> Result<Duration> {
        let mut ticks = 0;
        for entry in std::fs::read_dir("/proc")?.flatten() {
            let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
            let Some((head, rest)) = stat.rsplit_once(") ") else { continue };
            let pid = head.split(' ').next().and_then(|pid| pid.parse::<u32>().ok());
            let fields: Vec<&str> = rest.split(' ').collect();
            // after the name: state, parent, …, utime is the 12th and stime the 13th
            let number = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
            if pid == Some(self.child.id()) || number(1) == u64::from(self.child.id()) {
                ticks += number(11) + number(12);
            }
        }
        Ok(Duration::from_millis(ticks * 10))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Kamailio takes its children along only when it is asked kindly.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let began = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && began.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What came out of one measurement.
#[derive(Clone, Copy)]
struct Measured {
    per_second: f64,
    microseconds_each: f64,
}

impl Bench {
    /// The accounts of `tools/attack`'s crowd, as sipp reads them.
    fn write_phones(&self) -> Result<()> {
        let mut text = "SEQUENTIAL\n".to_owned();
        for phone in 0..PHONES {
            let name = 20_000 + phone;
            text += &format!("{name};[authentication username={name} password=hotdesk]\n");
        }
        std::fs::write(self.folder.join("phones.csv"), text)?;
        Ok(())
    }

    fn calls(&self, peer: &Peer, ends: &Ends) -> Result<Measured> {
        let mut callee = self.sipp("callee", ends.callee, peer).args(["-m", &COUNT.to_string()]).spawn()?;
        std::thread::sleep(Duration::from_millis(500));
        let measured = self.measure(peer, self.sipp("caller", ends.caller, peer), "calls");
        let _ = callee.kill();
        let _ = callee.wait();
        measured
    }

    fn registrations(&self, peer: &Peer, ends: &Ends) -> Result<Measured> {
        let mut command = self.sipp("registrar", ends.caller, peer);
        command.arg("-inf").arg(self.folder.join("phones.csv"));
        self.measure(peer, command, "registrations")
    }

    /// As many as go, no more than so many at once.
    fn measure(&self, peer: &Peer, mut command: Command, what: &str) -> Result<Measured> {
        command.args(["-r", "20000", "-l", &AT_ONCE.to_string(), "-m", &COUNT.to_string()]);
        command.args(["-timeout", "120", "-timeout_error"]);
        let (before, began) = (peer.processor()?, Instant::now());
        let status = command.status().context("sipp is missing: install the package sip-tester")?;
        let (took, processor) = (began.elapsed(), peer.processor()?.saturating_sub(before));
        if !status.success() {
            bail!("{}: not all {what} succeeded ({status})", peer.name);
        }
        let measured = Measured {
            per_second: f64::from(COUNT) / took.as_secs_f64(),
            microseconds_each: processor.as_secs_f64() * 1e6 / f64::from(COUNT),
        };
        println!(
            "   {:<9} {what:<14} {:>7.0} a second, {:>6.0} µs of processor each",
            peer.name, measured.per_second, measured.microseconds_each
        );
        Ok(measured)
    }

    fn sipp(&self, scenario: &str, at: SocketAddr, peer: &Peer) -> Command {
        let mut command = Command::new("sipp");
        command
            .current_dir(&self.folder)
            .arg("-sf")
            .arg(self.scenarios.join(format!("{scenario}.xml")))
            .arg(peer.address.to_string())
            .args(["-i", "127.0.0.1", "-p", &at.port().to_string(), "-nostdin"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }
}

fn table(results: &[[Vec<Measured>; 2]; 2]) {
    println!("\n| {:<14} | Hotdesk/s | Kamailio/s | ratio | µs each | Kamailio's | ratio |", "median");
    println!("|{:-<16}|{:->11}|{:->12}|{:->7}|{:->9}|{:->12}|{:->7}|", "", ":", ":", ":", ":", ":", ":");
    for (row, what) in ["calls", "registrations"].into_iter().enumerate() {
        let median = |which: usize, of: fn(&Measured) -> f64| {
            let mut values: Vec<f64> = results[which][row].iter().map(of).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        let (ours, theirs) = (median(0, |m| m.per_second), median(1, |m| m.per_second));
        let (our_cost, their_cost) = (median(0, |m| m.microseconds_each), median(1, |m| m.microseconds_each));
        println!(
            "| {what:<14} | {ours:>9.0} | {theirs:>10.0} | {:>5.2} | {our_cost:>7.0} | {their_cost:>10.0} | {:>5.2} |",
            ours / theirs,
            our_cost / their_cost
        );
    }
}

fn free_port() -> Result<SocketAddr> {
    let tcp = TcpListener::bind("127.0.0.1:0")?;
    Ok(tcp.local_addr()?)
}
