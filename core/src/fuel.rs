//! Fuel for loops whose heads do not say that they end.
//!
//! It is counted where debug assertions are on, as in tests, under the fuzzer and in the profile `checked` of the
//! simulation, and takes neither room nor time elsewhere. A loop without an end so fails at once, by its place.

/// The turns that a loop may still take.
#[derive(Debug)]
pub(crate) struct Fuel {
    #[cfg(debug_assertions)]
    turns: usize,
}

impl Fuel {
    /// For so many turns, as a rule one for each byte or stream that there is, and a few more.
    #[cfg_attr(not(debug_assertions), expect(unused_variables))]
    pub(crate) fn of(turns: usize) -> Self {
        Self {
            #[cfg(debug_assertions)]
            turns,
        }
    }

    /// One turn is taken.
    #[inline]
    #[cfg_attr(debug_assertions, track_caller)]
    pub(crate) fn burn(&mut self) {
        #[cfg(debug_assertions)]
        {
            assert!(self.turns > 0, "a loop takes more turns than it has work");
            self.turns -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_may_take_the_turns_that_it_has() {
        let mut fuel = Fuel::of(3);
        (0..3).for_each(|_| fuel.burn());
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "more turns")]
    fn a_loop_without_an_end_is_found() {
        let mut fuel = Fuel::of(3);
        loop {
            fuel.burn();
        }
    }
}
