//! `hotdesk`: the server as a program.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Parser, Subcommand};
use model::PhoneNumber;
use nix::sys::termios::{self, LocalFlags, SetArg, Termios};
use server::app::{self, Addresses, Running};
use server::auth::password;
use server::config::{Config, LogFormat};
use server::{logging, storage};
use tokio::signal::unix::{SignalKind, signal};

/// The open contact-centre desk
#[derive(Parser)]
#[command(name = "hotdesk", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server
    Serve(Box<Serve>),
    /// Change a user's password; it is read from standard input
    SetPassword(SetPassword),
    /// Let a SIP phone register on a line, or give one another line or password; the password is read from
    /// standard input
    AddPhone(AddPhone),
    /// Let a SIP phone register no more
    RemovePhone(RemovePhone),
}

#[derive(Args)]
struct Serve {
    /// Settings in TOML; docs/configuration.md explains every key
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Make demo accounts in an empty database
    #[arg(long)]
    demo: bool,
    /// Where to serve HTTP and WebSockets [default: 127.0.0.1:8090]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// The folder of the database and the server's secret [default: hotdesk-data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Serve TLS with a certificate made at first start
    #[arg(long, conflicts_with_all = ["tls_cert", "tls_key"])]
    tls_self_signed: bool,
    /// Serve TLS with the certificate (chain) in this PEM file
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key, a PEM file
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Serve the pages from this folder in place of those built in
    #[arg(long, alias = "assets", value_name = "DIR")]
    site: Option<PathBuf>,
    /// The addresses that browsers are to send sound to
    #[arg(long, value_name = "IP", num_args = 1..)]
    media_address: Vec<IpAddr>,
    /// The first media worker's UDP port [default: 7000]
    #[arg(long, value_name = "PORT")]
    media_port: Option<u16>,
    /// How log lines are written [default: pretty]
    #[arg(long, value_enum)]
    log_format: Option<LogFormat>,
}

#[derive(Args)]
struct SetPassword {
    /// Whose password
    login: String,
    /// The server's data folder
    #[arg(long, value_name = "DIR", default_value = "hotdesk-data")]
    data_dir: PathBuf,
}

#[derive(Args)]
struct AddPhone {
    /// The name by which the phone registers
    name: String,
    /// The number of the line on which it rings and calls
    #[arg(long)]
    number: PhoneNumber,
    /// The server's data folder
    #[arg(long, value_name = "DIR", default_value = "hotdesk-data")]
    data_dir: PathBuf,
}

#[derive(Args)]
struct RemovePhone {
    /// The name by which the phone registers
    name: String,
    /// The server's data folder
    #[arg(long, value_name = "DIR", default_value = "hotdesk-data")]
    data_dir: PathBuf,
}

/// Settings that cannot be used; arguments that cannot be used end with the same code.
const UNUSABLE: u8 = 2;

fn main() -> ExitCode {
    // Two dependencies bring a provider each; whoever comes first must be ours.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let arguments = Arguments::parse();
    let config = match &arguments.command {
        Command::Serve(serve) => match serve.config() {
            Ok(config) => Some(config),
            Err(error) => return failed(&error, UNUSABLE),
        },
        Command::SetPassword(_) | Command::AddPhone(_) | Command::RemovePhone(_) => None,
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into(), 1),
    };
    let done = runtime.block_on(async {
        match (arguments.command, config) {
            (Command::Serve(_), Some(config)) => serve(config).await,
            (Command::SetPassword(wish), _) => set_password(&wish).await,
            (Command::AddPhone(wish), _) => add_phone(&wish).await,
            (Command::RemovePhone(wish), _) => remove_phone(&wish).await,
            (Command::Serve(_), None) => unreachable!("`serve` always has settings"),
        }
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error, 1),
    }
}

fn failed(error: &anyhow::Error, code: u8) -> ExitCode {
    // The error stream may be gone; the exit code still tells.
    let _ = writeln!(io::stderr(), "hotdesk: {error:#}");
    ExitCode::from(code)
}

impl Serve {
    /// The settings: file, then environment, then these arguments.
    fn config(&self) -> anyhow::Result<Config> {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let mut config = Config::load(self.config.as_deref(), environment)?;
        config.demo |= self.demo;
        config.listen = self.listen.unwrap_or(config.listen);
        config.data_dir = self.data_dir.clone().unwrap_or(config.data_dir);
        config.site = self.site.clone().or(config.site);
        config.media.port = self.media_port.unwrap_or(config.media.port);
        config.log.format = self.log_format.unwrap_or(config.log.format);
        if !self.media_address.is_empty() {
            config.media.addresses.clone_from(&self.media_address);
        }
        if self.tls_self_signed || self.tls_cert.is_some() {
            config.tls.self_signed = self.tls_self_signed;
            config.tls.cert.clone_from(&self.tls_cert);
            config.tls.key.clone_from(&self.tls_key);
        }
        config.check()?;
        Ok(config)
    }
}

async fn serve(config: Config) -> anyhow::Result<()> {
    let _log = logging::open(&config.log)?;
    let demo = config.demo;
    // Listened to before the start, so that a signal during it is not lost.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let running = app::start(config).await?;
    announce(&running, demo);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping");
    tokio::select! {
        in_time = running.stop() => {
            if !in_time {
                tracing::warn!("some connections or calls did not end in time");
            }
        }
        _ = terminate.recv() => tracing::warn!("stopped at once"),
        _ = interrupt.recv() => tracing::warn!("stopped at once"),
    }
    Ok(())
}

fn announce(running: &Running, demo: bool) {
    let address = address_to_open(running.addresses);
    tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), "ready");
    if let Some(fingerprint) = &running.tls_fingerprint {
        tracing::info!(fingerprint, "TLS certificate (SHA-256)");
    }
    if demo {
        // A reader may have closed the other end; the server runs on.
        let _ = io::stdout().write_all(demo_card(&address).as_bytes());
    }
}

/// The address to type into a browser on this machine.
fn address_to_open(Addresses { http, secure }: Addresses) -> String {
    let scheme = if secure { "https" } else { "http" };
    if http.ip().is_unspecified() {
        format!("{scheme}://localhost:{}/", http.port())
    } else {
        format!("{scheme}://{http}/")
    }
}

fn demo_card(address: &str) -> String {
    let mut card = format!("\n  Hotdesk is ready: {address}\n\n");
    for user in storage::DEMO_USERS {
        let role = match user.role {
            model::Role::User => "office",
            role => role.as_str(),
        };
        card += &format!("    {:<8}{:<12}line {}\n", user.login, role, user.number);
    }
    card += &format!(
        "\n  The password of all four is {} unless you changed it. The line's number and the same password register a SIP\n  phone. Dial *55 to hear yourself, or open {address}echo without a login.\n\n",
        storage::DEMO_PASSWORD
    );
    card
}

async fn set_password(wish: &SetPassword) -> anyhow::Result<()> {
    let account = storage::account(&wish.data_dir, &wish.login).await?;
    let new = new_password(&wish.login)?;
    account.set_password_hash(&password::hash(new.as_bytes())?).await?;
    writeln!(
        io::stderr(),
        "The password of {} is changed. Its earlier logins are no longer good; a running server closes their \
         sockets within seconds.",
        wish.login
    )?;
    Ok(())
}

async fn add_phone(wish: &AddPhone) -> anyhow::Result<()> {
    if wish.name.is_empty() || !wish.name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) {
        bail!("a phone's name has letters, digits and -_. alone");
    }
    let devices = storage::devices(&wish.data_dir).await?;
    let new = new_password(&wish.name)?;
    let made = devices.put(wish.number.as_str(), |line| storage::device(&wish.name, line, &new)).await?;
    if !made {
        bail!("there is no line {}", wish.number);
    }
    writeln!(io::stderr(), "{} may register; a running server knows it within seconds.", wish.name)?;
    Ok(())
}

async fn remove_phone(wish: &RemovePhone) -> anyhow::Result<()> {
    if !storage::devices(&wish.data_dir).await?.remove(&wish.name).await? {
        bail!("there is no phone {}", wish.name);
    }
    writeln!(io::stderr(), "{} can register no more; a running server knows it within seconds.", wish.name)?;
    Ok(())
}

/// One line of standard input; a terminal does not show it.
fn new_password(name: &str) -> anyhow::Result<String> {
    let stdin = io::stdin();
    let _unseen = if stdin.is_terminal() {
        write!(io::stderr(), "New password for {name} (it is not shown): ")?;
        Some(Unseen::begin(&stdin).context("the terminal would show the password; pipe it in instead")?)
    } else {
        None
    };
    let mut line = String::new();
    stdin.lock().read_line(&mut line)?;
    let new = line.trim_end_matches(['\r', '\n']);
    if new.chars().count() < 8 || new.len() > password::MAX_PASSWORD_BYTES {
        bail!("a password has at least 8 characters and at most {} bytes", password::MAX_PASSWORD_BYTES);
    }
    Ok(new.to_owned())
}

/// A terminal that does not show what is typed, until this is dropped.
struct Unseen<'a> {
    terminal: &'a io::Stdin,
    before: Termios,
}

impl<'a> Unseen<'a> {
    fn begin(terminal: &'a io::Stdin) -> anyhow::Result<Self> {
        let before = termios::tcgetattr(terminal)?;
        let mut unseen = before.clone();
        unseen.local_flags.remove(LocalFlags::ECHO);
        // the line's end is shown, so that the next line begins where one expects it
        unseen.local_flags.insert(LocalFlags::ECHONL);
        termios::tcsetattr(terminal, SetArg::TCSAFLUSH, &unseen)?;
        Ok(Unseen { terminal, before })
    }
}

impl Drop for Unseen<'_> {
    fn drop(&mut self) {
        // nothing more can be done where this fails
        let _ = termios::tcsetattr(self.terminal, SetArg::TCSAFLUSH, &self.before);
    }
}
