//! sudo asks the agent: the real module under the real sudo, the real agent of another user, in a sandbox with an `/etc` and
//! a `/run` of its own; and agents that lie.
#![expect(
    clippy::unwrap_used,
    reason = "helper functions of tests: what fails ends the test"
)]

mod approvals;
mod desk;
mod files;
mod fingers;
mod leaks;
mod liar;
mod lies;
mod profile;
mod stacks;
mod stopped;
mod terminals;
mod unprivileged;
