//! Faults that end too late, lists that are written as one, and the example of the reference.

use super::*;

#[test]
fn a_fault_that_ends_with_the_run_or_after_it_is_refused_and_one_that_never_ends_is_not() {
    assert_eq!(
        complaint("[[fault]]\nat = \"60s\"\npartition = { sides = [[0], \"rest\"], lasts = \"50s\" }"),
        "topic/q.toml:9:46: fault.0.partition.lasts: \"50s\" ends at 110s, and the run at 100s; allowed: less than 40s; \
         without it, never, which may be what is meant"
    );
    assert_eq!(
        complaint("[[fault]]\nat = \"60s\"\nleave = { nodes = 2, over = \"40s\" }"),
        "topic/q.toml:9:29: fault.0.leave.over: \"40s\" ends at 100s, and the run at 100s; allowed: less than 40s"
    );
    assert!(
        parse(&format!("{LEAST}[[fault]]\nat = \"60s\"\npartition = {{ sides = [[0], \"rest\"] }}\n"))
            .is_ok()
    );
    let kinds = [
        ("crash", "nodes = 1"),
        ("pause", "nodes = 1"),
        ("partition", "sides = [[0], \"rest\"]"),
        ("loss", "fraction = \"1%\""),
        ("cut_streams", "nodes = 1"),
        ("slow_disk", "nodes = 1, sync = \"1s\""),
        ("clock_drift", "nodes = 1, ppm = 1"),
        ("starve", "nodes = 1, stall = \"1s\""),
        ("origin_down", "origins = 1"),
        ("origin_black_hole", "origins = 1"),
        ("origin_slow", "origins = 1, latency = \"1s\""),
        ("origin_flap", "origins = 1, down = \"1s\", up = \"1s\""),
        ("probe_queue", "nodes = 1"),
    ];
    let has_end = |key: &KeyShape| matches!(&key.shape, Shape::Table(table) if table.keys.iter().any(|key| key.name == "lasts"));
    let shape = <Fault as read::Section>::table_shape();
    let ending: Vec<&str> = shape.keys.iter().filter(|key| has_end(key)).map(|key| key.name).collect();
    assert_eq!(kinds.map(|(kind, _)| kind).to_vec(), ending, "every kind that can end");
    for (kind, keys) in kinds {
        let origins = "cluster.origins = 3\nchecks = {}";
        let complaint =
            complaint(&format!("{origins}\n[[fault]]\nat = \"60s\"\n{kind} = {{ {keys}, lasts = \"40s\" }}"));
        assert!(complaint.contains(&format!("fault.0.{kind}.lasts: \"40s\" ends at 100s")), "{complaint}");
    }
}

#[test]
fn the_examples_of_the_reference_are_right_and_use_every_section() {
    let file = parse(reference::EXAMPLE).unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(file.points.len(), 2);
    parse(reference::EXAMPLE_COMPARE).unwrap_or_else(|report| panic!("{report}"));
    let written = [reference::EXAMPLE, reference::EXAMPLE_COMPARE].map(|example| {
        assert!(reference().contains(example), "the page shows it");
        example.parse::<toml::Table>().expect("TOML")
    });
    for KeyShape { name, .. } in <Scenario as read::Section>::table_shape().keys {
        assert!(written.iter().any(|written| written.contains_key(name)), "{name}");
    }
}

#[test]
fn a_list_of_tables_that_is_written_as_one_names_the_brackets() {
    assert_eq!(
        complaint("[fault]\nat = \"1s\"\ncrash = { nodes = 1 }"),
        "topic/q.toml:7:1: fault: a table stands alone, and there may be several; allowed: a list of tables: \
         `[[fault]]` where `[fault]` stands, or `[{ … }]`"
    );
    for key in ["cluster.zone", "cluster.group", "network.link", "missed", "sweep.point"] {
        let complaint = complaint(&format!("[{key}]\nname = \"a\""));
        assert!(complaint.contains(&format!("`[[{key}]]` where `[{key}]` stands")), "{complaint}");
    }
}
