//! What holds for whatever was loaded.

use vip_manager::config::{Config, Flags, Loaded, Place, Problems, VipConfig};

use super::file::load;
use super::written::written;

/// Checks what was found, and gives all that the program would say of it.
pub fn check(outcome: &Result<Loaded, Problems>) -> String {
    match outcome {
        Err(problems) => {
            let text = problems.to_string();
            assert!(!problems.is_empty(), "refused without a reason");
            let count = problems.iter().count();
            let lines = if count > MOST_SHOWN { MOST_SHOWN + 1 } else { count };
            assert_eq!(text.lines().count(), lines, "a problem is one line: {text}");
            for problem in problems.iter() {
                assert!(
                    !problem.text.is_empty() && problem.place != Place::Nowhere,
                    "a problem without a place: {problem}"
                );
            }
            printable(&text);
            format!("{text}{problems:?}")
        }
        Ok(loaded) => {
            sound(&loaded.config);
            read_back(&loaded.config);
            let shown = loaded.settings.to_string();
            printable(&shown);
            for vip in &loaded.config.vips {
                assert!(
                    shown.contains(&format!("\n{} on {}\n", vip.vip, vip.interface)),
                    "not shown: {vip:?}\n{shown}"
                );
            }
            let notices: String = loaded.notices.iter().map(|notice| format!("{notice}\n")).collect();
            assert_eq!(notices.lines().count(), loaded.notices.len(), "a notice is one line: {notices}");
            printable(&notices);
            format!("{shown}{notices}{loaded:?}")
        }
    }
}

/// Nothing in it moves a cursor.
fn printable(text: &str) {
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "a control character: {text:?}");
}

fn sound(config: &Config) {
    assert!(
        !config.vips.is_empty()
            && config.sources.iter().all(|source| source.kind().host.is_none() || !source.store().endpoints.is_empty())
    );
    for (place, vip) in config.vips.iter().enumerate() {
        assert!(vip.hold_timeout >= config.pace.full * 3 && vip.lease_margin.as_secs() >= 1);
        assert!(vip.announce.count != Some(0) && !vip.key.is_empty() && !vip.value.is_empty());
        let same = |other: &&VipConfig| other.vip.address() == vip.vip.address() && other.interface == vip.interface;
        assert!(!config.vips[..place].iter().any(|other| same(&other)), "one address twice");
    }
}

/// What was accepted is accepted again when it is written down, and is the same.
fn read_back(config: &Config) {
    match load(written(config).as_bytes(), Flags::default(), Vec::new()) {
        Ok(again) => {
            // Written down is each key's present name, which no older release needed.
            let expected = Config { older_release: false, patroni_files: Vec::new(), ..config.clone() };
            assert_eq!(Config { older_release: false, ..again.config }, expected);
        }
        Err(problems) => panic!("what was accepted is refused when written down: {problems}"),
    }
}

/// Of more problems than these, one line says how many.
const MOST_SHOWN: usize = 100;
