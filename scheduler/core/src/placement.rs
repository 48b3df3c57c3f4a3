//! Where a task may run: what its request asks of machines beside its tag.

use crate::words::Capacity;
use alloc::collections::BTreeSet;
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

/// Longest name of a region.
pub const REGION_BYTES_MAX: usize = 24;

/// A region's name: lower-case letters, digits and hyphens.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Region([u8; REGION_BYTES_MAX]);

impl Region {
    fn name(&self) -> &str {
        let bytes = self.0.split(|byte| *byte == 0).next().unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default()
    }
}

/// A region's name that cannot be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a region has 1 to {REGION_BYTES_MAX} lower-case letters, digits and hyphens")]
pub struct BadRegion;

impl FromStr for Region {
    type Err = BadRegion;

    fn from_str(text: &str) -> Result<Self, BadRegion> {
        let is_fit = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let mut name = [0; REGION_BYTES_MAX];
        let place = name.get_mut(..text.len()).ok_or(BadRegion)?;
        if text.is_empty() || !text.bytes().all(is_fit) {
            return Err(BadRegion);
        }
        place.copy_from_slice(text.as_bytes());
        Ok(Self(name))
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a request's `poco_placement` asks for. What is zero or empty is not asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Placement {
    /// One of these.
    pub regions: BTreeSet<Region>,
    /// The most carbon dioxide that a kWh there makes, in grams.
    pub carbon_g_per_kwh_max: Option<u32>,
    /// Processors for one run.
    pub cpus_min: u32,
    /// Memory for one run.
    pub memory_bytes_min: u64,
    /// Disk for one run's output.
    pub disk_bytes_min: u64,
    /// GPUs of the machine.
    pub gpus_min: u32,
}

impl Placement {
    /// Whether nothing is asked for.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn has_region(&self, capacity: &Capacity) -> bool {
        let is_there = |region| self.regions.contains(&region);
        self.regions.is_empty() || capacity.region.is_some_and(is_there)
    }

    pub(crate) fn has_energy(&self, capacity: &Capacity) -> bool {
        let Some(most) = self.carbon_g_per_kwh_max else { return true };
        capacity.carbon_g_per_kwh.is_some_and(|made| made <= most)
    }

    pub(crate) fn has_cpus(&self, capacity: &Capacity) -> bool {
        capacity.each(capacity.cpus.into()) >= u64::from(self.cpus_min)
    }

    pub(crate) fn has_memory(&self, capacity: &Capacity) -> bool {
        capacity.each(capacity.memory_bytes) >= self.memory_bytes_min
    }

    pub(crate) fn has_disk(&self, capacity: &Capacity) -> bool {
        capacity.each(capacity.disk_bytes) >= self.disk_bytes_min
    }

    pub(crate) fn has_gpus(&self, capacity: &Capacity) -> bool {
        capacity.gpus >= self.gpus_min
    }
}

impl Capacity {
    /// What one slot has of something that all share.
    pub(crate) fn each(&self, all: u64) -> u64 {
        all.checked_div(self.slots.into()).unwrap_or_default()
    }
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        let mut part = |f: &mut fmt::Formatter<'_>, is_asked: bool, text: fmt::Arguments<'_>| {
            if !is_asked {
                return Ok(());
            }
            let before = core::mem::replace(&mut separator, ", ");
            write!(f, "{before}{text}")
        };
        let carbon = self.carbon_g_per_kwh_max;
        part(f, !self.regions.is_empty(), format_args!("in one of {:?}", self.regions))?;
        let most = carbon.unwrap_or_default();
        part(f, carbon.is_some(), format_args!("at most {most} g CO2 a kWh"))?;
        part(f, self.cpus_min > 0, format_args!("{} processors a run", self.cpus_min))?;
        let (memory, disk) = (self.memory_bytes_min, self.disk_bytes_min);
        part(f, memory > 0, format_args!("{memory} bytes of memory a run"))?;
        part(f, disk > 0, format_args!("{disk} bytes of disk a run"))?;
        part(f, self.gpus_min > 0, format_args!("{} GPUs", self.gpus_min))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn a_region_is_a_short_plain_name() {
        let region: Region = "eu-west-3".parse().unwrap();
        assert_eq!(region.to_string(), "eu-west-3");
        for wrong in ["", "EU", "a b", "ü", "0123456789012345678901234"] {
            assert_eq!(wrong.parse::<Region>(), Err(BadRegion), "{wrong}");
        }
    }

    #[test]
    fn what_is_not_told_is_not_there_and_slots_share_what_is() {
        let capacity = Capacity {
            slots: 4,
            cpus: 8,
            memory_bytes: 4096,
            region: "eu".parse().ok(),
            ..Capacity::default()
        };
        let asked = |placement: Placement| {
            [
                placement.has_region(&capacity),
                placement.has_energy(&capacity),
                placement.has_cpus(&capacity),
                placement.has_memory(&capacity),
                placement.has_disk(&capacity),
                placement.has_gpus(&capacity),
            ]
        };
        assert_eq!(asked(Placement::default()), [true; 6]);
        let fits = Placement {
            regions: ["eu".parse().unwrap()].into(),
            cpus_min: 2,
            memory_bytes_min: 1024,
            ..Placement::default()
        };
        assert_eq!(asked(fits.clone()), [true; 6]);
        assert_eq!(
            fits.to_string(),
            "in one of {eu}, 2 processors a run, 1024 bytes of memory a run"
        );
        let beyond = Placement {
            regions: ["us".parse().unwrap()].into(),
            carbon_g_per_kwh_max: Some(100),
            cpus_min: 3,
            memory_bytes_min: 1025,
            disk_bytes_min: 1,
            gpus_min: 1,
        };
        assert_eq!(asked(beyond), [false; 6]);
    }
}
