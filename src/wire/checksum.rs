//! The Internet checksum (RFC 1071): the one's complement sum of sixteen-bit words.

/// The sum of the words, carries not yet added; an odd last byte is followed by a zero.
pub(super) fn words(bytes: &[u8]) -> u64 {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let last = rest.first().map_or(0, |byte| u64::from(*byte) << 8);
    pairs.iter().map(|pair| u64::from(u16::from_be_bytes(*pair))).sum::<u64>() + last
}

/// Adds the carries back in until none is left.
pub(super) fn fold(mut total: u64) -> u16 {
    loop {
        match u16::try_from(total) {
            Ok(sum) => return sum,
            Err(_) => total = (total >> 16) + (total & 0xffff),
        }
    }
}
