//! The machine sleeps only once the vault is locked.

use crate::rig::Stage;

#[test]
fn the_machine_sleeps_after_the_answer_and_not_before() {
    let Some(stage) = Stage::new("logind::sleep") else {
        return;
    };
    let mut logind = stage.logind();
    let mut watch = stage.watch();
    for _ in 0..2 {
        let inhibitor = logind.inhibitor().unwrap();
        assert_eq!(
            inhibitor.words,
            [
                "sleep",
                "Countersign",
                "The vault is locked before the machine sleeps",
                "delay",
            ]
        );
        logind.prepare_for_sleep(true).unwrap();
        let answer = watch.suspending();
        assert!(inhibitor.is_held());
        answer.send(()).unwrap();
        inhibitor.released().unwrap();
        logind.prepare_for_sleep(false).unwrap();
        watch.expect("Resumed");
    }
    // Taken again for the next time.
    assert!(logind.inhibitor().unwrap().is_held());
    watch.is_silent();
}

#[test]
fn an_answer_that_does_not_come_holds_the_machine_up_for_a_while_only() {
    let Some(stage) = Stage::new("logind::no_answer") else {
        return;
    };
    let mut logind = stage.logind();
    let mut watch = stage.watch();
    let inhibitor = logind.inhibitor().unwrap();
    logind.prepare_for_sleep(true).unwrap();
    let unanswered = watch.suspending();
    inhibitor.released().unwrap();
    assert!(unanswered.is_closed());
    // A question that is dropped counts as answered.
    logind.prepare_for_sleep(false).unwrap();
    watch.expect("Resumed");
    let inhibitor = logind.inhibitor().unwrap();
    logind.prepare_for_sleep(true).unwrap();
    drop(watch.suspending());
    inhibitor.released().unwrap();
}

#[test]
fn the_agents_end_lets_the_machine_sleep() {
    let Some(stage) = Stage::new("logind::the_agents_end") else {
        return;
    };
    let mut logind = stage.logind();
    let watch = stage.watch();
    let inhibitor = logind.inhibitor().unwrap();
    drop(watch);
    inhibitor.released().unwrap();
}
