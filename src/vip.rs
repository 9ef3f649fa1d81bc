//! The nouns that every room shares: a virtual address, an interface's name, a hardware address.
//!
//! Each is checked where it is made, so nothing half-checked travels inward.

use std::fmt;
use std::net::IpAddr;

/// A virtual IP address with the prefix length that it is put on the interface with.
///
/// Two `Vip`s are compared as values, never as text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Vip {
    address: IpAddr,
    prefix: u8,
}

/// Why an address cannot serve as a VIP.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum VipError {
    /// Unspecified, multicast or broadcast.
    #[error("{0} cannot be a VIP; expected a unicast address")]
    NotUnicast(IpAddr),
    /// The prefix length is 0 or too long for the address.
    #[error("prefix length {prefix} is invalid for {address}; expected 1 to {}", full_prefix(*.address))]
    Prefix {
        /// The address.
        address: IpAddr,
        /// The rejected prefix length.
        prefix: u8,
    },
}

impl Vip {
    /// Takes a unicast address and a prefix length of 1 to 32, or 1 to 128 for IPv6.
    pub fn new(address: IpAddr, prefix: u8) -> Result<Self, VipError> {
        let address = address.to_canonical();
        let limited_broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
        if address.is_unspecified() || address.is_multicast() || limited_broadcast {
            return Err(VipError::NotUnicast(address));
        }
        if prefix == 0 || prefix > full_prefix(address) {
            return Err(VipError::Prefix { address, prefix });
        }
        Ok(Self { address, prefix })
    }

    /// The address alone: `/32` or `/128`.
    pub fn single(address: IpAddr) -> Result<Self, VipError> {
        Self::new(address, full_prefix(address.to_canonical()))
    }

    /// The address alone.
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// The prefix length.
    pub const fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Whether another address with this prefix length is in the VIP's subnet, by the kernel's rule: then whichever was
    /// added first is the subnet's first address.
    pub fn shares_subnet(&self, address: IpAddr, prefix: u8) -> bool {
        prefix == self.prefix && address != self.address && same_network(prefix, address, self.address)
    }
}

impl fmt::Display for Vip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// The prefix length that covers one address of this family.
pub const fn full_prefix(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// Whether both addresses are in the same network of this prefix length.
pub fn same_network(prefix: u8, one: IpAddr, other: IpAddr) -> bool {
    match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            one.to_bits() & mask == other.to_bits() & mask
        }
        (IpAddr::V6(one), IpAddr::V6(other)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            one.to_bits() & mask == other.to_bits() & mask
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

/// The name of a network interface, as the kernel would accept it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct InterfaceName(String);

/// Why a text cannot name an interface.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("\"{0}\" is not a valid interface name; expected 1 to 15 characters without spaces, '/' or ':'")]
pub struct InterfaceNameError(String);

impl InterfaceName {
    const LONGEST: usize = 15;

    /// Accepts what the kernel accepts, apart from the names that no tool can handle.
    pub fn new(name: &str) -> Result<Self, InterfaceNameError> {
        let fits = (1..=Self::LONGEST).contains(&name.len());
        let legal = !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '/' || c == ':');
        if fits && legal && name != "." && name != ".." {
            Ok(Self(name.to_owned()))
        } else {
            Err(InterfaceNameError(name.to_owned()))
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A 48-bit hardware address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Mac(pub [u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, byte) in self.0.iter().enumerate() {
            let colon = if place == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02x}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vip_is_a_unicast_address_with_a_prefix_of_its_family() {
        assert_eq!(Vip::single("10.0.0.5".parse().unwrap()).unwrap().to_string(), "10.0.0.5/32");
        assert_eq!(Vip::single("fd00::5".parse().unwrap()).unwrap().to_string(), "fd00::5/128");
        assert_eq!(Vip::new("10.0.0.5".parse().unwrap(), 24).unwrap().to_string(), "10.0.0.5/24");
        for bad in ["0.0.0.0", "224.0.0.1", "255.255.255.255", "::", "ff02::1"] {
            let address = bad.parse().unwrap();
            assert_eq!(Vip::single(address), Err(VipError::NotUnicast(address)));
        }
        for prefix in [0, 33] {
            assert!(Vip::new("10.0.0.5".parse().unwrap(), prefix).is_err());
        }
        assert!(Vip::new("fd00::5".parse().unwrap(), 129).is_err());
    }

    #[test]
    fn an_ipv4_address_in_ipv6_clothes_is_the_ipv4_address() {
        assert_eq!(Vip::single("::ffff:10.0.0.5".parse().unwrap()).unwrap().to_string(), "10.0.0.5/32");
    }

    #[test]
    fn an_interface_name_is_what_the_kernel_accepts() {
        for good in ["eth0", "enp0s31f6", "br-lan.100", "fifteen-letters"] {
            assert_eq!(InterfaceName::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "sixteen--letters", "eth 0", "eth/0", "eth0:1", ".", ".."] {
            assert!(InterfaceName::new(bad).is_err(), "{bad}");
        }
    }
}
