//! A library that is preloaded into the daemon, for faults that cannot be limited to one process by other means: it
//! shifts the wall clock, which all processes share, and lets memory allocations fail.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::support::command::run;
use crate::support::fail::OrFail;

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/faults/shim.c");
/// The offsets of the orders in the file that the library reads.
const SHIFT: u64 = 0;
const REFUSE_MEMORY: u64 = 8;
const LENGTH: u64 = 16;

/// The library, and the orders for the daemons that were started with it.
#[derive(Debug)]
pub(crate) struct Shim {
    file: PathBuf,
    orders: File,
}

impl Shim {
    /// A library without orders yet. The file of orders is in this directory.
    pub(crate) fn new(directory: &Path) -> Self {
        Self::new_for(directory, "")
    }

    /// The same for one of several daemons.
    pub(crate) fn new_for(directory: &Path, name: &str) -> Self {
        let file = directory.join(format!("shim-orders{name}"));
        let orders = File::create(&file).or_fail("making the shim's orders");
        orders.set_len(LENGTH).or_fail("making the shim's orders");
        Self { file, orders }
    }

    /// The words that precede the daemon's command.
    pub(crate) fn words(&self) -> [String; 3] {
        let [library, orders] = self.variables().map(|(name, value)| format!("{name}={value}"));
        ["env".to_owned(), library, orders]
    }

    /// The daemon's environment variables.
    pub(crate) fn variables(&self) -> [(&'static str, String); 2] {
        [("LD_PRELOAD", library().display().to_string()), ("SHIM_ORDERS", self.file.display().to_string())]
    }

    /// Shifts the wall clock by so many seconds.
    pub(crate) fn shift_clock(&self, seconds: i64) {
        self.order(SHIFT, seconds);
    }

    /// Lets every allocation fail from now on.
    pub(crate) fn refuse_memory(&self) {
        self.order(REFUSE_MEMORY, 1);
    }

    fn order(&self, place: u64, value: i64) {
        self.orders.write_all_at(&value.to_ne_bytes(), place).or_fail("writing the shim's orders");
    }
}

/// Builds the library once. Not in the directory of the lab, which may be mounted noexec.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let own = std::env::current_exe().or_fail("finding this program");
        let library = own.with_file_name("faults-shim.so");
        // Another process may be loading it, so it is replaced atomically.
        let fresh = own.with_file_name(format!("faults-shim-{}.so", std::process::id()));
        run("cc", &["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o", &fresh.to_string_lossy(), SOURCE]);
        fs::rename(&fresh, &library).or_fail("putting the shim in its place");
        library
    })
}
