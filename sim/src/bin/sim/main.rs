//! Runs simulations: many seeds, one seed, one tape.

#[cfg(feature = "planted")]
mod mutants;
mod progress;
mod report;
mod run;
mod shrink;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand, ValueEnum};
use raddle_sim::{
    campaign::{Profile, World},
    case::Case,
    fuzzed, hashes, runner,
    tape::Tape,
};

/// What every command of this program answers with.
struct Wrong(String);

impl<E: std::fmt::Display> From<E> for Wrong {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// Deterministic simulation of raddle.
#[derive(Parser)]
#[command(name = "sim", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run many seeds, and report what fails and which races were hit.
    Run(RunArgs),
    /// Run one seed or one tape again.
    Replay(ReplayArgs),
    /// Run seeds and print how often each race was hit.
    Races(RunArgs),
    /// Switch faults of the engine on, one by one, and see how soon each is found.
    Mutants(MutantArgs),
    /// Print everything that happens in one run.
    Trace(TraceArgs),
    /// Make a failing seed or tape as simple as it can be.
    Shrink(ShrinkArgs),
    /// Print the courses of some runs as hashes, compare them with those of another build, or keep them for it.
    Hashes(HashArgs),
}

#[derive(Args)]
struct HashArgs {
    /// Take the courses in this file again, and fail where one is another one in this build.
    #[arg(long, value_name = "FILE", conflicts_with = "write")]
    check: Option<PathBuf>,
    /// Write the file anew, after a change that was meant to alter courses.
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

#[derive(Args)]
struct RunArgs {
    /// Seeds from A up to, but not including, B.
    #[arg(long, value_name = "A..B", default_value = "0..10000", value_parser = seeds)]
    seeds: (u64, u64),
    /// 0: engines without a runtime. 1: clients and servers over a simulated network.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=1))]
    tier: u8,
    /// What the runs of tier 0 are about.
    #[arg(long, value_enum, default_value_t = Kind::All)]
    profile: Kind,
    /// One JSON object a line on standard output; the outputs of several runs merge by concatenation.
    #[arg(long)]
    json: bool,
    /// Stop after so many failures.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    failures_max: u64,
    /// Fail also when a race was never hit.
    #[arg(long)]
    every_race: bool,
    /// Stop after so many seconds, wherever that is; with `--every-race`, after up to four times that for those that
    /// are not hit yet.
    #[arg(long, value_name = "SECONDS")]
    time_max: Option<u64>,
    /// Threads that run seeds; as many as there are cores if it is not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    jobs: Option<u32>,
    /// Fail when one run takes longer than so many seconds: it has no end.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    stuck_max: u64,
    /// A seed that never ends, to see that this is noticed.
    #[arg(long, value_name = "SEED", hide = true)]
    hang_at: Option<u64>,
}

#[derive(Args)]
#[cfg_attr(not(feature = "planted"), allow(dead_code))]
struct MutantArgs {
    /// Seconds that a fault has to be found in.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Runs of the engine without a fault, which must raise no alarm.
    #[arg(long, default_value_t = 20_000)]
    sound: u64,
    /// Only the faults whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
}

#[derive(Args)]
struct OneArgs {
    /// A file with a tape.
    #[arg(conflicts_with = "seed", required_unless_present_any = ["seed", "planted"])]
    tape: Option<PathBuf>,
    /// The file is an input of this fuzz target: the bytes that a fuzzer made up.
    #[arg(long, value_name = "TARGET", conflicts_with_all = ["seed", "world", "tier"], value_parser = target)]
    fuzzed: Option<fuzzed::Target>,
    /// A seed.
    #[arg(long)]
    seed: Option<u64>,
    /// 0 or 1, as in `run`; 0 if neither this nor `--as` is given.
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=1))]
    tier: Option<u8>,
    /// What it is run as: a world of tier 0, or a pairing of tier 1.
    #[arg(long = "as", value_name = "WORLD")]
    world: Option<String>,
    /// A fault of the engine to switch on. Without a seed, the first one that finds it is taken.
    #[arg(long, value_name = "FAULT")]
    planted: Option<String>,
}

#[derive(Args)]
struct ReplayArgs {
    #[command(flatten)]
    one: OneArgs,
    /// Fail when the run takes longer than so many seconds: it has no end.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    stuck_max: u64,
}

#[derive(Args)]
struct ShrinkArgs {
    #[command(flatten)]
    one: OneArgs,
    /// With `--planted all`: a folder for the tapes.
    #[arg(long, value_name = "FOLDER")]
    keep: Option<PathBuf>,
}

#[derive(Args)]
struct TraceArgs {
    #[command(flatten)]
    one: OneArgs,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Safety,
    Liveness,
    Abuse,
    Pool,
    Proxy,
    All,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Lines for people.
    Text,
    /// Lines of JSON, as docs/trace-format.md describes them.
    Jsonl,
    /// A page for a browser.
    Html,
    /// A capture for Wireshark: `tshark -d tcp.port==80,http2 -r FILE`.
    Pcapng,
    /// qlog in JSON text sequences.
    Qlog,
    /// Chrome's tracing, for Perfetto.
    Perfetto,
}

fn seeds(text: &str) -> Result<(u64, u64), String> {
    let (first, end) = text.split_once("..").ok_or("seeds are given as A..B")?;
    let number = |text: &str| text.parse().map_err(|_| format!("`{text}` is no seed"));
    let (first, end) = (number(first)?, number(end)?);
    if first >= end {
        return Err(format!("no seed lies between {first} and {end}"));
    }
    Ok((first, end))
}

impl RunArgs {
    fn worlds(&self) -> Result<Vec<World>, Wrong> {
        let worlds = World::of_tier(self.tier);
        let one = match self.profile {
            Kind::All => return Ok(worlds),
            _ if self.tier != 0 => return Err(Wrong("only tier 0 has profiles".into())),
            Kind::Safety => Profile::Safety,
            Kind::Liveness => Profile::Liveness,
            Kind::Abuse => Profile::Abuse,
            Kind::Pool => Profile::Pool,
            Kind::Proxy => Profile::Proxy,
        };
        Ok(vec![World::Engines(one)])
    }
}

fn target(name: &str) -> Result<fuzzed::Target, String> {
    let all = fuzzed::Target::ALL;
    all.into_iter()
        .find(|target| target.name() == name)
        .ok_or_else(|| format!("there are {}", all.map(fuzzed::Target::name).join(", ")))
}

impl OneArgs {
    /// What is to be run.
    fn case(&self) -> Result<Case, Wrong> {
        let mut case = match (&self.tape, self.seed, &self.planted) {
            (Some(path), ..) => {
                let wrong = |error: String| Wrong(format!("{}: {error}", path.display()));
                let bytes = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
                self.saved(bytes).map_err(|Wrong(error)| wrong(error))?
            }
            (None, None, Some(planted)) => find(planted, 0)?.1,
            (None, seed, _) => Case::new(self.world()?, Tape::from_seed(seed.unwrap_or_default())),
        };
        if self.planted.is_some() {
            case.planted.clone_from(&self.planted);
        }
        Ok(case)
    }

    /// A file: a fuzzer's input, a tape alone, or one that says what it is run as.
    fn saved(&self, bytes: Vec<u8>) -> Result<Case, Wrong> {
        if let Some(target) = self.fuzzed {
            let (world, tape) = target.read(&bytes);
            return Ok(Case::new(world, tape));
        }
        let text = String::from_utf8(bytes)?;
        let says = text.lines().any(|line| line.trim().starts_with("world "));
        let mut case = match says {
            true => text.parse::<Case>()?,
            false => Case::new(self.world()?, text.parse()?),
        };
        if self.world.is_some() {
            case.world = self.world()?;
        }
        Ok(case)
    }

    /// The command that runs the same again, for a shell in the repository.
    fn again(&self, case: &Case) -> Option<String> {
        let world = case.world;
        let command = match (&self.tape, self.seed) {
            (Some(path), _) if let Some(target) = self.fuzzed => {
                let target = target.name();
                format!("sim replay --fuzzed {target} {}", path.display())
            }
            (Some(path), _) => {
                let tier = world.tier();
                format!("sim replay --tier {tier} --as {world} {}", path.display())
            }
            (None, Some(seed)) => command("replay", world, seed),
            (None, None) => return None,
        };
        let (program, arguments) = command.split_once(' ')?;
        let (features, fault) = match &case.planted {
            Some(planted) => (" --features planted", format!(" --planted {planted}")),
            None => ("", String::new()),
        };
        Some(format!(
            "cargo run -p raddle-sim{features} --bin {program} -- {arguments}{fault}"
        ))
    }

    fn world(&self) -> Result<World, Wrong> {
        let Some(name) = &self.world else {
            return Ok(World::of_tier(self.tier.unwrap_or_default())[0]);
        };
        let world = World::named(name)?;
        match self.tier {
            Some(tier) if tier != world.tier() => {
                Err(Wrong(format!("{world} is no world of tier {tier}")))
            }
            _ => Ok(world),
        }
    }
}

#[cfg(feature = "planted")]
fn find(planted: &str, first: u64) -> Result<(u64, Case), Wrong> {
    Ok(mutants::find(planted, first)?)
}

#[cfg(not(feature = "planted"))]
fn find(_: &str, _: u64) -> Result<(u64, Case), Wrong> {
    Err(Wrong("build it with `--features planted`".into()))
}

fn main() -> ExitCode {
    let cli = Cli::try_parse().unwrap_or_else(|error| {
        if error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
            eprintln!("sim: which command? `sim --help` lists them");
            std::process::exit(2);
        }
        if error.use_stderr() {
            // One line: what is wrong, without the usage.
            let text = error.to_string();
            let line = text.split("\n\n").next().unwrap_or_default();
            let line: Vec<_> = line.split_whitespace().collect();
            eprintln!("sim: {}", line.join(" ").trim_start_matches("error: "));
            std::process::exit(2);
        }
        error.exit()
    });
    runner::quiet_panics();
    let result = match &cli.command {
        Command::Run(args) => run::run(args, false),
        Command::Races(args) => run::run(args, true),
        Command::Replay(args) => report::replay(args),
        Command::Mutants(args) => mutants(args),
        Command::Trace(args) => report::trace(args),
        Command::Shrink(args) => shrink::run(args),
        Command::Hashes(args) => hashes(args),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(Wrong(what)) => {
            eprintln!("sim: {what}");
            ExitCode::from(2)
        }
    }
}

fn hashes(args: &HashArgs) -> Result<bool, Wrong> {
    if let Some(file) = &args.check {
        let text = std::fs::read_to_string(file)
            .map_err(|error| Wrong(format!("{}: {error}", file.display())))?;
        let courses = hashes::check(&text);
        match &courses {
            Ok(courses) => println!("{courses} courses, each as it is kept"),
            Err(what) => println!("{what}"),
        }
        return Ok(courses.is_ok());
    }
    let text = hashes::write()?;
    match &args.write {
        Some(file) => std::fs::write(file, text)
            .map_err(|error| Wrong(format!("{}: {error}", file.display())))?,
        None => print!("{text}"),
    }
    Ok(true)
}

#[cfg(feature = "planted")]
fn mutants(args: &MutantArgs) -> Result<bool, Wrong> {
    Ok(mutants::run(args))
}

#[cfg(not(feature = "planted"))]
fn mutants(_: &MutantArgs) -> Result<bool, Wrong> {
    Err(Wrong("build it with `--features planted`".into()))
}

/// The command that runs `seed` again.
fn command(verb: &str, world: World, seed: u64) -> String {
    let tier = world.tier();
    format!("sim {verb} --tier {tier} --as {world} --seed {seed}")
}
