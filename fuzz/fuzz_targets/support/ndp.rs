//! The checksum of ICMPv6, worked out as RFC 1071 words it rather than as the library does.

/// The frame with the checksum that its packet should have: bytes alone hardly ever sum up.
pub fn summed(frame: &[u8]) -> Option<Vec<u8>> {
    let length = packet(frame).map(<[u8]>::len).filter(|length| *length >= 4)?;
    let mut summed = frame.to_vec();
    summed[CHECKSUM..CHECKSUM + 2].fill(0);
    let sum = !sum(&summed[..KIND + length]);
    summed[CHECKSUM..CHECKSUM + 2].copy_from_slice(&sum.to_be_bytes());
    Some(summed)
}

/// The ICMPv6 packet, as long as the header says.
pub fn packet(frame: &[u8]) -> Option<&[u8]> {
    let length = usize::from(u16::from_be_bytes([*frame.get(18)?, *frame.get(19)?]));
    frame.get(KIND..KIND + length)
}

/// The sum over pseudo header and packet: sixteen bits at a time, the carry brought round at once.
pub fn sum(frame: &[u8]) -> u16 {
    let mut covered = frame[22..KIND].to_vec();
    covered.extend(u32::try_from(frame.len() - KIND).unwrap().to_be_bytes());
    covered.extend([0, 0, 0, 58]);
    covered.extend(&frame[KIND..]);
    let word = |pair: &[u8]| u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]);
    covered.chunks(2).map(word).fold(0, |sum: u16, word| {
        let (added, carry) = sum.overflowing_add(word);
        added + u16::from(carry)
    })
}

/// Where the packet begins.
pub const KIND: usize = 54;
const CHECKSUM: usize = 56;
