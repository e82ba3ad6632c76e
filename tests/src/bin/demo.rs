//! `cargo xtask demo`: one login from end to end, on real parts, without a screen.

use std::{
    fmt::Display,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail};
use countersign_proto::agent::v1::LoginRequestState;
use countersign_tests::{
    Workspace,
    agent::{AgentProcess, Session},
    bus::{Activation, PrivateBus},
    cli::Cli,
    desktop::Desktop,
    end_on_signals,
    example_portal::{self, ExamplePortal},
    gateway::{GatewayProcess, free_local_address},
    keyring::{KeyringDaemon, KeyringDoor},
    notices::{Notice, NoticeWitness},
    programs,
    requests::RequestWatch,
    stage::{CLICK_TOKEN, PASSWORD, USER, wait_until_connected},
    surroundings, wait_for_signal,
};

fn main() -> ExitCode {
    match Arguments::parse().and_then(|arguments| run(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Without stderr there is nobody to tell; the exit code still does.
            drop(writeln!(io::stderr(), "the demo failed: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

struct Arguments {
    stay: Stay,
    pictures: PathBuf,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stay {
    Leave,
    UntilCtrlC,
}

impl Arguments {
    fn parse() -> Result<Self> {
        let mut stay = Stay::Leave;
        let mut pictures = PathBuf::from(".demo");
        let mut words = surroundings::arguments();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--keep" => stay = Stay::UntilCtrlC,
                "--pictures" => pictures = words.next().context("--pictures FOLDER")?.into(),
                other => bail!("unknown: {other} (demo [--keep] [--pictures FOLDER])"),
            }
        }
        Ok(Self { stay, pictures })
    }
}

fn say(text: impl Display) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{text}")
}

/// Everything that runs. Ended in this order; the folder goes last.
struct Stage {
    agent: AgentProcess,
    gateway: GatewayProcess,
    _keyring: KeyringDaemon,
    desktop: Desktop,
    bus: PrivateBus,
    workspace: Workspace,
}

fn run(arguments: &Arguments) -> Result<()> {
    end_on_signals()?;
    let mut stage = Stage::start()?;
    let cli = Cli::new(stage.agent.session());
    enroll(&stage, &cli)?;
    let resource = log_in(&stage, &cli, &arguments.pictures)?;
    if arguments.stay == Stay::UntilCtrlC {
        explain(&stage)?;
        say(format_args!("logged in: {USER} at {resource}"))?;
        wait_for_signal();
        say("")?;
    }
    stage.end()?;
    if arguments.stay == Stay::Leave {
        say(format_args!("logged in: {USER} at {resource}"))?;
    }
    Ok(())
}

impl Stage {
    fn start() -> Result<Self> {
        let workspace = Workspace::new()?;
        say(format_args!(
            "Everything lies in {}",
            workspace.path().display()
        ))?;
        let bus = PrivateBus::start(&workspace, &Activation::Nothing)?;
        let desktop = Desktop::start(&workspace, &bus)?;
        say(
            "A private session bus, a screen in memory, and dunst as its notification server are up",
        )?;
        let keyring = KeyringDaemon::start(&workspace, &bus, KeyringDoor::Open)?;
        say("gnome-keyring is up and open, as after a login")?;

        let mut gateway = GatewayProcess::init_at(&workspace, free_local_address()?, "Example")?;
        gateway.add_user(USER, PASSWORD)?;
        gateway.serve()?;
        say(format_args!("The gateway serves at {}", gateway.origin()))?;

        let agent = AgentProcess::start(&workspace, Session::new(&workspace, Some(&bus)))?;
        say("The agent is ready")?;
        Ok(Self {
            agent,
            gateway,
            _keyring: keyring,
            desktop,
            bus,
            workspace,
        })
    }

    fn end(&mut self) -> Result<()> {
        self.agent.process().terminate()?;
        self.gateway.stop()
    }
}

fn enroll(stage: &Stage, cli: &Cli) -> Result<()> {
    cli.ask(&["setup"])?;
    say("The vault is made; its key lies in the keyring")?;
    say(
        "This demo's administrator allows approval by a click alone; that is a policy, not the default",
    )?;
    let activation = stage.gateway.add_token(USER, &CLICK_TOKEN)?;
    cli.ask_with(
        &["enroll", "--yes", "--name", "Example", "-"],
        &format!("{activation}\n"),
    )?;
    wait_until_connected(cli)?;
    say(format_args!(
        "{USER}'s token is enrolled by its activation string (DSKPP, pinned certificate)"
    ))?;
    Ok(())
}

/// One login; returns the resource as the login request named it.
fn log_in(stage: &Stage, cli: &Cli, pictures: &Path) -> Result<String> {
    let mut notices = NoticeWitness::new(&stage.bus)?;
    let mut requests = RequestWatch::new(stage.agent.socket())?;
    let mut window = ExamplePortal::open(&stage.gateway)?;
    window.ask_the_desktop()?;
    say(format_args!(
        "{USER} gives name and password at {}{}",
        stage.gateway.origin(),
        example_portal::PATH
    ))?;
    let notice = notices.wait()?;
    say("The desktop asks:")?;
    show(&notice)?;
    let picture = take_picture(&stage.desktop, pictures, "login-request.png")?;
    say(format_args!("  (picture: {})", picture.display()))?;
    let request = requests.pending()?;

    stage.desktop.choose(&notice, "approve")?;
    say(format_args!("{USER} chooses Approve in the notification"))?;
    notices.wait_for("Login approved")?;
    say("The gateway has accepted the decision and its passcode")?;
    window.wait_for_outcome()?;
    window.logged_in()?;
    say("The page lets the user in; the desktop says:")?;
    show(&notices.wait_for("Logged in")?)?;
    let picture = take_picture(&stage.desktop, pictures, "outcome.png")?;
    say(format_args!("  (picture: {})", picture.display()))?;
    requests.wait(&[LoginRequestState::LoggedIn])?;
    say("The agent's own record of it (countersign log):")?;
    for line in cli.ask(&["log", "--limit", "4"])?.lines() {
        say(format_args!("  {line}"))?;
    }
    Ok(request.resource)
}

fn show(notice: &Notice) -> Result<()> {
    say(format_args!("  | {}", notice.summary))?;
    for line in notice.body.lines() {
        say(format_args!("  | {}", plain(line)))?;
    }
    let actions: Vec<_> = notice
        .actions
        .iter()
        .map(|(_, label)| format!("[{label}]"))
        .collect();
    if !actions.is_empty() {
        say(format_args!("  | {}", actions.join(" ")))?;
    }
    Ok(())
}

/// The text of a line of notification markup.
fn plain(line: &str) -> String {
    let mut text = String::new();
    let mut inside = false;
    for letter in line.chars() {
        match letter {
            '<' => inside = true,
            '>' => inside = false,
            other if !inside => text.push(other),
            _ => {}
        }
    }
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&amp;", "&")
}

fn take_picture(desktop: &Desktop, folder: &Path, name: &str) -> Result<PathBuf> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let file = folder.join(name);
    desktop.picture(&file)?;
    Ok(file)
}

fn explain(stage: &Stage) -> Result<()> {
    say("")?;
    say("It stays up until Ctrl-C. In another terminal:")?;
    for (name, value) in stage.agent.session().variables() {
        if name != "PATH" && name != "HOME" {
            say(format_args!(
                "  export {}='{}'",
                name.display(),
                value.display()
            ))?;
        }
    }
    say(format_args!("  export DISPLAY={}", stage.desktop.display()))?;
    say(format_args!(
        "  export PATH='{}':\"$PATH\"",
        programs::bin_dir()?.display()
    ))?;
    say("  countersign status; countersign list; countersign code Example")?;
    say(format_args!(
        "Log in as {USER} with the password \"{PASSWORD}\" (the browser will warn about the certificate, which only agents pin):"
    ))?;
    say(format_args!(
        "  {}{}",
        stage.gateway.origin(),
        example_portal::PATH
    ))?;
    say("and answer with one of")?;
    say("  countersign approve      countersign deny      countersign deny --report")?;
    say("or in the notification (import -window root picture.png shows it).")?;
    say("Another user and token:")?;
    say(format_args!(
        "  countersign-gateway --data {} token add {USER} --mode event",
        stage.gateway.data().display()
    ))?;
    say(format_args!(
        "What the programs say: {}",
        stage.workspace.logs().display()
    ))?;
    say("")?;
    Ok(())
}
