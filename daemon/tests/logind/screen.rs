//! Locked, unlocked, away and back.

use crate::rig::Stage;

#[test]
fn a_screen_that_is_locked_at_the_start_is_told_at_once() {
    let Some(stage) = Stage::new("logind::locked_at_the_start") else {
        return;
    };
    let logind = stage.logind();
    logind.hint_locked("c1", true).unwrap();
    let mut watch = stage.watch();
    watch.expect("ScreenLocked");
    logind.hint_locked("c1", false).unwrap();
    watch.expect("ScreenUnlocked");
}

#[test]
fn a_session_that_is_away_at_the_start_is_told_at_once() {
    let Some(stage) = Stage::new("logind::away_at_the_start") else {
        return;
    };
    let logind = stage.logind();
    logind.activate("c1", false).unwrap();
    let mut watch = stage.watch();
    watch.expect("SwitchedAway");
    logind.activate("c1", true).unwrap();
    watch.expect("SwitchedBack");
}

#[test]
fn a_wish_to_lock_counts_before_the_locker_obeys() {
    let Some(stage) = Stage::new("logind::a_wish_to_lock") else {
        return;
    };
    let logind = stage.logind();
    let mut watch = stage.watch();
    watch.watches("c1");
    logind.lock("c1").unwrap();
    watch.expect("ScreenLocked");
    // The locker obeys, and after that it alone says when the screen is open again.
    logind.hint_locked("c1", true).unwrap();
    watch.expect("ScreenLocked");
    logind.unlock("c1").unwrap();
    logind.hint_locked("c1", false).unwrap();
    watch.expect("ScreenUnlocked");
    logind.activate("c1", false).unwrap();
    watch.expect("SwitchedAway");
    logind.activate("c1", true).unwrap();
    watch.expect("SwitchedBack");
    watch.is_silent();
}

#[test]
fn without_a_locker_the_wish_to_unlock_counts() {
    let Some(stage) = Stage::new("logind::without_a_locker") else {
        return;
    };
    let logind = stage.logind();
    let mut watch = stage.watch();
    watch.watches("c1");
    for _ in 0..2 {
        logind.lock("c1").unwrap();
        logind.unlock("c1").unwrap();
        watch.expect("ScreenLocked");
        watch.expect("ScreenUnlocked");
    }
    watch.is_silent();
}

#[test]
fn signals_and_hints_are_heard_in_the_order_of_the_bus() {
    let Some(stage) = Stage::new("logind::order") else {
        return;
    };
    let logind = stage.logind();
    let mut watch = stage.watch();
    watch.watches("c1");
    for _ in 0..20 {
        logind.hint_locked("c1", true).unwrap();
        logind.hint_locked("c1", false).unwrap();
        logind.lock("c1").unwrap();
        logind.unlock("c1").unwrap();
        for event in [
            "ScreenLocked",
            "ScreenUnlocked",
            "ScreenLocked",
            "ScreenUnlocked",
        ] {
            watch.expect(event);
        }
    }
}
