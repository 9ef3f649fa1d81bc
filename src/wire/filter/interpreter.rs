//! What the kernel would make of a packet filter, for those who try the filters without a kernel.
//!
//! The unit tests use it, and so does the fuzzer, from outside the crate.

use super::Instruction;

/// Whether a frame to this host passes. A program that goes past its own end makes it panic, as the kernel would have
/// refused it.
pub(crate) fn passes(program: &[Instruction], frame: &[u8]) -> bool {
    run(program, frame, 0).unwrap_or(false)
}

/// As [`passes`], for a frame of any class; nothing where the program reads behind the end, which drops the frame.
pub(crate) fn run(program: &[Instruction], frame: &[u8], packet_type: u32) -> Option<bool> {
    let (mut accumulator, mut index, mut at) = (0, 0, 0);
    loop {
        let step = program[at];
        at += 1;
        let offset = step.value as usize;
        match step.code {
            0x30 if step.value == 0xffff_f004 => accumulator = packet_type,
            0x20 => accumulator = u32::from_be_bytes(*frame.get(offset..)?.first_chunk()?),
            0x28 => accumulator = u32::from(u16::from_be_bytes(*frame.get(offset..)?.first_chunk()?)),
            0x30 => accumulator = u32::from(*frame.get(offset)?),
            0xb1 => index = 4 * usize::from(frame.get(offset)? & 0xf),
            0x50 => accumulator = u32::from(*frame.get(index + offset)?),
            0x54 => accumulator &= step.value,
            0x15 => at += usize::from(if accumulator == step.value { step.jump_true } else { step.jump_false }),
            0x05 => at += offset,
            0x06 => return Some(step.value > 0),
            other => panic!("an instruction that is not used: {other:#x}"),
        }
    }
}
