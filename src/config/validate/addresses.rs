//! Addresses and their prefix lengths.
//!
//! A prefix may stand behind the address or in `netmask`. One netmask may serve addresses of both families, although
//! no prefix length suits both: then up to 32 it speaks of IPv4 and above of IPv6, and the other family keeps its
//! default. A `netmask` at the top does not bind an entry of `vips` that gives its own prefix.

use std::net::IpAddr;

use super::scope::Scope;
use super::validator::{Origin, Reported, Validator};
use crate::config::diagnostic::{Place, brief};
use crate::config::keys::Key;
use crate::config::setting::{Item, Setting};
use crate::vip::Vip;

/// An address as it was written, with the netmask that may speak of it.
pub(super) struct Address<'a> {
    ip: IpAddr,
    prefix: Option<u8>,
    item: &'a Item,
    netmask: Option<Netmask<'a>>,
    /// Whether the netmask is set beside the address rather than above its entry.
    beside: bool,
}

#[derive(Clone, Copy)]
struct Netmask<'a> {
    bits: u8,
    setting: &'a Setting,
}

/// A VIP and where its two parts come from.
pub(super) struct Joined<'a> {
    pub(super) vip: Vip,
    pub(super) place: &'a Place,
    /// Nothing where the prefix length is the default.
    pub(super) prefix: Option<Origin>,
}

impl<'a> Validator<'a> {
    /// The addresses of one scope, not yet joined with their netmask.
    pub(super) fn addresses(&mut self, scope: &Scope<'a>) -> Result<Vec<Address<'a>>, Reported> {
        let netmask = self.netmask(scope);
        let setting = self.required(scope, Key::Ip, "the virtual IP address, such as 10.0.0.5")?;
        let parsed: Vec<_> = setting.items.iter().map(|item| self.address(item)).collect();
        let netmask = netmask?;
        let beside = scope.is_own(Key::Netmask) || !scope.is_own(Key::Ip);
        let join = |(parsed, item)| {
            let (ip, prefix) = parsed?;
            Ok(Address { ip, prefix, item, netmask, beside })
        };
        parsed.into_iter().zip(&setting.items).map(join).collect()
    }

    fn netmask(&mut self, scope: &Scope<'a>) -> Result<Option<Netmask<'a>>, Reported> {
        let Some(setting) = scope.find(Key::Netmask) else { return Ok(None) };
        let bits = self.value(Some(setting), |text| match text.trim().parse::<i32>() {
            Ok(-1) => Ok(None),
            Ok(bits @ 1..=128) => Ok(u8::try_from(bits).ok()),
            Ok(_) | Err(_) => {
                Err("is not a prefix length; expected 1 to 32, or 1 to 128 for IPv6, or -1 for the default".to_owned())
            }
        })?;
        Ok(bits.flatten().map(|bits| Netmask { bits, setting }))
    }

    fn address(&mut self, item: &Item) -> Result<(IpAddr, Option<u8>), Reported> {
        let text = item.text.as_str();
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let expected = "expected IPv4 or IPv6, with or without a prefix: 10.0.0.5 or 10.0.0.5/24";
        let Ok(address) = address.trim().parse::<IpAddr>() else {
            return Err(self.problem(&item.place, format!("ip \"{}\" is not an address; {expected}", brief(text))));
        };
        let address = address.to_canonical();
        let prefix = match prefix.map(|bits| bits.trim().parse::<u8>()) {
            None => None,
            Some(Ok(bits)) => Some(bits),
            Some(Err(_)) => {
                return Err(self
                    .problem(&item.place, format!("ip \"{}\" has an invalid prefix length; {expected}", brief(text))));
            }
        };
        // What the netmask adds is checked when it is joined: here, what is wrong with the address by itself.
        let vip = prefix.map_or_else(|| Vip::single(address), |prefix| Vip::new(address, prefix));
        vip.map(|_| (address, prefix)).map_err(|error| self.problem(&item.place, format!("ip: {error}")))
    }

    /// The VIPs of one scope. `all` are the addresses of the whole configuration.
    pub(super) fn join(&mut self, own: &[Address<'a>], all: &[&Address<'a>]) -> Result<Vec<Joined<'a>>, Reported> {
        let vips: Vec<_> = own.iter().map(|address| self.join_one(address, all)).collect();
        vips.into_iter().collect()
    }

    fn join_one(&mut self, address: &Address<'a>, all: &[&Address<'a>]) -> Result<Joined<'a>, Reported> {
        let place = &address.item.place;
        let netmask = address.netmask.filter(|netmask| netmask.speaks_of(address.ip, all));
        let (vip, prefix) = match (address.prefix, netmask) {
            (None, None) => (Vip::single(address.ip), None),
            (Some(prefix), Some(netmask)) if address.beside && prefix != netmask.bits => {
                let (ip, mask, at) = (&address.item.text, netmask.setting.quoted(), &netmask.setting.place);
                let text =
                    format!("ip \"{ip}\" conflicts with {mask} at {at}; set the prefix length in only one of them");
                return Err(self.problem(place, text));
            }
            (Some(prefix), _) => {
                let origin = Origin { place: place.clone(), name: Key::Ip.name().to_owned(), text: None };
                (Vip::new(address.ip, prefix), Some(origin))
            }
            (None, Some(netmask)) => (Vip::new(address.ip, netmask.bits), Some(Origin::of(netmask.setting))),
        };
        match (vip, prefix) {
            (Ok(vip), prefix) => Ok(Joined { vip, place, prefix }),
            (Err(error), None) => Err(self.problem(place, format!("ip: {error}"))),
            (Err(error), Some(origin)) => Err(self.problem(&origin.place, format!("{}: {error}", origin.name))),
        }
    }
}

impl Netmask<'_> {
    /// Whether this netmask is meant for `address`, seeing which others it is given for.
    fn speaks_of(self, address: IpAddr, all: &[&Address<'_>]) -> bool {
        let same = |other: &Netmask<'_>| other.setting.place == self.setting.place;
        let mut served = all.iter().filter(|other| other.netmask.as_ref().is_some_and(same));
        let one_family = served.all(|other| other.ip.is_ipv4() == address.is_ipv4());
        one_family || address.is_ipv4() == (self.bits <= 32)
    }
}
