//! The figures as tables.

use std::fmt::Write as _;

use super::spread::Spread;
use crate::speed::{
    rounds::{Flow, Wire},
    suite::Group,
};

/// A heading, the value's [path](value) in a report, and by what it is multiplied.
type Column = (&'static str, &'static str, f64);

const COLUMNS: &[Column] = &[
    ("1,000 records/s", "/records_per_s", 1e-3),
    ("CPU, ns a record", "/cpu_ns_per_record", 1.0),
    ("peak RSS, MB", "/peak_rss_mb", 1.0),
    ("retries", "/retries", 1.0),
    ("of the bound", "/bound_used", 1.0),
    ("while writing", "/bound_used_while_writing", 1.0),
    ("of the capacity", "/capacity_used", 1.0),
    ("sent per stored", "/sent_per_accepted", 1.0),
    ("lowest goodput", "/lowest_goodput", 1.0),
    ("write p99, µs", "/write_us/p99", 1.0),
    ("delivery p50, ms", "/delivery_us/p50", 1e-3),
    ("delivery p99, ms", "/delivery_us/p99", 1e-3),
    ("take, ms", "/take_ms", 1.0),
    ("encode, GB/s", "/encode_gb_per_s", 1.0),
    ("decode, GB/s", "/decode_gb_per_s", 1.0),
    ("restore, ms", "/restore_ms", 1.0),
];

/// A heading, the path in our report and its factor, the path in Flink's and its factor, and
/// whether there is a column of the ratios.
type Pair = (&'static str, (&'static str, f64), (&'static str, f64), bool);

const PAIRS: &[Pair] = &[
    ("1,000 records/s", ("/records_per_s", 1e-3), ("/records_per_s", 1e-3), true),
    ("CPU, ns a record", ("/cpu_ns_per_record", 1.0), ("/cpu_us_per_record", 1e3), true),
    ("of the capacity", ("/capacity_used", 1.0), ("/capacity_used", 1.0), false),
    (
        "sent per stored",
        ("/sent_per_accepted", 1.0),
        ("/sent_per_accepted_while_writing", 1.0),
        false,
    ),
    ("delivery p50, ms", ("/delivery_us/p50", 1e-3), ("/e2e_us/p50", 1e-3), false),
    ("delivery p99, ms", ("/delivery_us/p99", 1e-3), ("/e2e_us/p99", 1e-3), false),
    ("to bytes, ms", ("/take_ms+/encode_ms", 1.0), ("/snapshot_total_ms", 1.0), true),
    ("from bytes, ms", ("/decode_ms+/restore_ms", 1.0), ("/restore_total_ms", 1.0), true),
    ("peak RSS, MB", ("/peak_rss_mb", 1.0), ("/peak_rss_mb", 1.0), false),
];

/// The columns of a table, each with its heading first; those that are empty are left out.
fn table(names: &[&str], columns: Vec<(String, Vec<String>)>) -> String {
    let columns: Vec<_> = columns
        .into_iter()
        .filter(|(_, cells)| cells.iter().any(|cell| !cell.is_empty()))
        .collect();
    let headings: Vec<_> = columns.iter().map(|(heading, _)| heading.as_str()).collect();
    let mut table = format!("| `bench …` | {} |\n|---|", headings.join(" | "));
    table += &"--:|".repeat(columns.len());
    for (row, name) in names.iter().enumerate() {
        let _infallible = write!(table, "\n| `{name}` |");
        for (_, cells) in &columns {
            let _infallible = write!(table, " {} |", cells.get(row).map_or("", String::as_str));
        }
    }
    table + "\n"
}

fn cell(spread: Option<Spread>) -> String {
    spread.map_or_else(String::new, |spread| spread.to_string())
}

/// Our figures.
pub fn ours(flows: &[&Flow]) -> String {
    let names: Vec<_> = flows.iter().map(|flow| flow.run.ours).collect();
    let column = |(heading, path, factor): &Column| {
        let cells = flows.iter().map(|flow| cell(Spread::at(&flow.ours, path, *factor)));
        ((*heading).to_owned(), cells.collect())
    };
    table(&names, COLUMNS.iter().map(column).collect())
}

/// Ours beside Flink's, for those flows that both have; nothing if there are none.
pub fn pairs(flows: &[&Flow]) -> Option<String> {
    let flows: Vec<_> = flows.iter().filter(|flow| !flow.flink.is_empty()).collect();
    let names: Vec<_> = flows.iter().map(|flow| flow.run.ours).collect();
    let mut columns = Vec::new();
    for pair @ (heading, (our_path, our_factor), (their_path, their_factor), has_ratio) in PAIRS {
        let both = |flow: &Flow| {
            let ours = Spread::at(&flow.ours, our_path, *our_factor)?;
            Some((ours, Spread::at(&flow.flink, their_path, *their_factor)?))
        };
        let both: Vec<_> = flows.iter().map(|flow| both(flow)).collect();
        let cells = |side: fn((Spread, Spread)) -> Spread| {
            both.iter().map(|both| cell(both.map(side))).collect()
        };
        columns.push(((*heading).to_owned(), cells(|(ours, _)| ours)));
        columns.push(("Flink".to_owned(), cells(|(_, flinks)| flinks)));
        if *has_ratio {
            let ratios = flows.iter().map(|flow| match ratio(flow, pair) {
                Some(ratio) => format!("**{ratio}**"),
                None => String::new(),
            });
            columns.push(("ratio".to_owned(), ratios.collect()));
        }
    }
    (!flows.is_empty()).then(|| table(&names, columns))
}

/// Ours by Flink's of the same round.
fn ratio(flow: &Flow, pair: &Pair) -> Option<Spread> {
    let (_, (our_path, our_factor), (their_path, their_factor), _) = *pair;
    let flinks = (&*flow.flink, their_path, their_factor);
    Spread::of_ratios((&flow.ours, our_path, our_factor), flinks)
}

/// The runs over HTTP; nothing if there are none.
pub fn wire(runs: &[Wire]) -> Option<String> {
    let names: Vec<_> = runs.iter().map(|run| run.name).collect();
    let column = |heading: &str, of: &dyn Fn(&Wire) -> Option<Spread>| {
        (heading.to_owned(), runs.iter().map(|run| cell(of(run))).collect())
    };
    let columns = vec![
        column("CPU, by the bare client's", &|run| by_the_bare_client(run, CPU)),
        column("records/s, by the bare client's", &|run| by_the_bare_client(run, RATE)),
        column("CPU, ns a record", &|run| Spread::at(&run.sink, CPU, 1.0)),
        column("the bare client's", &|run| Spread::at(&run.sdk, CPU, 1.0)),
    ];
    (!runs.is_empty()).then(|| table(&names, columns))
}

/// What the sink and the bare client are compared by: paths in a report.
pub const CPU: &str = "/cpu_ns_per_record";
/// The same.
pub const RATE: &str = "/records_per_s";

/// A figure of the sink by that of the bare client of the same pair.
pub fn by_the_bare_client(run: &Wire, path: &str) -> Option<Spread> {
    Spread::of_ratios((&run.sink, path, 1.0), (&run.sdk, path, 1.0))
}

/// Flows of a group.
pub fn of_group(flows: &[Flow], group: Group) -> Vec<&Flow> {
    flows.iter().filter(|flow| flow.run.group == group).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::speed::suite::Run;

    fn flow(ours: &[Value], flink: &[Value]) -> Flow {
        let run = Run { group: Group::AtOnce, ours: "noop", flink: "noop" };
        Flow { run, ours: ours.to_vec(), flink: flink.to_vec() }
    }

    #[test]
    fn what_no_workload_measures_has_no_column() {
        let flow = flow(&[json!({"retries": 7, "write_us": {"p99": 1.5}})], &[]);
        let expected = "| `bench …` | retries | write p99, µs |\n|---|--:|--:|\n\
                        | `noop` | 7.000 | 1.500 |\n";
        assert_eq!(ours(&[&flow]), expected);
        assert_eq!(pairs(&[&flow]), None);
    }

    #[test]
    fn a_ratio_is_the_median_of_those_of_each_round() {
        let ours = [1000.0, 2000.0, 4000.0].map(|rate| json!({"records_per_s": rate}));
        let flinks = [1000.0, 4000.0, 1000.0].map(|rate| json!({"records_per_s": rate}));
        let table = pairs(&[&flow(&ours, &flinks)]).unwrap();
        // That of the medians would be 2.
        assert!(table.contains("| **1.000 [0.500–4.000]** |"), "{table}");
        assert!(table.contains("| 2.000 [1.000–4.000] | 1.000 [1.000–4.000] |"), "{table}");
    }

    #[test]
    fn cpu_is_compared_in_one_unit() {
        let (ours, flink) = (json!({"cpu_ns_per_record": 30}), json!({"cpu_us_per_record": 0.04}));
        let table = pairs(&[&flow(&[ours], &[flink])]).unwrap();
        assert!(table.ends_with("| 30.00 | 40.00 | **0.750** |\n"), "{table}");
    }

    #[test]
    fn the_workloads_over_http_are_rows() {
        let of = |cpu: f64, rate: f64| json!({"cpu_ns_per_record": cpu, "records_per_s": rate});
        let name = "kinesis --size 100";
        let sink = vec![of(50.0, 3000.0), of(60.0, 3000.0), of(61.0, 6000.0)];
        let sdk = vec![of(100.0, 3000.0), of(60.0, 4000.0), of(100.0, 4000.0)];
        let expected = "| `bench …` | CPU, by the bare client's | records/s, by the bare client's | \
                        CPU, ns a record | the bare client's |\n|---|--:|--:|--:|--:|\n\
                        | `kinesis --size 100` | 0.610 [0.500–1.000] | 1.000 [0.750–1.500] \
                        | 60.00 [50.00–61.00] | 100.0 [60.00–100.0] |\n";
        assert_eq!(wire(&[Wire { name, sink, sdk }]).unwrap(), expected);
        assert_eq!(wire(&[]), None);
    }
}
