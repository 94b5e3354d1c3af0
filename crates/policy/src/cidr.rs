//! Networks in CIDR notation (RFC 4632, RFC 4291).

use std::net::{IpAddr, Ipv6Addr};

/// One network; an address alone is the network of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Network {
    address: u128,
    mask: u128,
    v4: bool,
}

impl Network {
    /// # Errors
    /// Says what is wrong, for people.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` is not a network, such as `10.0.0.0/8` or `2001:db8::/32`");
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| bad())?;
        let (bits, v4) = (u8::from(address.is_ipv4()) * 96, address.is_ipv4());
        let length = match length {
            None => 128,
            Some(length) => {
                let plain = length.bytes().all(|byte| byte.is_ascii_digit()) && length.len() <= 3;
                let length: u8 = length.parse().ok().filter(|_| plain).ok_or_else(bad)?;
                length.checked_add(bits).filter(|length| *length <= 128).ok_or_else(bad)?
            }
        };
        let mask = if length == 0 { 0 } else { u128::MAX << (128 - u32::from(length)) };
        let value = number(address);
        if value & !mask != 0 {
            let network = Ipv6Addr::from(value & mask);
            let network =
                if v4 { network.to_ipv4_mapped().map(IpAddr::V4) } else { Some(IpAddr::V6(network)) };
            let shown =
                network.map_or_else(String::new, |network| format!(", write `{network}/{}`", length - bits));
            return Err(format!("`{text}` has bits set behind its prefix{shown}"));
        }
        // IPv4 in IPv6's clothes (`::ffff:0:0/96` and narrower) is IPv4, as the addresses are.
        let v4 = v4 || (length >= 96 && Ipv6Addr::from(value).to_ipv4_mapped().is_some());
        Ok(Self { address: value, mask, v4 })
    }

    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.v4 == address.is_ipv4() && number(address) & self.mask == self.address
    }
}

/// IPv4 as IPv6 maps it.
fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// An address; brackets around IPv6 do not matter.
pub(crate) fn address(text: &str) -> Option<IpAddr> {
    text.trim().trim_start_matches('[').trim_end_matches(']').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{Network, address};

    #[test]
    fn networks() {
        let cases = [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("0.0.0.0/0", "1.2.3.4", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "1.2.3.4", false),
            ("::/0", "::1", true),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.8", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "[2001:db9::1]", false),
            ("2001:db8::1", "2001:db8::1", true),
            ("::ffff:10.0.0.0/104", "10.1.2.3", true),
        ];
        for (network, text, contains) in cases {
            let network = Network::parse(network).unwrap();
            assert_eq!(network.contains(address(text).unwrap()), contains, "{network:?} {text}");
        }
        for bad in [
            "",
            "10.0.0.0/33",
            "10.0.0/8",
            "10.0.0.1/8",
            "::1/129",
            "a",
            "10.0.0.0/+8",
            "10.0.0.0/",
            "2001:db8::1/32",
        ] {
            println!("{}", Network::parse(bad).unwrap_err());
        }
    }
}
