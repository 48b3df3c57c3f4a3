//! `draw`: a mountain lake that never was, from a seed.
//!
//! The terrain is a height field of layered noise, seen in perspective and lit by one sun or
//! moon; the lake mirrors what stands behind it. Each seed is another place and, unless
//! `--light` says otherwise, another time of day; task i of a bag draws the i-th place after
//! the seed. All arithmetic is fixed by IEEE 754 or by `exact`, so all machines paint the
//! same bytes.

mod color;
mod forest;
mod light;
mod noise;
mod painter;
mod picture;
mod sky;
mod terrain;

use crate::arguments::Arguments;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::output;
use crate::random::mix;

use light::Light;
use painter::Scene;

/// Least and most pixels of a side.
const SIDE_PIXELS: (u32, u32) = (16, 4096);

/// Samples of a pixel along each side: 1 is rough, 2 is smooth, more is for large prints.
const SAMPLES: (u32, u32) = (1, 4);

/// The picture asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// Pixels from left to right.
    pub width: u32,
    /// Pixels from top to bottom.
    pub height: u32,
    /// Samples of a pixel along each side.
    pub samples: u32,
    /// Which place.
    pub seed: u64,
    /// Name of the time of day; `None` leaves it to the seed.
    pub light: Option<&'static str>,
}

impl Request {
    /// Reads the arguments; `task_index` moves on from the seed.
    pub fn parse(words: Vec<String>, task_index: u64) -> Result<Self, Failure> {
        let options = ["--width", "--height", "--samples", "--seed", "--light"];
        let arguments = Arguments::parse(words, &[], &options)?;
        let light = match arguments.find("--light") {
            None => None,
            Some(name) => Some(light::find_name(name).ok_or_else(|| {
                let known = light::names().join(", ");
                Failure::Usage(format!("--light is '{name}'; it must be one of {known}"))
            })?),
        };
        let (least, most) = SIDE_PIXELS;
        Ok(Self {
            width: arguments.number("--width", 1200, (least, most))?,
            height: arguments.number("--height", 750, (least, most))?,
            samples: arguments.number("--samples", 2, SAMPLES)?,
            seed: arguments.number("--seed", 1, (0, u64::MAX))?.wrapping_add(task_index),
            light,
        })
    }
}

/// Runs the app: writes `picture.png` and returns what it shows.
pub fn run(environment: &Environment, words: Vec<String>) -> Result<String, Failure> {
    let request = Request::parse(words, environment.task.index)?;
    let folder = environment.require_output_folder()?;
    let light = chosen_light(&request);
    let pixels = draw(&request);
    let path = folder.join("picture.png");
    output::write_file(&path, &picture::encode_png(request.width, request.height, &pixels)?)?;
    output::declare_path(folder, &path)?;
    Ok(format!(
        "a lake at {}, place {}, {} x {} pixels\n",
        light.name, request.seed, request.width, request.height
    ))
}

/// Paints the picture: RGB, 8 bits a channel, row by row from the top left.
pub fn draw(request: &Request) -> Vec<u8> {
    let scene = Scene::new(request.seed, chosen_light(request));
    picture::expose(request, &painter::paint(request, &scene))
}

fn chosen_light(request: &Request) -> Light {
    match request.light {
        Some(name) => light::by_name(name),
        // Not the seed's low bits themselves: neighbouring seeds should not take turns.
        None => light::by_number(mix(request.seed.wrapping_add(0x006c_6967_6874))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::tests::Folder;
    use std::fs;

    fn small(seed: u64, light: &'static str) -> Request {
        Request { width: 48, height: 30, samples: 1, seed, light: Some(light) }
    }

    fn brightness(pixels: &[u8]) -> f64 {
        pixels.iter().map(|byte| f64::from(*byte)).sum::<f64>() / pixels.len() as f64
    }

    /// FNV-1a, 64 bits: enough to notice one different bit.
    fn fingerprint(bytes: &[u8]) -> u64 {
        bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
    }

    #[test]
    fn the_pixels_of_known_pictures_are_pinned() {
        // A machine or compiler that computes other bits would split the workers' votes.
        let of = |light| fingerprint(&draw(&small(1, light)));
        let all = light::names().map(of);
        let pinned = [
            0xbedb_887b_4be7_3ca0,
            0x8031_1eac_c1c9_df37,
            0x71c8_3927_4051_33f7,
            0x6881_c66d_6cd2_fc0d,
        ];
        assert_eq!(all, pinned, "{all:#x?}");
    }

    #[test]
    fn each_seed_is_another_place() {
        assert_ne!(draw(&small(1, "day")), draw(&small(2, "day")));
        assert_eq!(draw(&small(7, "dusk")), draw(&small(7, "dusk")));
    }

    #[test]
    fn a_picture_has_a_bright_sky_over_darker_land() {
        for light in ["dawn", "day", "dusk"] {
            let pixels = draw(&small(3, light));
            let rows: Vec<_> = pixels.chunks(48 * 3).map(brightness).collect();
            let (sky, shore) = (rows[1..8].iter().sum::<f64>() / 7.0, rows[28]);
            assert!(sky > shore + 15.0, "{light}: {sky} over {shore}");
        }
        assert!(brightness(&draw(&small(3, "night"))) < brightness(&draw(&small(3, "day"))));
    }

    #[test]
    fn the_file_holds_the_pixels() {
        let folder = Folder::new();
        let mut environment = Environment::read(|_| None).unwrap();
        environment.output_folder = Some(folder.0.clone());
        environment.task.index = 4;
        let words = "--width 40 --height 20 --samples 1 --seed 3 --light dawn";
        let summary = run(&environment, words.split(' ').map(str::to_owned).collect()).unwrap();
        assert_eq!(summary, "a lake at dawn, place 7, 40 x 20 pixels\n");
        let file = fs::File::open(folder.0.join("picture.png")).unwrap();
        let mut reader = png::Decoder::new(std::io::BufReader::new(file)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        let expected = Request { width: 40, height: 20, ..small(7, "dawn") };
        assert_eq!(pixels, draw(&expected));
    }

    #[test]
    fn what_cannot_be_painted_is_refused() {
        for line in ["--light noon", "--width 0", "--height 5000", "--samples 9", "--size 3"] {
            let words = line.split(' ').map(str::to_owned).collect();
            assert!(matches!(Request::parse(words, 0), Err(Failure::Usage(_))), "{line}");
        }
    }
}
