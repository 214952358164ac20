//! `ringmirror bench`: how fast this machine copies, and which stage keeps it from being faster.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use mirror_uring::probe;
use yardstick::machine::{CorePair, FOREIGN_SHARE_MAX, HugeBuffers, warm_up};

use crate::cli::bench::{BenchArgs, BenchSourceArgs};
use crate::doctor::Level;
use crate::exit_code::{CommandError, ExitCode};
use crate::output::Output;
use crate::stop_signal::stop_signal;
use hardware::{DirectoryReport, Hardware};
use plan::{Plan, Sink};
use report::{BenchReport, Conditions, LimitReport, SinkReport, SourceReport};
use rounds::{BUFFER_COUNT, Bench, Interrupted, Round};
use scratch::Scratch;

mod hardware;
mod limiting_stage;
mod plan;
mod report;
mod rounds;
mod scratch;
mod source;

/// `ringmirror bench-source`, which `bench` starts.
pub(crate) fn run_source(args: &BenchSourceArgs) -> Result<ExitCode, CommandError> {
    source::run(args)
}

pub(crate) fn run(args: &BenchArgs, output: &mut Output) -> Result<ExitCode, CommandError> {
    let facts = probe::machine();
    let hardware = Hardware::new(&facts);
    // What doctor calls a problem would end in the middle with less to say.
    if let Some(problem) = hardware.findings.iter().find(|each| each.level == Level::Problem) {
        let (subject, found, fix) = (problem.subject, &problem.found, &problem.fix);
        let error = anyhow::anyhow!("{subject}: {found}; {fix}");
        return Err(CommandError::new(ExitCode::Failed, error));
    }
    let plan = Plan::new(args, facts.memory_available_bytes)?;
    let cores = CorePair::choose()?;
    let stop = stop_flag()?;
    let view = View::new(!output.json);
    let directory = plan.disk.as_ref().map(|place| DirectoryReport::new(&args.data_dir, place));
    let measured = match measure(args, &plan, cores, &stop, &view) {
        Ok(measured) => measured,
        Err(refusal) if refusal.error.is::<Interrupted>() => return Ok(ExitCode::Interrupted),
        Err(refusal) => return Err(refusal),
    };
    view.finish();
    let has_two_cores = cores.sender != cores.receiver;
    let of_sink = |&sink: &Sink| SinkReport::new(sink, &measured.rounds, has_two_cores);
    let report = BenchReport {
        hardware,
        directory,
        source: SourceReport {
            core: cores.sender,
            partitions: args.partitions,
            record_bytes: args.record_bytes,
            batch_bytes: args.batch_bytes,
            compression: args.compression.name(),
            response_bytes: plan.response_bytes,
            connections: plan.connections,
        },
        conditions: measured.conditions(args, cores),
        limits: LimitReport::all(&measured.rounds),
        sinks: plan.sinks.iter().map(of_sink).collect(),
        notes: notes(&plan, &measured, has_two_cores),
    };
    report.print(output)?;
    Ok(ExitCode::Done)
}

/// What was measured.
struct Measured {
    /// Those that count.
    rounds: Vec<Round>,
    /// Rounds thrown away because other work disturbed them.
    repeated: usize,
}

impl Measured {
    fn disturbed(&self) -> usize {
        self.rounds.iter().filter(|round| !round.is_calm).count()
    }

    fn conditions(&self, args: &BenchArgs, cores: CorePair) -> Conditions {
        Conditions {
            engine_core: cores.receiver,
            warm_up_seconds: warm_up_time(args).as_secs_f64(),
            rounds: self.rounds.len(),
            seconds: args.seconds,
            rounds_repeated: self.repeated,
            rounds_disturbed: self.disturbed(),
        }
    }
}

fn measure(
    args: &BenchArgs,
    plan: &Plan,
    cores: CorePair,
    stop: &Arc<AtomicBool>,
    view: &View,
) -> Result<Measured, CommandError> {
    let on_disk = plan.disk.as_ref().map(|_| Scratch::create(&args.data_dir)).transpose()?;
    let is_memory = plan.sinks.contains(&Sink::Memory);
    let in_memory = is_memory.then(|| Scratch::create(&args.memory_dir)).transpose()?;
    let paths = [&on_disk, &in_memory].into_iter().flatten().map(Scratch::path);
    let source = source::start(args, cores.sender, &paths.collect::<Vec<_>>())?;
    let mut bench = Bench {
        plan,
        cores,
        source: &source,
        disk: on_disk.as_ref().map(Scratch::path),
        memory: in_memory.as_ref().map(Scratch::path),
        buffers: HugeBuffers::new(BUFFER_COUNT)?,
        stop: Arc::clone(stop),
    };
    view.begin(args.rounds);
    view.tell("warming up");
    warm_up(warm_up_time(args))?;
    // What is touched for the first time is slow once: memory, sockets, the directory.
    bench.round(plan.time / 5, &|_| {})?;
    let mut measured = Measured { rounds: Vec::new(), repeated: 0 };
    let wanted = usize::try_from(args.rounds).unwrap_or(usize::MAX);
    while measured.rounds.len() < wanted {
        let number = measured.rounds.len() + 1;
        let round = bench.round(plan.time, &|what| {
            view.tell(&format!("round {number} of {wanted}: {what}"));
        })?;
        if round.is_calm || measured.repeated >= wanted {
            measured.rounds.push(round);
            view.step();
        } else {
            measured.repeated += 1;
        }
    }
    Ok(measured)
}

fn notes(plan: &Plan, measured: &Measured, has_two_cores: bool) -> Vec<String> {
    let mut notes = plan.notes.clone();
    if !has_two_cores {
        notes.push(
            "source and engine share the only core this process may use: figures are of both \
             together; taskset -c 0,1 gives it two"
                .to_owned(),
        );
    }
    let (disturbed, all) = (measured.disturbed(), measured.rounds.len());
    if disturbed > 0 {
        notes.push(format!(
            "other work took more than {:.0} % of the busy time in {disturbed} of {all} rounds: \
             distrust the figures, measure again when the machine is idle",
            FOREIGN_SHARE_MAX * 100.0
        ));
    }
    notes
}

/// Set at the first SIGINT or SIGTERM.
fn stop_flag() -> anyhow::Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    let (ready, is_ready) = mpsc::channel();
    let set = Arc::clone(&flag);
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let listen = || -> io::Result<()> {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let stop = stop_signal()?;
                // The starter waits for this word.
                let _ = ready.send(Ok(()));
                stop.await;
                set.store(true, Ordering::Relaxed);
                Ok(())
            })
        };
        if let Err(error) = listen() {
            let _ = ready.send(Err(error));
        }
    })?;
    is_ready.recv().context("the thread for signals ended")??;
    Ok(flag)
}

/// What is seen of it while it runs: a bar on a terminal, a line for each round elsewhere.
struct View {
    bar: Option<ProgressBar>,
    has_lines: bool,
}

impl View {
    fn new(is_wanted: bool) -> Self {
        let on_terminal = io::stderr().is_terminal();
        let bar = (is_wanted && on_terminal).then(|| {
            let style = ProgressStyle::with_template("{bar:32} {pos}/{len}  {msg}")
                .expect("the template is well-formed");
            ProgressBar::new(0).with_style(style)
        });
        Self { bar, has_lines: is_wanted && !on_terminal }
    }

    fn begin(&self, rounds: u32) {
        if let Some(bar) = &self.bar {
            bar.set_length(rounds.into());
        }
        if self.has_lines {
            let text = format!("warming up, then {rounds} rounds");
            // A standard error nobody reads any more leaves nothing to be told.
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    fn tell(&self, what: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(what.to_owned());
            bar.tick();
        }
    }

    fn step(&self) {
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
    }

    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// For how long all cores are kept busy first: the first seconds after an idle spell are slow.
fn warm_up_time(args: &BenchArgs) -> Duration {
    // Who wants a quick look gets one.
    Duration::from_secs_f64(WARM_UP_SECONDS * args.seconds.min(1.0))
}

const WARM_UP_SECONDS: f64 = 2.0;
