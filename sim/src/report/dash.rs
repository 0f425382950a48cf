//! Cuts a line into dashes.
//!
//! plotters has dashed paths too, but they measure with the platform's `hypot`, and their first points could differ
//! between machines; a square root is exact everywhere. They also know only one dash and one gap.

/// The visible pieces of the line through `points`, with dashes and gaps in turn; all of it if there are none.
#[must_use]
pub fn cut(points: &[(f64, f64)], dashes: &[f64]) -> Vec<Vec<(f64, f64)>> {
    let (Some(&first), false) = (points.first(), dashes.iter().sum::<f64>() <= 0.0) else {
        return vec![points.to_vec()];
    };
    let mut pieces = Vec::new();
    let mut piece = vec![first];
    let (mut part, mut left) = (0, dashes[0]);
    for pair in points.windows(2) {
        let (mut from, to) = (pair[0], pair[1]);
        loop {
            let (dx, dy) = (to.0 - from.0, to.1 - from.1);
            let distance = (dx * dx + dy * dy).sqrt();
            if distance < left {
                left -= distance;
                if part % 2 == 0 {
                    piece.push(to);
                }
                break;
            }
            let along = left / distance;
            from = (from.0 + dx * along, from.1 + dy * along);
            if part % 2 == 0 {
                piece.push(from);
                pieces.push(std::mem::take(&mut piece));
            } else {
                piece = vec![from];
            }
            part = (part + 1) % (dashes.len() + dashes.len() % 2);
            left = dashes[part % dashes.len()];
        }
    }
    if piece.windows(2).any(|pair| pair[0] != pair[1]) {
        pieces.push(piece);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_straight_line_is_cut_at_its_dashes() {
        let pieces = cut(&[(0.0, 0.0), (10.0, 0.0)], &[4.0, 2.0]);
        assert_eq!(pieces, [vec![(0.0, 0.0), (4.0, 0.0)], vec![(6.0, 0.0), (10.0, 0.0)]]);
    }

    #[test]
    fn a_dash_goes_around_a_corner() {
        let pieces = cut(&[(0.0, 0.0), (3.0, 0.0), (3.0, 3.0)], &[4.0, 2.0]);
        assert_eq!(pieces, [vec![(0.0, 0.0), (3.0, 0.0), (3.0, 1.0)]]);
    }

    #[test]
    fn a_solid_line_is_whole() {
        let points = [(0.0, 0.0), (1.0, 1.0), (2.0, 0.0)];
        assert_eq!(cut(&points, &[]), [points.to_vec()]);
        assert_eq!(cut(&[], &[1.0, 1.0]), [Vec::new()]);
    }

    fn length(points: &[(f64, f64)]) -> f64 {
        points.windows(2).map(|p| ((p[1].0 - p[0].0).powi(2) + (p[1].1 - p[0].1).powi(2)).sqrt()).sum()
    }

    proptest! {
        #[test]
        fn no_dash_is_longer_than_its_pattern(
            points in proptest::collection::vec((0.0..100.0, 0.0..100.0), 2..20),
        ) {
            for piece in cut(&points, &[5.0, 2.0, 1.0, 2.0]) {
                prop_assert!(piece.len() > 1 && length(&piece) <= 5.0 + 1e-6);
            }
        }
    }
}
