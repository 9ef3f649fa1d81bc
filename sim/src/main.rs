//! The command.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is a program for a terminal")]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "counts of histories and hours are small"
)]

use std::process::ExitCode;

use vip_manager_sim::batch::{Batch, Report};
use vip_manager_sim::history::{Fault, History};
use vip_manager_sim::setup::Bound;
use vip_manager_sim::sweep;
use vip_manager_sim::time::HOUR;
use vip_manager_sim::trace::Trace;
use vip_manager_sim::verdict::Judges;

const USAGE: &str = "\
vip-manager-sim tries to break the promise of vip-manager in virtual time.

  --seeds FROM..[TO]   the histories to run (1..), without TO
  --seeds N            this history alone, with its timeline: the seed that a broken promise was printed with
  --cpu-seconds N      stop after this much processor time (120; unlimited if TO is given)
  --jobs N             number of threads (the number of processors)
  --sweep              run the sweep before the seeds
  --until-broken       stop at the first broken promise
  --bound KIND         all seeds with this kind of bound, and without claims (lease record assumed)
  --judges S1,L2,…     check these promises only (S0 S1 S2 S3 L1 L2 A1 Restless Panic)

A seed determines the same history in every build of the same source. The exit status is 0 if every promise was kept,
1 if one was broken, 64 for an invalid argument.";

/// What was asked for.
#[derive(Debug)]
struct Asked {
    seeds: Seeds,
    cpu_seconds: Option<u64>,
    jobs: Option<usize>,
    sweep: bool,
    until_broken: bool,
    judges: Judges,
    bound: Option<Bound>,
    help: bool,
}

#[derive(Clone, Copy, Debug)]
enum Seeds {
    One(u64),
    /// The end is not among them.
    Range(u64, Option<u64>),
}

fn main() -> ExitCode {
    let asked = match parse(std::env::args().skip(1)) {
        Ok(asked) => asked,
        Err(why) => {
            eprintln!("{why}\n\n{USAGE}");
            return ExitCode::from(64);
        }
    };
    if asked.help {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let kept = match asked.seeds {
        Seeds::One(seed) => again(history(seed, &asked)),
        Seeds::Range(from, to) => search(&asked, from, to),
    };
    if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn history(seed: u64, asked: &Asked) -> History {
    let mut history = History::bounded(seed, asked.bound);
    history.setup.judges = asked.judges;
    history
}

fn again(history: History) -> bool {
    let seed = history.seed;
    let ended = history.live(Trace::written());
    let Some((what, host)) = ended.verdict else {
        print!("{}", ended.trace.timeline());
        println!("seed {seed}: every promise was kept through {} faults", history.plan.len());
        return true;
    };
    println!("{}", history.shrink(what, host, ended.at).trace());
    false
}

fn search(asked: &Asked, from: u64, to: Option<u64>) -> bool {
    let jobs = asked.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, Into::into));
    let mut kept = true;
    if asked.sweep {
        let batch = Batch { jobs, until_broken: asked.until_broken, cpu_seconds: None };
        let all: Vec<History> = sweep::histories().collect();
        let report = batch.live(0..all.len() as u64, |number| all[number as usize].clone());
        kept &= print("sweep", &report, None);
    }
    if kept || !asked.until_broken {
        let cpu_seconds = asked.cpu_seconds.or(to.is_none().then_some(DEFAULT_CPU_SECONDS));
        let batch = Batch { jobs, until_broken: asked.until_broken, cpu_seconds };
        let report = batch.live(from..to.unwrap_or(u64::MAX), |seed| history(seed, asked));
        kept &= print("seeds", &report, asked.bound);
    }
    kept
}

fn print(what: &str, report: &Report, bound: Option<Bound>) -> bool {
    for fault in report.faults.iter().take(MOST_STORIES) {
        println!("{}", Fault::trace(fault));
        if what == "seeds" {
            let arguments = bound.map_or(String::new(), |bound| format!(" ARGS='--bound {}'", bound.name()));
            println!("again: make sim SEEDS={}{arguments}\n", fault.history.seed);
        }
    }
    let hours = report.lived / HOUR;
    let minutes = report.cpu.as_secs_f64() / 60.0;
    println!(
        "{what}: {} histories, {hours} cluster-hours, {} events, {:.1} CPU-minutes ({:.0} cluster-hours a CPU-minute), {} broken promises",
        report.histories,
        report.steps,
        minutes,
        hours as f64 / minutes.max(0.001),
        report.faults.len(),
    );
    if what == "seeds" && report.histories > 0 {
        println!("seeds: {}..{}", report.first, report.first + report.histories);
    }
    report.faults.is_empty()
}

fn parse(arguments: impl Iterator<Item = String>) -> Result<Asked, String> {
    let mut asked = Asked {
        seeds: Seeds::Range(1, None),
        cpu_seconds: None,
        jobs: None,
        sweep: false,
        until_broken: false,
        judges: Judges::ALL,
        bound: None,
        help: false,
    };
    let mut arguments = arguments;
    while let Some(flag) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{flag} needs a value"));
        match flag.as_str() {
            "--sweep" => asked.sweep = true,
            "--until-broken" => asked.until_broken = true,
            "--help" | "-h" => asked.help = true,
            "--cpu-seconds" => asked.cpu_seconds = Some(number(&value()?)?),
            "--jobs" => asked.jobs = Some(number(&value()?)?.max(1) as usize),
            "--judges" => {
                let names = value()?;
                asked.judges = Judges::named(&names).ok_or_else(|| format!("unknown promises \"{names}\""))?;
            }
            "--bound" => {
                let name = value()?;
                asked.bound = Some(Bound::named(&name).ok_or_else(|| format!("unknown kind of bound \"{name}\""))?);
            }
            "--seeds" => asked.seeds = seeds(&value()?)?,
            other => return Err(format!("unknown option \"{other}\"")),
        }
    }
    Ok(asked)
}

fn seeds(text: &str) -> Result<Seeds, String> {
    let Some((from, to)) = text.split_once("..") else { return Ok(Seeds::One(number(text)?)) };
    let to = if to.is_empty() { None } else { Some(number(to)?) };
    Ok(Seeds::Range(number(from)?, to))
}

fn number(text: &str) -> Result<u64, String> {
    text.replace('_', "").parse().map_err(|_| format!("\"{text}\" is not a number"))
}

const DEFAULT_CPU_SECONDS: u64 = 120;
const MOST_STORIES: usize = 3;
