//! A text that is shown again and again in the same place of a terminal.
//!
//! Only the cursor moves. No mode of the terminal is changed, so none has to be restored, whatever ends the program; and
//! what the screen showed before is scrolled away and not wiped, so it can still be scrolled back to.

/// The room that there is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Room {
    pub columns: usize,
    pub rows: usize,
}

/// What is shown of a text that is too long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Keep {
    Beginning,
    End,
}

/// To be written once, before the first frame.
pub fn opening(room: Room) -> String {
    "\n".repeat(room.rows)
}

/// Takes the place of the frame before.
pub fn frame(text: &str, room: Room, keep: Keep) -> String {
    format!("\x1b[H\x1b[J{}", fitting(text, room, keep))
}

/// The lines that there is room for. The last row is the cursor's.
fn fitting(text: &str, room: Room, keep: Keep) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let rows = room.rows.saturating_sub(1).max(2);
    let height = |line: &str| width(line).div_ceil(room.columns.max(1)).max(1);
    if lines.iter().map(|line| height(line)).sum::<usize>() <= rows {
        return text.to_owned();
    }
    // One row says that there is more.
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

/// The columns of a line; the commands for colour take none.
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
    fn a_text_that_fits_is_shown_as_it_is() {
        assert_eq!(frame("one\ntwo\n", ROOM, Keep::Beginning), "\x1b[H\x1b[Jone\ntwo\n");
        assert_eq!(opening(ROOM).len(), 5);
    }

    #[test]
    fn of_a_longer_one_the_end_that_matters_is_shown_and_the_rest_counted() {
        let text = "1\n2\n3\n4\n5\n6\n";
        assert_eq!(fitting(text, ROOM, Keep::Beginning), "1\n2\n3\n(3 more lines)\n");
        assert_eq!(fitting(text, ROOM, Keep::End), "(3 more lines)\n4\n5\n6\n");
    }

    #[test]
    fn a_line_that_the_terminal_breaks_counts_as_its_rows_and_colour_as_none() {
        assert_eq!(width("\x1b[1;32mheld\x1b[0m now"), 8);
        let broken = format!("{}\n2\n3\n4\n", "x".repeat(50));
        assert_eq!(fitting(&broken, ROOM, Keep::Beginning).lines().count(), 2);
    }

    #[test]
    fn a_terminal_without_rows_is_no_reason_to_fall() {
        assert!(fitting("1\n2\n3\n", Room { columns: 0, rows: 0 }, Keep::Beginning).contains("more lines"));
    }
}
