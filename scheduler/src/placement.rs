//! Where a request wants its tasks to run: `poco_placement` in its params.

use poco_scheduler_core::{Placement, Region};
use serde::Deserialize;
use serde_json::Value;

/// Regions that one request may name: more than any pool has.
const REGIONS_MAX: usize = 64;

/// A key that is not known is a wish that would not be kept.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Json {
    #[serde(default)]
    regions: Vec<String>,
    max_carbon_g_per_kwh: Option<u32>,
    #[serde(default)]
    min_cpus: u32,
    #[serde(default)]
    min_memory_bytes: u64,
    #[serde(default)]
    min_disk_bytes: u64,
    #[serde(default)]
    min_gpus: u32,
}

/// What params ask for; `None` where that cannot be read. Params that are no JSON object, or say
/// nothing about it, ask for nothing.
pub(crate) fn parse(params: &str) -> Option<Placement> {
    let Ok(Value::Object(mut all)) = serde_json::from_str(params) else {
        return Some(Placement::default());
    };
    let Some(asked) = all.remove("poco_placement") else { return Some(Placement::default()) };
    let asked: Json = serde_json::from_value(asked).ok()?;
    if asked.regions.len() > REGIONS_MAX {
        return None;
    }
    let regions = asked.regions.iter().map(|name| name.parse::<Region>());
    Some(Placement {
        regions: regions.collect::<Result<_, _>>().ok()?,
        carbon_g_per_kwh_max: asked.max_carbon_g_per_kwh,
        cpus_min: asked.min_cpus,
        memory_bytes_min: asked.min_memory_bytes,
        disk_bytes_min: asked.min_disk_bytes,
        gpus_min: asked.min_gpus,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_asks_for_nothing_may_run_anywhere() {
        for params in ["", "--paths 1000", "[1]", "{}", r#"{"iexec_args":"x"}"#] {
            assert_eq!(parse(params), Some(Placement::default()), "{params}");
        }
        assert_eq!(parse(r#"{"poco_placement":{}}"#), Some(Placement::default()));
    }

    #[test]
    fn what_is_asked_for_is_read_and_what_cannot_be_kept_is_not_guessed() {
        let params = r#"{"iexec_args":"x","poco_placement":{"regions":["eu-west","eu-north"],
            "max_carbon_g_per_kwh":100,"min_cpus":2,"min_memory_bytes":4294967296,
            "min_disk_bytes":1,"min_gpus":1}}"#;
        let expected = Placement {
            regions: ["eu-west", "eu-north"].map(|name| name.parse().unwrap()).into(),
            carbon_g_per_kwh_max: Some(100),
            cpus_min: 2,
            memory_bytes_min: 4 << 30,
            disk_bytes_min: 1,
            gpus_min: 1,
        };
        assert_eq!(parse(params), Some(expected));
        for wrong in [
            "5",
            r#"{"regions":["The Moon"]}"#,
            r#"{"regions":"eu"}"#,
            r#"{"min_cpus":-1}"#,
            r#"{"min_cpu":1}"#,
        ] {
            assert_eq!(parse(&format!(r#"{{"poco_placement":{wrong}}}"#)), None, "{wrong}");
        }
    }
}
