//! How the cost of a request grows: with the streams of a connection, with connections, with fields and with bodies. Where
//! the work stays the same, so should the cost.

use cpu_time::ThreadTime;
use raddle_tests::counting::Allocated;

use crate::{
    Engine, Options,
    drive::Pair,
    measured,
    report::spread,
    workload::{Answer, Side, WORKLOADS, Workload},
};

/// Requests of a round where they are small.
const REQUESTS: usize = 20_000;
/// Bytes of a round where they are large, so that a round does not last for ever.
const ROUND_BYTES: usize = 64 * 1024 * 1024;

/// One point of a series.
struct Point {
    series: &'static str,
    at: String,
    connections: usize,
    requests: usize,
    workload: &'static Workload,
}

/// W1 with something else in one place.
fn w1(change: impl FnOnce(&mut Workload)) -> &'static Workload {
    let get = WORKLOADS.iter().find(|workload| workload.name == "W1");
    let mut workload = get.expect("the first").clone();
    change(&mut workload);
    Box::leak(Box::new(workload))
}

/// So many fields that no two requests differ in.
fn fields(count: usize) -> &'static [(&'static str, &'static str)] {
    let text = |text: String| -> &'static str { text.leak() };
    let field = |n| {
        (
            text(format!("x-field-{n:02}")),
            text(format!("value {n:02}, 16 b")),
        )
    };
    (0..count).map(field).collect::<Vec<_>>().leak()
}

fn points() -> Vec<Point> {
    let point = |series, at: &dyn std::fmt::Display, workload| Point {
        series,
        at: at.to_string(),
        connections: 1,
        requests: REQUESTS,
        workload,
    };
    let streams = [1, 10, 100, 1_000, 10_000]
        .map(|streams| point("streams", &streams, w1(|w1| w1.streams = streams)));
    let connections = [1, 8, 64].map(|connections| Point {
        connections,
        ..point(
            "connections of 10 streams",
            &connections,
            w1(|w1| w1.streams = 10),
        )
    });
    // Four pseudo-fields and the status are not in `count`, the tables hold all of them.
    let fields = [5, 20, 80].map(|count| {
        let workload = w1(|w1| {
            w1.varies = false;
            w1.request_fields = fields(count - 4);
            w1.response_fields = fields(count - 1);
        });
        point("fields each way", &count, workload)
    });
    let bodies = [0, 1 << 10, 1 << 14, 1 << 18, 1 << 20, 1 << 24].map(|bytes| {
        let workload = w1(|w1| {
            w1.streams = 8;
            w1.answer = Answer::Body(bytes);
            // One that says 100 would be a lie.
            w1.response_fields = &[("content-type", "application/octet-stream")];
        });
        Point {
            requests: (ROUND_BYTES / (bytes + 1)).clamp(16, REQUESTS),
            ..point("bytes of the answer's body", &bytes, workload)
        }
    });
    streams
        .into_iter()
        .chain(connections)
        .chain(fields)
        .chain(bodies)
        .collect()
}

/// Nanoseconds and allocations of each request, and those of each round.
fn cost(engine: Engine, point: &Point, options: &Options) -> (Vec<f64>, f64) {
    let ends = || engine.ends(point.workload, Side::Pair, options.send_buffer);
    let mut all: Vec<Box<dyn Pair>> = (0..point.connections).map(|_| ends()).collect();
    let share = point.requests / point.connections;
    let expected = point.workload.seen(share, Side::Pair);
    let mut turn = |requests: usize| {
        for ends in &mut all {
            ends.prepare(requests);
            let seen = ends.run(requests);
            assert!(requests != share || seen.same_work(&expected), "{seen:?}");
        }
    };
    turn(share.div_ceil(4));
    let before = Allocated::now();
    let mut nanos = Vec::new();
    for _ in 0..options.rounds {
        let start = ThreadTime::now();
        measured(|| turn(share));
        nanos.push(start.elapsed().as_nanos() as f64 / (share * point.connections) as f64);
    }
    let allocated = Allocated::now().since(before).calls as f64;
    let requests = share * point.connections * options.rounds as usize;
    (nanos, allocated / requests as f64)
}

/// Prints each series, an engine beside the other.
pub(crate) fn print(engines: &[Engine], options: &Options) {
    println!(
        "a client and a server; ns of processor time (min..max), allocations for each request\n"
    );
    let mut series = "";
    for point in points() {
        if series != point.series {
            series = point.series;
            println!("{series}");
        }
        print!("  {:>10}", point.at);
        for &engine in engines.iter().filter(|engine| **engine != Engine::Script) {
            let (nanos, allocations) = cost(engine, &point, options);
            let (median, min, max) = spread(nanos);
            print!(
                "  {} {median:.0} ({min:.0}..{max:.0}), {allocations:.2}",
                engine.name()
            );
        }
        println!();
    }
}
