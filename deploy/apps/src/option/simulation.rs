//! The simulation of paths, and the sums that shares are made of.

use std::ops::Range;

use super::terms::Terms;
use crate::exact::{exp, normal_quantile};
use crate::failure::Failure;
use crate::random::{draw, unit};

/// Payoffs are rounded to this many parts of one before they are added.
const NANO: f64 = 1e9;

/// The largest discounted payoff that is added, in nano: doubles are exact integers below.
const PAYOFF_NANO_MAX: f64 = 9_007_199_254_740_992.0;

/// Half the width of a 95 % confidence interval, in standard errors.
const STANDARD_ERRORS: f64 = 1.959_963_984_540_054;

/// Sums over paths, in integers, so that adding shares is exact and knows no order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    /// Paths simulated.
    pub count: u64,
    /// Sum of the discounted payoffs, in 1e-9.
    pub nano: u128,
    /// Sum of their squares, in 1e-18.
    pub nano_squared: u128,
}

/// A price with its uncertainty.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The mean discounted payoff.
    pub price: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// Half the width of its 95 % confidence interval.
    pub half_width: f64,
}

/// Simulates the paths with the given numbers.
pub fn simulate(terms: &Terms, paths: Range<u64>) -> Result<Sums, Failure> {
    let steps = f64::from(terms.steps);
    let step_years = terms.years / steps;
    let drift = (terms.rate - 0.5 * terms.volatility * terms.volatility) * step_years;
    let spread = terms.volatility * step_years.sqrt();
    let discount = exp(-terms.rate * terms.years);
    let mut sums = Sums::default();
    for path in paths {
        // A stream of its own for each path: the draws of one never meet those of another.
        let stream = draw(terms.seed, path);
        let mut price = terms.spot;
        let mut total = 0.0;
        for step in 0..terms.steps {
            let normal = normal_quantile(unit(draw(stream, u64::from(step))));
            price *= exp(drift + spread * normal);
            total += price;
        }
        // With one step the mean over time is the price at the end, bit for bit.
        let payoff = terms.kind.payoff(total / steps, terms.strike) * discount;
        sums = sums.add_payoff(payoff)?;
    }
    Ok(sums)
}

impl Sums {
    fn add_payoff(self, payoff: f64) -> Result<Self, Failure> {
        let nano = (payoff * NANO + 0.5).floor();
        // Written so that NaN is refused too.
        if !(0.0..=PAYOFF_NANO_MAX).contains(&nano) {
            return Err(Failure::Input(format!("a payoff of {payoff} is too large to be added")));
        }
        let nano = nano as u128;
        self.add(&Sums { count: 1, nano, nano_squared: nano * nano })
    }

    /// Adds the sums of another share.
    pub fn add(&self, other: &Sums) -> Result<Self, Failure> {
        let count = self.count.checked_add(other.count);
        let nano = self.nano.checked_add(other.nano);
        let nano_squared = self.nano_squared.checked_add(other.nano_squared);
        match (count, nano, nano_squared) {
            (Some(count), Some(nano), Some(nano_squared)) => Ok(Self { count, nano, nano_squared }),
            _ => Err(Failure::Input("the sums are too large: take fewer paths".into())),
        }
    }

    /// The price these sums stand for; zero without paths.
    pub fn estimate(&self) -> Estimate {
        if self.count == 0 {
            return Estimate { price: 0.0, standard_error: 0.0, half_width: 0.0 };
        }
        let count = self.count as f64;
        let price = self.nano as f64 / NANO / count;
        let mean_square = self.nano_squared as f64 / (NANO * NANO) / count;
        // Rounding may leave a hair below zero when all payoffs are equal.
        let variance = (mean_square - price * price).max(0.0);
        let standard_error = (variance / count).sqrt();
        Estimate { price, standard_error, half_width: STANDARD_ERRORS * standard_error }
    }
}

#[cfg(test)]
mod tests {
    use super::super::black_scholes;
    use super::super::terms::tests::terms;
    use super::*;

    #[test]
    fn european_prices_lie_in_the_confidence_interval_of_the_closed_form() {
        for (line, seed) in [
            ("--kind call --strike 105", 11),
            ("--kind put --strike 105 --rate 0.05", 12),
            ("--kind call --strike 80 --volatility 0.5 --years 2", 13),
        ] {
            let terms = terms(&format!("{line} --paths 100000 --seed {seed}"));
            let estimate = simulate(&terms, 0..terms.paths).unwrap().estimate();
            let exact = black_scholes(&terms).unwrap();
            let error = (estimate.price - exact).abs();
            assert!(error < estimate.half_width, "{line}: {estimate:?} against {exact}");
            assert!(estimate.half_width < 0.02 * exact, "{line}: {estimate:?}");
        }
    }

    #[test]
    fn without_volatility_the_payoff_is_certain() {
        let terms = terms("--volatility 0 --strike 100 --rate 0.05 --paths 10");
        let sums = simulate(&terms, 0..10).unwrap();
        let certain = 100.0 - 100.0 * (-0.05f64).exp();
        assert!((sums.estimate().price - certain).abs() < 1e-8);
        assert!(sums.estimate().standard_error < 1e-4);
    }

    #[test]
    fn the_mean_over_time_is_worth_less_than_the_end() {
        let asian = terms("--kind asian-call --steps 12 --strike 100 --paths 20000");
        let european = terms("--kind call --strike 100 --paths 20000");
        let price = |terms: &Terms| simulate(terms, 0..terms.paths).unwrap().estimate().price;
        // Averaging 12 monthly prices nearly halves the variance that is paid for.
        let ratio = price(&asian) / price(&european);
        assert!((0.5..0.7).contains(&ratio), "{ratio}");
    }

    #[test]
    fn adding_shares_knows_no_order() {
        let terms = terms("--paths 3000");
        let [a, b, c] = [0..1000, 1000..1700, 1700..3000].map(|r| simulate(&terms, r).unwrap());
        let forwards = a.add(&b).unwrap().add(&c).unwrap();
        let backwards = c.add(&b).unwrap().add(&a).unwrap();
        assert_eq!(forwards, backwards);
        assert_eq!(forwards, simulate(&terms, 0..3000).unwrap());
    }

    #[test]
    fn sums_that_do_not_fit_are_refused() {
        assert!(Sums::default().add_payoff(f64::INFINITY).is_err());
        assert!(Sums::default().add_payoff(f64::NAN).is_err());
        let full = Sums { count: 1, nano: u128::MAX, nano_squared: 0 };
        assert!(full.add_payoff(1.0).is_err());
    }

    #[test]
    fn the_sums_of_a_known_run_are_pinned() {
        // A machine or compiler that computes other bits would split the workers' votes.
        let terms = terms("--kind asian-put --steps 3 --paths 1000 --seed 42");
        let sums = simulate(&terms, 0..1000).unwrap();
        assert_eq!(
            (sums.nano, sums.nano_squared),
            (7_141_833_350_807, 125_811_176_845_540_717_260_117)
        );
    }
}
