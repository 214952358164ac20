//! What is measured: a name, a unit, and something to do again and again.

use std::fmt;

/// Something to do again and again; what it needs is made when it is wanted.
pub struct Workload {
    /// `subject/shape`, as tables name it.
    pub name: String,
    /// What is counted: batch, KiB, partition, step.
    pub unit: &'static str,
    /// Whether its instructions are compared with those recorded. Not where they are another
    /// program's, or depend on what the processor can do.
    pub recorded: bool,
    prepare: Box<dyn FnOnce() -> Runs>,
}

/// A workload ready to run; every run does the same amount of work.
pub struct Runs {
    /// Units that one run does.
    pub units: u64,
    body: Box<dyn FnMut()>,
}

impl Workload {
    /// A workload that `prepare` makes.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        unit: &'static str,
        prepare: impl FnOnce() -> Runs + 'static,
    ) -> Self {
        Self { name: name.into(), unit, recorded: true, prepare: Box::new(prepare) }
    }

    /// The same, timed only.
    #[must_use]
    pub fn timed_only(self) -> Self {
        Self { recorded: false, ..self }
    }

    /// Makes what it needs.
    #[must_use]
    pub fn prepare(self) -> Runs {
        (self.prepare)()
    }
}

impl Runs {
    /// Each call of `body` does `units`.
    #[must_use]
    pub fn new(units: usize, body: impl FnMut() + 'static) -> Self {
        let units = u64::try_from(units).expect("a count fits 64 bits");
        Self { units, body: Box::new(body) }
    }

    /// Does the work once.
    pub fn run(&mut self) {
        (self.body)();
    }
}

impl fmt::Debug for Workload {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Workload({} by {})", self.name, self.unit)
    }
}

impl fmt::Debug for Runs {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Runs({} units)", self.units)
    }
}

/// Does `work`, which is what callgrind counts: it is told the name of this function, so that it
/// must remain one.
#[inline(never)]
pub fn counted<T>(work: impl FnOnce() -> T) -> T {
    work()
}
