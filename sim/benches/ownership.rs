//! How fast an owner is found by each of the three ways of hashing, and how even and how steady they are.
//!
//! `cargo bench -p heck-sim --bench ownership`, with numbers of nodes behind ` -- ` for other sizes.

use std::hint::black_box;
use std::time::Instant;

use heck_core::entry::Scope;
use heck_core::id::Name;
use heck_core::ownership::{Candidate, Ring, modulo, owner};
use heck_core::settings::Weight;

/// Origins whose owners are looked up, before and after the last node leaves.
const ORIGINS: usize = 20_000;
const POINTS: u32 = 100;
/// Times that the lookups of one way are timed. The median is printed.
const RUNS: usize = 7;
/// Hashes in one timing, about: enough for some tens of milliseconds.
const HASHES: usize = 4_000_000;

fn names(what: &str, count: usize) -> Vec<Name> {
    (0..count).map(|number| Name::new(&format!("{what}-{number}")).expect("a valid name")).collect()
}

/// Lookups a second, the median of [`RUNS`].
fn rate(origins: &[Name], owner: &impl Fn(&Name) -> usize) -> f64 {
    let mut rates: Vec<f64> = (0..RUNS)
        .map(|_| {
            let started = Instant::now();
            for origin in origins {
                black_box(owner(black_box(origin)));
            }
            origins.len() as f64 / started.elapsed().as_secs_f64()
        })
        .collect();
    rates.sort_by(f64::total_cmp);
    rates[RUNS / 2]
}

/// Prints one line: lookups a second, the greatest load over the mean, and the share of origins that move when the
/// last node leaves.
fn line(
    way: &str,
    nodes: usize,
    origins: &[Name],
    hashes: usize,
    owner: impl Fn(&Name) -> usize,
    after: impl Fn(&Name) -> usize,
) {
    let rate = rate(&origins[..(HASHES / hashes).clamp(100, origins.len())], &owner);
    let owners: Vec<usize> = origins.iter().map(&owner).collect();
    let mut loads = vec![0_usize; nodes];
    owners.iter().for_each(|owner| loads[*owner] += 1);
    let greatest = loads.iter().max().copied().unwrap_or_default() as f64;
    let uneven = greatest * nodes as f64 / origins.len() as f64;
    let moved = owners.iter().zip(origins).filter(|(owner, origin)| after(origin) != **owner).count();
    let moved = 100.0 * moved as f64 / origins.len() as f64;
    println!("| {nodes:>6} | {way:<26} | {rate:>11.0} | {uneven:>13.2} | {moved:>15.2} % |");
}

fn main() {
    // Cargo passes `--bench`; other words are numbers of nodes.
    let wanted: Vec<usize> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    let sizes = if wanted.is_empty() { vec![100, 1_000, 10_000] } else { wanted };
    let origins = names("origin", ORIGINS);
    println!("| nodes  | way                        | lookups/s   | greatest/mean | one leaves: move  |");
    println!("|-------:|:---------------------------|------------:|--------------:|------------------:|");
    for nodes in sizes.into_iter().filter(|nodes| *nodes > 1) {
        let names = names("node", nodes);
        let listed: Vec<&Name> = names.iter().collect();
        let even: Vec<Candidate<'_>> = names.iter().map(Candidate::new).collect();
        let weigh = |(at, name)| Candidate { weight: Weight(50 + (at % 100) as u16), ..Candidate::new(name) };
        let weighted: Vec<Candidate<'_>> = names.iter().enumerate().map(weigh).collect();
        let (ring, without) = (Ring::new(&listed, POINTS), Ring::new(&listed[..nodes - 1], POINTS));
        let found = |place: Option<usize>| place.expect("somebody owns");
        let rest = nodes - 1;
        for (way, all) in [("rendezvous", &even), ("rendezvous, 100 weights", &weighted)] {
            let of = |among: &[Candidate<'_>], origin: &Name| found(owner(origin, Scope::CLUSTER, among));
            line(way, nodes, &origins, nodes, |o| of(all, o), |o| of(&all[..rest], o));
        }
        let way = "ring, 100 points a node";
        line(way, nodes, &origins, 1, |o| found(ring.owner(o)), |o| found(without.owner(o)));
        let of = |among: &[&Name], origin: &Name| found(modulo::owner(origin, among));
        line("modulo", nodes, &origins, 1, |o| of(&listed, o), |o| of(&listed[..rest], o));
    }
}
