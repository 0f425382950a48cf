//! Packets that are lost, and links that are cut.

use crate::api::Api;
use crate::fleet::{
    DETECTION, FALLING, Fleet, HEALING, SPREAD, until_owned, until_said, until_standing, until_written,
    within,
};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

#[test]
fn ten_nodes_that_lose_half_of_all_packets_agree_on_each_flip_of_an_origin() {
    let Some(mut fleet) = Fleet::start_in_loss("half of all packets lost", 10) else { return };
    let origins = fleet.check_origins(4);
    let apis = fleet.apis();
    let flips: Vec<Duration> =
        [false, true, false].map(|is_well| fleet.flip(&origins[0], is_well, &apis)).to_vec();
    let (mut arrived, mut lost) = (0, 0);
    for node in &mut fleet.nodes {
        assert_eq!(node.buried(), [""; 0], "{} held someone dead for loss alone", node.api.node);
        let losses = node.api.host.losses();
        (arrived, lost) = (arrived + losses.0, lost + losses.1);
    }
    let percent = 100 * lost / arrived;
    assert!((45..=55).contains(&percent), "{lost} of {arrived} packets were lost");
    fleet.sum_up(format_args!(
        "all 10 know that an origin is ill, well, ill after {flips:.1?} (bound {:.0?}); {percent} % of {arrived} \
         packets lost, nobody held dead",
        FALLING + SPREAD
    ));
}

#[test]
fn both_sides_of_a_partition_serve_and_they_heal_unaided() {
    let Some(fleet) = Fleet::start("partition", 6) else { return };
    let origins = fleet.check_origins(8);
    let apis = fleet.apis();
    let sides = [&apis[..3], &apis[3..]];
    for (side, others) in [(sides[0], sides[1]), (sides[1], sides[0])] {
        let others: Vec<_> = others.iter().map(|api| &api.host).collect();
        side.iter().for_each(|api| api.host.cut_off_from(&others));
    }
    let cut = Instant::now();
    for (side, others) in [(sides[0], sides[1]), (sides[1], sides[0])] {
        let names: Vec<&str> = others.iter().map(|api| api.node.as_str()).collect();
        until_standing(side, &names, "dead", DETECTION);
    }
    let known = cut.elapsed();
    for side in sides {
        until_owned(side, &origins, DETECTION);
    }
    let served = cut.elapsed();
    let written = write_on_each(&apis);
    for side in sides {
        let own = written.iter().filter(|(_, writer)| side.iter().any(|api| api.node == **writer));
        until_written(side, &own.map(|(key, writer)| (key.clone(), writer.clone())).collect(), SPREAD);
        side.iter().for_each(|api| assert_eq!(api.get("/readyz")["phase"], "serving", "{}", api.node));
    }
    fleet.web.set(&origins[0], false);
    for side in sides {
        until_said(side, &origins[..1], FALLING + SPREAD, "unhealthy");
    }
    let flipped = cut.elapsed();

    let healing = Instant::now();
    apis.iter().for_each(|api| api.host.mend());
    fleet.until_all_alive(HEALING);
    let met = healing.elapsed();
    until_written(&apis, &written, HEALING);
    let repaired = healing.elapsed();
    until_owned(&apis, &origins, HEALING);
    let agreed = healing.elapsed();
    assert!(agreed < HEALING, "healing took {agreed:?}");
    let back = fleet.flip(&origins[0], true, &apis);
    let counted = || apis.iter().map(|api| api.metric("heck_members_counted")).collect::<Vec<_>>();
    within(Duration::from_secs(1), "nobody is in quarantine", counted, |all| {
        all.iter().all(|count| *count == 6)
    });
    fleet.sum_up(format_args!(
        "cut: known on both sides after {known:.1?}, every origin checked on both after {served:.1?}, a flip seen on \
         both after {flipped:.1?}; healed: members {met:.1?}, writes of both sides {repaired:.1?}, one owner for each \
         origin {agreed:.1?} (bound {HEALING:.0?}); a flip then took {back:.1?}"
    ));
}

/// Writes a key on each of these nodes, and gives them with their writers.
fn write_on_each(apis: &[Api]) -> BTreeMap<String, String> {
    let write = |api: &Api| {
        let key = format!("of-{}", api.node);
        api.put_key(&key, &api.node);
        (key, api.node.clone())
    };
    apis.iter().map(write).collect()
}
