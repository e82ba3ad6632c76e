//! The user's order of tokens.

/// Where a token goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<T> {
    /// Before all others.
    First,
    /// Behind all others.
    Last,
    /// Before this one.
    Before(T),
    /// Behind this one.
    After(T),
}

/// `order` with `moved` at `place`; nothing if one of the two is not in it, or both are the same.
#[must_use]
pub fn moved<T: Copy + PartialEq>(order: &[T], moved: T, place: Place<T>) -> Option<Vec<T>> {
    if !order.contains(&moved) {
        return None;
    }
    let mut others: Vec<T> = order.iter().copied().filter(|one| *one != moved).collect();
    let position = |beside: T| others.iter().position(|one| *one == beside);
    let at = match place {
        Place::First => 0,
        Place::Last => others.len(),
        Place::Before(beside) => position(beside)?,
        Place::After(beside) => position(beside)?.saturating_add(1),
    };
    others.insert(at, moved);
    Some(others)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_token_goes_where_it_is_put() {
        let order = [1, 2, 3, 4];
        for (token, place, then) in [
            (3, Place::First, Some(vec![3, 1, 2, 4])),
            (1, Place::Last, Some(vec![2, 3, 4, 1])),
            (4, Place::Before(2), Some(vec![1, 4, 2, 3])),
            (1, Place::After(3), Some(vec![2, 3, 1, 4])),
            (2, Place::After(1), Some(vec![1, 2, 3, 4])),
            (1, Place::First, Some(vec![1, 2, 3, 4])),
            (2, Place::Before(2), None),
            (2, Place::After(9), None),
            (9, Place::First, None),
        ] {
            assert_eq!(moved(&order, token, place), then, "{token} {place:?}");
        }
    }

    proptest! {
        #[test]
        fn none_is_lost_and_the_others_keep_their_order(count in 2_usize..20, from in any::<prop::sample::Index>(), to in any::<prop::sample::Index>()) {
            let order: Vec<usize> = (0..count).collect();
            let (from, to) = (from.index(count), to.index(count));
            for place in [Place::First, Place::Last, Place::Before(to), Place::After(to)] {
                let Some(then) = moved(&order, from, place) else {
                    prop_assert_eq!(from, to);
                    continue;
                };
                let mut others = then.clone();
                others.retain(|one| *one != from);
                let expected: Vec<usize> = order.iter().copied().filter(|one| *one != from).collect();
                prop_assert_eq!(others, expected);
                prop_assert_eq!(then.len(), count);
            }
        }
    }
}
