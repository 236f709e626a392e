//! Figures of one engine, and how two compare.

use raddle_tests::counting::Allocated;

use crate::workload::Workload;

/// What one engine needed for one workload.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    pub(crate) engine: &'static str,
    /// For each round, per request.
    pub(crate) nanos: Vec<f64>,
    pub(crate) allocated: Allocated,
    pub(crate) bytes_up: u64,
    pub(crate) bytes_down: u64,
    /// In all rounds.
    pub(crate) requests: usize,
}

/// The middle, and the two ends.
pub(crate) fn spread(values: impl IntoIterator<Item = f64>) -> (f64, f64, f64) {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let last = values.len() - 1;
    (values[last / 2], values[0], values[last])
}

pub(crate) fn print(workload: &Workload, measured: &[Measured]) {
    println!("{} {}", workload.name, workload.what);
    println!(
        "  {:10} {:>9} {:>19} {:>9} {:>9} {:>11} {:>11} {:>11}",
        "engine", "ns/req", "min..max", "GiB/s", "allocs", "alloc bytes", "wire up", "wire down"
    );
    for one in measured {
        let (median, min, max) = spread(one.nanos.iter().copied());
        let per_request = |count: u64| count as f64 / one.requests as f64;
        let moved = per_request(one.bytes_up + one.bytes_down);
        println!(
            "  {:10} {median:>9.0} {:>19} {:>9.2} {:>9.2} {:>11.0} {:>11.1} {:>11.1}",
            one.engine,
            format!("{min:.0}..{max:.0}"),
            moved / median * 1e9 / f64::from(1 << 30),
            per_request(one.allocated.calls),
            per_request(one.allocated.bytes),
            per_request(one.bytes_up),
            per_request(one.bytes_down),
        );
    }
    if let [ours, others @ ..] = measured {
        for theirs in others {
            print_ratio(ours.engine, &ours.nanos, theirs.engine, &theirs.nanos);
        }
    }
    println!();
}

/// How the times of two compare, round by round.
pub(crate) fn print_ratio(our_name: &str, ours: &[f64], their_name: &str, theirs: &[f64]) {
    let ratios = theirs.iter().zip(ours).map(|(theirs, ours)| theirs / ours);
    let (median, min, max) = spread(ratios);
    println!("  {their_name}/{our_name}  {median:.2} [{min:.2}..{max:.2}] of the rounds' times");
}
