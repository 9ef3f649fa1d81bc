//! The way out for lines of the log: it never waits and never fails.
//!
//! Whoever reads them may stop reading: a journal that is being restarted, a pager, a pipe that nobody empties. A
//! daemon that waits there renews nothing, and loses the address that it holds for the sake of a line about it. So a
//! line leaves now or not at all. Those that did not are counted, and the next one that does can tell.
//!
//! The descriptor is not made non-blocking: that would change it for everybody who shares it, the user's shell among
//! them. It is asked for room before each write instead, and never given more than a pipe with any room takes whole.
//! Only on a terminal is that no certainty.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::write;

/// Writes whole lines to stderr, as far as it takes them. Clones are the same writer.
#[derive(Clone, Debug, Default)]
pub(super) struct LogWriter {
    recorder: Arc<Recorder>,
}

#[derive(Debug, Default)]
struct Recorder {
    lost: AtomicU64,
    /// The last line that left did so in part: the next must not begin in the middle of it.
    torn: AtomicBool,
}

impl LogWriter {
    /// How many lines were lost since the last one that left.
    pub(super) fn lost(&self) -> u64 {
        self.recorder.lost.load(Ordering::Relaxed)
    }

    fn put(&self, to: BorrowedFd<'_>, line: &[u8]) {
        let recorder = &self.recorder;
        if recorder.torn.load(Ordering::Relaxed) && send(to, b"\n") == 1 {
            recorder.torn.store(false, Ordering::Relaxed);
        }
        let sent = if recorder.torn.load(Ordering::Relaxed) { 0 } else { send(to, line) };
        if sent == line.len() {
            recorder.lost.store(0, Ordering::Relaxed);
        } else {
            recorder.lost.fetch_add(1, Ordering::Relaxed);
            recorder.torn.fetch_or(sent > 0, Ordering::Relaxed);
        }
    }
}

impl io::Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.put(io::stderr().as_fd(), line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Sends what can leave without waiting, and says how much that was.
fn send(to: BorrowedFd<'_>, line: &[u8]) -> usize {
    let mut sent = 0;
    while sent < line.len() && has_room(to) {
        let end = line.len().min(sent + MOST_AT_ONCE);
        match write(to, &line[sent..end]) {
            Ok(length) => sent += length,
            Err(Errno::EINTR) => {}
            Err(_) => break,
        }
    }
    sent
}

fn has_room(to: BorrowedFd<'_>) -> bool {
    let mut asked = [PollFd::new(to, PollFlags::POLLOUT)];
    let ready = poll(&mut asked, PollTimeout::ZERO).is_ok_and(|ready| ready > 0);
    ready && asked[0].revents() == Some(PollFlags::POLLOUT)
}

/// A pipe that has room at all has room for a page.
const MOST_AT_ONCE: usize = 4096;

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::OwnedFd;

    use nix::fcntl::{FcntlArg, fcntl};
    use nix::unistd::pipe;

    use super::*;

    /// A pipe that holds two pages.
    fn narrow() -> (io::PipeReader, OwnedFd) {
        let (reader, writer) = pipe().unwrap();
        fcntl(&writer, FcntlArg::F_SETPIPE_SZ(2 * 4096)).unwrap();
        (reader.into(), writer)
    }

    #[test]
    fn a_full_pipe_holds_nobody_up_and_what_is_lost_is_counted() {
        let (mut reader, pipe) = narrow();
        let writer = LogWriter::default();
        let line = [b'x'; 4096];
        for _ in 0..5 {
            writer.put(pipe.as_fd(), &line);
        }
        assert_eq!(writer.lost(), 3);
        reader.read_exact(&mut [0; 4096]).unwrap();
        writer.put(pipe.as_fd(), b"again\n");
        assert_eq!(writer.lost(), 0);
    }

    #[test]
    fn a_line_that_left_in_part_does_not_swallow_the_next() {
        let (mut reader, pipe) = narrow();
        let writer = LogWriter::default();
        writer.put(pipe.as_fd(), &[b'x'; 3 * 4096]);
        assert_eq!(writer.lost(), 1);
        reader.read_exact(&mut [0; 2 * 4096]).unwrap();
        writer.put(pipe.as_fd(), b"next\n");
        let mut rest = [0; 6];
        reader.read_exact(&mut rest).unwrap();
        assert_eq!(&rest, b"\nnext\n");
    }

    #[test]
    fn a_pipe_whose_reader_has_gone_takes_nothing_and_breaks_nothing() {
        let (reader, pipe) = narrow();
        drop(reader);
        let writer = LogWriter::default();
        writer.put(pipe.as_fd(), b"to nobody\n");
        assert_eq!(writer.lost(), 1);
    }
}
