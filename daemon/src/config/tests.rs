use std::{fs, os::unix::fs::PermissionsExt as _};

use proptest::prelude::*;

use super::*;

fn parsed(text: &str) -> Result<Config, String> {
    Config::parse(text, "config.toml").map_err(|error| error.to_string())
}

fn refusal(text: &str) -> String {
    parsed(text).unwrap_err()
}

#[test]
fn without_a_word_the_defaults_hold() {
    assert_eq!(parsed(""), Ok(Config::default()));
    assert_eq!(parsed("[lock]\nidle_seconds = 0\n"), Ok(Config::default()));
}

#[test]
fn every_key_is_read() {
    let config = parsed(
        "[vault]\nkey = \"passphrase\"\n[lock]\nidle_seconds = 600\nmax_seconds = 28800\n\
         with_screen = false\nwith_sleep = false\nwith_session_switch = false\n\
         [tpm]\ntcti = \"swtpm:path=/run/tpm\"\n\
         [pinentry]\nprogram = \"/usr/bin/pinentry-gnome3\"\n[notifications]\nenabled = false\n\
         [push]\nkeep_alive_seconds = 30\n",
    );
    let expected = Config {
        vault_key: VaultKey::Passphrase,
        lock_idle: Some(Duration::from_mins(10)),
        lock_max: Some(Duration::from_hours(8)),
        lock_with: LockWithSession {
            screen: LockWith::No,
            sleep: LockWith::No,
            switch: LockWith::No,
        },
        tpm: Some("swtpm:path=/run/tpm".to_owned()),
        pinentry: Some(PathBuf::from("/usr/bin/pinentry-gnome3")),
        notifications: NotificationsWanted::No,
        keep_alive: Duration::from_secs(30),
    };
    assert_eq!(config, Ok(expected));
}

#[test]
fn what_is_wrong_is_named_with_file_line_and_key() {
    assert_eq!(
        refusal("# first\n[tpm]\ntcti = \"\"\n"),
        "config.toml, line 3, [tpm] tcti: a TCTI such as \"device:/dev/tpmrm0\" is expected"
    );
    assert_eq!(
        refusal("[vault]\nkey = \"keepass\"\n"),
        "config.toml, line 2, [vault] key: \"keepass\" is no kind of vault key; \
         use \"secret-service\", \"passphrase\", \"credential\" or \"tpm\""
    );
    for seconds in ["4", "601"] {
        assert_eq!(
            refusal(&format!("[push]\nkeep_alive_seconds = {seconds}\n")),
            "config.toml, line 2, [push] keep_alive_seconds: 5 to 600 seconds are expected"
        );
    }
    let unknown = refusal("[lock]\nidle_secs = 5\n");
    assert!(
        unknown.starts_with("config.toml, line 2, [lock] idle_secs: unknown field"),
        "{unknown}"
    );
    let negative = refusal("[lock]\n\nidle_seconds = -5\n");
    assert!(
        negative.starts_with("config.toml, line 3, [lock] idle_seconds: "),
        "{negative}"
    );
    let relative = refusal("[pinentry]\nprogram = \"pinentry\"\n");
    assert_eq!(
        relative,
        "config.toml, line 2, [pinentry] program: an absolute path is expected"
    );
    let table = refusal("[notification]\nenabled = false\n");
    assert!(
        table.starts_with("config.toml, line 1, [notification]: unknown field"),
        "{table}"
    );
}

#[test]
fn a_file_too_long_is_not_read() {
    let home = tempfile::tempdir().unwrap();
    let paths = Paths {
        config: home.path().to_owned(),
        data: home.path().to_owned(),
        runtime: home.path().to_owned(),
        credentials: None,
    };
    assert_eq!(Config::load(&paths).unwrap(), Config::default());
    fs::create_dir(home.path().join("countersign")).unwrap();
    fs::write(paths.config_file(), vec![b'#'; 64 * 1024 + 1]).unwrap();
    assert!(matches!(Config::load(&paths), Err(ConfigError::TooLong(_))));
}

#[test]
fn folders_come_from_the_environment_or_from_home() {
    let runtime = tempfile::tempdir().unwrap();
    fs::set_permissions(runtime.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let run = runtime.path().to_owned();
    let paths = Paths::from_variables(|name| match name {
        "HOME" => Some("/home/alice".into()),
        "XDG_DATA_HOME" => Some("not/absolute".into()),
        "XDG_CONFIG_HOME" => Some("/etc/alice".into()),
        "XDG_RUNTIME_DIR" => Some(run.clone()),
        _ => None,
    })
    .unwrap();
    assert_eq!(
        paths.config_file(),
        Path::new("/etc/alice/countersign/config.toml")
    );
    assert_eq!(
        paths.vault(),
        Path::new("/home/alice/.local/share/countersign/vault.db")
    );
    assert_eq!(paths.agent_socket(), run.join("countersign/agent.sock"));
    let homeless = Paths::from_variables(|name| (name == "XDG_RUNTIME_DIR").then(|| run.clone()));
    assert!(matches!(homeless, Err(ConfigError::Unset("HOME"))));
    let nowhere = Paths::from_variables(|_| None);
    assert!(matches!(
        nowhere,
        Err(ConfigError::Unset("XDG_RUNTIME_DIR"))
    ));
}

#[test]
fn a_runtime_folder_that_others_enter_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mode = |mode| fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
    mode(0o755);
    assert!(matches!(
        check_runtime(folder.path()),
        Err(ConfigError::RuntimeOpen { mode: 0o755, .. })
    ));
    mode(0o700);
    assert!(check_runtime(folder.path()).is_ok());
    assert!(matches!(
        check_runtime(&folder.path().join("absent")),
        Err(ConfigError::RuntimeAbsent(_))
    ));
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC*|(\\[[a-z]{1,6}\\]\n|[a-z_]{1,9} = [0-9a-z\"\\[]{0,6}\n){0,6}") {
        if let Err(error) = Config::parse(&text, "config.toml") {
            prop_assert!(error.to_string().starts_with("config.toml, line "));
        }
    }
}
