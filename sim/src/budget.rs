//! Processor time used, which does not depend on the load of the machine.

use std::time::Duration;

/// The processor time of all threads of this process so far, or zero if the system does not report it.
pub fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the program is in parentheses and may contain anything.
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: u64 = after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_costs_time() {
        let before = cpu_time();
        let mut sum = 1_u64;
        while cpu_time() <= before {
            sum = (0..100_000).fold(sum, |sum, number| sum.rotate_left(7) ^ number);
        }
        assert!(cpu_time() > before, "{sum}");
    }
}
