//! From light to bytes: averaging samples, exposure, gamma, PNG.

use png::{BitDepth, ColorType, Compression, Encoder, Filter};

use super::Request;
use super::color::Color;
use crate::exact::power;
use crate::failure::Failure;
use crate::random::{mix, unit};

/// Averages the samples of each pixel and turns light into 8-bit sRGB.
pub(super) fn expose(request: &Request, samples: &[Color]) -> Vec<u8> {
    let side = request.samples as usize;
    let (width, height) = (request.width as usize, request.height as usize);
    let table = GammaTable::new();
    let mut bytes = Vec::with_capacity(width * height * 3);
    for row in 0..height {
        for column in 0..width {
            let mut sum = Color::default();
            for sub in 0..side {
                let start = (row * side + sub) * width * side + column * side;
                for sample in &samples[start..start + side] {
                    sum = sum + filmic(*sample);
                }
            }
            let mean = sum * (1.0 / (side * side) as f64);
            // Noise of half a step hides the edges between shades in a smooth sky.
            let grain = unit(mix((row * width + column) as u64)) - 0.5;
            bytes.extend(mean.0.map(|channel| table.byte(channel, grain)));
        }
    }
    bytes
}

/// A film's response: shadows keep their contrast, highlights roll off instead of clipping
/// (the curve of Narkowicz, "ACES Filmic Tone Mapping Curve", 2015). Applied to each sample,
/// so that edges against a bright sky stay smooth.
fn filmic(color: Color) -> Color {
    Color(color.0.map(|channel| {
        let x = channel.max(0.0) * 0.72;
        (x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14)).clamp(0.0, 1.0)
    }))
}

/// The sRGB curve in fine steps, because a power for each channel would cost more than the
/// picture.
struct GammaTable {
    levels: Vec<f64>,
}

/// Steps of the table; between them the curve is straight enough for 8 bits.
const GAMMA_STEPS: usize = 4096;

impl GammaTable {
    fn new() -> Self {
        let level = |step: usize| {
            let linear = step as f64 / GAMMA_STEPS as f64;
            if linear <= 0.003_130_8 {
                12.92 * linear
            } else {
                1.055 * power(linear, 1.0 / 2.4) - 0.055
            }
        };
        Self { levels: (0..=GAMMA_STEPS + 1).map(level).collect() }
    }

    fn byte(&self, linear: f64, grain: f64) -> u8 {
        let place = linear.clamp(0.0, 1.0) * GAMMA_STEPS as f64;
        let step = place as usize;
        let (below, above) = (self.levels[step], self.levels[step + 1]);
        let level = below + (above - below) * (place - step as f64);
        // Casting to u8 saturates, so the grain cannot wrap black into white.
        (level * 255.0 + 0.5 + grain * 0.9) as u8
    }
}

/// The PNG of an RGB picture. The fast compressor is plain integer code; the slower ones
/// choose by processor features in some versions, and bytes must not depend on that.
pub(super) fn encode_png(width: u32, height: u32, pixels: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, width, height);
    encoder.set_color(ColorType::Rgb);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(Compression::Fast);
    encoder.set_filter(Filter::Adaptive);
    let refuse = |error: png::EncodingError| Failure::Output(format!("cannot encode: {error}"));
    let mut writer = encoder.write_header().map_err(refuse)?;
    writer.write_image_data(pixels).map_err(refuse)?;
    writer.finish().map_err(refuse)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn black_and_white_stay_so_and_grey_is_srgb() {
        let table = GammaTable::new();
        assert_eq!(table.byte(0.0, 0.0), 0);
        assert_eq!(table.byte(1.0, 0.0), 255);
        assert_eq!(table.byte(0.0, -0.5), 0);
        assert_eq!(table.byte(1.0, 0.5), 255);
        // The sRGB byte 128 stands for the linear 0.2159 (IEC 61966-2-1).
        assert_eq!(table.byte(0.215_86, 0.0), 128);
    }

    #[test]
    fn samples_are_averaged() {
        let request = Request { width: 1, height: 1, samples: 2, seed: 0, light: None };
        let (white, black) = (Color::new(9.0, 9.0, 9.0), Color::default());
        let half = expose(&request, &[white, black, black, white]);
        assert!((180..=194).contains(&half[0]), "{half:?}");
    }
}
