//! privacyIDEA as the agent's other service, against the real server: what its own app can do, the agent can.
//!
//! One server serves all of these tests; each test has users and tokens of its own. A test that changes the server
//! (its clock, its settings, its being there) has one for itself.

mod containers;
mod enrolling;
mod lossy;
mod passcodes;
mod pushes;
mod rig;
mod trouble;
