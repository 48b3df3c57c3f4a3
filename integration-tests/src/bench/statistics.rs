//! Medians and percentiles of small samples.

use serde::Serialize;

/// What is told of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// The middle one; the mean of the two in the middle of an even number.
    pub median: f64,
    /// The smallest value that nine in ten do not exceed (nearest rank).
    pub p90: f64,
}

impl Summary {
    /// Of at least one number; `None` of none.
    #[must_use]
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let upper = *sorted.get(middle)?;
        let median = if sorted.len() % 2 == 1 {
            upper
        } else {
            // An even number of at least two: there is one below the middle.
            f64::midpoint(sorted[middle - 1], upper)
        };
        let rank = (sorted.len() * 9).div_ceil(10);
        Some(Self { median, p90: sorted[rank - 1] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle_and_nine_in_ten_do_not_exceed_p90() {
        let of = |count: u32| Summary::of((1..=count).rev().map(f64::from)).unwrap();
        assert_eq!(of(1), Summary { median: 1.0, p90: 1.0 });
        assert_eq!(of(2), Summary { median: 1.5, p90: 2.0 });
        assert_eq!(of(10), Summary { median: 5.5, p90: 9.0 });
        assert_eq!(of(20), Summary { median: 10.5, p90: 18.0 });
        assert_eq!(of(21), Summary { median: 11.0, p90: 19.0 });
        assert_eq!(Summary::of([]), None);
    }
}
