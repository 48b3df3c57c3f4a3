//! Perspective: what each sample of the picture sees, column by column.
//!
//! Rays of one column lie over one line on the ground. Walking that line once, from near to
//! far, and noting how high the land has reached so far in the view, answers every ray of
//! the column: it meets the land where that silhouette first passes the ray's slope. The
//! same walk below the surface gives what the lake mirrors.

use std::num::NonZero;
use std::ops::Range;

use super::Request;
use super::color::{Color, smooth};
use super::forest::Forest;
use super::light::Light;
use super::noise::Noise;
use super::sky::Sky;
use super::terrain::Terrain;
use crate::exact::exp;

/// The viewer's eye over the lake, in kilometres.
const EYE: f64 = 0.34;

/// Slope of the rays at the top or bottom edge, measured from the middle of the picture.
const VIEW: f64 = 0.29;

/// The horizon's place between the picture's middle (0) and its bottom (-1).
const HORIZON: f64 = -0.34;

/// Where the walk over the land starts and ends, in kilometres, and the growth of its steps.
const NEAR: f64 = 0.25;
const FAR: f64 = 60.0;
const STEP_GROWTH: f64 = 1.0032;

/// Relative difference of distance up to which two samples of a pixel share their shading.
const SAME_SURFACE: f64 = 0.02;

/// Width by height of the picture whose edges the near bank frames.
const USUAL_ASPECT: f64 = 1.6;

/// Most threads; a picture is too small to gain from more.
const THREADS_MAX: usize = 8;

/// Everything there is to see.
pub(super) struct Scene {
    light: Light,
    sun: [f64; 3],
    terrain: Terrain,
    sky: Sky,
    forest: Forest,
    ripples: Noise,
}

/// How a place is looked at.
#[derive(Clone, Copy)]
enum View {
    Seen,
    Mirrored,
}

/// A place that a ray meets: position, and how far away it is.
#[derive(Clone, Copy)]
struct Place {
    point: [f64; 3],
    distance: f64,
}

/// What one column of rays meets: distances, and the silhouettes up to each of them.
struct Column {
    side: f64,
    reaches: Vec<f64>,
    land: Vec<f64>,
    mirrored: Vec<f64>,
    /// The last shading of this pixel, seen and mirrored, and its distance.
    shaded: [Option<(f64, Color)>; 2],
}

impl Scene {
    /// The place of a seed in a light.
    pub(super) fn new(seed: u64, light: Light) -> Self {
        Self {
            light,
            sun: light.sun(),
            terrain: Terrain::new(seed),
            sky: Sky::new(seed, light),
            forest: Forest::new(seed),
            ripples: Noise::new(seed, 31),
        }
    }
}

/// The light of all samples, row by row from the top left.
pub(super) fn paint(request: &Request, scene: &Scene) -> Vec<Color> {
    let columns = (request.width * request.samples) as usize;
    let rows = (request.height * request.samples) as usize;
    let mut samples = vec![Color::default(); columns * rows];
    for (number, column) in paint_columns(request, scene, columns).into_iter().enumerate() {
        for (row, color) in column.into_iter().enumerate() {
            samples[row * columns + number] = color;
        }
    }
    samples
}

/// Paints all columns, on as many processors as there are. A column depends on nothing but
/// its number, so the division of the work cannot be seen in the picture.
fn paint_columns(request: &Request, scene: &Scene, columns: usize) -> Vec<Vec<Color>> {
    let paint_range = |range: Range<usize>| -> Vec<Vec<Color>> {
        range.map(|number| scene.column(request, number, columns)).collect()
    };
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    let share = columns.div_ceil(processors.min(THREADS_MAX));
    std::thread::scope(|scope| {
        let ranges = (0..columns).step_by(share).map(|from| from..columns.min(from + share));
        let threads: Vec<_> = ranges
            .map(|range| {
                let body = {
                    let range = range.clone();
                    move || paint_range(range)
                };
                (range, std::thread::Builder::new().spawn_scoped(scope, body))
            })
            .collect();
        let mut painted = Vec::with_capacity(columns);
        for (range, thread) in threads {
            painted.extend(match thread {
                Ok(thread) => thread.join().expect("painting has no case that panics"),
                // A sandbox may refuse a thread; then this one does its work.
                Err(_) => paint_range(range),
            });
        }
        painted
    })
}

impl Column {
    /// Walks the line of rays that lean `side` to the right.
    fn walk(terrain: &Terrain, side: f64) -> Self {
        let mut column = Self {
            side,
            reaches: Vec::new(),
            land: Vec::new(),
            mirrored: Vec::new(),
            shaded: [None; 2],
        };
        let (mut land, mut mirrored) = (f64::NEG_INFINITY, f64::NEG_INFINITY);
        let mut z = NEAR;
        while z < FAR {
            let height = terrain.height(side * z, z, Terrain::octaves_at(z));
            land = land.max((height.max(0.0) - EYE) / z);
            if height > 0.0 {
                mirrored = mirrored.max((height + EYE) / z);
            }
            column.reaches.push(z);
            column.land.push(land);
            column.mirrored.push(mirrored);
            z *= STEP_GROWTH;
        }
        column
    }

    /// How far a ray of this slope gets before the silhouette covers it.
    fn reach(&self, silhouette: &[f64], slope: f64) -> Option<f64> {
        let index = silhouette.partition_point(|covered| *covered < slope);
        let far = *self.reaches.get(index)?;
        let Some(before) = index.checked_sub(1) else { return Some(far) };
        let (low, high, near) = (silhouette[before], silhouette[index], self.reaches[before]);
        // A ridge that comes into view has no meeting point between the steps.
        let share = if low.is_finite() { (slope - low) / (high - low) } else { 1.0 };
        Some(near + (far - near) * share)
    }
}

impl Scene {
    /// One column of samples, from the top.
    fn column(&self, request: &Request, number: usize, columns: usize) -> Vec<Color> {
        let aspect = f64::from(request.width) / f64::from(request.height);
        let across = ((number as f64 + 0.5) / columns as f64 * 2.0 - 1.0) * aspect;
        let rows = request.height * request.samples;
        let bank = self.forest.column(across / USUAL_ASPECT);
        let mut column = Column::walk(&self.terrain, across * VIEW);
        let sample = |row: u32| {
            if row.is_multiple_of(request.samples) {
                column.shaded = [None; 2];
            }
            let up = 1.0 - (f64::from(row) + 0.5) / f64::from(rows) * 2.0;
            let tree = bank.cover(up * 0.5 + 0.5).map(|nearness| self.silhouette(nearness));
            tree.unwrap_or_else(|| self.seen(&mut column, (up - HORIZON) * VIEW))
        };
        (0..rows).map(sample).collect()
    }

    /// What a ray with this slope sees.
    fn seen(&self, column: &mut Column, slope: f64) -> Color {
        let Some(z) = column.reach(&column.land, slope) else {
            return self.sky.color(direction(column.side, slope));
        };
        let x = column.side * z;
        if self.terrain.height(x, z, Terrain::octaves_at(z)) > 0.0 {
            let place = Place { point: [x, EYE + slope * z, z], distance: z };
            let land = self.land(column, place, View::Seen);
            return self.hazy(land, place, direction(column.side, slope));
        }
        self.water(column, slope, z)
    }

    /// The surface of the lake at distance `z`.
    fn water(&self, column: &mut Column, slope: f64, z: f64) -> Color {
        let x = column.side * z;
        // Wind comes in patches; where it rests the lake is a mirror.
        let wind = smooth(-0.25, 0.45, self.ripples.layered(x * 0.9, z * 0.35 + 5.0, 3));
        let steep = (-slope).max(0.001);
        // Waves as they are seen, flatter and closer together towards the far shore.
        let waves = self.ripples.layered(column.side * 17.0, steep.sqrt() * 190.0, 4);
        let tilt = (0.25 + 0.75 * wind) * 0.060 * waves * steep / (steep + 0.06);
        let bounced = (steep + tilt).max(0.002);
        let mirrored = match column.reach(&column.mirrored, bounced) {
            None => self.sky.color(direction(column.side, bounced)),
            Some(far) => {
                let point = [column.side * far, (bounced * far - EYE).max(0.0), far];
                let place = Place { point, distance: far };
                let land = self.land(column, place, View::Mirrored);
                self.hazy(land, place, direction(column.side, bounced))
            }
        };
        // Schlick's approximation: water mirrors more the flatter one looks at it.
        let missing = 1.0 - steep / (1.0 + steep * steep).sqrt();
        let fresnel = 0.10 + 0.85 * missing * missing * missing * missing;
        let depth = self.light.ambient.filter(Color::new(0.10, 0.26, 0.30));
        let water = depth.mix(mirrored, fresnel) + self.light.ambient * (0.02 * wind);
        let place = Place { point: [x, 0.0, z], distance: z };
        self.hazy(water, place, direction(column.side, slope))
    }

    /// The light that a place on land sends to the viewer. Samples of one pixel that meet
    /// nearly the same place share it: edges need many samples, surfaces do not.
    fn land(&self, column: &mut Column, place: Place, view: View) -> Color {
        let known = &mut column.shaded[view as usize];
        if let Some((distance, color)) = *known
            && (distance - place.distance).abs() < SAME_SURFACE * place.distance
        {
            return color;
        }
        let color = self.shade(place, view);
        *known = Some((place.distance, color));
        color
    }

    fn shade(&self, place: Place, view: View) -> Color {
        let [x, y, z] = place.point;
        let octaves = match view {
            View::Seen => Terrain::octaves_at(place.distance),
            // Waves blur what is finer.
            View::Mirrored => Terrain::octaves_at(place.distance) - 3,
        };
        let step = 0.0009 * place.distance + 0.001;
        let normal = self.terrain.normal(x, z, step, octaves);
        let [nx, up, nz] = normal;
        let facing = (nx * self.sun[0] + up * self.sun[1] + nz * self.sun[2]).max(0.0);
        let direct = if facing > 0.0 { self.terrain.sunlight(place.point, self.sun) } else { 0.0 };
        let open = 0.35 + 0.65 * up * up;
        let light = self.light.direct * (facing * direct) + self.light.ambient * open;
        self.ground(x, y, z, up).filter(light)
    }

    /// The color of the ground itself: forest, meadow, rock or snow by height and slope.
    fn ground(&self, x: f64, height: f64, z: f64, up: f64) -> Color {
        let (patches, grain) = self.terrain.patches(x, z);
        let rock =
            Color::new(0.20, 0.18, 0.165).mix(Color::new(0.33, 0.29, 0.25), 0.5 + 0.5 * patches);
        let forest = Color::new(0.030, 0.058, 0.026) * (1.0 + 0.9 * grain);
        let meadow = Color::new(0.13, 0.15, 0.05) * (1.0 + 0.3 * patches);
        let green = forest.mix(meadow, smooth(0.05, 0.40, patches + 0.4 * (up - 0.8)));
        let tree_line = smooth(1.05, 0.55, height + 0.22 * patches + 0.10 * grain);
        let grown = tree_line * smooth(0.50, 0.80, up + 0.10 * grain);
        let bare = rock.mix(green, grown);
        let beach = smooth(0.030, 0.004, height + 0.01 * grain);
        let shore = bare.mix(Color::new(0.26, 0.23, 0.19), beach * 0.8);
        let snow_line = smooth(0.85, 1.45, height + 0.30 * patches + 0.06 * grain);
        let lies = smooth(0.42, 0.68, up + 0.10 * grain);
        shore.mix(Color::new(0.86, 0.90, 0.96), snow_line * lies)
    }

    /// The air between a place and the viewer: haze by distance, mist near the water.
    fn hazy(&self, color: Color, place: Place, direction: [f64; 3]) -> Color {
        let height = place.point[1].max(0.0);
        let distance = place.distance;
        let thin = distance * self.light.haze * (0.35 + 0.65 * exp(-height * 0.8));
        let wisps =
            0.6 + 0.9 * self.ripples.layered(place.point[0] * 0.7, distance * 0.4 + 50.0, 3);
        let low = exp(-height * 9.0) * smooth(1.5, 9.0, distance);
        let mist = 0.85 * self.light.mist * low * wisps.clamp(0.0, 1.2);
        let veil = 1.0 - exp(-thin - mist);
        // Seen flat, so that the fading meets the sky at the horizon without an edge.
        let flat = [direction[0], direction[1].max(0.0) * 0.5, direction[2]];
        color.mix(self.sky.air(flat), veil)
    }

    /// The color of the near bank, which stands against the light.
    fn silhouette(&self, nearness: f64) -> Color {
        let shade = self.light.ambient.filter(Color::new(0.030, 0.042, 0.036));
        let air = self.light.horizon.mix(self.light.middle, 0.5);
        shade.mix(air, 0.10 * (1.0 - nearness))
    }
}

/// The unit vector of a ray.
fn direction(side: f64, slope: f64) -> [f64; 3] {
    let length = (side * side + slope * slope + 1.0).sqrt();
    [side / length, slope / length, 1.0 / length]
}
