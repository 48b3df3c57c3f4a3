//! The land: a height in kilometres for every point of the plane.
//!
//! The viewer stands at the origin and looks along z. A lake lies in front, hills close it
//! off at the sides, and behind it rise mountains. Ridges are made of noise folded at zero,
//! finer octaves growing where coarser ones are high, as water carves mountains.

use super::color::smooth;
use super::noise::{Noise, turned};

/// Octaves that are worth computing close by; far away the finest are smaller than a pixel.
const OCTAVES_MAX: u32 = 11;

/// Octaves of what casts shadows: crests do, stones are too small.
const SHADOW_OCTAVES: u32 = 4;

/// Steps of the search for something between a point and the sun.
const SHADOW_STEPS: u32 = 16;

/// The place a seed stands for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terrain {
    ridges: Noise,
    hills: Noise,
    shores: Noise,
    cover: Noise,
    /// Where along x the highest massif stands.
    massif: f64,
    /// Which side's hills come nearer, and by how much: -1 left, 1 right.
    lean: f64,
}

impl Terrain {
    /// The land of a seed.
    pub(super) fn new(seed: u64) -> Self {
        Self {
            ridges: Noise::new(seed, 1),
            hills: Noise::new(seed, 2),
            shores: Noise::new(seed, 3),
            cover: Noise::new(seed, 4),
            massif: Noise::new(seed, 5).value(0.5, 0.5) * 3.5,
            lean: Noise::new(seed, 6).value(0.5, 0.5) * 0.45,
        }
    }

    /// Octaves that can be seen at a distance.
    pub(super) fn octaves_at(distance: f64) -> u32 {
        let mut octaves = OCTAVES_MAX;
        let mut reach = 3.0;
        // Each doubling of the distance hides one octave.
        while octaves > 5 && distance > reach {
            octaves -= 1;
            reach *= 2.0;
        }
        octaves
    }

    /// Height over the lake's surface, in kilometres; negative under water.
    pub(super) fn height(&self, x: f64, z: f64, octaves: u32) -> f64 {
        let winding = 2.4 * self.shores.layered(x * 0.33, z * 0.33, 2);
        let far_shore = smooth(4.2, 9.5, z + winding - 0.035 * x * x);
        let sides = smooth(0.30, 1.7, x.abs() + self.lean * x + 0.42 * winding - 0.17 * z);
        let land = far_shore + 0.85 * sides * (1.0 - far_shore);
        let hills = 0.5 + 0.5 * self.hills.layered(x * 0.45, z * 0.45, octaves.min(5));
        let rise = smooth(6.5, 16.0, z + winding);
        let ridges = self.ridged(x * 0.16, z * 0.16, octaves);
        let away = (x - self.massif) / 7.5;
        let massif = 0.62 + 0.55 / (1.0 + away * away * away * away);
        let detail = if octaves > 6 {
            0.012 * self.cover.layered(x * 9.0, z * 9.0, octaves - 5)
        } else {
            0.0
        };
        -0.10 + land * (0.16 + 0.75 * hills * hills) + detail * land + rise * massif * 3.5 * ridges
    }

    /// The surface's unit normal, from heights `step` kilometres apart.
    pub(super) fn normal(&self, x: f64, z: f64, step: f64, octaves: u32) -> [f64; 3] {
        let here = self.height(x, z, octaves);
        let along_x = self.height(x + step, z, octaves) - here;
        let along_z = self.height(x, z + step, octaves) - here;
        let length = (along_x * along_x + step * step + along_z * along_z).sqrt();
        [-along_x / length, step / length, -along_z / length]
    }

    /// The share of direct light that reaches a point, 0 to 1, with soft edges.
    pub(super) fn sunlight(&self, [x, y, z]: [f64; 3], sun: [f64; 3]) -> f64 {
        let [sx, sy, sz] = sun;
        let mut open: f64 = 1.0;
        let mut distance = 0.05;
        for _ in 0..SHADOW_STEPS {
            let (px, py, pz) = (x + sx * distance, y + sy * distance, z + sz * distance);
            if py > 4.5 {
                break;
            }
            let clearance = py - self.height(px, pz, SHADOW_OCTAVES);
            open = open.min(0.5 + 14.0 * clearance / distance);
            if open <= 0.0 {
                return 0.0;
            }
            distance *= 1.38;
        }
        open.min(1.0)
    }

    /// Noise for the colors of the ground, at two scales; about [-1, 1].
    pub(super) fn patches(&self, x: f64, z: f64) -> (f64, f64) {
        (self.cover.layered(x * 2.3, z * 2.3, 4), self.cover.layered(x * 31.0, z * 31.0, 3))
    }

    /// Ridged noise, about 0 to 1.
    fn ridged(&self, x: f64, z: f64, octaves: u32) -> f64 {
        let (mut x, mut z) = (x, z);
        let (mut sum, mut strength, mut carried) = (0.0, 0.5, 1.0);
        for _ in 0..octaves {
            let fold = 1.0 - self.ridges.value(x, z).abs();
            let ridge = fold * fold;
            sum += ridge * strength * carried;
            carried = (ridge * 1.7).min(1.0);
            strength *= 0.47;
            (x, z) = turned(x, z);
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_has_a_lake_in_front_and_mountains_behind() {
        for seed in 0..30 {
            let terrain = Terrain::new(seed);
            assert!(terrain.height(0.0, 0.8, 8) < 0.0, "seed {seed}");
            let summit = (0..400)
                .map(|n| (f64::from(n % 20) - 10.0, 13.0 + f64::from(n / 20) * 0.5))
                .map(|(x, z)| terrain.height(x, z, 8))
                .fold(0.0, f64::max);
            assert!((1.2..4.5).contains(&summit), "seed {seed}: {summit}");
        }
    }

    #[test]
    fn a_point_in_the_rock_is_dark_and_one_in_the_air_is_lit() {
        let terrain = Terrain::new(1);
        let sun = [0.6, 0.5, 0.6];
        assert_eq!(terrain.sunlight([0.0, 5.0, 14.0], sun), 1.0);
        assert_eq!(terrain.sunlight([0.0, -3.0, 14.0], sun), 0.0);
    }
}
