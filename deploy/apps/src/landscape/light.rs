//! Times of day: where the light comes from and which colors it has.

use super::color::Color;

/// One time of day.
#[derive(Debug, Clone, Copy)]
pub(super) struct Light {
    /// The name on the command line.
    pub(super) name: &'static str,
    /// Towards the sun or moon: right, up, away from the viewer; of any length.
    towards: [f64; 3],
    /// Direct light.
    pub(super) direct: Color,
    /// Light from the whole sky, which fills the shadows.
    pub(super) ambient: Color,
    /// The sky overhead, half-way down, and at the horizon.
    pub(super) zenith: Color,
    pub(super) middle: Color,
    pub(super) horizon: Color,
    /// What the air scatters around the sun.
    pub(super) glow: Color,
    /// Clouds where the light hits them, and where it does not.
    pub(super) cloud_bright: Color,
    pub(super) cloud_dark: Color,
    /// Share of the sky under clouds, 0 to 1.
    pub(super) clouds: f64,
    /// How fast distance fades things into the sky, a kilometre.
    pub(super) haze: f64,
    /// How much mist lies over the lake.
    pub(super) mist: f64,
    /// Brightness of the stars, and of an aurora.
    pub(super) stars: f64,
    pub(super) aurora: f64,
    /// Size of the disc of sun or moon: 1 - cosine of its radius.
    pub(super) disc: f64,
}

impl Light {
    /// Unit vector towards the sun.
    pub(super) fn sun(&self) -> [f64; 3] {
        let [x, y, z] = self.towards;
        let length = (x * x + y * y + z * z).sqrt();
        [x / length, y / length, z / length]
    }
}

/// The names, in the order of the day.
pub(super) fn names() -> [&'static str; 4] {
    [DAWN.name, DAY.name, DUSK.name, NIGHT.name]
}

/// The name as this module knows it, if it does.
pub(super) fn find_name(name: &str) -> Option<&'static str> {
    names().into_iter().find(|known| *known == name)
}

/// The light with one of the [`names`]; day for any other.
pub(super) fn by_name(name: &'static str) -> Light {
    [DAWN, DUSK, NIGHT].into_iter().find(|light| light.name == name).unwrap_or(DAY)
}

/// One of the lights, all equally likely.
pub(super) fn by_number(number: u64) -> Light {
    match number % 4 {
        0 => DAWN,
        1 => DAY,
        2 => DUSK,
        _ => NIGHT,
    }
}

/// The sun rises behind the mountains; mist on the lake.
const DAWN: Light = Light {
    name: "dawn",
    towards: [-0.24, 0.165, 0.9],
    direct: Color::new(2.6, 1.55, 0.85),
    ambient: Color::new(0.25, 0.30, 0.50),
    zenith: Color::new(0.05, 0.13, 0.36),
    middle: Color::new(0.25, 0.32, 0.54),
    horizon: Color::new(0.86, 0.50, 0.36),
    glow: Color::new(1.25, 0.62, 0.22),
    cloud_bright: Color::new(1.25, 0.82, 0.66),
    cloud_dark: Color::new(0.36, 0.34, 0.46),
    clouds: 0.40,
    haze: 0.030,
    mist: 0.65,
    stars: 0.0,
    aurora: 0.0,
    disc: 0.000_13,
};

/// High sun from the left, behind the viewer.
const DAY: Light = Light {
    name: "day",
    towards: [-0.75, 0.52, -0.10],
    direct: Color::new(2.05, 1.90, 1.65),
    ambient: Color::new(0.30, 0.40, 0.58),
    zenith: Color::new(0.05, 0.17, 0.48),
    middle: Color::new(0.18, 0.40, 0.78),
    horizon: Color::new(0.62, 0.76, 0.92),
    glow: Color::new(0.30, 0.26, 0.20),
    cloud_bright: Color::new(1.10, 1.10, 1.12),
    cloud_dark: Color::new(0.48, 0.54, 0.66),
    clouds: 0.46,
    haze: 0.032,
    mist: 0.15,
    stars: 0.0,
    aurora: 0.0,
    disc: 0.000_1,
};

/// The last light on the peaks, from the right.
const DUSK: Light = Light {
    name: "dusk",
    towards: [0.93, 0.135, -0.12],
    direct: Color::new(2.70, 1.02, 0.42),
    ambient: Color::new(0.20, 0.23, 0.40),
    zenith: Color::new(0.05, 0.09, 0.26),
    middle: Color::new(0.24, 0.22, 0.42),
    horizon: Color::new(0.92, 0.46, 0.34),
    glow: Color::new(0.80, 0.34, 0.10),
    cloud_bright: Color::new(1.20, 0.48, 0.32),
    cloud_dark: Color::new(0.20, 0.16, 0.28),
    clouds: 0.55,
    haze: 0.038,
    mist: 0.45,
    stars: 0.12,
    aurora: 0.0,
    disc: 0.000_2,
};

/// Moon, stars and an aurora.
const NIGHT: Light = Light {
    name: "night",
    towards: [-0.27, 0.22, 0.85],
    direct: Color::new(0.55, 0.66, 0.86),
    ambient: Color::new(0.062, 0.105, 0.165),
    zenith: Color::new(0.008, 0.014, 0.040),
    middle: Color::new(0.016, 0.034, 0.078),
    horizon: Color::new(0.050, 0.090, 0.135),
    glow: Color::new(0.060, 0.075, 0.100),
    cloud_bright: Color::new(0.10, 0.13, 0.17),
    cloud_dark: Color::new(0.015, 0.022, 0.04),
    clouds: 0.25,
    haze: 0.028,
    mist: 0.5,
    stars: 1.0,
    aurora: 1.0,
    disc: 0.000_09,
};
