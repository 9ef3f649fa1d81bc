//! The `vip-manager` command.

fn main() {}
