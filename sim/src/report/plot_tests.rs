use super::*;
use crate::report::example;
use crate::report::files::TextFiles;
use crate::report::outcome::Outcome;
use crate::report::tabulate::hex;
use rayon::prelude::*;

fn drawn(outcome: &Outcome) -> Vec<NamedFile> {
    plots(&TextFiles::of(outcome).expect("text").parse().expect("results")).expect("plots")
}

/// The SVGs alone: pictures take long without optimisation.
fn svgs(outcome: &Outcome) -> Vec<String> {
    let results = TextFiles::of(outcome).expect("text").parse().expect("results");
    let figures = [Some(convergence::figure(&results)), frontier::figure(&results)];
    figures.iter().flatten().map(|figure| svg_of(figure).expect("an SVG")).collect()
}

fn text(file: &NamedFile) -> &str {
    std::str::from_utf8(&file.bytes).expect("text")
}

#[test]
fn plots_are_the_same_bytes_twice_and_on_two_threads() {
    let outcome = example::sweep(60, 6);
    let first = drawn(&outcome);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("a pool");
    let others: Vec<_> = pool.install(|| (0..2).into_par_iter().map(|_| drawn(&outcome)).collect());
    for other in others {
        assert!(other == first, "a plot differs");
    }
}

/// Kept so that another machine, profile or version of a library that draws differently is noticed; a deliberate
/// change of the drawing changes them.
#[test]
fn svgs_have_the_bytes_that_are_kept() {
    let svgs = svgs(&example::sweep(60, 6));
    let hashes: Vec<String> =
        svgs.iter().map(|svg| hex(xxhash_rust::xxh3::xxh3_64(svg.as_bytes()))).collect();
    assert_eq!(hashes, ["64f41b7a294d6c78", "ee61479881f450fd"]);
}

#[test]
fn a_single_point_has_no_frontier_and_a_sweep_has_one() {
    let names = |outcome: &Outcome| drawn(outcome).iter().map(|file| file.name).collect::<Vec<_>>();
    assert_eq!(names(&example::outcome(40, 6)), ["convergence.svg", "convergence.png"]);
    let swept = ["convergence.svg", "convergence.png", "frontier.svg", "frontier.png"];
    assert_eq!(names(&example::sweep(40, 6)), swept);
}

#[test]
fn a_plot_names_its_axes_with_units_and_every_curve() {
    let svg = &svgs(&example::outcome(1_000, 6))[0];
    let wanted = [
        "A made-up example, 50 % loss",
        "1,000 nodes, 50 % loss of each datagram in each direction, 6 seeds",
        "nodes that have it (%)",
        "nodes still without it (%)",
        "rounds since the update (1 round = 1 s)",
        "health flip",
        "origin added",
        "origin removed",
        "key written",
        "message published",
        "5 to 95 % of seeds",
        "large-N map",
        "lower bound",
    ];
    for text in wanted {
        assert!(svg.contains(text), "{text}");
    }
}

#[test]
fn coordinates_stay_on_the_page() {
    for svg in svgs(&example::sweep(60, 6)) {
        let (_, size) = svg.split_once("viewBox=\"0 0 ").expect("a view box");
        let mut size = size.split(['"', ' ']).map(|number| number.parse::<i32>().expect("a number"));
        let (width, height) = (size.next().expect("a width"), size.next().expect("a height"));
        for points in svg.split("points=\"").skip(1) {
            for point in points.split('"').next().expect("points").split_whitespace() {
                let (x, y) = point.split_once(',').expect("a point");
                let (x, y): (i32, i32) = (x.parse().expect("x"), y.parse().expect("y"));
                assert!((0..=width).contains(&x) && (0..=height).contains(&y), "{x},{y}");
            }
        }
    }
}

#[test]
fn a_png_is_as_large_as_its_svg_times_the_scale_and_shows_its_text() {
    let files = drawn(&example::outcome(40, 6));
    let number = |at: usize| u32::from_be_bytes(files[1].bytes[at..at + 4].try_into().expect("four bytes"));
    let full = text(&files[0]);
    let (_, head) = full.split_once("<svg width=\"").expect("a head");
    let (width, _) = head.split_once('"').expect("a width");
    let width: f32 = width.parse().expect("a number");
    assert_eq!(number(16), (width * PNG_SCALE).round() as u32);
    // Without its text the picture is much smaller: the font was found without asking the system.
    let parts = full.split_inclusive("</text>").map(|part| part.split("<text").next().unwrap_or(""));
    let mute = png_of(&parts.collect::<String>(), PNG_SCALE).expect("a PNG");
    assert!(mute.len() * 5 < files[1].bytes.len() * 4);
}

#[test]
fn no_seed_getting_anywhere_still_gives_a_plot() {
    let mut outcome = example::sweep(40, 3);
    for run in outcome.points.iter_mut().flat_map(|point| &mut point.runs) {
        run.updates.iter_mut().for_each(|update| update.reached_us.clear());
    }
    assert_eq!(svgs(&outcome).len(), 2);
    outcome.points.iter_mut().for_each(|point| point.runs.clear());
    assert_eq!(svgs(&outcome).len(), 2);
}

#[test]
fn where_nothing_is_followed_traffic_is_what_there_is_to_show() {
    let mut outcome = example::sweep(40, 3);
    outcome.points.iter_mut().flat_map(|point| &mut point.runs).for_each(|run| run.updates.clear());
    let files = drawn(&outcome);
    assert_eq!(files.iter().map(|file| file.name).collect::<Vec<_>>(), ["traffic.svg", "traffic.png"]);
    assert!(text(&files[0]).contains("sent per node and second (bytes)"));
}
