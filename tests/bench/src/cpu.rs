//! Processor time of other processes, from `/proc/PID/stat` (proc(5)).

/// Seconds of user and system time, by process; 0 for one that is not there.
pub(crate) fn of(processes: &[Option<u32>]) -> Vec<f64> {
    processes.iter().map(|id| id.and_then(seconds).unwrap_or_default()).collect()
}

fn seconds(id: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name, in parentheses, may hold spaces: fields are counted from its end. utime and stime are 14 and 15.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11).map_while(|field| field.parse::<f64>().ok());
    // Linux counts them in USER_HZ, 100 everywhere.
    Some((times.next()? + times.next()?) / 100.0)
}
