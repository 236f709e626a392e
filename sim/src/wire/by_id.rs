//! What is known of each stream, by its identifier.

use std::cell::Cell;

/// Rows in the order of their identifiers. Streams are made in that order and never forgotten, and what passes is most
/// often about the stream that was asked for last.
#[derive(Debug)]
pub(super) struct ById<T> {
    rows: Vec<(u32, T)>,
    last: Cell<usize>,
}

impl<T> Default for ById<T> {
    fn default() -> Self {
        Self {
            rows: Vec::new(),
            last: Cell::new(0),
        }
    }
}

impl<T> ById<T> {
    /// Where the row is, or where it would have to be.
    fn place(&self, id: u32) -> Result<usize, usize> {
        let last = self.last.get();
        if self.rows.get(last).is_some_and(|row| row.0 == id) {
            return Ok(last);
        }
        let place = match self.rows.last() {
            Some(row) if row.0 >= id => self.rows.binary_search_by_key(&id, |row| row.0),
            _ => Err(self.rows.len()),
        };
        self.last.set(place.unwrap_or(last));
        place
    }

    pub(super) fn get(&self, id: u32) -> Option<&T> {
        self.place(id).ok().map(|at| &self.rows[at].1)
    }

    pub(super) fn get_mut(&mut self, id: u32) -> Option<&mut T> {
        self.place(id).ok().map(|at| &mut self.rows[at].1)
    }

    /// In the order of identifiers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.rows.iter().map(|(id, row)| (*id, row))
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.rows.iter().map(|(_, row)| row)
    }

    /// All identifiers, while the rows are changed.
    pub(super) fn ids(&self) -> Vec<u32> {
        self.rows.iter().map(|row| row.0).collect()
    }
}

impl<T: Default> ById<T> {
    /// The row of this stream, made when there is none.
    pub(super) fn or_default(&mut self, id: u32) -> &mut T {
        let at = self.place(id).unwrap_or_else(|at| {
            self.rows.insert(at, (id, T::default()));
            at
        });
        &mut self.rows[at].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_wherever_they_were_put() {
        let mut rows = ById::default();
        for id in [5, 1, 9, 3, 7, 5, 9] {
            *rows.or_default(id) += id;
        }
        assert_eq!(rows.ids(), [1, 3, 5, 7, 9]);
        let sums = [(1, 1), (3, 3), (5, 10), (7, 7), (9, 18)];
        assert!(rows.iter().eq(sums.iter().map(|(id, sum)| (*id, sum))));
        for (id, sum) in sums {
            assert_eq!(rows.get(id), Some(&sum));
            assert_eq!(rows.get_mut(id), Some(&mut { sum }));
        }
        for id in [0, 2, 8, 10] {
            assert_eq!(rows.get(id), None);
        }
        assert_eq!(rows.values().sum::<u32>(), 39);
    }
}
