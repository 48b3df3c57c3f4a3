//! Linear light in three channels, and the small vocabulary of mixing it.

use std::ops::{Add, Mul};

/// Red, green and blue, proportional to light; 1 is a white wall in full exposure.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Color(pub(super) [f64; 3]);

impl Color {
    /// A color from its channels.
    pub(super) const fn new(red: f64, green: f64, blue: f64) -> Self {
        Self([red, green, blue])
    }

    /// From `self` at 0 to `other` at 1.
    pub(super) fn mix(self, other: Color, share: f64) -> Color {
        self * (1.0 - share) + other * share
    }

    /// Channel by channel, as a surface colors the light that falls on it.
    pub(super) fn filter(self, other: Color) -> Color {
        let ([a, b, c], [x, y, z]) = (self.0, other.0);
        Color([a * x, b * y, c * z])
    }
}

impl Add for Color {
    type Output = Color;
    fn add(self, other: Color) -> Color {
        let ([a, b, c], [x, y, z]) = (self.0, other.0);
        Color([a + x, b + y, c + z])
    }
}

impl Mul<f64> for Color {
    type Output = Color;
    fn mul(self, factor: f64) -> Color {
        let [a, b, c] = self.0;
        Color([a * factor, b * factor, c * factor])
    }
}

/// 0 below `from`, 1 above `to`, and smoothly in between.
pub(super) fn smooth(from: f64, to: f64, x: f64) -> f64 {
    let t = ((x - from) / (to - from)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}
