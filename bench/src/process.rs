//! What the kernel knows about a process: its CPU time, its memory, and its core.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

/// The cores of the server or floor, and of the generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cores {
    /// For the server or the floor.
    pub server: usize,
    /// For the generator.
    pub generator: usize,
}

impl Cores {
    /// Returns the first two cores that this process may use. `None`: there is only one.
    ///
    /// # Errors
    /// When the system does not report them.
    pub fn choose() -> Result<Option<Self>> {
        let allowed = sched_getaffinity(Pid::from_raw(0))?;
        let mut free = (0..CpuSet::count()).filter(|core| allowed.is_set(*core).unwrap_or(false));
        Ok(free.next().zip(free.next()).map(|(server, generator)| Self { server, generator }))
    }
}

/// Pins this thread, and what it starts from now on, to one core.
///
/// # Errors
/// When the system refuses.
pub fn pin(core: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(core)?;
    sched_setaffinity(Pid::from_raw(0), &set).with_context(|| format!("cannot stay on core {core}"))
}

/// Raises this process's limit of descriptors as far as the system allows, and returns it.
///
/// # Errors
/// When the system refuses.
pub fn raise_descriptor_limit() -> Result<u64> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    Ok(most)
}

/// Returns the CPU time of a process, including all threads, even those that have ended; precise to the nanosecond.
///
/// # Errors
/// When there is no such process.
pub fn cpu_time(pid: u32) -> Result<Duration> {
    let clock = clock_getcpuclockid(Pid::from_raw(pid.cast_signed()))?;
    Ok(clock_gettime(clock)?.into())
}

/// Returns the CPU time of a process in user mode and in the kernel, in kernel ticks.
///
/// # Errors
/// When there is no such process.
pub fn cpu_ticks(pid: u32) -> Result<(u64, u64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name of the program is in parentheses and may hold anything.
    let fields = stat.rsplit_once(')').context("a name in parentheses")?.1;
    let mut fields = fields.split_whitespace().skip(11);
    let mut next = || fields.next().and_then(|field| field.parse().ok()).context("a number of ticks");
    Ok((next()?, next()?))
}

/// Returns the bytes of a process in RAM, as the kernel counts them while it runs.
///
/// # Errors
/// When there is no such process.
pub fn resident(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    Ok(kib.context("a process that has ended has no memory")? * 1024)
}

/// Memory of a process, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Everything in RAM.
    pub resident: u64,
    /// The same without memory shared with other processes.
    pub private: u64,
}

impl Memory {
    /// Returns the memory of a process now.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn of(pid: u32) -> Result<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))
            .context("the memory of the server cannot be read")?;
        Ok(Self::parse(&text))
    }

    fn parse(text: &str) -> Self {
        let mut memory = Self::default();
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let (Some(name), Some(kib)) = (words.next(), words.next()) else { continue };
            let bytes = kib.parse::<u64>().unwrap_or(0) * 1024;
            match name {
                "Rss:" => memory.resident = bytes,
                "Private_Clean:" | "Private_Dirty:" => memory.private += bytes,
                _ => {}
            }
        }
        memory
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_what_the_kernel_adds_up() {
        let text = "5581-7ffd ---p 00000000 00:00 0 [rollup]\nRss:  100 kB\nPss:  90 kB\nPrivate_Clean:  10 kB\n\
                    Private_Dirty:  60 kB\n";
        assert_eq!(Memory::parse(text), Memory { resident: 100 * 1024, private: 70 * 1024 });
    }

    #[test]
    fn this_process_has_used_time_and_memory() {
        let own = std::process::id();
        assert!(cpu_time(own).unwrap() > Duration::ZERO);
        assert!(Memory::of(own).unwrap().resident > 0);
        cpu_ticks(own).unwrap();
    }
}
