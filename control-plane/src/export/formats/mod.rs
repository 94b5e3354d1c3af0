//! What a record looks like to other programs: functions of a record of the log, and of the outcome beside it.

pub mod intoto;
pub mod jsonl;
pub mod ocsf;
pub mod parquet;
mod parsed;
#[cfg(test)]
pub(crate) mod tests;

pub use parsed::{FormatError, Parsed, parse};

/// The formats of an export.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum ExportFormat {
    /// Entry, index and record as one canonical JSON document a line: nothing is lost, and `audit verify` reads it
    #[default]
    Jsonl,
    /// Events of OCSF 1.7 (API Activity), one a line: for SIEMs and data lakes
    Ocsf,
    /// Columns, one row a record: for DuckDB, Spark, Athena, pandas
    Parquet,
    /// Statements of in-toto in signed DSSE envelopes, one a line: evidence of single records
    InToto,
}

impl ExportFormat {
    /// Every format, for tests and documentation.
    pub const ALL: [ExportFormat; 4] =
        [ExportFormat::Jsonl, ExportFormat::Ocsf, ExportFormat::Parquet, ExportFormat::InToto];

    /// The stable name, as on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            ExportFormat::Jsonl => "jsonl",
            ExportFormat::Ocsf => "ocsf",
            ExportFormat::Parquet => "parquet",
            ExportFormat::InToto => "in-toto",
        }
    }

    /// What the names of its files end with, before that of their compression.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            ExportFormat::Jsonl => "jsonl",
            ExportFormat::Ocsf => "ocsf.jsonl",
            ExportFormat::Parquet => "parquet",
            ExportFormat::InToto => "intoto.jsonl",
        }
    }
}
