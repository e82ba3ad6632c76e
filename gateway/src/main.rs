//! The authentication service.

fn main() {}
