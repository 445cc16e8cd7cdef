//! How much others used the machine during the measurement: figures from a shared machine are worth less.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::resource::{UsageWho, getrusage};

/// The machine at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    at: Instant,
    busy: u64,
    stolen: u64,
    all: u64,
    cores: usize,
    own: Duration,
}

/// How much CPU others took during the runs, including unrelated kernel threads; in percent of all cores.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Company {
    runs: f64,
    others: f64,
    others_most: f64,
    stolen_most: f64,
}

impl Company {
    /// Returns the present state of the machine.
    ///
    /// # Errors
    /// When the system does not report it.
    pub fn look() -> Result<Look> {
        let stat = fs::read_to_string("/proc/stat").context("/proc is needed")?;
        let (busy, stolen, all) = parse(&stat).context("the first line of /proc/stat counts CPU time")?;
        // All cores of the machine, not only those that this process may use.
        let cores = stat.lines().skip(1).take_while(|line| line.starts_with("cpu")).count();
        let mut own = Duration::ZERO;
        for who in [UsageWho::RUSAGE_SELF, UsageWho::RUSAGE_CHILDREN] {
            let usage = getrusage(who)?;
            for time in [usage.user_time(), usage.system_time()] {
                own += Duration::new(time.tv_sec().unsigned_abs(), time.tv_usec() as u32 * 1000);
            }
        }
        Ok(Look { at: Instant::now(), busy, stolen, all, cores, own })
    }

    /// Takes in what happened since, until now.
    ///
    /// # Errors
    /// As [`Company::look`].
    pub fn add(&mut self, since: &Look) -> Result<()> {
        let now = Self::look()?;
        let cores = now.cores.max(1) as f64;
        let all = now.all.saturating_sub(since.all).max(1) as f64;
        let busy = now.busy.saturating_sub(since.busy) as f64 / all;
        let own = now.own.saturating_sub(since.own).as_secs_f64()
            / (now.at - since.at).as_secs_f64().max(f64::EPSILON)
            / cores;
        let others = ((busy - own) * 100.0).max(0.0);
        self.runs += 1.0;
        self.others += others;
        self.others_most = self.others_most.max(others);
        self.stolen_most = self.stolen_most.max(now.stolen.saturating_sub(since.stolen) as f64 / all * 100.0);
        Ok(())
    }

    /// Returns it in words, for the head of the report.
    pub fn words(&self) -> String {
        format!(
            "others took {:.0} % of the CPU on average and {:.0} % at most in one run; the hypervisor {:.0} % at most",
            self.others / self.runs.max(1.0),
            self.others_most,
            self.stolen_most
        )
    }
}

/// Parses the ticks: used, stolen, and all.
fn parse(stat: &str) -> Option<(u64, u64, u64)> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<u64> = line.split_whitespace().map_while(|field| field.parse().ok()).collect();
    let [user, nice, system, idle, io_wait, irq, soft_irq, stolen, ..] = *ticks.as_slice() else {
        return None;
    };
    let busy = user + nice + system + irq + soft_irq;
    Some((busy, stolen, busy + stolen + idle + io_wait))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_busy_stolen_or_idle() {
        let stat = "cpu  1 2 3 100 50 4 5 6 0 0\ncpu0 1 2 3 4 5 6 7 8 9 10\n";
        assert_eq!(parse(stat), Some((15, 6, 171)));
        assert_eq!(parse("nothing"), None);
    }

    #[test]
    fn a_machine_can_be_looked_at() {
        let mut company = Company::default();
        company.add(&Company::look().unwrap()).unwrap();
        assert!(company.words().contains("on average"));
    }
}
