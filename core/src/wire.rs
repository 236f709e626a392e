//! Big-endian numbers in byte slices, so that no layer above indexes by hand.

/// The number in the first three bytes. The caller has checked that they are there.
pub(crate) fn u24(bytes: &[u8]) -> u32 {
    u32::from(bytes[0]) << 16 | u32::from(bytes[1]) << 8 | u32::from(bytes[2])
}

/// The number in the first two bytes. The caller has checked that they are there.
pub(crate) fn u16(bytes: &[u8]) -> u16 {
    u16::from_be_bytes([bytes[0], bytes[1]])
}

/// The number in the first four bytes. The caller has checked that they are there.
pub(crate) fn u32(bytes: &[u8]) -> u32 {
    u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}
