//! The engine's account of its memory against the allocator, at the moment of each attack at which it has most.
//!
//! What a connection has allocated shows when it is dropped, and a connection cannot be dropped in the middle of an attack
//! that goes on. So each attack is played twice: once to find its peak, and once up to there.

use std::{cell::Cell, panic};

/// What is being played on this thread.
#[derive(Clone, Copy, Debug)]
enum Play {
    /// An attack by itself.
    Whole,
    /// The first time: how many victims there were, and the peak so far.
    Search { victims: u32, peak: Peak },
    /// The second time.
    Reach { victims: u32, peak: Peak },
}

/// The victim, and the look at it, that had most.
#[derive(Clone, Copy, Debug, Default)]
struct Peak {
    victim: u32,
    look: u64,
    live: usize,
}

thread_local! {
    static PLAY: Cell<Play> = const { Cell::new(Play::Whole) };
}

/// Which look at which victim it is.
#[derive(Debug)]
pub(crate) struct Look {
    victim: u32,
    look: u64,
}

impl Look {
    /// Of one more victim.
    pub(crate) fn new() -> Self {
        let mut play = PLAY.get();
        let victim = match &mut play {
            Play::Whole => 0,
            Play::Search { victims, .. } | Play::Reach { victims, .. } => {
                *victims += 1;
                *victims
            }
        };
        PLAY.set(play);
        Self { victim, look: 0 }
    }

    /// The attack begins, and what there was before is not its peak.
    pub(crate) fn begin(&self) {
        if let Play::Search { victims, peak } = PLAY.get()
            && peak.victim == self.victim
        {
            let peak = Peak::default();
            PLAY.set(Play::Search { victims, peak });
        }
    }

    /// One more look, which finds so much; whether it is the one that the attack is played up to.
    pub(crate) fn is_the_peak(&mut self, live: usize) -> bool {
        self.look += 1;
        let (victim, look) = (self.victim, self.look);
        match PLAY.get() {
            Play::Whole => false,
            Play::Search { victims, peak } => {
                if peak.look == 0 || live > peak.live {
                    let peak = Peak { victim, look, live };
                    PLAY.set(Play::Search { victims, peak });
                }
                false
            }
            Play::Reach { peak, .. } => (peak.victim, peak.look) == (victim, look),
        }
    }
}

/// Unwinds out of the attack, which has served its purpose.
struct Reached;

pub(crate) fn reached() -> ! {
    panic::resume_unwind(Box::new(Reached))
}

/// Plays the attack up to its peak. The victim holds its account against the allocator there.
fn at_the_peak(name: &str, attack: fn()) {
    let none = Peak::default();
    PLAY.set(Play::Search {
        victims: 0,
        peak: none,
    });
    attack();
    let Play::Search { peak, .. } = PLAY.get() else {
        unreachable!("nobody else sets it")
    };
    PLAY.set(Play::Reach { victims: 0, peak });
    let end = panic::catch_unwind(attack);
    PLAY.set(Play::Whole);
    let Err(end) = end else {
        panic!("{name} goes another way the second time: {peak:?}")
    };
    if end.downcast_ref::<Reached>().is_none() {
        println!("at the peak of {name}: {peak:?}");
        panic::resume_unwind(end);
    }
}

macro_rules! at_their_peaks {
    ($($module:ident: $($attack:ident),+;)+) => {
        $($(
            #[test]
            fn $attack() {
                at_the_peak(stringify!($attack), crate::$module::$attack);
            }
        )+)+
    };
}

// The million pairs of V09 are too long to be played twice. The events and the input of V45 and of the second test of V10,
// and the single victims of V21, V25, V30 and V43, are the tests' own, so that what they share with the engine does not come
// back with it, or have no peak to speak of. V20 is a single list, as V18's.
at_their_peaks! {
    compression: v22_blocks_that_are_refused_are_decoded, v22_blocks_that_come_too_late_are_decoded,
        v23_faults_that_stay_with_their_stream, v26_a_frame_of_16_mebibytes, v27_a_frame_size_that_no_frame_fits;
    endings: v07_windows_wide_and_a_transport_that_is_shut, v31_input_behind_the_end, v32_our_goaway_and_a_peer_that_stays,
        v33_an_end_that_cannot_be_written, v34_senders_that_wait_for_credit, v35_streams_are_counted_right,
        v36_requests_that_were_never_sent, v37_refused_in_the_middle_of_an_upload, v46_every_byte_has_one_budget,
        v47_streams_beyond_the_limit, v49_silence_from_the_start, v50_no_stream_sees_the_faults_of_another;
    floods: v02_ping_flood, v03_resource_loop, v04_reset_flood, v04_refusals_that_nobody_reads, v05_settings_flood,
        v08_empty_frames;
    resets: v09_rapid_reset, v09_bodies_that_nobody_takes, v10_reset_before_the_handler, v11_made_you_reset,
        v11_a_stream_that_depends_on_itself, v12_answers_that_cannot_be_sent;
    headers: v06_fields_without_name_and_value, v13_continuation_flood, v13_a_block_that_comes_in_drops,
        v14_empty_continuations, v24_an_encoder_table_of_any_size, v38_pushes;
    lists: v15_references_to_a_large_entry, v16_tiny_fields_and_cookie_crumbs, v16_lists_of_all_streams_together,
        v16_a_response_held_by_a_window_that_opens_in_drips, v17_hosts_beside_an_authority,
        v18_names_of_trailers_to_come, v19_names_that_never_repeat;
    ignored: v28_kinds_flags_and_settings_that_nobody_knows, v29_frames_that_are_ignored_keep_nothing;
    messages: v39_trailers_out_of_order, v48_messages_that_can_be_read_in_two_ways, v48_what_was_never_http2;
    windows: v01_data_dribble, v40_data_that_nobody_reads, v40_single_bytes_that_nobody_polls, v41_initial_window_toggled,
        v42_credit_of_every_way_to_end, v42_the_peer_never_gets_more_than_the_window;
}
