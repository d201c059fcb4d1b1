//! Owns names of interfaces in rules: exact, or a prefix that ends in `+`.

use serde::{Deserialize, Serialize};

/// An interface, or all whose name begins so (`eth+`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Iface(pub String);

impl Iface {
    /// From name and mask of linux/netfilter_ipv4/ip_tables.h: the mask covers an exact name and its
    /// NUL, or only the letters of a prefix. Nothing if it matches every interface.
    pub(crate) fn from_masked(name: &[u8], mask: &[u8]) -> Option<Self> {
        let covered = mask.iter().take_while(|byte| **byte != 0).count();
        if covered == 0 {
            return None;
        }
        let letters: Vec<u8> = name.iter().take(covered).copied().filter(|b| *b != 0).collect();
        let exact = covered == name.len() || name.get(covered - 1) == Some(&0);
        let text = String::from_utf8_lossy(&letters);
        Some(Self(if exact { text.into_owned() } else { format!("{text}+") }))
    }

    /// Whether an interface of this name matches.
    pub fn covers(&self, name: &str) -> bool {
        match self.0.strip_suffix('+') {
            Some(prefix) => name.starts_with(prefix),
            None => name == self.0,
        }
    }
}

impl std::fmt::Display for Iface {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_tells_a_name_from_a_prefix() {
        let name = *b"eth0\0\0\0\0\0\0\0\0\0\0\0\0";
        let exact = Iface::from_masked(&name, b"\xff\xff\xff\xff\xff\0\0\0\0\0\0\0\0\0\0\0");
        assert_eq!(exact, Some(Iface("eth0".into())));
        let prefix = Iface::from_masked(&name, b"\xff\xff\xff\0\0\0\0\0\0\0\0\0\0\0\0\0");
        assert_eq!(prefix, Some(Iface("eth+".into())));
        assert_eq!(Iface::from_masked(&name, &[0; 16]), None);
        assert!(Iface("eth+".into()).covers("eth1") && !Iface("eth0".into()).covers("eth01"));
    }
}
