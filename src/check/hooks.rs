//! Whether the programs of the hooks can run.

use std::path::{Path, PathBuf};

use super::Finding;

/// One program that a key names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Facts {
    pub key: &'static str,
    pub program: PathBuf,
    pub file: File,
}

/// What is at the program's path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum File {
    Absent,
    /// A directory, or a file that nobody may execute.
    NotAProgram,
    Program,
}

pub fn judge(facts: &Facts) -> Finding {
    let Facts { key, program, file } = facts;
    let (subject, path) = (format!("hook {key}"), program.display());
    let caution = |text, cure: String| Finding::warning("hook", subject.clone(), text, cure);
    match file {
        File::Absent => caution(format!("{path} does not exist"), format!("install the program, or correct {key}")),
        File::NotAProgram => caution(format!("{path} is not an executable file"), format!("chmod 755 {path}")),
        File::Program if HIDDEN.iter().any(|hidden| program.starts_with(Path::new(hidden))) => caution(
            format!("{path} is in a directory that the shipped units hide from the daemon"),
            "move it, for example to /usr/local/bin".to_owned(),
        ),
        File::Program => Finding::pass("hook", subject, format!("{path} is executable")),
    }
}

/// `ProtectHome=yes`, and the `/tmp` of `PrivateTmp=yes`.
const HIDDEN: [&str; 5] = ["/home", "/root", "/run/user", "/tmp", "/var/tmp"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Level;

    #[test]
    fn a_program_must_exist_and_be_executable_and_visible_to_the_daemon() {
        let level = |program: &str, file| judge(&Facts { key: "on-acquire", program: program.into(), file }).level;
        assert_eq!(level("/usr/local/bin/moved", File::Program), Level::Pass);
        assert_eq!(level("/usr/local/bin/moved", File::Absent), Level::Warning);
        assert_eq!(level("/usr/local/bin/moved", File::NotAProgram), Level::Warning);
        assert_eq!(level("/home/me/moved", File::Program), Level::Warning);
        assert_eq!(level("/homely/moved", File::Program), Level::Pass);
    }
}
