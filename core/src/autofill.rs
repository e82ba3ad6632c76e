//! Which token is filled on which page: origins as browsers report them, what a token is bound to, and hosts that only
//! look like another.
//!
//! Invariant: nothing here compares beginnings or ends of texts. An origin fits as a whole, or by the registrable domain
//! of the public suffix list.

mod binding;
mod look_alike;
mod origin;

pub use self::{
    binding::{Binding, BindingError, Scope, bound_to},
    look_alike::{Doubt, doubts},
    origin::{Origin, OriginError, Scheme},
};
