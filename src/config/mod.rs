//! What the user asked for: flags over environment over file over defaults, checked as a whole.

pub mod model;

pub use model::{
    Announce, Config, Endpoint, EtcdConfig, Identity, LogFormat, LogLevel, Login, OnStop, Password, Secret, VipConfig,
};
