//! `monte-carlo`: the price of an option, as a bag of tasks.
//!
//! Task i of n simulates its share of the paths and writes sums; `--merge` adds shares up.
//! Path p draws from its own random stream, a function of the seed and p alone, and payoffs
//! are added as integers. So neither the number of tasks nor the order of merging changes
//! the price by a single bit: 1 task and 100 tasks give the same one.
//!
//! The model is that of Black and Scholes (1973): constant rate and volatility, no
//! dividends. European options have a closed form to compare with; Asian ones, on the mean
//! over time, have none, which is what the simulation is for.

mod closed_form;
mod merge;
mod share;
mod simulation;
mod terms;

use std::path::Path;

use crate::arguments::Arguments;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::output;

pub use closed_form::black_scholes;
pub use share::{Share, ShareOf};
pub use simulation::{Sums, simulate};
pub use terms::{Kind, Terms};

/// Most shares a bag can be split into; a bag this large would be an error anyway.
const SHARES_MAX: u64 = 1_000_000;

/// Runs the app and returns its summary.
pub fn run(environment: &Environment, words: Vec<String>) -> Result<String, Failure> {
    let options = [terms::OPTIONS.as_slice(), &["--shares", "--merge"]].concat();
    let arguments = Arguments::parse(words, &["--callback"], &options)?;
    let callback = arguments.has("--callback");
    if let Some(folder) = arguments.find("--merge") {
        let merged = merge::merge(&merge::read_shares(Path::new(folder))?)?;
        return conclude_merge(environment, &merged, callback);
    }
    let terms = Terms::parse(&arguments)?;
    let share = share_of_task(environment, &arguments)?;
    let sums = simulate(&terms, share.paths(terms.paths))?;
    let result = Share { terms, share, sums };
    let folder = environment.require_output_folder()?;
    let text = format!("{:#}\n", result.to_json());
    let path = folder.join("result.json");
    output::write_file(&path, text.as_bytes())?;
    if callback {
        output::declare_callback(folder, &callback_bytes(&result.sums)?)?;
    } else {
        output::declare_path(folder, &path)?;
    }
    Ok(summary(&result))
}

/// Which share of the paths this task simulates.
///
/// By default the deal's tasks share the work. A request that was filled in several deals
/// says `--shares N` with the size of the whole bag, whose indices run on across its deals.
fn share_of_task(environment: &Environment, arguments: &Arguments) -> Result<ShareOf, Failure> {
    let task = environment.task;
    let (index, count) = match arguments.find("--shares") {
        Some(_) => (task.index, arguments.number("--shares", 1, (1, SHARES_MAX))?),
        None => (task.index.wrapping_sub(task.first_index), task.size),
    };
    if index >= count || count > SHARES_MAX {
        return Err(Failure::Input(format!(
            "task {} (the first is {}) is not one of {count} shares",
            task.index, task.first_index
        )));
    }
    Ok(ShareOf { index, count })
}

fn conclude_merge(
    environment: &Environment,
    merged: &merge::Merged,
    callback: bool,
) -> Result<String, Failure> {
    // Outside a worker there is no folder for results, and the summary says it all.
    if let Some(folder) = &environment.output_folder {
        let path = folder.join("merged.json");
        output::write_file(&path, format!("{:#}\n", merged.to_json()).as_bytes())?;
        if callback {
            output::declare_callback(folder, &callback_bytes(&merged.sums)?)?;
        } else {
            output::declare_path(folder, &path)?;
        }
    }
    Ok(merged.summary())
}

/// The price as a contract reads it: ABI-encoded uint256, 18 decimals, rounded down.
pub fn callback_bytes(sums: &Sums) -> Result<[u8; 32], Failure> {
    let price = sums
        .nano
        .checked_mul(1_000_000_000)
        .and_then(|scaled| scaled.checked_div(u128::from(sums.count)))
        .ok_or_else(|| Failure::Input("this share has no paths, or its sum is too large".into()))?;
    let mut word = [0; 32];
    word[16..].copy_from_slice(&price.to_be_bytes());
    Ok(word)
}

fn summary(result: &Share) -> String {
    let estimate = result.sums.estimate();
    format!(
        "{}\nshare {} of {}: {} paths, price {:.6} +- {:.6} (95 %)\n",
        result.terms,
        result.share.index + 1,
        result.share.count,
        result.sums.count,
        estimate.price,
        estimate.half_width,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::TaskPlace;
    use crate::output::tests::Folder;
    use std::fs;

    fn environment(folder: &Path, index: u64, size: u64) -> Environment {
        let mut environment = Environment::read(|_| None).unwrap();
        environment.output_folder = Some(folder.to_path_buf());
        environment.task = TaskPlace { index, first_index: 0, size };
        environment
    }

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn ten_shares_merged_are_the_whole_to_the_last_bit() {
        let folder = Folder::new();
        let line = "--kind asian-call --steps 4 --paths 9999 --seed 5";
        for index in 0..10 {
            let out = folder.0.join(format!("shares/{index}"));
            run(&environment(&out, index, 10), words(line)).unwrap();
        }
        let whole = folder.0.join("whole");
        run(&environment(&whole, 0, 1), words(line)).unwrap();
        let ten = merge::merge(&merge::read_shares(&folder.0.join("shares")).unwrap()).unwrap();
        let one = merge::merge(&merge::read_shares(&whole).unwrap()).unwrap();
        assert_eq!(ten.sums, one.sums);
        assert_eq!(ten.sums.count, 9999);
        assert!(ten.missing.is_empty());
    }

    #[test]
    fn the_same_arguments_give_the_same_bytes() {
        let write = || {
            let folder = Folder::new();
            run(&environment(&folder.0, 1, 3), words("--paths 1000 --seed 9")).unwrap();
            fs::read(folder.0.join("result.json")).unwrap()
        };
        assert_eq!(write(), write());
    }

    #[test]
    fn a_callback_carries_the_price_with_18_decimals() {
        let folder = Folder::new();
        run(&environment(&folder.0, 0, 1), words("--paths 500 --callback")).unwrap();
        let computed = fs::read_to_string(folder.0.join("computed.json")).unwrap();
        let share = &merge::read_shares(&folder.0).unwrap()[0];
        let word = computed.split('"').nth(3).unwrap();
        let price = u128::from_str_radix(&word[word.len() - 32..], 16).unwrap();
        assert_eq!(word.len(), 2 + 64);
        assert_eq!(price, share.sums.nano * 1_000_000_000 / 500);
        assert!((price as f64 / 1e18 - share.sums.estimate().price).abs() < 1e-9);
    }

    #[test]
    fn a_bag_filled_by_two_deals_uses_its_whole_size() {
        let mut environment = environment(Path::new("/nowhere"), 6, 4);
        environment.task.first_index = 6;
        let bare = Arguments::parse(vec![], &[], &["--shares"]).unwrap();
        let sized = Arguments::parse(words("--shares 10"), &[], &["--shares"]).unwrap();
        let of_deal = share_of_task(&environment, &bare).unwrap();
        let of_bag = share_of_task(&environment, &sized).unwrap();
        assert_eq!(of_deal, ShareOf { index: 0, count: 4 });
        assert_eq!(of_bag, ShareOf { index: 6, count: 10 });
        environment.task.first_index = 7;
        assert!(share_of_task(&environment, &bare).is_err());
    }
}
