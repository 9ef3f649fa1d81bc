//! The command: `vip-manager-sim [--seed N] [--seeds FROM..TO] [--cpu-seconds N]`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is a program for a terminal")]

use vip_manager_sim::history::History;
use vip_manager_sim::story::Story;

fn main() {
    let n: u64 = std::env::args().nth(1).map_or(1000, |n| n.parse().unwrap_or(1000));
    let from: u64 = std::env::args().nth(2).map_or(1, |n| n.parse().unwrap_or(1));
    let (mut total, mut steps, mut count_all, mut found) = (0, 0, 0, std::collections::BTreeMap::new());
    let it: Box<dyn Iterator<Item = History>> =
        if n == 0 { Box::new(vip_manager_sim::sweep::histories()) } else { Box::new((from..from + n).map(History::of)) };
    for history in it {
        count_all += 1;
        let ended = history.live(Story::silent());
        total += ended.at;
        steps += ended.steps;
        if let Some((what, host)) = ended.verdict {
            let count = found.entry(what).or_insert(0);
            *count += 1;
            if *count <= 2 {
                println!("{}", history.shrink(what, host, ended.at).story());
            }
        }
    }
    println!("{count_all} histories, {} hours, {steps} steps, {found:?}", total / 3_600_000_000);
}
