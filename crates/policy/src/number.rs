//! Numbers, compared exactly: integers of any size and decimals as written. Only what came as a binary floating-point
//! number is compared as one.

use std::cmp::Ordering;

/// A number as a rule or a text writes it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Number {
    exact: Exact,
    approx: f64,
}

#[derive(Debug, Clone, PartialEq)]
enum Exact {
    Integer(i128),
    Decimal(Decimal),
}

/// `0.DIGITS × 10^exponent`, without zeros at either end; zero has no digits.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Decimal {
    negative: bool,
    digits: Vec<u8>,
    exponent: i64,
}

/// A number of a call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Quantity {
    Integer(i128),
    Float(f64),
    Written(Number),
}

impl Quantity {
    pub(crate) fn of_json(number: &serde_json::Number) -> Option<Self> {
        if let Some(value) = number.as_i64() {
            Some(Self::Integer(value.into()))
        } else if let Some(value) = number.as_u64() {
            Some(Self::Integer(value.into()))
        } else {
            number.as_f64().map(Self::Float)
        }
    }

    /// Text that looks like a number: white space around it and `_` between its digits do not matter, `inf` and
    /// `infinity` are numbers too.
    pub(crate) fn of_text(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some(number) = Number::parse(text) {
            return Some(Self::Written(number));
        }
        let bare = text.trim_start_matches(['+', '-']);
        if text.len() <= bare.len() + 1
            && (bare.eq_ignore_ascii_case("inf") || bare.eq_ignore_ascii_case("infinity"))
        {
            let infinite = if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY };
            return Some(Self::Float(infinite));
        }
        let between_digits = |pair: &[u8]| match pair {
            [b'_', next] => next.is_ascii_digit(),
            [before, b'_'] => before.is_ascii_digit(),
            _ => true,
        };
        let grouped = text.contains('_')
            && !text.starts_with('_')
            && !text.ends_with('_')
            && text.as_bytes().windows(2).all(between_digits);
        grouped.then(|| Number::parse(&text.replace('_', "")).map(Self::Written))?
    }

    /// `None` for what is not a number (NaN).
    pub(crate) fn compare(&self, other: &Number) -> Option<Ordering> {
        match (self, &other.exact) {
            (Self::Integer(own), Exact::Integer(other)) => Some(own.cmp(other)),
            (Self::Integer(own), Exact::Decimal(other)) => Some(Decimal::of(*own).compare(other)),
            (Self::Float(own), _) => own.partial_cmp(&other.approx),
            (Self::Written(own), _) => Some(own.compare(other)),
        }
    }

    pub(crate) fn approx(&self) -> f64 {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "what floating point can say of it")]
            Self::Integer(own) => *own as f64,
            Self::Float(own) => *own,
            Self::Written(own) => own.approx,
        }
    }
}

impl Number {
    pub(crate) fn integer(value: i128) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "beside the exact value")]
        Self { exact: Exact::Integer(value), approx: value as f64 }
    }

    /// `-12`, `0.5`, `.5`, `1e6`; `None` for anything else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let decimal = Decimal::parse(text)?;
        let approx = text.parse().ok()?;
        let exact = decimal.to_integer().map_or(Exact::Decimal(decimal), Exact::Integer);
        Some(Self { exact, approx })
    }

    pub(crate) fn compare(&self, other: &Self) -> Ordering {
        match (&self.exact, &other.exact) {
            (Exact::Integer(own), Exact::Integer(other)) => own.cmp(other),
            (own, other) => own.decimal().compare(&other.decimal()),
        }
    }

    /// The value, when it is a whole number that fits.
    pub(crate) fn as_integer(&self) -> Option<i128> {
        if let Exact::Integer(value) = self.exact { Some(value) } else { None }
    }

    pub(crate) fn approx(&self) -> f64 {
        self.approx
    }
}

impl Exact {
    fn decimal(&self) -> Decimal {
        match self {
            Self::Integer(value) => Decimal::of(*value),
            Self::Decimal(decimal) => decimal.clone(),
        }
    }
}

impl Decimal {
    fn of(value: i128) -> Self {
        Self::parse(&value.to_string()).unwrap_or(Self { negative: false, digits: Vec::new(), exponent: 0 })
    }

    fn parse(text: &str) -> Option<Self> {
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, power) = match rest.split_once(['e', 'E']) {
            Some((mantissa, power)) => (mantissa, exponent(power)?),
            None => (rest, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = whole.bytes().chain(fraction.bytes());
        if whole.len() + fraction.len() == 0 || !digits.clone().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let leading = digits.clone().take_while(|byte| *byte == b'0').count();
        let mut digits: Vec<u8> = digits.skip(leading).collect();
        while digits.last() == Some(&b'0') {
            digits.pop();
        }
        let size = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let exponent =
            if digits.is_empty() { 0 } else { i64::from(power) + size(whole.len()) - size(leading) };
        Some(Self { negative: negative && !digits.is_empty(), digits, exponent })
    }

    fn to_integer(&self) -> Option<i128> {
        let places = usize::try_from(self.exponent).ok()?;
        if self.digits.is_empty() {
            return Some(0);
        }
        if places < self.digits.len() || places > 38 {
            return None;
        }
        let mut value = 0_i128;
        for place in 0..places {
            let digit = i128::from(self.digits.get(place).map_or(0, |byte| byte - b'0'));
            value = value.checked_mul(10)?.checked_add(digit)?;
        }
        Some(if self.negative { -value } else { value })
    }

    fn compare(&self, other: &Self) -> Ordering {
        let sign = |decimal: &Self| match (decimal.digits.is_empty(), decimal.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        };
        let size = self.exponent.cmp(&other.exponent).then_with(|| self.digits.cmp(&other.digits));
        sign(self).cmp(&sign(other)).then(match sign(self) {
            0 => Ordering::Equal,
            -1 => size.reverse(),
            _ => size,
        })
    }
}

/// A power of ten. One that fits no integer is as far away as it can be told: `1e99999999999` is a number, and large.
fn exponent(text: &str) -> Option<i32> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let farthest = if text.starts_with('-') { i32::MIN } else { i32::MAX };
    Some(text.parse().unwrap_or(farthest))
}

/// How two numbers are to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

impl Comparison {
    pub(crate) fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
        }
    }
}

#[cfg(test)]
mod tests;
