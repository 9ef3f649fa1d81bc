//! Whether the programs that are to be run can be.

use std::path::{Path, PathBuf};

use super::Finding;

/// One program that a key names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Facts {
    pub key: &'static str,
    pub program: PathBuf,
    pub file: File,
}

/// What is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum File {
    Absent,
    /// A directory, or a file without a bit that lets anybody execute it.
    NotAProgram,
    Program,
}

pub fn judge(facts: &Facts) -> Finding {
    let Facts { key, program, file } = facts;
    let (subject, path) = (format!("hook {key}"), program.display());
    let caution = |text, cure: String| Finding::warning("hook", subject.clone(), text, cure);
    match file {
        File::Absent => caution(format!("{path} does not exist"), format!("put the program there, or correct {key}")),
        File::NotAProgram => caution(format!("{path} is not an executable file"), format!("chmod 755 {path}")),
        File::Program if HIDDEN.iter().any(|hidden| program.starts_with(Path::new(hidden))) => caution(
            format!("{path} is below a directory that the shipped units hide from the daemon"),
            "move it, to /usr/local/bin for one".to_owned(),
        ),
        File::Program => Finding::pass("hook", subject, format!("{path} can be run")),
    }
}

/// `ProtectHome=yes`, and the `/tmp` of `PrivateTmp=yes`.
const HIDDEN: [&str; 5] = ["/home", "/root", "/run/user", "/tmp", "/var/tmp"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Level;

    #[test]
    fn a_program_has_to_be_there_to_be_executable_and_to_be_seen_by_the_daemon() {
        let level = |program: &str, file| judge(&Facts { key: "on-acquire", program: program.into(), file }).level;
        assert_eq!(level("/usr/local/bin/moved", File::Program), Level::Pass);
        assert_eq!(level("/usr/local/bin/moved", File::Absent), Level::Warning);
        assert_eq!(level("/usr/local/bin/moved", File::NotAProgram), Level::Warning);
        assert_eq!(level("/home/me/moved", File::Program), Level::Warning);
        assert_eq!(level("/homely/moved", File::Program), Level::Pass);
    }
}
