//! Who calls in. Both interfaces convert and nothing else: the same stories stand behind them.

pub mod dbus;
pub mod grpc;
pub mod sudo_socket;
