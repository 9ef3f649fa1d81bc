//! A text that is repainted in place on a terminal.
//!
//! Only the cursor moves. No terminal mode is changed, so none has to be restored, however the program ends. The previous
//! content of the screen is scrolled away instead of cleared, so the user can scroll back to it.

/// The size of the terminal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Room {
    pub columns: usize,
    pub rows: usize,
}

/// Which part of a text is shown if it does not fit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Keep {
    Beginning,
    End,
}

/// Written once, before the first frame.
pub fn opening(room: Room) -> String {
    "\n".repeat(room.rows)
}

/// Replaces the previous frame.
pub fn frame(text: &str, room: Room, keep: Keep) -> String {
    format!("\x1b[H\x1b[J{}", fitting(text, room, keep))
}

/// The lines that fit. The last row is left for the cursor.
fn fitting(text: &str, room: Room, keep: Keep) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let rows = room.rows.saturating_sub(1).max(2);
    let height = |line: &str| width(line).div_ceil(room.columns.max(1)).max(1);
    if lines.iter().map(|line| height(line)).sum::<usize>() <= rows {
        return text.to_owned();
    }
    // One row is needed to say that there is more.
    let mut left = rows - 1;
    let fits = |line: &&&str| {
        let fits = height(line) <= left;
        left = left.saturating_sub(height(line));
        fits
    };
    let (shown, before) = match keep {
        Keep::Beginning => (lines.iter().take_while(fits).count(), false),
        Keep::End => (lines.iter().rev().take_while(fits).count(), true),
    };
    let hidden = lines.len() - shown;
    let more = format!("({hidden} more lines)\n");
    let part = if before { &lines[hidden..] } else { &lines[..shown] };
    let part = part.join("\n") + "\n";
    if before { more + &part } else { part + &more }
}

/// The columns that a line takes, without its colour codes.
fn width(line: &str) -> usize {
    let mut command = false;
    let seen = |c: &char| {
        let shown = !command && *c != '\x1b';
        command = *c == '\x1b' || (command && *c != 'm');
        shown
    };
    line.chars().filter(seen).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: Room = Room { columns: 20, rows: 5 };

    #[test]
    fn a_text_that_fits_is_shown_unchanged() {
        assert_eq!(frame("one\ntwo\n", ROOM, Keep::Beginning), "\x1b[H\x1b[Jone\ntwo\n");
        assert_eq!(opening(ROOM).len(), 5);
    }

    #[test]
    fn of_a_longer_text_one_end_is_shown_and_hidden_lines_are_counted() {
        let text = "1\n2\n3\n4\n5\n6\n";
        assert_eq!(fitting(text, ROOM, Keep::Beginning), "1\n2\n3\n(3 more lines)\n");
        assert_eq!(fitting(text, ROOM, Keep::End), "(3 more lines)\n4\n5\n6\n");
    }

    #[test]
    fn a_wrapped_line_counts_as_several_rows_and_colour_takes_no_columns() {
        assert_eq!(width("\x1b[1;32mheld\x1b[0m now"), 8);
        let broken = format!("{}\n2\n3\n4\n", "x".repeat(50));
        assert_eq!(fitting(&broken, ROOM, Keep::Beginning).lines().count(), 2);
    }

    #[test]
    fn a_terminal_of_size_zero_does_not_panic() {
        assert!(fitting("1\n2\n3\n", Room { columns: 0, rows: 0 }, Keep::Beginning).contains("more lines"));
    }
}
