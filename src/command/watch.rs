//! `vip-manager status --watch`: the answer again each second, until somebody has seen enough.
//!
//! A daemon that ends is not the end of it: who watches a restart wants to see both sides. On a terminal each answer
//! takes the place of the one before; elsewhere they follow one another, and JSON always is one object a line.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::sleep;

use super::status::{Answer, answer};
use crate::cli::StatusAsked;
use crate::config::Loaded;
use crate::status::screen::{self, Keep, Room};
use crate::status::text;
use crate::terminal::{self, Terminal};

/// Shows answers until it is ended; the exit status is that of the last one.
pub(super) async fn watch(loaded: &Loaded, asked: StatusAsked) -> ExitCode {
    let Ok(mut end) = End::listen() else { return ExitCode::FAILURE };
    let mut show = Show { asked, begun: false, painted: false, told: None };
    let mut code = ExitCode::FAILURE;
    loop {
        let answer = tokio::select! {
            answer = answer(loaded, asked) => answer,
            () = end.comes() => break,
        };
        code = answer.code();
        if !show.next(&answer) {
            return code;
        }
        tokio::select! {
            () = sleep(PACE) => {}
            () = end.comes() => break,
        }
    }
    if show.painted {
        // What was typed stands on the last row.
        terminal::write(io::stdout(), "\n");
    }
    code
}

/// What was shown so far.
struct Show {
    asked: StatusAsked,
    begun: bool,
    painted: bool,
    /// Why nobody had answered the last time.
    told: Option<String>,
}

impl Show {
    /// Whether somebody is left to be shown more.
    fn next(&mut self, answer: &Answer) -> bool {
        let terminal = Terminal::behind(io::stdout()).filter(|terminal| terminal.abilities.cursor && !self.asked.json);
        match terminal {
            Some(terminal) => self.paint(answer, Room { columns: terminal.columns, rows: terminal.rows }),
            None => self.append(answer),
        }
    }

    fn paint(&mut self, answer: &Answer, room: Room) -> bool {
        let opening = if self.begun { String::new() } else { screen::opening(room) };
        (self.begun, self.painted) = (true, true);
        let nobody = answer.nobody.as_ref().map_or_else(String::new, |why| text::nobody(why, answer.colour) + "\n");
        let keep = if self.asked.events { Keep::End } else { Keep::Beginning };
        let frame = screen::frame(&format!("{nobody}{}", answer.text), room, keep);
        terminal::write(io::stdout(), format_args!("{opening}{frame}"))
    }

    /// Why nobody answers is told once, and again when it has changed.
    fn append(&mut self, answer: &Answer) -> bool {
        let gap = if self.begun && !self.asked.json { "\n" } else { "" };
        self.begun = true;
        if self.told != answer.nobody {
            answer.complain();
            self.told.clone_from(&answer.nobody);
        }
        terminal::write(io::stdout(), format_args!("{gap}{}", answer.text))
    }
}

/// What ends it: Ctrl-C, a request, or a terminal that is gone.
struct End {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl End {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn comes(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

const PACE: Duration = Duration::from_secs(1);
