//! Feeds the second sink from the log, by index: after any failure it goes on where the files end.

use super::second::Second;
use crate::storage::{Logged, Store};
use std::sync::Arc;
use std::time::Duration;

/// Records read at once.
const LIMIT: u32 = 1_024;
const BYTES: usize = 4 * 1024 * 1024;
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(200);

/// Never ends.
pub(super) async fn feed(store: Arc<dyn Store>, second: Arc<Second>) {
    loop {
        let Err(why) = follow(&store, &second).await;
        second.down(&why);
        tokio::time::sleep(PAUSE).await;
    }
}

async fn follow(store: &Arc<dyn Store>, second: &Second) -> Result<std::convert::Infallible, String> {
    let (mut next, last) = second.thread.open().await?;
    let mut head = store.head();
    if let Some(last) = last {
        same_log(store, next, &last).await?;
    }
    second.reached(next, false);
    loop {
        let size = head.borrow_and_update().size;
        if next < size {
            let records = store.log_records(next, LIMIT, BYTES).await.map_err(|error| error.to_string())?;
            let lines: String = records.iter().map(line).collect();
            let count = records.len() as u64;
            if count == 0 {
                return Err(format!("the log has {size} records, and gives none from {next} on"));
            }
            second.thread.append(next, lines).await?;
            next += count;
            second.reached(next, false);
        } else {
            second.reached(next, true);
            head.changed().await.map_err(|_| "the store is closed".to_owned())?;
        }
    }
}

/// What is in the files must be what is in the log: else one of the two is that of another store, or was rolled back.
async fn same_log(store: &Arc<dyn Store>, next: u64, last: &str) -> Result<(), String> {
    let at = next.saturating_sub(1);
    let found = store.log_records(at, 1, BYTES).await.map_err(|error| error.to_string())?;
    let entry = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line).ok()?;
        value.get("entry").cloned()
    };
    let same = found.first().is_some_and(|found| found.index == at && entry(&line(found)) == entry(last));
    if same {
        return Ok(());
    }
    Err(format!(
        "record {at} of its files is not record {at} of the log: the store was rolled back, or these are the files of \
         another one; keep them, and name another directory once it is known which"
    ))
}

/// The export line of a record.
fn line(record: &Logged) -> String {
    let Logged { index, entry, record } = record;
    let record = record.as_ref().map(|record| format!(",\"record\":{record}")).unwrap_or_default();
    format!("{{\"entry\":{},\"index\":{index}{record}}}\n", entry.to_json())
}
