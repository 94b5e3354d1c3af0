/// The account that an access key id carries: a hint, for nothing at the gate can check it.
///
/// The 16 characters after the prefix are base32; the account is bits 1 to 40 of it (published by A. Beery, 2023:
/// `ASIAY34FZKBOKMUTVV7A` is of account 609629065308). Keys made before 2019 carry none; theirs start below `Q`.
#[must_use]
pub fn account_hint(access_key_id: &str) -> Option<String> {
    let rest = ["AKIA", "ASIA", "ABIA", "ACCA"].iter().find_map(|p| access_key_id.strip_prefix(p))?;
    if rest.len() != 16 {
        return None;
    }
    let bytes = data_encoding::BASE32.decode(rest.as_bytes()).ok()?;
    let number = bytes.iter().take(6).fold(0_u64, |number, &byte| number << 8 | u64::from(byte));
    let recent = number >> 47 == 1;
    recent.then(|| format!("{:012}", (number & 0x7fff_ffff_ff80) >> 7))
}
