//! What the kernel would make of a packet filter, for those who try the filters without a kernel.
//!
//! The tests beside it use it, and so does the fuzzer, from outside the crate.

use super::Instruction;

/// Whether a frame passes. A program that goes past its own end makes it panic, as the kernel would have refused it.
pub(super) fn passes(program: &[Instruction], frame: &[u8]) -> bool {
    let (mut accumulator, mut at) = (0, 0);
    loop {
        let step = program[at];
        at += 1;
        let offset = step.value as usize;
        match step.code {
            0x20 => match frame.get(offset..).and_then(|rest| rest.first_chunk()) {
                Some(word) => accumulator = u32::from_be_bytes(*word),
                None => return false,
            },
            0x30 => match frame.get(offset) {
                Some(byte) => accumulator = u32::from(*byte),
                None => return false,
            },
            0x15 => at += usize::from(if accumulator == step.value { step.jump_true } else { step.jump_false }),
            0x05 => at += offset,
            0x06 => return step.value > 0,
            other => panic!("an instruction that is not used: {other:#x}"),
        }
    }
}
