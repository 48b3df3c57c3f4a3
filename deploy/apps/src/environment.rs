//! What the platform tells an app: the `IEXEC_…` variables.
//!
//! They are read once, through a function, so that tests need not change the process's own
//! environment. Inputs are files in `IEXEC_IN`; the dataset comes first.

use std::path::PathBuf;

use crate::failure::Failure;

/// The most input files an app accepts. Orders are bounded far below; this bounds a mistake.
const INPUT_FILES_MAX: u64 = 10_000;

/// The variables of a run, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// Where the inputs lie. Without `IEXEC_IN` (outside a worker): the current folder.
    pub input_folder: PathBuf,
    /// Where the result goes, if `IEXEC_OUT` says so.
    pub output_folder: Option<PathBuf>,
    /// File name of the dataset, below `input_folder`.
    pub dataset_file: Option<String>,
    /// File names of the inputs, below `input_folder`, in the order of the request.
    pub input_files: Vec<String>,
    /// Which of the deal's tasks this is.
    pub task: TaskPlace,
}

/// The place of a task in its bag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskPlace {
    /// Index of this task, in `first_index .. first_index + size`.
    pub index: u64,
    /// Index of the deal's first task.
    pub first_index: u64,
    /// Number of tasks in the deal, at least 1.
    pub size: u64,
}

impl Environment {
    /// Reads the variables of this process.
    pub fn of_process() -> Result<Self, Failure> {
        Self::read(|name| std::env::var(name).ok())
    }

    /// Reads the variables through `variable`, which answers `None` for an unset one.
    /// An empty variable counts as unset, as iExec's workers set them.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Failure> {
        let text = |name: &str| variable(name).filter(|value| !value.is_empty());
        let number = |name: &str, default: u64| match text(name) {
            None => Ok(default),
            Some(value) => value
                .parse::<u64>()
                .map_err(|_| Failure::Input(format!("{name} is '{value}', not a number"))),
        };
        let count = number("IEXEC_INPUT_FILES_NUMBER", 0)?;
        if count > INPUT_FILES_MAX {
            return Err(Failure::Input(format!(
                "IEXEC_INPUT_FILES_NUMBER is {count}; at most {INPUT_FILES_MAX} are read"
            )));
        }
        let mut input_files = Vec::new();
        for position in 1..=count {
            let name = format!("IEXEC_INPUT_FILE_NAME_{position}");
            let file = text(&name).ok_or_else(|| {
                Failure::Input(format!("{name} is missing, though {count} files are announced"))
            })?;
            input_files.push(file);
        }
        Ok(Self {
            input_folder: text("IEXEC_IN").map_or_else(|| PathBuf::from("."), PathBuf::from),
            output_folder: text("IEXEC_OUT").map(PathBuf::from),
            dataset_file: text("IEXEC_DATASET_FILENAME"),
            input_files,
            task: TaskPlace {
                index: number("IEXEC_BOT_TASK_INDEX", 0)?,
                first_index: number("IEXEC_BOT_FIRST_INDEX", 0)?,
                size: number("IEXEC_BOT_SIZE", 1)?.max(1),
            },
        })
    }

    /// Names of all inputs: the dataset, then the input files.
    pub fn inputs(&self) -> impl Iterator<Item = &str> {
        self.dataset_file.iter().chain(&self.input_files).map(String::as_str)
    }

    /// The folder for the result, or the clear refusal an app gives without one.
    pub fn require_output_folder(&self) -> Result<&PathBuf, Failure> {
        self.output_folder.as_ref().ok_or_else(|| {
            Failure::Usage("IEXEC_OUT is not set: name the folder for the result".into())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Environment, Failure> {
        Environment::read(|name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_dataset_comes_before_the_input_files() {
        let environment = read(&[
            ("IEXEC_IN", "/iexec_in"),
            ("IEXEC_OUT", "/iexec_out"),
            ("IEXEC_DATASET_FILENAME", "book.txt"),
            ("IEXEC_INPUT_FILES_NUMBER", "2"),
            ("IEXEC_INPUT_FILE_NAME_1", "b.txt"),
            ("IEXEC_INPUT_FILE_NAME_2", "a.txt"),
        ])
        .unwrap();
        assert_eq!(environment.inputs().collect::<Vec<_>>(), ["book.txt", "b.txt", "a.txt"]);
        assert_eq!(environment.require_output_folder().unwrap(), &PathBuf::from("/iexec_out"));
    }

    #[test]
    fn empty_variables_count_as_unset() {
        let environment = read(&[("IEXEC_DATASET_FILENAME", ""), ("IEXEC_BOT_SIZE", "")]).unwrap();
        assert_eq!(environment.inputs().count(), 0);
        assert_eq!(environment.task, TaskPlace { index: 0, first_index: 0, size: 1 });
        assert!(environment.require_output_folder().is_err());
    }

    #[test]
    fn an_announced_file_without_a_name_is_refused() {
        let refusal = read(&[("IEXEC_INPUT_FILES_NUMBER", "1")]).unwrap_err();
        assert!(refusal.to_string().contains("IEXEC_INPUT_FILE_NAME_1"), "{refusal}");
        assert!(read(&[("IEXEC_INPUT_FILES_NUMBER", "-1")]).is_err());
        assert!(read(&[("IEXEC_INPUT_FILES_NUMBER", "10001")]).is_err());
    }
}
