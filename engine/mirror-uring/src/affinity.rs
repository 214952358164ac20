//! Which CPUs we may use, and keeping a shard's thread on one of them.

#![allow(unsafe_code, reason = "reads and sets the calling thread's CPU mask")]

use std::io;
use std::mem;

/// CPUs the calling thread may run on, ascending.
#[must_use]
pub fn allowed_cpus() -> Vec<usize> {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let mut cpus: Vec<usize> = cores.into_iter().map(|core| core.id).collect();
    cpus.sort_unstable();
    cpus
}

/// Keeps the calling thread on CPU `cpu`; false when the system refuses.
#[must_use]
pub fn pin(cpu: usize) -> bool {
    core_affinity::set_for_current(core_affinity::CoreId { id: cpu })
}

/// A thread's CPU mask.
///
/// Threads inherit the mask of the thread that starts them. A pinned shard's helpers would all
/// land on its core; they take the mask from before the pinning instead.
#[derive(Clone, Copy)]
pub struct CpuMask(libc::cpu_set_t);

impl std::fmt::Debug for CpuMask {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("CpuMask")
    }
}

impl CpuMask {
    /// The calling thread's mask.
    ///
    /// # Errors
    ///
    /// The system's error; more than 1024 CPUs do not fit the mask.
    pub fn current() -> io::Result<Self> {
        // SAFETY: `cpu_set_t` is an array of integers, for which all zero is a value.
        let mut set: libc::cpu_set_t = unsafe { mem::zeroed() };
        // SAFETY: pid 0 is the calling thread, and the kernel writes at most the size given.
        let result = unsafe { libc::sched_getaffinity(0, size_of_val(&set), &raw mut set) };
        if result == 0 { Ok(Self(set)) } else { Err(io::Error::last_os_error()) }
    }

    /// Gives the calling thread this mask; a refusal leaves it where it is, which is only slower.
    pub fn apply(&self) {
        // SAFETY: pid 0 is the calling thread, and the kernel reads the size given, which is the
        // size of the set behind the pointer.
        unsafe { libc::sched_setaffinity(0, size_of_val(&self.0), &raw const self.0) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pinned_thread_sees_one_cpu_until_the_old_mask_is_back() {
        std::thread::spawn(|| {
            let before = allowed_cpus();
            let mask = CpuMask::current().unwrap();
            assert!(pin(before[0]));
            assert_eq!(allowed_cpus(), before[..1]);
            mask.apply();
            assert_eq!(allowed_cpus(), before);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn a_cpu_that_does_not_exist_is_refused() {
        assert!(!std::thread::spawn(|| pin(1000)).join().unwrap());
    }
}
