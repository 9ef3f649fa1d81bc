//! A library that is put before the daemon's own, for what cannot be done to one process alone by other means: it
//! shifts the wall clock, which belongs to the whole machine, and refuses memory from a certain moment on.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::support::command::run;
use crate::support::fail::OrFail;

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/faults/shim.c");
/// Where the orders stand in their file, as the library reads them.
const SHIFT: u64 = 0;
const REFUSE_MEMORY: u64 = 8;
const LENGTH: u64 = 16;

/// The library, and what it is told to do to the daemons that were started with it.
#[derive(Debug)]
pub(crate) struct Shim {
    file: PathBuf,
    orders: File,
}

impl Shim {
    /// One that does nothing yet; its orders lie in this directory.
    pub(crate) fn new(directory: &Path) -> Self {
        let file = directory.join("shim-orders");
        let orders = File::create(&file).or_fail("making the shim's orders");
        orders.set_len(LENGTH).or_fail("making the shim's orders");
        Self { file, orders }
    }

    /// What a daemon's command begins with.
    pub(crate) fn words(&self) -> [String; 3] {
        let library = format!("LD_PRELOAD={}", library().display());
        ["env".to_owned(), library, format!("SHIM_ORDERS={}", self.file.display())]
    }

    /// Shifts the wall clock by so many seconds.
    pub(crate) fn shift_clock(&self, seconds: i64) {
        self.order(SHIFT, seconds);
    }

    /// Refuses every allocation from now on.
    pub(crate) fn refuse_memory(&self) {
        self.order(REFUSE_MEMORY, 1);
    }

    fn order(&self, place: u64, value: i64) {
        self.orders.write_all_at(&value.to_ne_bytes(), place).or_fail("writing the shim's orders");
    }
}

/// The library, built once. Not where the lab keeps its files: often nothing may be executed from memory.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let own = std::env::current_exe().or_fail("finding this program");
        let library = own.with_file_name("faults-shim.so");
        // Another process may be about to load it: it is never there in half.
        let fresh = own.with_file_name(format!("faults-shim-{}.so", std::process::id()));
        run("cc", &["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o", &fresh.to_string_lossy(), SOURCE]);
        fs::rename(&fresh, &library).or_fail("putting the shim in its place");
        library
    })
}
