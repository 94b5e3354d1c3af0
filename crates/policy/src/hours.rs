//! Windows of the clock: `09:00` to `17:00` in a time zone, on some days of the week.

use jiff::Timestamp;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;

/// A window that comes back every day. One that ends before it starts runs over midnight and belongs to the day on which
/// it starts; one that starts when it ends is the whole day.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Window {
    /// Minutes of the day; the start is in the window, the end is not.
    pub(crate) start: u16,
    pub(crate) end: u16,
    pub(crate) zone: TimeZone,
    /// Sunday first; every day when the rule names none.
    pub(crate) days: [bool; 7],
}

impl Window {
    /// Whether a moment is in the window; `None` when it is on a day that the window does not have.
    pub(crate) fn contains(&self, moment: Timestamp) -> Option<bool> {
        let local = moment.to_zoned(self.zone.clone());
        let minute = u16::from(local.hour().unsigned_abs()) * 60 + u16::from(local.minute().unsigned_abs());
        let over_midnight = self.start > self.end;
        let mut day = local.weekday();
        if over_midnight && minute < self.end {
            day = day.previous();
        }
        if !self.days.get(sunday_first(day)).copied().unwrap_or(false) {
            return None;
        }
        Some(match self.start.cmp(&self.end) {
            std::cmp::Ordering::Equal => true,
            std::cmp::Ordering::Less => (self.start..self.end).contains(&minute),
            std::cmp::Ordering::Greater => minute >= self.start || minute < self.end,
        })
    }
}

pub(crate) fn sunday_first(day: Weekday) -> usize {
    usize::from(day.to_sunday_zero_offset().unsigned_abs())
}

/// `sun` … `sat`.
pub(crate) const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// `HH:MM` to minutes of the day.
pub(crate) fn clock(text: &str) -> Option<u16> {
    let two = |digits: &str| -> Option<u16> {
        (digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| digits.parse().ok())?
    };
    let (hour, minute) = text.split_once(':')?;
    let (hour, minute) = (two(hour)?, two(minute)?);
    (hour < 24 && minute < 60).then_some(hour * 60 + minute)
}

/// A moment written as in ISO 8601: with an offset or `Z`; without one it is UTC; a date alone is its midnight.
pub(crate) fn moment(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(moment) = text.parse() {
        return Some(moment);
    }
    let civil: jiff::civil::DateTime = text.parse().ok()?;
    civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

/// A moment given as seconds since 1970.
pub(crate) fn moment_of_seconds(seconds: f64) -> Option<Timestamp> {
    let span = jiff::SignedDuration::try_from_secs_f64(seconds).ok()?;
    Timestamp::from_duration(span).ok()
}
