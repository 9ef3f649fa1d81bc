//! Clouds whose networks have no layer 2: nobody reaches an address that a host there announces.

use super::Finding;

/// What the firmware says about the machine; empty if nothing.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Firmware {
    pub sys_vendor: String,
    pub product_name: String,
    pub bios_vendor: String,
    pub bios_version: String,
    pub chassis_asset_tag: String,
}

pub fn judge(firmware: &Firmware) -> Option<Finding> {
    let known = |text: &str, word: &str| text.to_lowercase().contains(word);
    let Firmware { sys_vendor, product_name, bios_vendor, bios_version, chassis_asset_tag } = firmware;
    let (name, instead) = if [sys_vendor, bios_vendor, bios_version].iter().any(|text| known(text, "amazon")) {
        ("AWS", "use a network load balancer, or move a secondary private address through the API")
    } else if known(sys_vendor, "google") || known(product_name, "google compute") {
        ("Google Cloud", "use an internal load balancer with a health check on Patroni's REST API, or an alias range")
    } else if chassis_asset_tag.trim() == AZURE {
        ("Azure", "use an internal load balancer with a health check on Patroni's REST API")
    } else if known(sys_vendor, "hetzner") {
        ("Hetzner Cloud", "use a load balancer, or move a floating or alias address through the API")
    } else if known(sys_vendor, "digitalocean") {
        ("DigitalOcean", "use a reserved address or a load balancer")
    } else if known(sys_vendor, "oraclecloud") || known(chassis_asset_tag, "oraclecloud") {
        ("Oracle Cloud", "move a secondary private address through the API, or use a load balancer")
    } else if known(sys_vendor, "alibaba cloud") {
        ("Alibaba Cloud", "use its high-availability virtual IP, or a load balancer")
    } else if known(sys_vendor, "tencent cloud") {
        ("Tencent Cloud", "use its high-availability virtual IP, or a load balancer")
    } else if known(product_name, "openstack") || known(sys_vendor, "openstack") {
        return Some(Finding::warning(
            "cloud-port-security",
            "cloud",
            "this machine runs in OpenStack, whose ports drop unknown addresses",
            "allow the VIP on each host's port: openstack port set --allowed-address ip-address=VIP PORT",
        ));
    } else {
        return None;
    };
    Some(Finding::warning(
        "cloud-no-layer-2",
        "cloud",
        format!("this machine runs in {name}, whose network ignores announcements: nobody will reach the VIP here"),
        instead,
    ))
}

/// What Azure writes on every machine's chassis.
const AZURE: &str = "7783-7084-3265-9085-8269-3286-77";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clouds_without_layer_2_are_reported_and_other_machines_are_not() {
        let vendor = |vendor: &str| Firmware { sys_vendor: vendor.into(), ..Firmware::default() };
        for (name, word) in [("Amazon EC2", "AWS"), ("Google", "Google Cloud"), ("Hetzner", "Hetzner Cloud")] {
            assert!(judge(&vendor(name)).unwrap().text.contains(word));
        }
        let azure = Firmware {
            sys_vendor: "Microsoft Corporation".into(),
            chassis_asset_tag: AZURE.into(),
            ..Firmware::default()
        };
        assert!(judge(&azure).unwrap().text.contains("Azure"));
        // Older machines of AWS say so only in the version.
        let xen = Firmware { sys_vendor: "Xen".into(), bios_version: "4.11.amazon".into(), ..Firmware::default() };
        assert!(judge(&xen).unwrap().text.contains("AWS"));
        // Hyper-V anywhere has the same vendor.
        assert_eq!(judge(&vendor("Microsoft Corporation")), None);
        assert_eq!(judge(&vendor("Dell Inc.")), None);
        let stack = Firmware { product_name: "OpenStack Nova".into(), ..Firmware::default() };
        assert_eq!(judge(&stack).unwrap().id, "cloud-port-security");
    }
}
