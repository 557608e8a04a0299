//! What Linux tells of this process under `/proc`, for the `process_*` family.

use std::fs;
use std::time::Duration;

use crate::report::metrics::exporter::ProcessFacts;

/// Clock ticks of `/proc/self/stat` in a second: `USER_HZ`, which is 100 on every architecture that Rust's
/// standard library has threads for.
const TICKS_PER_SECOND: u64 = 100;

/// What is known; none where there is no `/proc`.
pub(super) fn facts() -> Option<ProcessFacts> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let mut facts = ProcessFacts::default();
    let boot = fs::read_to_string("/proc/stat").ok();
    read_stat(&stat, boot.as_deref(), &mut facts);
    if let Ok(status) = fs::read_to_string("/proc/self/status") {
        facts.resident_memory = kibibytes(&status, "VmRSS:");
        facts.virtual_memory = kibibytes(&status, "VmSize:");
        facts.threads = field(&status, "Threads:");
    }
    if let Ok(limits) = fs::read_to_string("/proc/self/limits") {
        facts.max_fds = field(&limits, "Max open files");
    }
    let fds = fs::read_dir("/proc/self/fd").ok();
    // One of them is the one that reads the list.
    facts.open_fds = fds.map(|fds| u64::try_from(fds.count()).unwrap_or(u64::MAX) - 1);
    Some(facts)
}

/// The numbers of proc(5) behind the name of the program, which may hold blanks and brackets itself.
fn read_stat(stat: &str, boot: Option<&str>, facts: &mut ProcessFacts) {
    let Some((_, numbers)) = stat.rsplit_once(')') else {
        return;
    };
    // The state is field 3.
    let number =
        |field: usize| -> Option<u64> { numbers.split_whitespace().nth(field - 3)?.parse().ok() };
    let ticks = number(14)
        .zip(number(15))
        .map(|(user, system)| user + system);
    facts.cpu = ticks.map(ticks_as_time);
    let boot: Option<u64> = boot.and_then(|boot| field(boot, "btime"));
    let since_boot = number(22).map(ticks_as_time);
    facts.start_time = boot
        .zip(since_boot)
        .map(|(boot, since)| (Duration::from_secs(boot) + since).as_secs_f64());
}

fn ticks_as_time(ticks: u64) -> Duration {
    Duration::from_millis(ticks * (1000 / TICKS_PER_SECOND))
}

/// The first number behind a word at the start of a line.
fn field(text: &str, word: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(word))?;
    rest.split_whitespace().next()?.parse().ok()
}

fn kibibytes(text: &str, word: &str) -> Option<u64> {
    field(text, word).map(|kibibytes| kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_linux_writes() {
        let stat = "42 (a ) b) S 1 42 42 0 -1 4194560 1 2 3 4 150 75 0 0 20 0 3 0 5025 1000 20 0";
        let mut facts = ProcessFacts::default();
        read_stat(stat, Some("cpu 1 2\nbtime 1795507200\n"), &mut facts);
        assert_eq!(facts.cpu, Some(Duration::from_millis(2250)));
        assert_eq!(facts.start_time, Some(1_795_507_250.25));
        let limits = "Max open files            1024                 4096                 files\n";
        assert_eq!(field(limits, "Max open files"), Some(1024));
        assert_eq!(
            field("Max open files   unlimited\n", "Max open files"),
            None
        );
    }

    #[test]
    fn knows_itself() {
        let facts = facts().unwrap();
        assert!(facts.resident_memory > Some(0));
        assert!(facts.open_fds > Some(0));
        assert!(facts.start_time > Some(0.0));
    }
}
