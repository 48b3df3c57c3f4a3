//! Smooth noise in the plane: random values on a grid, joined by fifth-degree curves.

use crate::random::mix;

/// A field of noise; fields with different seeds have nothing in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct Noise {
    seed: u64,
}

/// Octaves are turned against each other by the angle of this cosine and sine, so that
/// their grids never line up; 3-4-5 makes both exact decimals.
const TURN: (f64, f64) = (0.8, 0.6);

impl Noise {
    /// The field number `layer` of a seed.
    pub(super) fn new(seed: u64, layer: u64) -> Self {
        Self { seed: mix(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(mix(layer + 1))) }
    }

    /// The value in [-1, 1] at a point, and its slopes along x and y.
    #[inline]
    pub(super) fn value_and_slopes(self, x: f64, y: f64) -> (f64, f64, f64) {
        let (column, row) = (floor(x), floor(y));
        let (u, v) = (x - column as f64, y - row as f64);
        let a = self.corner(column, row);
        let b = self.corner(column.wrapping_add(1), row);
        let c = self.corner(column, row.wrapping_add(1));
        let d = self.corner(column.wrapping_add(1), row.wrapping_add(1));
        let (su, sv) = (curve(u), curve(v));
        let twist = a - b - c + d;
        let value = a + (b - a) * su + (c - a) * sv + twist * su * sv;
        let along_x = curve_slope(u) * (b - a + twist * sv);
        let along_y = curve_slope(v) * (c - a + twist * su);
        (value, along_x, along_y)
    }

    /// The value in [-1, 1] at a point.
    #[inline]
    pub(super) fn value(self, x: f64, y: f64) -> f64 {
        self.value_and_slopes(x, y).0
    }

    /// Octaves added up, each half as strong and twice as fine; about [-1, 1].
    pub(super) fn layered(self, x: f64, y: f64, octaves: u32) -> f64 {
        let (mut x, mut y) = (x, y);
        let (mut sum, mut weight) = (0.0, 0.5);
        for _ in 0..octaves {
            sum += weight * self.value(x, y);
            (x, y) = turned(x, y);
            weight *= 0.5;
        }
        sum
    }

    #[inline]
    fn corner(self, column: i64, row: i64) -> f64 {
        let place = (column as u64)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .wrapping_add((row as u64).wrapping_mul(0xc2b2_ae3d_27d4_eb4f));
        // 53 bits fit a double exactly.
        (mix(place ^ self.seed) >> 11) as f64 / 4_503_599_627_370_496.0 - 1.0
    }
}

/// The next octave's coordinates: turned, twice as fine, and shifted off the origin.
#[inline]
pub(super) fn turned(x: f64, y: f64) -> (f64, f64) {
    let (cosine, sine) = TURN;
    (2.03 * (cosine * x - sine * y) + 17.3, 2.03 * (sine * x + cosine * y) - 9.7)
}

/// The whole number at or below; `f64::floor` is a call on processors without the
/// instruction, and half of the time of a picture is spent here.
#[inline]
fn floor(x: f64) -> i64 {
    let whole = x as i64;
    whole - i64::from((whole as f64) > x)
}

#[inline]
fn curve(t: f64) -> f64 {
    t * t * t * (t * (t * 6.0 - 15.0) + 10.0)
}

#[inline]
fn curve_slope(t: f64) -> f64 {
    30.0 * t * t * (t * (t - 2.0) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_bounded_and_its_slopes_are_those_of_the_value() {
        let noise = Noise::new(5, 2);
        let step = 1e-6;
        let (mut least, mut most) = (1.0f64, -1.0f64);
        for number in 0..5000 {
            let (x, y) = (f64::from(number) * 0.371 - 900.0, f64::from(number) * 0.173 - 300.0);
            let (value, along_x, along_y) = noise.value_and_slopes(x, y);
            let measured_x = (noise.value(x + step, y) - noise.value(x - step, y)) / (2.0 * step);
            let measured_y = (noise.value(x, y + step) - noise.value(x, y - step)) / (2.0 * step);
            assert!((along_x - measured_x).abs() < 1e-4, "at {x} {y}");
            assert!((along_y - measured_y).abs() < 1e-4, "at {x} {y}");
            (least, most) = (least.min(value), most.max(value));
        }
        assert!((-1.0..-0.8).contains(&least) && (0.8..=1.0).contains(&most), "{least} {most}");
    }
}
