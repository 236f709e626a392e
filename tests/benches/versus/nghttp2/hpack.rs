//! libnghttp2's HPACK alone.

use std::{ffi::c_int, mem::MaybeUninit, ptr, slice};

use bytes::BytesMut;

use super::ffi::{self, Nv};
use crate::workload::Seen;

/// Encodes every list with one deflater, behind each other. `fields` is room for one list.
pub(crate) fn encode(lists: &[Vec<(String, String)>], fields: &mut Vec<Nv>, out: &mut BytesMut) {
    let mut deflater = ptr::null_mut();
    let mut block = [0; 16_384];
    // SAFETY: the deflater is used between its making and its end; lists and buffer outlive each call.
    unsafe {
        assert_eq!(ffi::nghttp2_hd_deflate_new(&mut deflater, 4_096), 0);
        for list in lists {
            fields.clear();
            fields.extend(list.iter().map(|(name, value)| Nv::lent(name, value)));
            let (start, room) = (block.as_mut_ptr(), block.len());
            let len =
                ffi::nghttp2_hd_deflate_hd(deflater, start, room, fields.as_ptr(), fields.len());
            assert!(len > 0, "a block: {len}");
            out.extend_from_slice(&block[..len as usize]);
        }
        ffi::nghttp2_hd_deflate_del(deflater);
    }
}

/// Decodes every block with one inflater.
pub(crate) fn decode(blocks: &[u8], ends: &[usize], seen: &mut Seen) {
    let mut inflater = ptr::null_mut();
    // SAFETY: the inflater is used between its making and its end; a field is read before the next call.
    unsafe {
        assert_eq!(ffi::nghttp2_hd_inflate_new(&mut inflater), 0);
        let mut start = 0;
        for &end in ends {
            let mut input = &blocks[start..end];
            loop {
                let mut field = MaybeUninit::<Nv>::uninit();
                let mut flags: c_int = 0;
                let (from, len) = (input.as_ptr(), input.len());
                let to = field.as_mut_ptr();
                let read = ffi::nghttp2_hd_inflate_hd2(inflater, to, &mut flags, from, len, 1);
                assert!(read >= 0, "a block: {read}");
                input = &input[read as usize..];
                if flags & ffi::INFLATE_EMIT != 0 {
                    let field = field.assume_init();
                    seen.field(
                        slice::from_raw_parts(field.name, field.name_len),
                        slice::from_raw_parts(field.value, field.value_len),
                    );
                }
                if flags & ffi::INFLATE_FINAL != 0 {
                    break;
                }
            }
            ffi::nghttp2_hd_inflate_end_headers(inflater);
            start = end;
        }
        ffi::nghttp2_hd_inflate_del(inflater);
    }
}
