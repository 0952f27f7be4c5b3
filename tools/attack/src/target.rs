//! The server under attack: how it is started, and what can be seen of it from outside.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// Lines beside the demo's four.
pub const CROWD: u32 = 600;

/// A server of ours, or one that pretends to be.
pub struct Target {
    /// Where it speaks SIP, by UDP and TCP.
    pub sip: SocketAddr,
    /// Where it speaks HTTP.
    pub http: SocketAddr,
    /// The password of the phones 1001 to 1004, and of their users.
    pub password: String,
    process: Process,
    log: Option<PathBuf>,
    _folder: Option<tempfile::TempDir>,
}

enum Process {
    Child(Child),
    /// Lives in this very process, and tells by this whether it still does.
    Here(Box<dyn Fn() -> bool + Send + Sync>),
}

impl Target {
    /// Starts Hotdesk with the demo world on ports that nobody uses.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start(program: &Path) -> Result<Target> {
        let folder = tempfile::tempdir()?;
        let (sip, http) = (free_port()?, free_port()?);
        let log = folder.path().join("log");
        let config = folder.path().join("hotdesk.toml");
        crate::crowd::make(&folder.path().join("data"), CROWD)?;
        std::fs::write(
            &config,
            format!(
                "listen = \"{http}\"\ndemo = true\ndata_dir = \"{}\"\n[log]\nfilter = \"warn\"\n[sip]\nudp = [\"{sip}\"]\n\
                 tcp = [\"{sip}\"]\n[media]\naddresses = [\"127.0.0.1\"]\nport = 0\nworkers = 1\n",
                folder.path().join("data").display()
            ),
        )?;
        let mut command = Command::new(program);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("HOTDESK_")) {
            command.env_remove(name);
        }
        command.args(["serve", "--config"]).arg(&config).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(File::create(&log)?);
        let child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let mut target = Target {
            sip,
            http,
            password: "hotdesk".into(),
            process: Process::Child(child),
            log: Some(log),
            _folder: Some(folder),
        };
        let began = Instant::now();
        while target.get("/readyz").is_none_or(|answer| !answer.starts_with("HTTP/1.1 200")) {
            if !target.is_alive() || began.elapsed() > Duration::from_secs(60) {
                bail!("the server does not come up: {}", target.log());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(target)
    }

    /// One that runs in this process; `alive` says whether it still does.
    pub fn here(
        sip: SocketAddr,
        http: SocketAddr,
        alive: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Target {
        let process = Process::Here(Box::new(alive));
        Target { sip, http, password: "hotdesk".into(), process, log: None, _folder: None }
    }

    /// Whether the process runs.
    pub fn is_alive(&mut self) -> bool {
        match &mut self.process {
            Process::Child(child) => matches!(child.try_wait(), Ok(None)),
            Process::Here(alive) => alive(),
        }
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.log
            .as_ref()
            .and_then(|log| std::fs::read(log).ok())
            .map_or(String::new(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// A page, with its head.
    pub fn get(&self, path: &str) -> Option<String> {
        self.http_request(&format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.http))
    }

    /// Posts JSON.
    pub fn post(&self, path: &str, json: &str) -> Option<String> {
        self.http_request(&format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{json}",
            self.http,
            json.len()
        ))
    }

    fn http_request(&self, text: &str) -> Option<String> {
        let mut stream = TcpStream::connect_timeout(&self.http, Duration::from_secs(5)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        stream.write_all(text.as_bytes()).ok()?;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        Some(String::from_utf8_lossy(&answer).into_owned())
    }

    /// The sum of a metric over its labels; nothing when it does not exist (yet).
    pub fn metric(&self, name: &str) -> Option<f64> {
        sum_of(&self.get("/metrics")?, name)
    }

    /// Resident memory in KiB.
    pub fn memory_kib(&self) -> Option<u64> {
        let pid = match &self.process {
            Process::Child(child) => child.id(),
            Process::Here(_) => std::process::id(),
        };
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.split_whitespace().next()?.parse().ok()
    }

    /// Waits until a metric is at most `most`; what it was at last.
    pub fn wait_for(&self, name: &str, most: f64, patience: Duration) -> f64 {
        let began = Instant::now();
        loop {
            let value = self.metric(name).unwrap_or(0.0);
            if value <= most || began.elapsed() > patience {
                return value;
            }
            std::thread::sleep(Duration::from_millis(250));
        }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if let Process::Child(child) = &mut self.process {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn sum_of(page: &str, name: &str) -> Option<f64> {
    let values = page.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        let rest = if rest.starts_with('{') { rest.split_once('}')?.1 } else { rest };
        rest.strip_prefix(' ')?.trim().parse::<f64>().ok()
    });
    values.reduce(|sum, value| sum + value)
}

/// A port of this machine that is free for UDP and TCP.
///
/// # Errors
/// The system's.
pub fn free_port() -> Result<SocketAddr> {
    for _ in 0..100 {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = tcp.local_addr()?;
        if UdpSocket::bind(address).is_ok() {
            return Ok(address);
        }
    }
    bail!("no port is free")
}

/// The `number`th address of the loopback network that we come from.
pub fn source(number: u32) -> IpAddr {
    let [_, a, b, c] = (number + 256).to_be_bytes();
    Ipv4Addr::new(127, 64 | a, b, c.max(1)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_summed_over_their_labels() {
        let page = "# TYPE a counter\na{x=\"1\"} 3\na{x=\"2\"} 4.5\nab 9\n\nb 0\n";
        assert_eq!((sum_of(page, "a"), sum_of(page, "b"), sum_of(page, "c")), (Some(7.5), Some(0.0), None));
    }

    #[test]
    fn sources_are_many_and_on_loopback() {
        let all: std::collections::BTreeSet<_> = (0..10_000).map(source).collect();
        assert!(all.iter().all(IpAddr::is_loopback) && all.len() > 9_900);
    }
}
