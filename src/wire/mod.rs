//! The bytes that go out.
