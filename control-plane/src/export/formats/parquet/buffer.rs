//! The values of a column, until their row group is written.

use super::columns::{Column, ColumnKind, Value};
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, FixedLenByteArray, FixedLenByteArrayType, Int64Type,
};
use parquet::errors::ParquetError;
use parquet::file::writer::SerializedColumnWriter;

/// Values, and for each row whether it has one.
#[derive(Debug)]
pub(super) struct Buffer {
    values: Values,
    /// 1 for a row that has a value, 0 for null; empty in a column where each must have one.
    levels: Vec<i16>,
    required: bool,
}

#[derive(Debug)]
enum Values {
    Text(Vec<ByteArray>),
    Int(Vec<i64>),
    Bool(Vec<bool>),
    Hash(Vec<FixedLenByteArray>),
}

impl Buffer {
    pub(super) fn new(column: &Column) -> Self {
        let values = match column.kind {
            ColumnKind::Text | ColumnKind::Json => Values::Text(Vec::new()),
            ColumnKind::Int | ColumnKind::Time => Values::Int(Vec::new()),
            ColumnKind::Bool => Values::Bool(Vec::new()),
            ColumnKind::Hash => Values::Hash(Vec::new()),
        };
        Buffer { values, levels: Vec::new(), required: column.required }
    }

    /// Adds a value; gives how much it weighs. One of another kind than the column's cannot be, and would be null.
    pub(super) fn push(&mut self, value: Option<Value<'_>>) -> usize {
        let weight = match (&mut self.values, value) {
            (Values::Text(values), Some(Value::Text(text))) => {
                values.push(text.as_bytes().to_vec().into());
                Some(text.len() + size_of::<ByteArray>())
            }
            (Values::Int(values), Some(Value::Int(number))) => {
                values.push(i64::try_from(number).unwrap_or(i64::MAX));
                Some(8)
            }
            (Values::Bool(values), Some(Value::Bool(is))) => {
                values.push(is);
                Some(1)
            }
            (Values::Hash(values), Some(Value::Hash(hash))) => {
                values.push(hash.to_vec().into());
                Some(hash.len() + size_of::<ByteArray>())
            }
            _ => None,
        };
        if !self.required {
            self.levels.push(i16::from(weight.is_some()));
        }
        weight.unwrap_or(0) + size_of::<i16>()
    }

    /// Writes what is there, and forgets it.
    pub(super) fn write(&mut self, column: &mut SerializedColumnWriter<'_>) -> Result<(), ParquetError> {
        let levels = std::mem::take(&mut self.levels);
        let levels = Some(levels.as_slice()).filter(|_| !self.required);
        match &mut self.values {
            Values::Text(values) => write::<ByteArrayType>(column, values, levels),
            Values::Int(values) => write::<Int64Type>(column, values, levels),
            Values::Bool(values) => write::<BoolType>(column, values, levels),
            Values::Hash(values) => write::<FixedLenByteArrayType>(column, values, levels),
        }
    }
}

fn write<T: DataType>(
    column: &mut SerializedColumnWriter<'_>,
    values: &mut Vec<T::T>,
    levels: Option<&[i16]>,
) -> Result<(), ParquetError> {
    column.typed::<T>().write_batch(values, levels, None)?;
    values.clear();
    Ok(())
}
