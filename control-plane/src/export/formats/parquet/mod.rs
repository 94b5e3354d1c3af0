//! Parquet: one row a record, a flat schema, zstd. What a kind of record does not say is null; the whole record is in the column
//! `record` as JSON. Columns are only ever added, at the end; one that changes its meaning makes a new version of the schema.

mod buffer;
mod columns;

pub use columns::{Column, columns};

use super::{FormatError, parse};
use crate::storage::Logged;
use buffer::Buffer;
use columns::Row;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{ColumnPath, Type};
use std::io::Write;
use std::sync::Arc;

/// The version of the schema, in the file's metadata as `portcullis.schema`.
pub const VERSION: u16 = 1;
/// A row group has at most so many rows …
const GROUP_ROWS: usize = 64 * 1024;
/// … and is written once its values weigh this much, in bytes: that bounds the memory.
const GROUP_BYTES: usize = 32 * 1024 * 1024;

/// Writes a file.
pub struct ParquetWriter<W: Write + Send> {
    file: SerializedFileWriter<W>,
    columns: &'static [Column],
    buffers: Vec<Buffer>,
    rows: usize,
    bytes: usize,
}

impl<W: Write + Send> std::fmt::Debug for ParquetWriter<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParquetWriter").field("rows", &self.rows).finish_non_exhaustive()
    }
}

/// A file that could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ParquetWriteError {
    /// The record.
    #[error(transparent)]
    Record(#[from] FormatError),
    /// The file.
    #[error("cannot write Parquet: {0}")]
    File(#[from] ParquetError),
}

impl<W: Write + Send> ParquetWriter<W> {
    /// Begins a file of records of that log.
    ///
    /// # Errors
    /// [`ParquetWriteError::File`].
    pub fn new(out: W, origin: &str) -> Result<Self, ParquetWriteError> {
        let columns = columns();
        let metadata = [
            ("portcullis.schema", VERSION.to_string()),
            ("portcullis.origin", origin.to_owned()),
            ("portcullis.record", portcullis_audit::SCHEMA.to_string()),
        ];
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_created_by(format!("portcullis {}", env!("CARGO_PKG_VERSION")))
            .set_key_value_metadata(Some(
                metadata.map(|(key, value)| KeyValue::new(key.to_owned(), value)).into(),
            ))
            // Values of their own each: a dictionary only costs.
            .set_column_dictionary_enabled(ColumnPath::from("record"), false)
            .set_column_dictionary_enabled(ColumnPath::from("leaf"), false)
            .set_column_dictionary_enabled(ColumnPath::from("record_sha256"), false)
            .set_column_statistics_enabled(ColumnPath::from("record"), EnabledStatistics::None);
        let file = SerializedFileWriter::new(out, schema(columns)?, Arc::new(properties.build()))?;
        let buffers = columns.iter().map(Buffer::new).collect();
        Ok(ParquetWriter { file, columns, buffers, rows: 0, bytes: 0 })
    }

    /// Adds a record.
    ///
    /// # Errors
    /// [`ParquetWriteError`]; the file is worth nothing then.
    pub fn push(&mut self, logged: &Logged) -> Result<(), ParquetWriteError> {
        let parsed = parse(logged)?;
        let row = Row::new(logged, &parsed);
        for (column, buffer) in self.columns.iter().zip(&mut self.buffers) {
            self.bytes += buffer.push((column.value)(&row));
        }
        self.rows += 1;
        if self.rows >= GROUP_ROWS || self.bytes >= GROUP_BYTES { self.write_group() } else { Ok(()) }
    }

    /// Ends the file, and gives back what it was written to.
    ///
    /// # Errors
    /// [`ParquetWriteError::File`].
    pub fn finish(mut self) -> Result<W, ParquetWriteError> {
        self.write_group()?;
        Ok(self.file.into_inner()?)
    }

    fn write_group(&mut self) -> Result<(), ParquetWriteError> {
        if self.rows == 0 {
            return Ok(());
        }
        let mut group = self.file.next_row_group()?;
        for buffer in &mut self.buffers {
            let Some(mut column) = group.next_column()? else { break };
            buffer.write(&mut column)?;
            column.close()?;
        }
        group.close()?;
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }
}

fn schema(columns: &[Column]) -> Result<Arc<Type>, ParquetError> {
    let fields =
        columns.iter().map(|column| column.parquet_type().map(Arc::new)).collect::<Result<Vec<_>, _>>()?;
    Ok(Arc::new(Type::group_type_builder("record").with_fields(fields).build()?))
}
