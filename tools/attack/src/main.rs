//! `hotdesk-attack --server PATH`: starts the server with the demo world, attacks it, and counts what held.

use std::path::PathBuf;
use std::process::ExitCode;

use attack::attacks::{self, Effort};
use attack::{Report, Target, crowd};
use clap::Parser;

#[derive(Parser)]
#[command(about = "Attacks a server of one's own over real sockets, and says whether it held")]
struct Arguments {
    /// The program to start
    #[arg(long, required_unless_present = "make_crowd")]
    server: Option<PathBuf>,
    /// Attack nobody; make the demo world and so many more lines with a phone each, for other tools
    #[arg(long, requires = "data_dir")]
    make_crowd: Option<u32>,
    /// Where to make them
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// Broken messages on the wire
    #[arg(long, default_value_t = Effort::usual().mutants)]
    mutants: u64,
    /// Which broken messages
    #[arg(long, default_value_t = Effort::usual().seed)]
    seed: u64,
    /// A folder of the fuzz targets' messages to break, too
    #[arg(long)]
    corpus: Option<PathBuf>,
    /// Callers who vanish after their INVITE
    #[arg(long, default_value_t = Effort::usual().vanishing)]
    vanishing: u64,
    /// Big INVITEs of strangers by each connection
    #[arg(long, default_value_t = Effort::usual().big)]
    big: u64,
    /// Connections that are reset at each step of a call
    #[arg(long, default_value_t = Effort::usual().resets_per_step)]
    resets: u32,
    /// Rounds of telling a known name from an unknown one
    #[arg(long, default_value_t = Effort::usual().rounds)]
    rounds: u32,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let effort = Effort {
        mutants: arguments.mutants,
        seed: arguments.seed,
        corpus: arguments.corpus,
        vanishing: arguments.vanishing,
        big: arguments.big,
        resets_per_step: arguments.resets,
        rounds: arguments.rounds,
        ..Effort::usual()
    };
    let mut report = Report::default();
    if let (Some(count), Some(folder)) = (arguments.make_crowd, &arguments.data_dir) {
        return match crowd::make(folder, count) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {error:#}");
                ExitCode::FAILURE
            }
        };
    }
    let program = arguments.server.unwrap_or_default();
    let outcome =
        Target::start(&program).and_then(|mut target| attacks::all(&mut target, &effort, &mut report));
    let (passed, mut failed) = report.counts();
    if let Err(error) = outcome {
        eprintln!("error: {error:#}");
        failed += 1;
    }
    println!("{passed} passed, {failed} failed");
    if failed == 0 && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
