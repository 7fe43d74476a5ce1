//! Recording.
//!
//! A timer interrupts the process a hundred times in each second of CPU time that it uses, and the interrupted thread's
//! stack is read from its unwind tables. That is done in a signal handler, where memory must not be allocated, so what
//! the unwinder needs is loaded before, by a signal that we send ourselves at a moment when nothing is going on.

use std::collections::BTreeMap;
use std::sync::Once;
use std::time::{Duration, Instant, SystemTime};

use nix::sys::signal::{Signal, raise};
use pprof::{ProfilerGuard, ProfilerGuardBuilder, Symbol};

use crate::encode::Encoder;

/// Samples in a second of CPU time; Go's default.
const FREQUENCY: i32 = 100;
/// Of the recording that only loads tables: its timer does not fire before it ends.
const NEVER: i32 = 1;
/// Nanoseconds of CPU time that a sample stands for.
const PERIOD: u64 = 1_000_000_000 / FREQUENCY as u64;

/// Why there is no profile.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProfileError {
    /// There is one recording in a process at a time.
    #[error("a profile is being recorded already")]
    InUse,
    /// The system does not let us.
    #[error("the profile could not be recorded: {0}")]
    Failed(pprof::Error),
}

impl From<pprof::Error> for ProfileError {
    fn from(error: pprof::Error) -> Self {
        match error {
            pprof::Error::Running => Self::InUse,
            other => Self::Failed(other),
        }
    }
}

/// A recording under way. It ends when it is dropped.
pub(crate) struct Recording {
    guard: ProfilerGuard<'static>,
    started: Instant,
    began: SystemTime,
}

/// What was recorded.
#[derive(Debug, Default)]
pub(crate) struct Profile {
    pub(crate) stacks: BTreeMap<Stack, u64>,
    pub(crate) began: Option<SystemTime>,
    pub(crate) lasted: Duration,
}

/// A thread's stack.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stack {
    pub(crate) thread: String,
    /// The innermost first. Each is a place in the program with the functions inlined there, the innermost first.
    pub(crate) frames: Vec<Vec<Function>>,
}

/// A function and a line in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) file: String,
    pub(crate) line: u32,
}

impl Recording {
    /// Begins a recording.
    ///
    /// # Errors
    /// If there is one already, or the system refuses a timer.
    pub(crate) fn start() -> Result<Self, ProfileError> {
        static LOADED: Once = Once::new();
        let mut loaded = Ok(());
        LOADED.call_once(|| loaded = load());
        loaded?;
        let guard = ProfilerGuardBuilder::default().frequency(FREQUENCY).build()?;
        Ok(Self { guard, started: Instant::now(), began: SystemTime::now() })
    }

    /// Ends the recording and names what was found.
    ///
    /// # Errors
    /// If what was recorded can't be read.
    pub(crate) fn finish(self) -> Result<Profile, ProfileError> {
        let report = self.guard.report().build()?;
        let mut stacks = BTreeMap::new();
        #[allow(clippy::iter_over_hash_type, reason = "it is put in order here")]
        for (frames, count) in &report.data {
            let stack = Stack {
                thread: frames.thread_name.clone(),
                frames: frames.frames.iter().map(|inlined| inlined.iter().map(function).collect()).collect(),
            };
            *stacks.entry(stack).or_default() += u64::try_from(*count).unwrap_or(0);
        }
        Ok(Profile { stacks, began: Some(self.began), lasted: self.started.elapsed() })
    }
}

/// Loads the unwinder's tables in a signal handler that interrupts nothing but this call.
fn load() -> Result<(), ProfileError> {
    let _guard = ProfilerGuardBuilder::default().frequency(NEVER).build()?;
    // The handler is there as long as the guard is, so this can't end the process.
    raise(Signal::SIGPROF).map_err(|error| ProfileError::Failed(std::io::Error::from(error).into()))
}

fn function(symbol: &Symbol) -> Function {
    let name = match &symbol.name {
        Some(_) => symbol.name(),
        None => symbol.addr.map_or_else(|| "unknown".to_owned(), |address| format!("{address:p}")),
    };
    Function { name, file: symbol.filename().into_owned(), line: symbol.lineno() }
}

impl Profile {
    /// pprof's message.
    pub(crate) fn encoded(&self) -> Vec<u8> {
        let cpu = ("cpu", "nanoseconds");
        let mut encoder = Encoder::new(&[("samples", "count"), cpu]);
        for (stack, count) in &self.stacks {
            encoder.sample(&stack.frames, &[*count, count.saturating_mul(PERIOD)], Some(&stack.thread));
        }
        encoder.finish((self.began, self.lasted), (cpu, PERIOD), cpu.0)
    }

    /// Lines of `thread;outermost;…;innermost count`, as flame graph tools read them.
    pub(crate) fn collapsed(&self) -> String {
        let mut text = String::new();
        for (Stack { thread, frames }, count) in &self.stacks {
            let outside_in = frames.iter().rev().flat_map(|inlined| inlined.iter().rev());
            let mut line = thread.replace(';', ":");
            for function in outside_in {
                line.push(';');
                line.push_str(&function.name.replace(';', ":"));
            }
            text.push_str(&format!("{line} {count}\n"));
        }
        text
    }
}
