//! Rows of which one is selected, by what it is and not by where it stands.

/// A row that can be told from every other of its list.
pub(crate) trait Keyed {
    /// What it is told by.
    fn key(&self) -> &str;
}

/// Did the selection go to another row?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    /// The same row, or none as before.
    Same,
    /// Another row is selected now.
    Another,
}

/// A way to go in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// One down.
    Next,
    /// One up.
    Previous,
    /// Some down.
    PageDown,
    /// Some up.
    PageUp,
    /// To the first.
    First,
    /// To the last.
    Last,
}

/// Rows of a page.
const PAGE: usize = 5;

/// The rows.
#[derive(Clone, Debug)]
pub(crate) struct List<T> {
    rows: Vec<T>,
    selected: Option<String>,
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self {
            rows: Vec::new(),
            selected: None,
        }
    }
}

impl<T: Keyed> List<T> {
    /// All of them.
    pub(crate) fn rows(&self) -> &[T] {
        &self.rows
    }

    /// Where the selected one stands.
    pub(crate) fn position(&self) -> Option<usize> {
        let key = self.selected.as_deref()?;
        self.rows.iter().position(|row| row.key() == key)
    }

    /// The selected one.
    pub(crate) fn selected(&self) -> Option<&T> {
        self.rows.get(self.position()?)
    }

    /// The one with this key.
    pub(crate) fn find(&self, key: &str) -> Option<&T> {
        self.rows.iter().find(|row| row.key() == key)
    }

    /// Takes other rows. The selected one stays selected; if it has gone, the one that stands in its place is.
    pub(crate) fn replace(&mut self, rows: Vec<T>) -> Selection {
        let before = self.selected.clone();
        let position = self.position().unwrap_or(0);
        self.rows = rows;
        if self.position().is_none() {
            let last = self.rows.len().saturating_sub(1);
            self.select(position.min(last));
        }
        if self.selected == before {
            Selection::Same
        } else {
            Selection::Another
        }
    }

    /// Changes rows as `change` does, with the selection as in [`List::replace`].
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut Vec<T>)) -> Selection {
        let before = self.position();
        let key = self.selected.clone();
        change(&mut self.rows);
        if self.position().is_none() {
            let last = self.rows.len().saturating_sub(1);
            self.select(before.unwrap_or(0).min(last));
        }
        if self.selected == key {
            Selection::Same
        } else {
            Selection::Another
        }
    }

    /// Goes one step, among the rows that `counts` takes.
    pub(crate) fn step(&mut self, step: Step, counts: impl Fn(&T) -> bool) -> Selection {
        let before = self.selected.clone();
        let here = self.position();
        let among: Vec<usize> = self
            .rows
            .iter()
            .enumerate()
            .filter(|(_, row)| counts(row))
            .map(|(at, _)| at)
            .collect();
        let at = here
            .and_then(|here| among.iter().position(|row| *row >= here))
            .unwrap_or(0);
        let last = among.len().saturating_sub(1);
        let to = match step {
            Step::Next => at.saturating_add(1),
            Step::Previous => at.saturating_sub(1),
            Step::PageDown => at.saturating_add(PAGE),
            Step::PageUp => at.saturating_sub(PAGE),
            Step::First => 0,
            Step::Last => last,
        };
        if let Some(row) = among.get(to.min(last)) {
            self.select(*row);
        }
        if self.selected == before {
            Selection::Same
        } else {
            Selection::Another
        }
    }

    fn select(&mut self, position: usize) {
        self.selected = self.rows.get(position).map(|row| row.key().to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Keyed for &'static str {
        fn key(&self) -> &str {
            self
        }
    }

    fn list(rows: &[&'static str]) -> List<&'static str> {
        let mut list = List::default();
        assert_eq!(list.replace(rows.to_vec()), Selection::Another);
        list
    }

    #[test]
    fn the_selection_stays_with_its_row_when_others_come() {
        let mut list = list(&["a", "b"]);
        list.step(Step::Next, |_| true);
        assert_eq!(list.replace(vec!["new", "a", "b"]), Selection::Same);
        assert_eq!(list.selected(), Some(&"b"));
    }

    #[test]
    fn a_row_that_goes_hands_the_selection_on_and_that_is_told() {
        let mut list = list(&["a", "b", "c"]);
        list.step(Step::Last, |_| true);
        assert_eq!(list.replace(vec!["a", "b"]), Selection::Another);
        assert_eq!(list.selected(), Some(&"b"));
        assert_eq!(list.replace(Vec::new()), Selection::Another);
        assert_eq!(list.selected(), None);
        assert_eq!(list.replace(Vec::new()), Selection::Same);
    }

    #[test]
    fn steps_end_at_the_ends_and_leave_out_what_does_not_count() {
        let mut list = list(&["a", "x", "b"]);
        assert_eq!(list.step(Step::Previous, |_| true), Selection::Same);
        assert_eq!(list.step(Step::Next, |row| *row != "x"), Selection::Another);
        assert_eq!(list.selected(), Some(&"b"));
        assert_eq!(list.step(Step::Next, |_| true), Selection::Same);
        assert_eq!(list.step(Step::First, |_| true), Selection::Another);
        assert_eq!(list.step(Step::PageDown, |_| true), Selection::Another);
        assert_eq!(list.selected(), Some(&"b"));
        assert_eq!(list.step(Step::Next, |_| false), Selection::Same);
    }
}
