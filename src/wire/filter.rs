//! Packet filters in the kernel's language (classic BPF), so that only what matters wakes the daemon.

#[cfg(test)]
pub(super) mod interpreter;

use std::net::Ipv6Addr;

/// One instruction of a packet filter, as the kernel lays it out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Instruction {
    /// The operation.
    pub code: u16,
    /// Instructions to skip if a comparison holds.
    pub jump_true: u8,
    /// Instructions to skip if it does not.
    pub jump_false: u8,
    /// The operand.
    pub value: u32,
}

/// Loads the four bytes at `offset`.
pub(super) const fn load_word(offset: u32) -> Instruction {
    Instruction { code: 0x20, jump_true: 0, jump_false: 0, value: offset }
}

/// Loads the two bytes at `offset`.
pub(super) const fn load_half(offset: u32) -> Instruction {
    Instruction { code: 0x28, jump_true: 0, jump_false: 0, value: offset }
}

/// Loads the byte at `offset`.
pub(super) const fn load_byte(offset: u32) -> Instruction {
    Instruction { code: 0x30, jump_true: 0, jump_false: 0, value: offset }
}

/// Loads how the kernel classified the frame: [`TO_THIS_HOST`], to all, to a group, or to another host.
pub(super) const fn load_packet_type() -> Instruction {
    load_byte(PACKET_TYPE)
}

/// Remembers the length of the IPv4 header at `offset`, for [`load_byte_behind`].
pub(super) const fn remember_header_length(offset: u32) -> Instruction {
    Instruction { code: 0xb1, jump_true: 0, jump_false: 0, value: offset }
}

/// Loads the byte at `offset` plus the remembered length.
pub(super) const fn load_byte_behind(offset: u32) -> Instruction {
    Instruction { code: 0x50, jump_true: 0, jump_false: 0, value: offset }
}

/// Keeps only these bits of what was loaded.
pub(super) const fn mask(bits: u32) -> Instruction {
    Instruction { code: 0x54, jump_true: 0, jump_false: 0, value: bits }
}

/// Goes on if what was loaded is equal, else skips so many instructions.
pub(super) const fn unless_equal_skip(value: u32, skipped: u8) -> Instruction {
    Instruction { code: 0x15, jump_true: 0, jump_false: skipped, value }
}

/// Goes on if the IPv6 address at `offset` is this one, else skips so many instructions.
pub(super) fn unless_v6_skip(offset: u32, address: Ipv6Addr, skipped: u8) -> Vec<Instruction> {
    let bits = u128::from(address);
    // The last word differs most often.
    let words = [(3_u32, 6), (2, 4), (1, 2), (0, 0)].into_iter();
    let compare = |(word, left): (u32, u8)| {
        let value = bits >> (32 * (3 - word)) & u128::from(u32::MAX);
        let value = u32::try_from(value).unwrap_or_default();
        [load_word(offset + 4 * word), unless_equal_skip(value, left + skipped)]
    };
    words.flat_map(compare).collect()
}

/// Skips so many instructions.
pub(super) const fn skip(skipped: u32) -> Instruction {
    Instruction { code: 0x05, jump_true: 0, jump_false: 0, value: skipped }
}

/// Lets the frame pass, up to so many bytes of it.
pub(super) const fn accept(longest: u32) -> Instruction {
    Instruction { code: 0x06, jump_true: 0, jump_false: 0, value: longest }
}

/// Drops the frame.
pub(super) const fn reject() -> Instruction {
    Instruction { code: 0x06, jump_true: 0, jump_false: 0, value: 0 }
}

/// The frame was sent to this host's hardware address.
pub(super) const TO_THIS_HOST: u32 = 0;

/// Where the kernel shows the class of a frame: `SKF_AD_OFF + SKF_AD_PKTTYPE`.
const PACKET_TYPE: u32 = 0xffff_f004;
