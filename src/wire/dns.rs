//! DNS: the question for a name's SRV records (RFC 2782), and the answer.
//!
//! The C library has no interface for these records, and a resolver with all that it can do would be larger than the
//! rest of this file's users.

use super::field;

/// A server of a service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Server {
    /// The lowest is asked first.
    pub priority: u16,
    /// The port of the service there.
    pub port: u16,
    /// Its name, without a dot at the end.
    pub host: String,
}

/// What a name server answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// The servers in the order of their priority; none if there is no such name or no such record.
    Servers(Vec<Server>),
    /// The answer is longer than a datagram: it is to be had by TCP.
    Truncated,
    /// The server cannot answer, with this code.
    Failed(u8),
}

/// The question with this id, or nothing for what is no name.
pub fn question(id: u16, name: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(HEADER + name.len() + 17);
    for word in [id, RECURSION_DESIRED, 1, 0, 0, 1] {
        bytes.extend(word.to_be_bytes());
    }
    for label in name.strip_suffix('.').unwrap_or(name).split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..=LONGEST_LABEL).contains(length))?;
        bytes.push(length);
        bytes.extend(label.bytes());
    }
    if bytes.len() > HEADER + LONGEST_NAME - 1 {
        return None;
    }
    bytes.push(0);
    bytes.extend([SRV, CLASS_IN].iter().flat_map(|word| word.to_be_bytes()));
    // EDNS (RFC 6891): an answer may be this long.
    bytes.push(0);
    bytes.extend([OPT, DATAGRAM, 0, 0, 0].iter().flat_map(|word| word.to_be_bytes()));
    Some(bytes)
}

/// The answer to a question, or nothing if it is none to this one.
pub fn answer(question: &[u8], bytes: &[u8]) -> Option<Answer> {
    let word = |offset| field(bytes, offset).map(u16::from_be_bytes);
    let flags = word(2)?;
    let asked = question.get(HEADER..question.len().checked_sub(OPT_LENGTH)?)?;
    let same = bytes.get(..2)? == question.get(..2)? && word(4)? == 1;
    // Name servers repeat the question as it was asked, but for upper and lower case.
    let repeated = bytes.get(HEADER..HEADER + asked.len())?.eq_ignore_ascii_case(asked);
    if flags & IS_ANSWER == 0 || !same || !repeated {
        return None;
    }
    let code = u8::try_from(flags & CODE).unwrap_or(u8::MAX);
    match code {
        _ if flags & TRUNCATED != 0 => return Some(Answer::Truncated),
        NO_ERROR => {}
        NO_SUCH_NAME => return Some(Answer::Servers(Vec::new())),
        code => return Some(Answer::Failed(code)),
    }
    let mut offset = HEADER + asked.len();
    let mut servers = Vec::new();
    for _ in 0..word(6)? {
        offset = name(bytes, offset)?.1;
        let (kind, class, length) = (word(offset)?, word(offset + 2)?, usize::from(word(offset + 8)?));
        let data = offset + RECORD;
        offset = data + length;
        bytes.get(data..offset)?;
        if (kind, class) == (SRV, CLASS_IN) {
            let (host, end) = name(bytes, data + 6)?;
            // A target of "." says that there is no such service.
            if end <= offset && !host.is_empty() {
                servers.push(Server { priority: word(data)?, port: word(data + 4)?, host });
            }
        }
    }
    servers.sort_by_key(|server| server.priority);
    Some(Answer::Servers(servers))
}

/// The name that starts at `offset`, and where what follows it starts. Only what can be a host's name is one.
fn name(bytes: &[u8], offset: usize) -> Option<(String, usize)> {
    let (mut name, mut at, mut end) = (String::new(), offset, None);
    loop {
        let length = *bytes.get(at)?;
        match length {
            0 => return Some((name, end.unwrap_or(at + 1))),
            // A pointer leads backwards, so it ends.
            POINTER.. => {
                let target = usize::from(u16::from_be_bytes(field(bytes, at)?) & 0x3fff);
                end = end.or(Some(at + 2));
                at = Some(target).filter(|target| *target < at)?;
            }
            1..=LONGEST_LABEL => {
                let label = bytes.get(at + 1..at + 1 + usize::from(length))?;
                if !label.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte)) {
                    return None;
                }
                if !name.is_empty() {
                    name.push('.');
                }
                name.extend(label.iter().copied().map(char::from));
                at += 1 + usize::from(length);
                if name.len() > LONGEST_NAME {
                    return None;
                }
            }
            _ => return None,
        }
    }
}

const HEADER: usize = 12;
const OPT_LENGTH: usize = 11;
/// Type, class, time to live and length of a record.
const RECORD: usize = 10;
const LONGEST_LABEL: u8 = 63;
const LONGEST_NAME: usize = 255;
const POINTER: u8 = 0xc0;
const RECURSION_DESIRED: u16 = 0x0100;
const IS_ANSWER: u16 = 0x8000;
const TRUNCATED: u16 = 0x0200;
const CODE: u16 = 0x000f;
const NO_ERROR: u8 = 0;
const NO_SUCH_NAME: u8 = 3;
const SRV: u16 = 33;
const OPT: u16 = 41;
const CLASS_IN: u16 = 1;
/// What passes everywhere in one piece.
pub const DATAGRAM: u16 = 1232;

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "_etcd-client._tcp.example.org";

    fn asked() -> Vec<u8> {
        question(0x1234, NAME).unwrap()
    }

    /// An answer with these flags and records; the first name begins at byte 12.
    fn answered(flags: u16, records: &[&[u8]]) -> Vec<u8> {
        let question = asked();
        let mut bytes = Vec::new();
        let count = u16::try_from(records.len()).unwrap();
        bytes.extend([0x1234, flags, 1, count, 0, 0].iter().flat_map(|word: &u16| word.to_be_bytes()));
        bytes.extend(&question[HEADER..question.len() - OPT_LENGTH]);
        bytes.extend(records.concat());
        bytes
    }

    /// A record of the name that was asked for. `host` is below `example.org`, by a pointer into the question.
    fn record(priority: u8, port: u8, host: &str) -> Vec<u8> {
        let length = u8::try_from(host.len()).unwrap();
        let mut bytes = vec![0xc0, 12, 0, 33, 0, 1, 0, 0, 0, 60, 0, 6 + 1 + length + 2];
        bytes.extend([0, priority, 0, 0, 9, port, length]);
        bytes.extend(host.bytes());
        bytes.extend([0xc0, 12 + 13 + 5]);
        bytes
    }

    fn server(priority: u16, port: u16, host: &str) -> Server {
        Server { priority, port, host: host.to_owned() }
    }

    #[test]
    fn the_question_is_as_the_standard_has_it() {
        let bytes = question(0x1234, "_a._tcp.b.").unwrap();
        let expected = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01\x02_a\x04_tcp\x01b\x00\x00\x21\x00\x01\
                         \x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00";
        assert_eq!(bytes, expected);
        for name in ["", "a..b", &"a".repeat(64), &["a"; 200].join(".")] {
            assert_eq!(question(1, name), None, "{name}");
        }
    }

    #[test]
    fn servers_come_in_the_order_of_their_priority() {
        let bytes = answered(0x8180, &[&record(20, 1, "b"), &record(10, 2, "a")]);
        let servers = vec![server(10, 9 * 256 + 2, "a.example.org"), server(20, 9 * 256 + 1, "b.example.org")];
        assert_eq!(answer(&asked(), &bytes), Some(Answer::Servers(servers)));
    }

    #[test]
    fn what_is_no_list_is_told_apart() {
        for (flags, expected) in [
            (0x8180, Answer::Servers(Vec::new())),
            (0x8183, Answer::Servers(Vec::new())),
            (0x8182, Answer::Failed(2)),
            (0x8380, Answer::Truncated),
        ] {
            assert_eq!(answer(&asked(), &answered(flags, &[])), Some(expected), "{flags:x}");
        }
        assert_eq!(answer(&asked(), &answered(0x0100, &[])), None, "a question");
        assert_eq!(answer(&question(0x1235, NAME).unwrap(), &answered(0x8180, &[])), None, "another id");
        assert_eq!(answer(&question(0x1234, "_x").unwrap(), &answered(0x8180, &[])), None, "another question");
    }

    #[test]
    fn a_name_that_leads_nowhere_or_in_circles_is_none() {
        let whole = answered(0x8180, &[&record(10, 2, "a")]);
        for end in 0..whole.len() {
            assert_eq!(answer(&asked(), &whole[..end]), None, "{end}");
        }
        let pointer = |target: u8| {
            let mut record = record(10, 2, "a");
            let place = record.len() - 1;
            record[place] = target;
            answer(&asked(), &answered(0x8180, &[&record]))
        };
        assert_eq!(pointer(u8::try_from(whole.len() - 2).unwrap()), None, "to itself");
        assert_eq!(pointer(200), None, "forwards");
        let odd = answered(0x8180, &[&record(10, 2, "a\nb")]);
        assert_eq!(answer(&asked(), &odd), None, "no host has such a name");
    }
}
