//! The sample: it explains every key, it is refused until it was filled in, and then it is right.

use std::fs;

use vip_manager::config::keys::{Key, TABLE};

use super::{read, text, tree, vip_manager};

const SAMPLE: &str = "packaging/vip-manager.yml";

/// The sample as somebody fills it in who follows the four arrows.
fn filled_in() -> String {
    let mut marked = 0;
    let lines: Vec<_> = read(SAMPLE)
        .lines()
        .map(|line| {
            marked += usize::from(line.contains("# <--"));
            let example = line.split_once("# <-- such as ");
            example.map_or(line.to_owned(), |(key, example)| format!("{} {example}", key.trim_end()))
        })
        .collect();
    assert_eq!(marked, 4, "the sample speaks of four lines");
    lines.join("\n")
}

/// What the binary says to a text as its file: exit status, then both outputs.
fn shown(name: &str, content: &str) -> (Option<i32>, String) {
    let file = std::env::temp_dir().join(format!("vip-manager-{name}-{}.yml", std::process::id()));
    fs::write(&file, content).unwrap();
    let output = vip_manager(&["show-config", &format!("--config={}", file.display())]);
    fs::remove_file(&file).unwrap();
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

#[test]
fn the_untouched_sample_says_what_to_fill_in_and_nothing_else() {
    let output = vip_manager(&["show-config", &format!("--config={}", tree(SAMPLE).display())]);
    assert_eq!(output.status.code(), Some(78));
    let said = text(&output.stderr);
    assert_eq!(said.lines().count(), 3, "{said}");
    for key in ["ip", "interface", "trigger-key"] {
        assert!(said.lines().any(|line| line.contains(&format!("{key} "))), "{key} in\n{said}");
    }
}

#[test]
fn the_sample_is_right_once_the_marked_values_are_filled_in() {
    let (status, said) = shown("filled", &filled_in());
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("10.0.0.5/32 on eth0"), "{said}");
}

/// Whoever takes away a `#` gets what was there before: the default.
#[test]
fn every_key_stands_in_the_sample_and_what_is_commented_out_is_accepted() {
    let sample = filled_in();
    let mut uncommented = String::new();
    for line in sample.lines() {
        let key = line.strip_prefix('#').filter(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()));
        let taken = key.is_some_and(|key| !key.starts_with("vips"));
        uncommented.push_str(if taken { &line[1..] } else { line });
        uncommented.push('\n');
    }
    let (status, said) = shown("uncommented", &uncommented);
    assert_eq!(status, Some(0), "{said}");
    for spec in TABLE.iter().filter(|spec| spec.key != Key::Config) {
        let named = sample.lines().any(|line| line.trim_start_matches('#').starts_with(&format!("{}:", spec.name)));
        assert!(named, "{} is missing in {SAMPLE}", spec.name);
    }
}
