//! What was pressed, without what the terminal library knows of terminals.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// A key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// A letter, digit or sign as typed.
    Char(char),
    /// A letter with Ctrl.
    Control(char),
    Enter,
    Escape,
    Backspace,
    Tab,
    BackTab,
    Up,
    Down,
    Left,
    Right,
    Home,
    End,
    PageUp,
    PageDown,
}

impl Key {
    /// The key of an event; `None` for a release and for keys that mean nothing here.
    pub(crate) fn of(event: &KeyEvent) -> Option<Self> {
        if event.kind == KeyEventKind::Release {
            return None;
        }
        if let KeyCode::Char(letter) = event.code {
            let with = event.modifiers;
            if with.contains(KeyModifiers::CONTROL) {
                return Some(Self::Control(letter.to_ascii_lowercase()));
            }
            // A letter with Alt is another key, not that letter.
            return (!with
                .intersects(KeyModifiers::ALT | KeyModifiers::SUPER | KeyModifiers::META))
            .then_some(Self::Char(letter));
        }
        [
            (KeyCode::Enter, Self::Enter),
            (KeyCode::Esc, Self::Escape),
            (KeyCode::Backspace, Self::Backspace),
            (KeyCode::Tab, Self::Tab),
            (KeyCode::BackTab, Self::BackTab),
            (KeyCode::Up, Self::Up),
            (KeyCode::Down, Self::Down),
            (KeyCode::Left, Self::Left),
            (KeyCode::Right, Self::Right),
            (KeyCode::Home, Self::Home),
            (KeyCode::End, Self::End),
            (KeyCode::PageUp, Self::PageUp),
            (KeyCode::PageDown, Self::PageDown),
        ]
        .into_iter()
        .find_map(|(code, key)| (code == event.code).then_some(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_with_another_key_is_not_that_letter() {
        let event = |with| KeyEvent::new(KeyCode::Char('a'), with);
        assert_eq!(Key::of(&event(KeyModifiers::NONE)), Some(Key::Char('a')));
        assert_eq!(Key::of(&event(KeyModifiers::ALT)), None);
        assert_eq!(
            Key::of(&event(KeyModifiers::CONTROL)),
            Some(Key::Control('a'))
        );
    }

    #[test]
    fn a_release_is_no_press() {
        let release = KeyEvent::new_with_kind(
            KeyCode::Char('a'),
            KeyModifiers::NONE,
            KeyEventKind::Release,
        );
        assert_eq!(Key::of(&release), None);
    }
}
