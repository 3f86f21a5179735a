use std::ops::{Deref, DerefMut};

/// Mostly nothing, seldom more than one, in order: what there is none of takes the room of a pointer. There are very many.
pub(in crate::broker) struct Few<T>(
    #[expect(clippy::box_collection, reason = "a vector is three times as large")] Option<Box<Vec<T>>>,
);

impl<T> Few<T> {
    pub(in crate::broker) const NONE: Self = Self(None);

    pub(in crate::broker) fn front(&self) -> Option<&T> {
        self.first()
    }

    pub(in crate::broker) fn back(&self) -> Option<&T> {
        self.last()
    }

    pub(super) fn push(&mut self, more: T) {
        match &mut self.0 {
            Some(there) => there.push(more),
            None => self.0 = Some(Box::new(vec![more])),
        }
    }

    pub(super) fn push_front(&mut self, more: T) {
        match &mut self.0 {
            Some(there) => there.insert(0, more),
            None => self.push(more),
        }
    }

    pub(super) fn pop_front(&mut self) -> Option<T> {
        (!self.is_empty()).then(|| self.remove(0))
    }

    /// Takes one out.
    ///
    /// # Panics
    ///
    /// There is none at that place.
    pub(super) fn remove(&mut self, place: usize) -> T {
        let there = self.0.as_mut().expect("one is there");
        let gone = there.remove(place);
        if there.is_empty() {
            self.0 = None;
        }
        gone
    }

    pub(super) fn take(&mut self) -> Vec<T> {
        self.0.take().map(|there| *there).unwrap_or_default()
    }
}

impl<T> Deref for Few<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.0.as_deref().map(Vec::as_slice).unwrap_or_default()
    }
}

impl<T> DerefMut for Few<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        self.0.as_deref_mut().map(Vec::as_mut_slice).unwrap_or_default()
    }
}

impl<'a, T> IntoIterator for &'a Few<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_keep_their_order_and_none_takes_no_room() {
        let mut few = Few::NONE;
        assert!(few.is_empty() && few.pop_front().is_none());
        few.push(2);
        few.push(3);
        few.push_front(1);
        assert_eq!((&few[..], few.front(), few.back()), (&[1, 2, 3][..], Some(&1), Some(&3)));
        assert_eq!((few.remove(1), few.pop_front(), few.take()), (2, Some(1), vec![3]));
        assert!(few.0.is_none());
        few.push_front(4);
        assert_eq!(few.pop_front(), Some(4));
        assert!(few.0.is_none(), "what is empty again is let go");
        assert_eq!(std::mem::size_of::<Few<u128>>(), 8);
    }
}
