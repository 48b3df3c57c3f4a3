//! Folders for results that cannot be used: told before anything is paid.

use crate::stage::{Turn, refused};
use anyhow::Result;
use poco_integration_tests::world::{Party, answer};

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_cannot_hold_the_result_is_refused_before_it_is_paid() -> Result<()> {
    let turn = Turn::take().await?;
    let file = turn.paper("file", "x")?;
    let papers = turn.world.path("papers").display().to_string();
    let below = format!("{file}/result");
    for (output, code, line) in [
        (papers.as_str(), 2, format!("{papers} exists already: choose another folder with --output")),
        (&file, 2, format!("{file} exists already: choose another folder with --output")),
        (&below, 1, format!("{file} is no folder: choose another --output")),
        (
            "/proc/none/result",
            1,
            "results cannot be written to /proc/none: choose another folder with --output: No such file or directory (os error 2)".to_owned(),
        ),
    ] {
        let words = ["run", &turn.app, "--output", output];
        refused(&turn.poco(Party::Requester, &words)?, code, &line);
    }
    let mut command = turn.command()?;
    let requester = crate::stage::address_of(Party::Requester)?;
    command.current_dir("/proc").args(["--wallet", &requester, "run", &turn.app]);
    let line = "results cannot be written to .: choose another folder with --output: No such file or directory (os error 2)";
    refused(&answer(command.output()?), 1, line);
    turn.assert_untouched().await
}
