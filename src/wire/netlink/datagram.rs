//! The messages in a datagram.

use netlink_packet_core::NetlinkBuffer;

/// The messages in a datagram; one that claims to be longer than what is there ends it.
pub fn messages(datagram: &[u8]) -> impl Iterator<Item = NetlinkBuffer<&[u8]>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let message = NetlinkBuffer::new_checked(rest).ok()?;
        let length = usize::try_from(message.length()).ok()?;
        let padded = length.next_multiple_of(ALIGNMENT).min(rest.len());
        rest = &rest[padded..];
        Some(message)
    })
}

const ALIGNMENT: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    /// A message of this length by its own word, and what follows the length.
    fn message(length: u32, kind: u16, payload: &[u8]) -> Vec<u8> {
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 10]);
        bytes.extend(payload);
        bytes
    }

    fn read(datagram: &[u8]) -> Vec<(u16, Vec<u8>)> {
        messages(datagram).map(|message| (message.message_type(), message.payload().to_vec())).take(9).collect()
    }

    #[test]
    fn each_message_begins_where_the_one_before_was_padded_to() {
        let datagram =
            [message(16 + 3, 1, b"one\0"), message(16 + 4, 2, b"four"), message(16, 3, b""), message(16 + 1, 4, b"x")];
        let expected = [(1, b"one".to_vec()), (2, b"four".to_vec()), (3, Vec::new()), (4, b"x".to_vec())];
        assert_eq!(read(&datagram.concat()), expected);
    }

    #[test]
    fn a_message_that_claims_more_than_there_is_ends_the_datagram() {
        let datagram = [message(16 + 4, 1, b"four"), message(16 + 5, 2, b"cut\0")].concat();
        assert_eq!(read(&datagram), [(1, b"four".to_vec())]);
        assert_eq!(read(&[0; 64]), [], "nor does a length of nothing make it go round for ever");
    }
}
