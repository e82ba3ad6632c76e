//! A private bus in the place of the machine's system bus. Its address is a child's `DBUS_SYSTEM_BUS_ADDRESS`.

use std::{fs, os::unix::fs::PermissionsExt as _};

use anyhow::Result;

use crate::{Workspace, bus::PrivateBus};

const DOCTYPE: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">"#;

/// One for whoever runs the test: everybody on it may own and call everything, nothing is activated.
///
/// # Errors
///
/// It does not start.
pub fn start(workspace: &Workspace) -> Result<PrivateBus> {
    let socket = workspace.join("run/system-bus");
    let config = format!(
        r#"{DOCTYPE}
<busconfig><type>session</type><keep_umask/><listen>unix:path={}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy>
</busconfig>
"#,
        socket.display()
    );
    PrivateBus::launch(workspace, "system-bus", &config)
}

/// One for all users of the machine, with the system bus's own policy: the stock default of dbus, and the
/// permissions that the installed services bring with them. Needs root.
///
/// # Errors
///
/// It does not start.
pub fn start_for_all_users(workspace: &Workspace) -> Result<PrivateBus> {
    // Other users reach the socket and nothing else.
    fs::set_permissions(workspace.path(), fs::Permissions::from_mode(0o711))?;
    let folder = workspace.join("bus");
    fs::create_dir(&folder)?;
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o711))?;
    let config = format!(
        r#"{DOCTYPE}
<busconfig><type>system</type><keep_umask/><listen>unix:path={}</listen><auth>EXTERNAL</auth>
<policy context="default">
<allow user="*"/><deny own="*"/><deny send_type="method_call"/>
<allow send_type="signal"/>
<allow send_requested_reply="true" send_type="method_return"/>
<allow send_requested_reply="true" send_type="error"/>
<allow receive_type="method_call"/><allow receive_type="method_return"/>
<allow receive_type="error"/><allow receive_type="signal"/>
<allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus"/>
<allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus.Introspectable"/>
<allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus.Properties"/>
</policy>
<includedir>/usr/share/dbus-1/system.d</includedir>
</busconfig>
"#,
        folder.join("system-bus").display()
    );
    PrivateBus::launch(workspace, "system-bus", &config)
}
