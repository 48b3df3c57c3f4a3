//! The sky in a direction: gradient, sun or moon, clouds, stars, aurora.

use super::color::{Color, smooth};
use super::light::Light;
use super::noise::Noise;
use crate::exact::power;
use crate::random::{mix, unit};

/// How much brighter the disc is than what it lights.
const DISC_BRIGHTNESS: f64 = 3.0;

/// Cells of the star field across one unit of direction; one cell holds at most one star.
const STAR_CELLS: f64 = 170.0;

/// Share of the cells with a star.
const STAR_SHARE: f64 = 0.16;

/// The sky of a place at a time of day.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sky {
    light: Light,
    sun: [f64; 3],
    clouds: Noise,
    warp: Noise,
    curtain: Noise,
    seed: u64,
}

impl Sky {
    /// The sky over the place of a seed.
    pub(super) fn new(seed: u64, light: Light) -> Self {
        Self {
            light,
            sun: light.sun(),
            clouds: Noise::new(seed, 11),
            warp: Noise::new(seed, 12),
            curtain: Noise::new(seed, 13),
            seed: mix(seed ^ 0x7374_6172),
        }
    }

    /// The color seen in a unit direction.
    pub(super) fn color(&self, direction: [f64; 3]) -> Color {
        let light = &self.light;
        let towards_sun = self.towards_sun(direction);
        let mut color = self.air(direction);
        color = color + self.stars(direction);
        color = color + self.aurora(direction);
        // The disc, with an edge as soft as a few of its own widths are wide.
        let disc = smooth(light.disc * 1.35, light.disc * 0.75, 1.0 - towards_sun);
        color = color + light.direct * (disc * DISC_BRIGHTNESS);
        self.with_clouds(color, direction, towards_sun)
    }

    /// The clear air in a direction: what distant things fade into.
    pub(super) fn air(&self, direction: [f64; 3]) -> Color {
        let light = &self.light;
        let height = direction[1].max(0.0);
        let low = light.horizon.mix(light.middle, smooth(0.0, 0.20, height));
        let sky = low.mix(light.zenith, smooth(0.10, 0.62, height));
        let wide = squared(self.towards_sun(direction).max(0.0), 3);
        let close = squared(wide, 3);
        let glow = 0.30 * wide + 0.55 * close + 0.9 * squared(close, 3);
        sky + light.glow * glow
    }

    fn towards_sun(&self, [x, y, z]: [f64; 3]) -> f64 {
        x * self.sun[0] + y * self.sun[1] + z * self.sun[2]
    }

    fn with_clouds(&self, sky: Color, [x, y, z]: [f64; 3], towards_sun: f64) -> Color {
        if y <= 0.004 {
            return sky;
        }
        // A flat layer above: far clouds crowd together towards the horizon.
        let reach = 0.55 / (y + 0.045);
        let (u, v) = (x * reach * 1.5, z * reach * 1.9);
        let (bend_u, bend_v) =
            (self.warp.layered(u * 0.7, v * 0.7, 4), self.warp.layered(u * 0.7 + 31.0, v * 0.7, 4));
        let (u, v) = (u + 0.75 * bend_u, v + 0.65 * bend_v);
        let density = 0.5 + 0.72 * self.clouds.layered(u, v, 6);
        let cover = 1.0 - self.light.clouds;
        let thick = smooth(cover - 0.05, cover + 0.42, density);
        // The side towards the sun is thinner there: compare with a step that way.
        let nearer = self.clouds.layered(u + 0.22 * self.sun[0], v + 0.22 * self.sun[2], 4);
        let lit = (0.45 + 1.1 * (density - 0.5 - 0.72 * nearer)).clamp(0.0, 1.0);
        let silver = 0.55 * squared(towards_sun.max(0.0), 4) * (1.0 - thick);
        let cloud = self.light.cloud_dark.mix(self.light.cloud_bright, lit * (1.0 - 0.45 * thick))
            + self.light.glow * silver;
        let fade = smooth(0.01, 0.16, y);
        sky.mix(cloud, thick * fade * 0.92)
    }

    fn stars(&self, [x, y, z]: [f64; 3]) -> Color {
        if self.light.stars <= 0.0 || y <= 0.0 {
            return Color::default();
        }
        let (u, v) = (x / z.max(0.1) * STAR_CELLS, y / z.max(0.1) * STAR_CELLS);
        let (column, row) = (u.floor(), v.floor());
        let cell = mix((column as i64 as u64) ^ mix(row as i64 as u64 ^ self.seed));
        if unit(cell) > STAR_SHARE {
            return Color::default();
        }
        let (place_u, place_v) = (unit(mix(cell ^ 1)), unit(mix(cell ^ 2)));
        let (du, dv) = (u - column - (0.2 + 0.6 * place_u), v - row - (0.2 + 0.6 * place_v));
        // Few stars are bright, as in the real sky.
        let size = unit(mix(cell ^ 3));
        let magnitude = 0.10 + 1.5 * size * size * size * size * size * size;
        let spot = smooth(0.19, 0.0, (du * du + dv * dv).sqrt());
        let warm = unit(mix(cell ^ 4));
        let tint = Color::new(0.75, 0.85, 1.0).mix(Color::new(1.0, 0.86, 0.70), warm);
        tint * (self.light.stars * magnitude * spot * smooth(0.02, 0.25, y))
    }

    fn aurora(&self, [x, y, z]: [f64; 3]) -> Color {
        if self.light.aurora <= 0.0 || y <= 0.01 {
            return Color::default();
        }
        let across = x / z.max(0.2);
        let height = y / z.max(0.2);
        let mut sum = Color::default();
        // Two curtains, the second fainter and higher.
        for (number, strength) in [(0.0, 1.0), (1.0, 0.55)] {
            let wave = self.curtain.layered(across * 1.5 + 40.0 * number, 3.0 + number, 3);
            let foot = 0.17 + 0.09 * number + 0.20 * wave + 0.10 * across;
            let above = height - foot;
            let rays =
                0.5 + 0.5 * self.curtain.layered(across * 30.0 + 9.0 * wave, height * 0.8, 4);
            let edge = smooth(-0.012, 0.03, above);
            let body = edge * power(0.000_6, above.max(0.0)) * (0.15 + 1.1 * rays);
            let green = Color::new(0.10, 0.62, 0.34);
            let violet = Color::new(0.30, 0.12, 0.50);
            sum = sum + green.mix(violet, smooth(0.03, 0.22, above)) * (body * strength);
        }
        let patches = smooth(-0.35, 0.35, self.curtain.layered(across * 0.9 + 9.0, 7.5, 2));
        sum * (0.62 * self.light.aurora * patches)
    }
}

/// A value squared so many times over: its power of 2, 4, 8, ...
fn squared(value: f64, times: u32) -> f64 {
    (0..times).fold(value, |power, _| power * power)
}
