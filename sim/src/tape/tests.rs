use super::*;

#[test]
fn a_seed_gives_the_same_choices_again_and_another_seed_others() {
    let draw = |seed| {
        let mut tape = Tape::from_seed(seed);
        (0..32).map(|_| tape.below(1 << 40)).collect::<Vec<_>>()
    };
    assert_eq!(draw(7), draw(7));
    assert_ne!(draw(7), draw(8));
}

#[test]
fn a_lane_is_moved_by_its_own_draws_alone() {
    let mut one = Tape::from_seed(3);
    let mut other = Tape::from_seed(3);
    other.lane("first").bytes(10);
    assert_eq!(one.lane("second").bytes(9), other.lane("second").bytes(9));
    assert_ne!(one.lane("first").bytes(9), other.lane("second").bytes(9));
}

#[test]
fn what_was_drawn_is_drawn_again_from_its_text() {
    let draw = |tape: &mut Tape| {
        let a = tape.lane("a").bytes(5);
        let b = tape.lane("b").below(1 << 50);
        let c = tape.lane("a").between(10, 20);
        (a, b, c)
    };
    let mut tape = Tape::from_seed(9);
    tape.record();
    let first = draw(&mut tape);
    let text = tape.recorded().to_string();
    let mut read: Tape = text.parse().expect("it is a tape");
    assert_eq!(draw(&mut read), first);
    read.rewind();
    assert_eq!(draw(&mut read), first);
    tape.rewind();
    assert_eq!(draw(&mut tape), first);
    assert_eq!(read.to_string(), text);
    assert!("something else".parse::<Tape>().is_err());
}

#[test]
fn behind_the_end_of_given_bytes_everything_is_calm() {
    let mut tape = Tape::from_bytes(&[3, 0xff, 0xff]);
    assert_eq!(tape.below(16), 3);
    assert_eq!(tape.below(0x1_0000), 0xffff);
    assert_eq!(tape.bytes(3), [0, 0, 0]);
    assert_eq!(tape.pick(&[5, 6]), 5);
    assert!(!tape.chance(99, 100));
    assert!(tape.chance(1, 1), "certain is certain");
    assert_eq!((tape.between(4, 9), tape.size(1000)), (4, 0));
}

#[test]
fn sizes_stay_in_range_and_reach_both_ends_of_it() {
    let mut tape = Tape::from_seed(1);
    let sizes: Vec<_> = (0..2_000).map(|_| tape.size(1_000)).collect();
    assert!(sizes.iter().all(|&size| size <= 1_000));
    assert!(sizes.contains(&0) && sizes.contains(&1));
    assert!(sizes.iter().filter(|&&size| size > 500).count() > 50);
}

#[test]
fn zero_is_the_whole_of_what_can_be_cut() {
    assert_eq!(Tape::from_bytes(&[]).piece(1_000), 1_000);
    let draw = |from_top: bool| {
        let mut tape = Tape::from_seed(5);
        tape.record();
        let drawn: Vec<_> = (0..100)
            .map(|_| match from_top {
                true => tape.piece(1_000),
                false => tape.size(1_000),
            })
            .collect();
        (drawn, tape)
    };
    let ((pieces, tape), (sizes, _)) = (draw(true), draw(false));
    assert_eq!(pieces, sizes, "a seed's numbers are the same");
    let mut saved = tape.recorded();
    let again: Vec<_> = (0..100).map(|_| saved.piece(1_000)).collect();
    assert_eq!(pieces, again);
}
