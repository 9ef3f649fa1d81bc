//! Every short history of a certain kind.
