//! Spruces on the near bank, which frame the picture: silhouettes, not terrain.

use super::color::smooth;
use super::noise::Noise;
use crate::random::{mix, unit};

/// Places for trees across the picture, in each of the rows behind one another.
const PLACES: u64 = 46;

/// Rows of trees, the nearest and tallest last.
const ROWS: u8 = 3;

/// Widest half of a tree as a share of its height.
const SLENDERNESS: f64 = 0.25;

/// How far the places reach to both sides: a picture of twice the usual width is covered.
const SIDE: f64 = 2.0;

/// The near bank of a place.
#[derive(Debug)]
pub(super) struct Forest {
    bank: Noise,
    needles: Noise,
    trees: Vec<Tree>,
}

/// One spruce.
#[derive(Debug, Clone, Copy)]
struct Tree {
    row: u8,
    /// Place of the trunk, across the picture.
    stand: f64,
    foot: f64,
    height: f64,
    widest: f64,
    /// Tiers of branches.
    tiers: f64,
    /// Where in the noise this tree's raggedness comes from.
    rag: f64,
}

/// What of the bank stands in one column of the picture.
#[derive(Debug)]
pub(super) struct Bank<'a> {
    forest: &'a Forest,
    across: f64,
    /// Height of the ground, row by row.
    grounds: [f64; ROWS as usize],
    trees: Vec<Tree>,
}

impl Forest {
    /// The bank in front of the place of a seed.
    pub(super) fn new(seed: u64) -> Self {
        let bank = Noise::new(seed, 21);
        let mut forest = Self { bank, needles: Noise::new(seed, 22), trees: Vec::new() };
        for row in 0..ROWS {
            for number in 0..PLACES * SIDE as u64 {
                let chance = mix(mix(seed ^ 0x7472_6565) ^ mix(number + (u64::from(row) << 32)));
                forest.plant(row, number, chance);
            }
        }
        forest
    }

    /// The bank in a column; `across` is 0 in the middle, about 1 at the right edge.
    pub(super) fn column(&self, across: f64) -> Bank<'_> {
        let mut grounds = [0.0; ROWS as usize];
        for (row, ground) in (0..ROWS).zip(&mut grounds) {
            let grass = 0.006 * self.needles.value(across * 160.0, f64::from(row) * 7.0);
            *ground = self.ground(row, across) + grass;
        }
        let near = |tree: &&Tree| (tree.stand - across).abs() < tree.widest * 1.2;
        Bank {
            forest: self,
            across,
            grounds,
            trees: self.trees.iter().filter(near).copied().collect(),
        }
    }

    fn plant(&mut self, row: u8, number: u64, chance: u64) {
        let stand = (number as f64 + unit(chance)) / PLACES as f64 * 2.0 - SIDE;
        let side = smooth(0.40, 1.0, stand.abs() + 0.16 * self.bank.value(stand * 3.0, 5.0));
        // Trees are dense at the sides and absent in the middle.
        if unit(mix(chance ^ 1)) > 0.95 * side {
            return;
        }
        let nearness = 0.55 + 0.25 * f64::from(row);
        let height = nearness * (0.10 + 0.26 * side * (0.35 + 0.65 * unit(mix(chance ^ 2))));
        self.trees.push(Tree {
            row,
            stand,
            foot: self.ground(row, stand) - 0.01,
            height,
            widest: SLENDERNESS * height * (0.8 + 0.4 * unit(mix(chance ^ 4))),
            tiers: 10.0 + 6.0 * unit(mix(chance ^ 3)),
            rag: unit(mix(chance ^ 5)) * 99.0,
        });
    }

    /// The bank's height: higher at the sides, so that the lake lies open in the middle.
    fn ground(&self, row: u8, across: f64) -> f64 {
        let side = smooth(0.18, 1.05, across.abs());
        let rolling = self.bank.layered(across * 2.2 + f64::from(row) * 11.0, f64::from(row), 3);
        let behind = f64::from(ROWS - 1 - row);
        -0.05 + 0.10 * side + 0.025 * behind * side + 0.030 * rolling
    }
}

impl Bank<'_> {
    /// How near the thing is that covers a point of this column, from 0 (behind) to 1, if
    /// one does; `up` runs from 0 at the bottom to 1 at the top of the picture.
    pub(super) fn cover(&self, up: f64) -> Option<f64> {
        (0..ROWS).zip(&self.grounds).rev().find_map(|(row, ground)| {
            let covers = up < *ground
                || self.trees.iter().any(|tree| tree.row == row && self.hides(tree, up));
            covers.then(|| (f64::from(row) + 1.0) / f64::from(ROWS))
        })
    }

    fn hides(&self, tree: &Tree, up: f64) -> bool {
        let down = 1.0 - (up - tree.foot) / tree.height;
        if !(0.0..=1.0).contains(&down) {
            return false;
        }
        let away = (self.across - tree.stand).abs() / tree.widest;
        // Tiers of branches that hang a little: each starts narrow under the one above.
        let hanging = (down + 0.02 - 0.12 * away) * tree.tiers;
        let tier = hanging - hanging.floor();
        let side = if self.across < tree.stand { 3.0 } else { 8.0 };
        let ragged = 0.80 + 0.30 * self.forest.needles.value(up * 330.0 + tree.rag, side);
        away < down * (0.50 + 0.50 * tier) * ragged + 0.012
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_frame_the_picture_and_leave_its_middle_open() {
        let (mut sides, mut middle) = (0, 0);
        for seed in 0..20 {
            let forest = Forest::new(seed);
            let covered = |across: f64| forest.column(across).cover(0.12).is_some();
            sides += u32::from(covered(-0.97)) + u32::from(covered(0.97));
            middle += u32::from(covered(0.0)) + u32::from(covered(0.1));
        }
        assert!(sides >= 30, "{sides} of 40");
        assert_eq!(middle, 0);
    }

    #[test]
    fn nothing_of_the_bank_reaches_the_sky() {
        let forest = Forest::new(3);
        for step in -150..150 {
            assert_eq!(forest.column(f64::from(step) / 100.0).cover(0.75), None);
        }
    }
}
